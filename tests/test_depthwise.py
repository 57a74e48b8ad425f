"""DepthwiseConv2D and SeparableConv2D: the sum over the window and the sum over the channels, apart."""

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential, study
from tinynet.layers import Conv2D, DepthwiseConv2D, SeparableConv2D

GEOMETRIES = {
    "plain": {"kernel_size": (2, 3)},
    "strides": {"kernel_size": 2, "strides": (2, 3), "use_bias": False},
    "same": {"kernel_size": (4, 3), "strides": (1, 2), "padding": "same"},
    "dilation": {"kernel_size": 2, "dilation_rate": (2, 3), "activation": "tanh"},
    "multiplier": {"kernel_size": (2, 1), "depth_multiplier": 3},
}


def each(cases):
    return pytest.mark.parametrize("arguments", cases.values(), ids=cases.keys())


def test_depthwise_by_hand():
    layer = DepthwiseConv2D((1, 2), depth_multiplier=2)
    assert layer.build((2, 1, 3), np.random.default_rng(0)) == (4, 1, 2)
    layer.params = {"kernel": np.array([[[[1.0, 10.0]], [[2.0, 20.0]]], [[[0.0, 1.0]], [[1.0, -1.0]]]]),
                    "bias": np.array([0.5, 0, 0, 100])}
    y, backward = layer.forward(np.array([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]]))
    assert y[0, :, 0].tolist() == [[21.5, 32.5], [2, 3], [108, 130], [99, 99]]
    dx = backward(np.array([1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 5.0, 6.0]).reshape(1, 4, 1, 2))
    assert dx[0, :, 0].tolist() == [[1, 22, 40], [11, 69, 74]]
    assert layer.grads["kernel"][:, :, 0].tolist() == [[[5, 8], [32, 39]], [[50, 80], [50, 61]]]
    assert layer.grads["bias"].tolist() == [3, 30, 7, 11]


