"""Conv2D: cross-correlation with learned kernels, its geometry and its gradients."""

import numpy as np
import oracles
import pytest
from oracles import assert_gradients_right, built

from tinynet.layers import Conv2D

pytestmark = pytest.mark.usefixtures("small_chunks")

GEOMETRIES = {
    "plain": (Conv2D(2, 3), (2, 5, 4)),
    "window not square": (Conv2D(2, (2, 3)), (2, 4, 6)),
    "one filter, one channel": (Conv2D(1, 2), (1, 3, 4)),
    "stride": (Conv2D(2, 3, strides=2), (2, 7, 7)),
    "remainder": (Conv2D(2, 2, strides=(2, 3)), (2, 5, 7)),
    "strides differ": (Conv2D(2, (3, 2), strides=(1, 2)), (1, 5, 6)),
    "stride above the window": (Conv2D(2, 1, strides=3), (2, 5, 4)),
    "dilation": (Conv2D(2, 2, dilation_rate=(2, 3)), (2, 4, 6)),
    "dilation and stride": (Conv2D(2, 2, strides=2, dilation_rate=2), (2, 7, 6)),
    "groups": (Conv2D(4, (2, 3), groups=2), (6, 3, 4)),
    "as many groups as channels": (Conv2D(3, 2, strides=2, padding="same", groups=3), (3, 3, 4)),
    "same": (Conv2D(2, 3, padding="same"), (2, 4, 5)),
    "same, even window": (Conv2D(2, (2, 4), padding="same"), (2, 5, 4)),
    "same, stride": (Conv2D(2, (3, 4), strides=(2, 3), padding="same"), (2, 5, 8)),
    "same, dilation": (Conv2D(2, (2, 3), dilation_rate=2, padding="same"), (2, 5, 4)),
}


def each(cases):
    return pytest.mark.parametrize(("layer", "shape"), cases.values(), ids=cases.keys())


def by_hand():
    layer = Conv2D(1, 2)
    layer.build((1, 3, 3), np.random.default_rng(0))
    layer.params = {"kernel": np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]), "bias": np.array([0.5])}
    return layer, np.arange(1.0, 10.0).reshape(1, 1, 3, 3)


def test_output_by_hand_does_not_flip_the_kernel():
    layer, x = by_hand()
    assert layer(x).tolist() == [[[[5421.5, 6532.5], [8754.5, 9865.5]]]]


def test_gradients_by_hand():
    layer, x = by_hand()
    _, backward = layer.forward(x)
    dx = backward(np.array([[[[2.0, 3.0], [5.0, 7.0]]]]))
    assert dx.tolist() == [[[[2, 23, 30], [205, 2357, 3070], [500, 5700, 7000]]]]
    # 2*1 + 3*2 + 5*4 + 7*5, and so on
    assert layer.grads["kernel"].tolist() == [[[[63, 80], [114, 131]]]]
    assert layer.grads["bias"].tolist() == [17]


def test_channels_are_added_and_filters_kept_apart():
    layer = Conv2D(2, 1, use_bias=False)
    layer.build((3, 1, 1), np.random.default_rng(0))
    layer.params["kernel"] = np.array([[1.0, 10.0, 100.0], [2.0, 0.0, -1.0]]).reshape(2, 3, 1, 1)
    assert layer(np.array([[[[1.0]], [[2.0]], [[3.0]]]])).ravel().tolist() == [321, -1]


def test_bias_gradient_sums_over_batch_and_space(rng):
    layer = built(Conv2D(3, 2), (2, 4, 5))
    y, backward = layer.forward(rng.normal(size=(4, 2, 4, 5)))
    dy = rng.normal(size=y.shape)
    backward(dy)
    np.testing.assert_allclose(layer.grads["bias"], [dy[:, f].sum() for f in range(3)], rtol=1e-12)


@each(GEOMETRIES)
def test_gradients_are_slopes(layer, shape, rng):
    assert_gradients_right(built(layer, shape), rng.normal(size=(2, *shape)))


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no bias"])
def test_gradients_are_slopes_through_the_activation(activation, use_bias, rng):
    layer = built(Conv2D(2, 2, activation=activation, use_bias=use_bias), (2, 4, 3))
    assert_gradients_right(layer, rng.normal(size=(3, 2, 4, 3)))


