"""Regularizers: in the reported loss, and in the gradients exactly once."""

import json

import numpy as np
import pytest
from oracles import slope

from tinynet import Sequential, kernels, regularizers
from tinynet.layers import ActivityRegularization, Conv2D, Dense, Flatten, Layer, ReLU, Residual, SeparableConv2D
from tinynet.regularizers import L1, L1L2, L2, counting_activity
from tinynet.study.trace import Trace
from tinynet.testing import check_gradients

W = np.array([[3.0, -4.0], [0.0, 1.0]])


@pytest.mark.parametrize(("term", "value", "gradient"), [
    (L1(0.5), 4, [[0.5, -0.5], [0, 0.5]]), (L2(0.5), 13, [[3, -4], [0, 1]]),
    (L1L2(0.5, 0.25), 10.5, [[2, -2.5], [0, 1]]), (L1L2(), 0, [[0, 0], [0, 0]]),
], ids=repr)
def test_value_and_gradient_by_hand(term, value, gradient):
    assert term.value(W) == value
    np.testing.assert_allclose(term.gradient(W), gradient)


@pytest.mark.parametrize("bad", [-1, np.nan, np.inf, "0.1", None])
@pytest.mark.parametrize("make", [L1, L2, L1L2, lambda bad: L1L2(0.1, bad)])
def test_a_factor_that_is_no_penalty_is_refused(make, bad):
    with pytest.raises(ValueError, match=r"L[12L]+: expected l[12], a number at least 0"):
        make(bad)


def test_names_have_kerass_defaults():
    assert (regularizers.get("l1"), regularizers.get("l2")) == (L1(0.01), L2(0.01))
    assert regularizers.get(None) is None


@pytest.mark.parametrize("term", [L1(0.3), L2(0.2), L1L2(0.1, 0.4)], ids=repr)
def test_a_config_makes_the_same_regularizer_again_through_json_too(term):
    config = {"class": type(term).__name__, "config": term.get_config()}
    assert regularizers.get(json.loads(json.dumps(config))) == term


def test_dtype_of_the_gradient_is_that_of_the_weights():
    for dtype in np.float32, np.float64:
        assert L1L2(0.1, 0.1).gradient(W.astype(dtype)).dtype == dtype


@pytest.fixture
def model(rng):
    model = Sequential([Conv2D(2, 2, kernel_regularizer=L1(0.3), input_shape=(1, 3, 3)), Flatten(),
                        Sequential([Dense(3, kernel_regularizer=L2(0.2))]), Dense(2)], seed=0, dtype="float64")
    model.compile("sgd", "mse")
    return model


@pytest.fixture
def xy(rng):
    return rng.normal(size=(4, 1, 3, 3)), rng.normal(size=(4, 2))


def penalty(model):
    return (0.3 * abs(model.params["conv2d_1/kernel"]).sum()
            + 0.2 * (model.params["sequential_1/dense_1/kernel"] ** 2).sum())


def test_the_loss_that_is_reported_includes_the_penalty(model, xy):
    x, y = xy
    bare = np.mean((model.predict(x) - y) ** 2)
    expected = pytest.approx(bare + penalty(model))
    assert model.test_on_batch(x, y) == expected
    assert model.evaluate(x, y, verbose=0) == expected
    assert model.evaluate(x, y, batch_size=3, verbose=0) == expected
    assert model.fit(x, y, verbose=0).history["loss"] == [expected]


def test_gradients_are_slopes_of_the_loss_with_its_penalty(model, xy):
    value, _, backward = model.objective(*xy)
    backward()
    assert value == pytest.approx(model.objective(*xy)[0])
    for key, p in model.params.items():
        np.testing.assert_allclose(model.grads[key], slope(lambda: model.objective(*xy)[0], p),
                                   rtol=1e-6, atol=1e-8, err_msg=key)


def test_the_penalty_is_added_once_however_often_backward_runs(model, xy):
    _, _, backward = model.objective(*xy)
    backward()
    once = {key: g.copy() for key, g in model.grads.items()}
    backward()
    for key, g in once.items():
        np.testing.assert_array_equal(model.grads[key], g)


