"""Dense: y = x @ kernel + bias, and its three gradients."""

import json

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet.initializers import Ones, RandomNormal
from tinynet.layers import Conv2D, Dense, Tanh
from tinynet.regularizers import L1L2
from tinynet.steps.step import steps_of


@pytest.fixture
def layer():
    layer = Dense(3)
    layer.build((2,), np.random.default_rng(0))
    layer.params["kernel"] = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    layer.params["bias"] = np.array([0.5, -1.0, 0.0])
    return layer


def test_output_by_hand(layer):
    assert layer(np.array([[1.0, 2.0], [0.0, -1.0]])).tolist() == [[9.5, 11, 15], [-3.5, -6, -6]]


def test_gradients_by_hand(layer):
    _, backward = layer.forward(np.array([[1.0, 2.0]]))
    assert backward(np.array([[1.0, 10.0, 100.0]])).tolist() == [[321, 654]]
    assert layer.grads["kernel"].tolist() == [[1, 10, 100], [2, 20, 200]]
    assert layer.grads["bias"].tolist() == [1, 10, 100]


def test_gradients_of_two_samples_are_added_each_with_its_own_input(layer):
    _, backward = layer.forward(np.array([[1.0, 2.0], [3.0, -1.0]]))
    backward(np.array([[1.0, 0.0, 2.0], [10.0, 1.0, 0.0]]))
    assert layer.grads["kernel"].tolist() == [[31, 3, 2], [-8, -1, 4]]
    assert layer.grads["bias"].tolist() == [11, 1, 2]


def test_further_axes_are_treated_as_more_samples(layer, rng):
    x, dy = rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 4, 3))
    y, backward = layer.forward(x)
    dx = backward(dy)
    grads = dict(layer.grads)
    flat_y, flat_backward = layer.forward(x.reshape(8, 2))
    np.testing.assert_array_equal(y, flat_y.reshape(2, 4, 3))
    np.testing.assert_array_equal(dx, flat_backward(dy.reshape(8, 3)).reshape(2, 4, 2))
    for key, g in grads.items():
        np.testing.assert_array_equal(g, layer.grads[key])


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 1, 4)], ids=str)
@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no bias"])
def test_gradients_are_slopes(shape, activation, use_bias, rng):
    layer = built(Dense(3, activation=activation, use_bias=use_bias), shape)
    assert_gradients_right(layer, rng.normal(size=(5, *shape)))


@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(rng):
    assert_gradients_right(built(Dense(3, activation="tanh"), (4,)), rng.normal(size=(5, 4)))


def test_activation_comes_after_the_bias(layer):
    relu = Dense(3, activation="relu")
    relu.build((2,), np.random.default_rng(0))
    relu.params.update(layer.params)
    assert relu(np.array([[-1.0, 0.25]])).tolist() == [[0.5, 0, 0]]


def test_without_bias_there_is_none(rng):
    layer = Dense(3, use_bias=False)
    layer.build((2,), rng)
    assert list(layer.params) == ["kernel"]
    _, backward = layer.forward(rng.normal(size=(4, 2)))
    backward(rng.normal(size=(4, 3)))
    assert list(layer.grads) == ["kernel"]


def test_new_kernel_is_glorot_uniform_and_bias_zero(rng):
    layer = Dense(200)
    assert layer.build((300,), rng) == (200,)
    limit = np.sqrt(6 / 500)
    kernel = layer.params["kernel"]
    assert kernel.shape == (300, 200)
    assert kernel.dtype == layer.params["bias"].dtype == np.float32
    assert limit * 0.99 < abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert not layer.params["bias"].any()


def test_initializers_are_those_asked_for(rng):
    layer = Dense(50, kernel_initializer="normal", bias_initializer="ones")
    layer.build((80,), rng)
    assert layer.params["kernel"].std() == pytest.approx(0.05, rel=0.05)
    assert (layer.params["bias"] == 1).all()


def test_input_dim_is_an_input_shape():
    assert Dense(3, input_dim=4).input_shape == (4,)


def test_unbuilding_keeps_the_shape_that_was_asked_for_and_forgets_the_one_that_was_given(rng):
    asked, given = Dense(2, input_dim=3), Dense(2)
    for layer in (asked, given):
        layer.build((3,), rng)
        layer.output_shape = (2,)
        layer.unbuild()
    assert (asked.input_shape, given.input_shape) == ((3,), None)
    assert asked.output_shape is given.output_shape is None


def test_output_shape_keeps_the_axes_before_the_last(rng):
    assert Dense(7).build((5, 4, 3), rng) == (5, 4, 7)


@pytest.mark.parametrize("make", [lambda **given: Dense(3, **given), lambda **given: Conv2D(3, (1, 2), **given)],
                         ids=["dense", "conv2d"])
def test_a_config_holds_every_setting(make):
    layer = make(activation="tanh", use_bias=False, kernel_initializer=RandomNormal(1.0, 2.0), trainable=False,
                 bias_initializer="ones", kernel_regularizer=L1L2(0.1, 0.2), name="first", input_shape=(4, 5, 6))
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert isinstance(again.activation, Tanh)
    assert again.kernel_initializer == RandomNormal(1.0, 2.0)
    assert again.bias_initializer == Ones()
    assert again.kernel_regularizer == L1L2(0.1, 0.2)
    assert (again.use_bias, again.trainable, again.name, again.input_shape) == (False, False, "first", (4, 5, 6))


def test_activation_is_a_step_of_its_own(rng):
    layer = built(Dense(3, activation="relu"), (4,))
    assert [step.name for step in steps_of(layer)] == ["", "relu"]
    x = rng.normal(size=(2, 4))
    before, _ = steps_of(layer)[0].run(x, False)
    np.testing.assert_allclose(before, x @ layer.params["kernel"] + layer.params["bias"], rtol=1e-12)
    assert (before < 0).any()