@each({key: GEOMETRIES[key] for key in ("plain", "remainder", "dilation and stride", "groups", "same, stride")})
@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(layer, shape, rng):
    assert_gradients_right(built(layer, shape), rng.normal(size=(1, *shape)))


@each(GEOMETRIES)
def test_build_promises_the_shape_that_comes(layer, shape, rng):
    promised = layer.build(shape, rng)
    assert layer(rng.normal(size=(3, *shape))).shape == (3, *promised)


def test_pixels_that_no_window_reaches_have_no_gradient(rng):
    layer = built(Conv2D(2, 2, strides=2), (1, 5, 7))
    y, backward = layer.forward(rng.normal(size=(1, 1, 5, 7)))
    assert y.shape == (1, 2, 2, 3)
    dx = backward(rng.normal(size=y.shape))
    assert dx.shape == (1, 1, 5, 7)
    assert not dx[:, :, 4:].any()
    assert not dx[..., 6:].any()
    assert dx[:, :, :4, :6].all()


def test_output_with_bias_is_scipys_correlation(rng):
    layer = built(Conv2D(4, (3, 2), strides=(2, 1), dilation_rate=(1, 2)), (3, 8, 7))
    x = rng.normal(size=(2, 3, 8, 7))
    expected = oracles.conv2d(x, layer.params["kernel"], (2, 1), (1, 2)) + layer.params["bias"][:, None, None]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-11, atol=1e-12)


def test_the_filters_of_a_group_see_its_channels_alone():
    layer = Conv2D(4, 1, groups=2, use_bias=False)
    assert layer.build((4, 1, 1), np.random.default_rng(0)) == (4, 1, 1)
    layer.params["kernel"] = np.array([[1.0, 10.0], [2.0, 0.0], [1.0, -1.0], [0.5, 0.0]]).reshape(4, 2, 1, 1)
    y, backward = layer.forward(np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1))
    assert y.ravel().tolist() == [21, 2, -1, 1.5]
    dx = backward(np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1))
    assert dx.ravel().tolist() == [1 + 20, 10, 100 + 500, -100]
    assert layer.grads["kernel"].reshape(4, 2).tolist() == [[1, 2], [10, 20], [300, 400], [3000, 4000]]


def test_groups_are_scipys_correlations_side_by_side(rng):
    layer = built(Conv2D(6, (3, 2), strides=(2, 1), groups=3, use_bias=False), (6, 8, 7))
    x, kernel = rng.normal(size=(2, 6, 8, 7)), layer.params["kernel"]
    assert kernel.shape == (6, 2, 3, 2)
    parts = [oracles.conv2d(x[:, g:g + 2], kernel[g:g + 2], (2, 1)) for g in (0, 2, 4)]
    np.testing.assert_allclose(layer(x), np.concatenate(parts, axis=1), rtol=1e-11, atol=1e-12)


def test_a_kernel_is_shaped_filters_channels_rows_columns(rng):
    layer = Conv2D(30, (5, 3))
    assert layer.build((2, 28, 28), rng) == (30, 24, 26)
    assert layer.params["kernel"].shape == (30, 2, 5, 3)
    assert layer.params["bias"].shape == (30,)


def test_glorot_limit_counts_the_window_in_both_fans(rng):
    layer = Conv2D(32, 5)
    layer.build((3, 9, 9), rng)
    limit = np.sqrt(6 / (25 * 3 + 25 * 32))
    assert 0.98 * limit < abs(layer.params["kernel"]).max() <= limit


def test_one_number_is_meant_for_rows_and_columns():
    one = Conv2D(2, 3, strides=2, dilation_rate=1)
    two = Conv2D(2, (3, 3), strides=(2, 2), dilation_rate=(1, 1))
    assert one.get_config() == two.get_config()


def test_an_image_larger_than_the_one_built_for_is_convolved_too(rng):
    layer = built(Conv2D(2, 3), (1, 5, 5))
    assert layer(rng.normal(size=(1, 1, 8, 9))).shape == (1, 2, 6, 7)