@pytest.mark.usefixtures("every_kernel_set")
def test_depthwise_is_a_convolution_with_a_group_for_each_channel(rng):
    one = built(DepthwiseConv2D((3, 2), (1, 2), "same", 2), (3, 5, 6))
    other = built(Conv2D(6, (3, 2), (1, 2), "same", groups=3), (3, 5, 6))
    other.params = {"kernel": one.params["kernel"].swapaxes(0, 1).reshape(6, 1, 3, 2), "bias": one.params["bias"]}
    x = rng.normal(size=(2, 3, 5, 6))
    (y, backward), (same_y, same_backward) = one.forward(x), other.forward(x)
    np.testing.assert_allclose(y, same_y, rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    np.testing.assert_allclose(backward(dy), same_backward(dy), rtol=1e-12, atol=1e-12)
    found = one.grads["kernel"].swapaxes(0, 1).reshape(6, 1, 3, 2)
    np.testing.assert_allclose(found, other.grads["kernel"], rtol=1e-11, atol=1e-12)


def test_separable_is_a_depthwise_convolution_and_a_pointwise_one(rng):
    layer = built(SeparableConv2D(4, (3, 2), (2, 1), depth_multiplier=2), (3, 7, 6))
    depthwise, pointwise = built(DepthwiseConv2D((3, 2), (2, 1), depth_multiplier=2, use_bias=False), (3, 7, 6)), built(
        Conv2D(4, 1), (6, 3, 5))
    depthwise.params["kernel"], pointwise.params["kernel"], pointwise.params["bias"] = layer.params.values()
    x = rng.normal(size=(2, 3, 7, 6))
    y, backward = layer.forward(x)
    h, depthwise_backward = depthwise.forward(x)
    z, pointwise_backward = pointwise.forward(h)
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    np.testing.assert_allclose(backward(dy), depthwise_backward(pointwise_backward(dy)), rtol=1e-12, atol=1e-12)
    assert list(layer.grads) == ["pointwise_kernel", "bias", "depthwise_kernel"]
    for key, grad in (("depthwise_kernel", depthwise.grads["kernel"]), ("pointwise_kernel", pointwise.grads["kernel"])):
        np.testing.assert_allclose(layer.grads[key], grad, rtol=1e-11, atol=1e-12)


@each(GEOMETRIES)
@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(arguments, rng):
    assert_gradients_right(built(DepthwiseConv2D(**arguments), (2, 3, 4)), rng.normal(size=(1, 2, 3, 4)))
    assert_gradients_right(built(SeparableConv2D(2, **arguments), (2, 3, 4)), rng.normal(size=(1, 2, 3, 4)))


@each(GEOMETRIES)
def test_build_promises_the_shape_that_comes(arguments, rng):
    for layer in DepthwiseConv2D(**arguments), SeparableConv2D(5, **arguments):
        promised = layer.build((2, 4, 6), rng)
        assert layer(rng.normal(size=(3, 2, 4, 6))).shape == (3, *promised)


def test_weights_have_kerass_names_and_order_and_its_axes_in_our_order(rng):
    one, other = DepthwiseConv2D((3, 2), depth_multiplier=4), SeparableConv2D(7, (3, 2), depth_multiplier=4)
    one.build((5, 8, 8), rng)
    other.build((5, 8, 8), rng)
    assert {key: p.shape for key, p in one.params.items()} == {"kernel": (4, 5, 3, 2), "bias": (20,)}
    assert [(key, p.shape) for key, p in other.params.items()] == [
        ("depthwise_kernel", (4, 5, 3, 2)), ("pointwise_kernel", (7, 20, 1, 1)), ("bias", (7,))]


def test_kernels_begin_as_kerass_do(rng):
    layer = SeparableConv2D(32, 5, depth_multiplier=6, pointwise_initializer="ones", bias_initializer="ones")
    layer.build((16, 9, 9), rng)
    limit = np.sqrt(6 / (25 * 16 + 25 * 6))                            # Glorot's, of Keras's (5, 5, 16, 6)
    assert 0.98 * limit < abs(layer.params["depthwise_kernel"]).max() <= limit
    assert (layer.params["pointwise_kernel"] == 1).all()
    assert (layer.params["bias"] == 1).all()
    depthwise = DepthwiseConv2D(2, depthwise_initializer="ones")
    depthwise.build((3, 4, 4), rng)
    assert (depthwise.params["kernel"] == 1).all()


def test_each_kernel_has_a_penalty_of_its_own():
    layer = SeparableConv2D(2, 1, depthwise_regularizer="l1", pointwise_regularizer="l2")
    assert [(key, type(penalty).__name__) for key, penalty in layer.penalties()] == [
        ("depthwise_kernel", "L1"), ("pointwise_kernel", "L2")]
    assert [key for key, _ in SeparableConv2D(2, 1, pointwise_regularizer="l2").penalties()] == ["pointwise_kernel"]
    assert [key for key, _ in DepthwiseConv2D(1, depthwise_regularizer="l2").penalties()] == ["kernel"]


@pytest.mark.parametrize("layer", [
    DepthwiseConv2D((3, 2), (2, 1), "same", 2, dilation_rate=1, depthwise_initializer="he_normal",
                    depthwise_regularizer="l1"),
    SeparableConv2D(3, (3, 2), (2, 1), "same", depth_multiplier=2, depthwise_initializer="zeros",
                    pointwise_initializer="ones", depthwise_regularizer="l1", pointwise_regularizer="l2")],
    ids=["depthwise", "separable"])
def test_a_config_has_kerass_arguments(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert not {"kernel_initializer", "kernel_regularizer"} & set(config)
    assert (config["kernel_size"], config["strides"], config["padding"]) == ([3, 2], [2, 1], "same")
    assert (config["depth_multiplier"], config["dilation_rate"]) == (2, [1, 1])


def test_the_profile_counts_both_convolutions():
    model = Sequential([DepthwiseConv2D((3, 2), depth_multiplier=2, input_shape=(4, 6, 5)),
                        SeparableConv2D(5, 2, strides=2, depth_multiplier=3)], seed=0)
    first, second = study.profile(model, 1, 1).steps
    assert first.multiply_adds == 8 * 4 * 4 * 6                       # C M P Q outputs, six weights each
    assert second.multiply_adds == 24 * 2 * 2 * 4 + 5 * 2 * 2 * 24    # the depthwise outputs; then 24 channels for each
    assert (first.im2col_bytes, second.im2col_bytes) == (0, 24 * 2 * 2 * 4)
    assert (first.fields, second.fields) == (((3, 1), (2, 1)), ((4, 2), (3, 2)))


def test_study_knows_which_axes_are_a_filter():
    layer = built(DepthwiseConv2D(2), (3, 4, 4))
    assert study.filter_axes(layer, "kernel") == study.filter_axes(SeparableConv2D(1, 2), "depthwise_kernel") == (2, 3)
    assert study.filter_axes(SeparableConv2D(1, 2), "pointwise_kernel") == (1, 2, 3)
    with pytest.raises(ValueError, match=r"a built layer with a kernel .filters, C, kh, kw."):
        study.plot_filters(layer)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: DepthwiseConv2D(3, depth_multiplier=0), r"DepthwiseConv2D: expected depth_multiplier, a positive whole"),
    (lambda: DepthwiseConv2D((1, 2, 3)), r"DepthwiseConv2D: expected kernel_size as a positive whole number or a pair"),
    (lambda: SeparableConv2D(0, 3), r"SeparableConv2D: expected filters, a positive whole number. Received: 0."),
    (lambda: SeparableConv2D(3, 3, depth_multiplier=1.5), r"SeparableConv2D: expected depth_multiplier, a positive"),
    (lambda: DepthwiseConv2D(3)(np.ones((1, 1, 5, 5))), r"DepthwiseConv2D: has no weights yet."),
    (lambda: built(DepthwiseConv2D(3), (2, 5, 5))(np.ones((1, 3, 5, 5))), r"expected input .N, 2, H, W.. Received: .1"),
    (lambda: built(SeparableConv2D(1, 3), (2, 5, 5))(np.ones((1, 5, 5, 2))), r"channels first"),
    (lambda: DepthwiseConv2D(3).build((1, 2, 2), np.random.default_rng(0)), r"no smaller than its window .3, 3."),
], ids=["multiplier 0", "three sizes", "no filters", "half a kernel", "unbuilt", "channels", "channels last", "window"])
def test_a_mistake_is_told(make, text):
    with pytest.raises(ValueError, match=text):
        make()
