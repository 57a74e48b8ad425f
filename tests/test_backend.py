"""What Keras scripts ask of the backend: images are channels first, and only that."""

import pytest

from tinynet import backend
from tinynet.layers import Conv2D, Flatten, GlobalAveragePooling2D, MaxPooling2D


def test_images_are_channels_first():
    assert backend.image_data_format() == "channels_first"
    assert backend.image_dim_ordering() == "th"


def test_channels_first_can_be_asked_for():
    backend.set_image_dim_ordering("th")
    backend.set_image_data_format("channels_first")


def test_channels_first_can_be_asked_for_in_a_layer_and_is_what_it_does_anyway():
    layers = [Conv2D(2, 3, data_format="channels_first"), MaxPooling2D(data_format="channels_first"),
              GlobalAveragePooling2D(data_format="channels_first"), Flatten(data_format=None)]
    assert [layer.get_config() for layer in layers] == [
        layer.get_config() for layer in (Conv2D(2, 3), MaxPooling2D(), GlobalAveragePooling2D(), Flatten())]


@pytest.mark.parametrize("setting", ["tf", "TH", None])
def test_other_orders_are_refused(setting):
    with pytest.raises(ValueError, match=r"channels first here, \(N, C, H, W\)\. Expected 'th'\. Received:"):
        backend.set_image_dim_ordering(setting)


def test_channels_last_is_refused():
    with pytest.raises(ValueError, match=r"Expected 'channels_first'\. Received: 'channels_last'"):
        backend.set_image_data_format("channels_last")


def test_numbers_that_scripts_ask_for():
    assert backend.floatx() == "float32"
    assert backend.epsilon() == 1e-7
