"""What Keras scripts ask of the backend: images are channels first, and only that."""

import pytest

from tinynet import backend


def test_images_are_channels_first():
    assert backend.image_data_format() == "channels_first"
    assert backend.image_dim_ordering() == "th"


def test_channels_first_can_be_asked_for():
    backend.set_image_dim_ordering("th")
    backend.set_image_data_format("channels_first")


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
