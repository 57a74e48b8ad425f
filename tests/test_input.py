"""Input: tells a model the shape of one sample, and is no layer of it."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten, Input


def test_weights_exist_as_soon_as_input_says_the_shape():
    model = Sequential([Input((1, 6, 6)), Conv2D(2, 3), Flatten(), Dense(4)])
    assert model.input_shape == (1, 6, 6)
    assert model.output_shape == (4,)
    assert model.count_params() == 20 + 132


def test_input_is_not_counted_among_the_layers():
    model = Sequential([Input((3,)), Dense(4)])
    assert model.layer_names == ["dense_1"]
    assert len(model.layers) == 1
    assert "input" not in "".join(model.params)


def test_input_and_input_shape_make_the_same_model():
    one = Sequential([Input((3,)), Dense(4)], seed=1)
    two = Sequential([Dense(4, input_shape=(3,))], seed=1)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shape_is_given_by_place_or_by_name():
    assert Input((2, 3)).input_shape == Input(shape=(2, 3)).input_shape == (2, 3)


def test_input_needs_a_shape():
    with pytest.raises(ValueError, match="Input: expected the shape of one sample"):
        Input()


@pytest.mark.parametrize("make", [
    lambda: Sequential([Input((3,)), Input((4,)), Dense(2)]),
    lambda: Sequential([Input((4,)), Dense(2)], input_shape=(3,)),
], ids=["two Inputs", "an Input beside the model's own"])
def test_a_second_input_shape_is_refused(make):
    with pytest.raises(ValueError, match=r"Sequential: expected one input shape\. Received: \(3,\) and \(4,\)"):
        make()


def test_input_hands_its_argument_on():
    x = np.array([[1.0, 2.0]])
    y, backward = Input((2,)).forward(x)
    assert y is x
    assert backward(x) is x
