""""same" padding: how much there is, on which side, and that it never counts as part of the image."""

import math

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import built

from tinynet.layers import AveragePool2D, Conv2D, MaxPool2D

# image side, window, stride, dilation -> rows before, rows after; worked out by hand from ceil(size / stride)
SIDES = [
    (5, 3, 1, 1, 1, 1),
    (5, 2, 1, 1, 0, 1),
    (5, 4, 1, 1, 1, 2),
    (6, 3, 2, 1, 0, 1),
    (5, 3, 2, 1, 1, 1),
    (7, 2, 3, 1, 0, 1),
    (6, 2, 2, 1, 0, 0),
    (9, 1, 4, 1, 0, 0),
    (5, 3, 1, 2, 2, 2),
    (5, 2, 1, 3, 1, 2),
    (8, 5, 3, 1, 1, 2),
]


def convolution_of_ones(kernel_size, **arguments):
    layer = Conv2D(1, kernel_size, padding="same", use_bias=False, **arguments)
    layer.build((1, 20, 20), np.random.default_rng(0))
    layer.params["kernel"] = np.ones((1, 1, *kernel_size))
    return layer


@pytest.mark.parametrize(("side", "window", "stride", "dilation", "before", "after"), SIDES)
@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_padding_is_split_evenly_with_the_odd_one_after(axis, side, window, stride, dilation, before, after, rng):
    pixels = rng.normal(size=side)
    weights = rng.normal(size=window)
    padded = np.concatenate([np.zeros(before), pixels, np.zeros(after)])
    expected = [sum(weights[i] * padded[p + i * dilation] for i in range(window))
                for p in range(0, len(padded) - dilation * (window - 1), stride)]
    assert len(expected) == math.ceil(side / stride)
    layer = Conv2D(1, (window, 1), strides=(stride, 1), dilation_rate=(dilation, 1), padding="same")
    x, kernel = pixels.reshape(1, 1, side, 1), weights.reshape(1, 1, window, 1)
    if axis == "columns":
        layer = Conv2D(1, (1, window), strides=(1, stride), dilation_rate=(1, dilation), padding="same")
        x, kernel = x.reshape(1, 1, 1, side), kernel.reshape(1, 1, 1, window)
    layer.build(x.shape[1:], rng)
    layer.params["kernel"] = kernel
    np.testing.assert_allclose(layer(x).ravel(), expected, rtol=1e-12, atol=1e-12)


def test_an_even_window_reaches_out_at_the_bottom_and_the_right():
    y = convolution_of_ones((2, 2))(np.ones((1, 1, 3, 3)))
    assert y[0, 0].tolist() == [[4, 4, 2], [4, 4, 2], [2, 2, 1]]


def test_padding_of_columns_comes_from_the_width():
    y = convolution_of_ones((1, 3))(np.ones((1, 1, 6, 2)))
    assert y.shape == (1, 1, 6, 2)
    assert (y == 2).all()
    y = convolution_of_ones((2, 5), strides=(2, 2))(np.ones((1, 1, 4, 9)))
    assert y[0, 0].tolist() == [[6, 10, 10, 10, 6]] * 2


@given(image=st.tuples(*[st.integers(1, 9)] * 2), window=st.tuples(*[st.integers(1, 4)] * 2),
       strides=st.tuples(*[st.integers(1, 4)] * 2), dilation=st.tuples(*[st.integers(1, 3)] * 2))
def test_outputs_are_the_size_over_the_stride_rounded_up(image, window, strides, dilation):
    wanted = tuple(math.ceil(n / s) for n, s in zip(image, strides, strict=True))
    layer = Conv2D(1, window, strides, "same", dilation_rate=dilation)
    assert layer.build((1, *image), np.random.default_rng(0)) == (1, *wanted)
    x = np.random.default_rng(1).normal(size=(2, 1, *image))
    assert layer(x).shape == (2, 1, *wanted)
    for pool in MaxPool2D, AveragePool2D:
        y, backward = pool(window, strides, "same").forward(x)
        assert y.shape == (2, 1, *wanted)
        assert backward(y).shape == x.shape


def test_same_of_stride_one_is_scipys_same(rng):
    layer = built(Conv2D(2, (3, 5), padding="same", use_bias=False), (2, 6, 7))
    x = rng.normal(size=(2, 2, 6, 7))
    around = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    expected = oracles.conv2d(around, layer.params["kernel"])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-11, atol=1e-12)


def test_max_pooling_pads_with_minus_infinity_not_with_zero():
    x = np.full((1, 1, 3, 3), -5.0)
    y, backward = MaxPool2D(2, padding="same").forward(x)
    assert (y == -5).all()
    dx = backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert dx[0, 0].tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 4]]


def test_max_pooling_sends_no_gradient_into_the_padding(rng):
    x = -1 - rng.random(size=(2, 3, 5, 5))
    y, backward = MaxPool2D(3, strides=2, padding="same").forward(x)
    dy = 1 + rng.random(size=y.shape)
    assert backward(dy).sum() == pytest.approx(dy.sum())



def test_average_pooling_does_not_count_what_lies_outside():
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    y, backward = AveragePool2D(2, padding="same").forward(x)
    assert y[0, 0].tolist() == [[3, 4.5], [7.5, 9]]
    dx = backward(np.array([[[[4.0, 6.0], [8.0, 5.0]]]]))
    assert dx[0, 0].tolist() == [[1, 1, 3], [1, 1, 3], [4, 4, 5]]


def test_the_average_of_a_constant_image_is_the_constant():
    y = AveragePool2D((3, 2), strides=1, padding="same")(np.full((2, 1, 4, 5), 7.0))
    np.testing.assert_allclose(y, 7, rtol=1e-14)


@pytest.mark.parametrize("pool", [MaxPool2D, AveragePool2D])
def test_valid_pooling_leaves_the_remainder_out(pool, rng):
    x = rng.normal(size=(1, 1, 5, 7))
    np.testing.assert_array_equal(pool(2)(x), pool(2)(x[:, :, :4, :6]))


def test_padding_is_read_in_upper_case_too():
    assert Conv2D(1, 3, padding="SAME").get_config()["padding"] == "same"