def test_an_update_takes_one_step_down_the_penalty():
    model = Sequential([Dense(1, use_bias=False, kernel_regularizer=L2(0.5), input_dim=1)], dtype="float64")
    model.compile("sgd", "mse")
    model.set_weights([np.array([[3.0]])])
    model.train_on_batch([[0.0]], [[0.0]])
    assert model.get_weights()[0] == pytest.approx(3 - 0.01 * 2 * 0.5 * 3)


def test_sample_weights_leave_the_penalty_alone(model, xy):
    assert model.test_on_batch(*xy, sample_weight=np.zeros(4)) == pytest.approx(penalty(model))


def test_a_regularizer_of_ones_own_needs_a_value_and_a_gradient(xy):
    class Cubes:
        def value(self, w):
            return float((w ** 3).sum())

        def gradient(self, w):
            return 3 * w ** 2
    model = Sequential([Flatten(input_shape=(1, 3, 3)), Dense(2, kernel_regularizer=Cubes())], dtype="float64")
    model.compile("sgd", "mse")
    _, _, backward = model.objective(*xy)
    backward()
    p = model.params["dense_1/kernel"]
    np.testing.assert_allclose(model.grads["dense_1/kernel"], slope(lambda: model.objective(*xy)[0], p),
                               rtol=1e-6, atol=1e-8)


class ValueAlone:
    def value(self, w):
        return 0.0


class GradientAlone:
    def gradient(self, w):
        return 0 * w


@pytest.mark.parametrize("given", [0.01, ValueAlone(), GradientAlone()], ids=["a number", "a value", "a gradient"])
def test_what_is_no_regularizer_is_refused(given):
    with pytest.raises(ValueError, match="Expected a regularizer: 'l1', 'l2', or an object"):
        Dense(2, kernel_regularizer=given)


@pytest.mark.parametrize("make", [lambda **arguments: Dense(2, **arguments),
                                  lambda **arguments: Conv2D(2, 2, padding="same", **arguments),
                                  lambda **arguments: SeparableConv2D(2, 2, padding="same", **arguments)],
                         ids=["Dense", "Conv2D", "SeparableConv2D"])
def test_a_bias_is_penalised_once_if_there_is_one(make):
    x, y = np.random.default_rng(0).normal(size=(2, 3, 2, 2, 2))
    model = Sequential([make(bias_regularizer=L2(0.5), bias_initializer="ones")], seed=0, dtype="float64")
    plain = Sequential([make(bias_initializer="ones")], seed=0, dtype="float64")
    values = []
    for each in model, plain:
        each.build(x.shape[1:])
        each.compile("sgd", "mse")
        value, _, backward = each.objective(x, y)
        backward()
        values.append(value)
    assert values[0] - values[1] == pytest.approx(0.5 * 2)                           # of two biases of 1
    np.testing.assert_allclose(model.grads[f"{model.layer_names[0]}/bias"],
                               plain.grads[f"{model.layer_names[0]}/bias"] + 1, rtol=1e-12)
    assert make(bias_regularizer="l2", use_bias=False).penalties() == []
    assert Sequential.from_config(model.get_config()).layers[0].bias_regularizer == L2(0.5)


# Penalties on outputs.

def with_activities(batch=4):
    """Return a model with penalties on outputs of each kind of place, and what they are for a batch."""
    block = Residual([Dense(3, activation="tanh", activity_regularizer=L2(0.7))])
    inner = Sequential([Dense(2, activity_regularizer=L1(0.2), kernel_regularizer=L2(0.1))])
    model = Sequential([Dense(3, activation="relu", activity_regularizer=L1L2(0.3, 0.2), input_dim=4), block,
                        ActivityRegularization(0.5, 0.25), inner], seed=0, dtype="float64")
    model.compile("sgd", "mse")

    def penalty(x):
        relu = model.layers[0](x)
        tanh = block.layers[0](relu)
        handed_on = relu + tanh
        out = inner.layers[0](handed_on)
        on_outputs = (0.3 * abs(relu).sum() + 0.2 * (relu ** 2).sum() + 0.7 * (tanh ** 2).sum()
                      + 0.5 * abs(handed_on).sum() + 0.25 * (handed_on ** 2).sum() + 0.2 * abs(out).sum())
        return on_outputs / len(x) + 0.1 * (inner.layers[0].params["kernel"] ** 2).sum()
    return model, penalty


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(5, 4)), rng.normal(size=(5, 2))


@pytest.mark.usefixtures("every_kernel_set")
def test_a_penalty_on_outputs_is_a_mean_over_the_samples_and_in_the_loss_alone(vectors):
    model, penalty = with_activities()
    x, y = vectors
    bare = np.mean((model.predict(x) - y) ** 2)
    expected = pytest.approx(bare + penalty(x))
    assert model.test_on_batch(x, y) == expected
    assert model.evaluate(x, y, verbose=0) == expected
    assert model.fit(x, y, verbose=0).history["loss"] == [expected]


@pytest.mark.parametrize("fuse", [True, False])
def test_gradients_are_slopes_of_the_loss_with_penalties_on_outputs(vectors, fuse):
    model, _ = with_activities()
    with kernels.use("fast", fuse=fuse):
        _, _, backward = model.objective(*vectors, training=True)
        backward()
        for key, p in model.params.items():
            np.testing.assert_allclose(model.grads[key], slope(lambda: model.objective(*vectors, training=True)[0], p),
                                       rtol=1e-6, atol=1e-8, err_msg=key)
    once = {key: g.copy() for key, g in model.grads.items()}
    Trace(model, vectors[0]).loss_gradients(vectors[1])
    for key, g in once.items():
        np.testing.assert_allclose(model.grads[key], g, rtol=1e-12)


@pytest.mark.slow
def test_without_a_loss_a_penalty_on_outputs_is_not_there(vectors, rng):
    model, _ = with_activities()
    plain = Sequential.from_config(model.get_config())
    for layer in (*plain.layers, *plain.layers[1].layers, *plain.layers[3].layers):
        layer.activity_penalty = None
    plain.layers[2] = Flatten()
    plain.set_weights(model.get_weights())
    x, dy = vectors[0], rng.normal(size=(5, 2))
    for each in model, plain:
        each.dx = each.forward(x, training=True)[1](dy)
    np.testing.assert_array_equal(model.dx, plain.dx)
    assert check_gradients(model, x).passed
    assert check_gradients(model, x, y=vectors[1]).passed


def test_frozen_layers_outputs_are_penalised_all_the_same(vectors):
    model, penalty = with_activities()
    model.trainable = False
    bare = np.mean((model.predict(vectors[0]) - vectors[1]) ** 2)
    kernel = 0.1 * (model.params["sequential_1/dense_1/kernel"] ** 2).sum()
    assert model.test_on_batch(*vectors) == pytest.approx(bare + penalty(vectors[0]) - kernel)


def test_a_model_that_a_layer_asks_brings_no_penalty_of_its_own(vectors):
    other, _ = with_activities()

    class Asks(Layer):
        def forward(self, x, training=False):
            other.predict(x)
            return x, lambda dy: dy
    model = Sequential([Asks(), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    x, y = vectors
    assert model.test_on_batch(x, y) == pytest.approx(np.mean((model.predict(x) - y) ** 2), rel=1e-5)


def test_penalties_on_outputs_are_steps_that_can_be_seen_and_come_back_from_a_config(vectors):
    model, _ = with_activities()
    assert [step.name for step in model.steps()] == [
        "dense_1", "dense_1/relu", "dense_1/activity_regularizer", "residual_1", "activity_regularization_1",
        "sequential_1/dense_1", "sequential_1/dense_1/activity_regularizer"]
    assert model.plan()[0].layers == ("dense_1", "dense_1/relu")                       # still in one pass
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    again.compile("sgd", "mse")
    assert again.test_on_batch(*vectors) == model.test_on_batch(*vectors)


def test_an_activation_has_no_penalty_of_its_own():
    with pytest.raises(ValueError, match="Dense 'dense_1': expected activity_regularizer= of the layer itself"):
        Sequential([Dense(2, activation=ReLU(activity_regularizer="l2"), input_dim=2)])


def test_whole_numbers_are_penalised_as_numbers():
    model = Sequential([ActivityRegularization(l2=1.0, input_shape=(2,))])
    model.compile("sgd", "mse")
    with counting_activity(counted := []):
        model.layers[0].forward(np.array([[200, 100]], np.uint8))
    assert counted == [50000]                                              # not what is left of it in 8 bits
