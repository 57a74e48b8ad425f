"""Constraints: what they make of weights, and that a training applies each after every update, to its own layer."""

import json

import numpy as np
import pytest

from tinynet import Sequential, constraints, load_model
from tinynet.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from tinynet.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    LayerNormalization,
    PReLU,
    Residual,
    SeparableConv2D,
)
from tinynet.optimizers import SGD

W = np.array([[3.0, 0.3], [-4.0, 0.4]])                                  # columns of norms 5 and 0.5


@pytest.mark.parametrize(("constraint", "expected"), [
    (MaxNorm(1.0), [[0.6, 0.3], [-0.8, 0.4]]), (MaxNorm(), [[1.2, 0.3], [-1.6, 0.4]]),
    (NonNeg(), [[3, 0.3], [0, 0.4]]), (UnitNorm(), [[0.6, 0.6], [-0.8, 0.8]]),
    (UnitNorm(axis=1), [[3 / 9.09 ** 0.5, 0.3 / 9.09 ** 0.5], [-4 / 16.16 ** 0.5, 0.4 / 16.16 ** 0.5]]),
    (UnitNorm([0, 1]), W / 25.25 ** 0.5),
    (MinMaxNorm(1.0, 3.0), [[1.8, 0.6], [-2.4, 0.8]]), (MinMaxNorm(), [[0.6, 0.3], [-0.8, 0.4]]),
    (MinMaxNorm(1.0, 3.0, rate=0.5), [[2.4, 0.45], [-3.2, 0.6]]),          # half of the way from 5 to 3, from 0.5 to 1
], ids=repr)
def test_what_it_makes_of_weights_by_hand(constraint, expected):
    before = W.copy()
    np.testing.assert_allclose(constraint(W), expected, rtol=1e-6)
    np.testing.assert_array_equal(W, before)
    assert constraint(W.astype(np.float32)).dtype == np.float32


def test_a_norm_of_zero_stays_zero():
    np.testing.assert_array_equal(UnitNorm()(np.zeros((3, 1))), np.zeros((3, 1)))


def test_names_have_kerass_defaults():
    assert [constraints.get(name) for name in ("max_norm", "non_neg", "unit_norm", "min_max_norm")] == [
        MaxNorm(2, 0), NonNeg(), UnitNorm(0), MinMaxNorm(0.0, 1.0, 1.0, 0)]
    assert constraints.get(None) is None


@pytest.mark.parametrize("constraint", [MaxNorm(1.5, [1, 2, 3]), NonNeg(), UnitNorm(-1), MinMaxNorm(0.1, 0.2, 0.3)],
                         ids=repr)
def test_a_config_makes_the_same_constraint_again_through_json_too(constraint):
    config = {"class": type(constraint).__name__, "config": constraint.get_config()}
    assert constraints.get(json.loads(json.dumps(config))) == constraint


@pytest.mark.parametrize(("make", "message"), [
    (lambda: MaxNorm(-1), "MaxNorm: expected max_value, a number at least 0"),
    (lambda: MaxNorm(1, 0.5), "MaxNorm: expected axis, a whole number or several. Received: 0.5"),
    (lambda: UnitNorm([]), "UnitNorm: expected axis"),
    (lambda: MinMaxNorm(2, 1), "MinMaxNorm: expected max_value, a number from 2. Received: 1"),
    (lambda: MinMaxNorm(rate=1.5), "MinMaxNorm: expected rate from 0 to 1. Received: 1.5"),
    (lambda: Dense(2, kernel_constraint=3), "Expected a constraint: 'max_norm', .*or a function of an array"),
    (lambda: Dense(2, kernel_constraint="max_nrom"), "Unknown constraint 'max_nrom'. Did you mean 'max_norm'?"),
    (lambda: Sequential([Dense(2, kernel_constraint=UnitNorm([1, 2, 3]), input_dim=3)]),
     r"Dense 'dense_1': expected a constraint with an axis of kernel \(3, 2\)"),
    (lambda: Sequential([Dense(2, bias_constraint=lambda w: w[:1], input_dim=3)]),
     r"Dense 'dense_1': expected a constraint that makes of bias \(2,\) an array of the same shape. Received: \(1,\)"),
], ids=["negative", "axis", "no axis", "order", "rate", "a number", "name", "axis of the kernel", "shape"])
def test_what_cannot_be_is_told_before_anything_is_trained(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def times(factor):
    return lambda w: factor * w


LAYERS = [
    (lambda: Dense(2, kernel_constraint=times(2), bias_constraint=times(3)), (4,), {"kernel": 2, "bias": 3}),
    (lambda: Dense(2, use_bias=False, kernel_constraint=times(2), bias_constraint=times(3)), (4,), {"kernel": 2}),
    (lambda: Conv2D(2, 2, kernel_constraint=times(2), bias_constraint=times(3)), (2, 3, 3), {"kernel": 2, "bias": 3}),
    (lambda: Conv2DTranspose(2, 2, kernel_constraint=times(2), bias_constraint=times(3)), (2, 3, 3),
     {"kernel": 2, "bias": 3}),
    (lambda: DepthwiseConv2D(2, depthwise_constraint=times(2), bias_constraint=times(3)), (2, 3, 3),
     {"kernel": 2, "bias": 3}),
    (lambda: SeparableConv2D(2, 2, depthwise_constraint=times(2), pointwise_constraint=times(3),
                             bias_constraint=times(5)), (2, 3, 3),
     {"depthwise_kernel": 2, "pointwise_kernel": 3, "bias": 5}),
    (lambda: BatchNormalization(gamma_constraint=times(2), beta_constraint=times(3)), (4,), {"gamma": 2, "beta": 3}),
    (lambda: BatchNormalization(scale=False, gamma_constraint=times(2), beta_constraint=times(3)), (4,), {"beta": 3}),
    (lambda: LayerNormalization(gamma_constraint=times(2), beta_constraint=times(3)), (4,), {"gamma": 2, "beta": 3}),
    (lambda: PReLU(alpha_constraint=times(2)), (4,), {"alpha": 2}),
]


@pytest.mark.parametrize(("make", "shape", "factors"), LAYERS, ids=[
    "dense", "without a bias", "conv2d", "transposed", "depthwise", "separable", "batch", "batch, no gamma", "layer",
    "prelu"])
def test_each_parameter_has_its_own_and_an_update_ends_with_it(make, shape, factors):
    rng = np.random.default_rng(0)
    model, plain = Sequential([make()], input_shape=shape, seed=0), Sequential([make()], input_shape=shape, seed=0)
    for key in plain.params:
        for each in plain.layers:
            each.of_parameters = lambda what: {}                           # the same layer, without limits
        model.params[key][...] = plain.params[key][...] = rng.normal(size=model.params[key].shape)
    x, y = rng.normal(size=(3, *shape)), rng.normal(size=(3, *model.output_shape))
    for each in model, plain:
        each.compile(SGD(0.1), "mse")
        each.train_on_batch(x, y)
    for key, value in plain.params.items():
        np.testing.assert_array_equal(model.params[key], np.float32(factors[key.partition("/")[2]]) * value)


def constrained():
    return Sequential([Conv2D(2, 2, kernel_constraint=MaxNorm(0.3, [1, 2, 3]), bias_constraint="non_neg",
                              input_shape=(1, 4, 4)),
                       Residual([Conv2D(2, 1, kernel_constraint=UnitNorm([1, 2, 3]))]),
                       Flatten(), Dense(3, activation="softmax", kernel_constraint="unit_norm")], seed=0)


@pytest.fixture
def xy(rng):
    return rng.normal(size=(8, 1, 4, 4)), np.eye(3)[np.arange(8) % 3]


def norms(model):
    return [np.sqrt((p ** 2).sum(axis=0 if p.ndim == 2 else (1, 2, 3)))
            for key, p in model.params.items() if key.endswith("kernel")]


def test_after_each_batch_of_a_training_all_weights_are_within_their_limits(xy):
    model, seen = constrained(), []
    model.compile(SGD(0.5), "categorical_crossentropy")
    first = norms(model)[2]
    model.fit(*xy, batch_size=3, epochs=2, verbose=0)
    for x, y in zip(np.array_split(xy[0], 3), np.array_split(xy[1], 3), strict=True):
        model.train_on_batch(x, y)
        seen.append(norms(model))
        assert (model.params["conv2d_1/bias"] >= 0).all()
    assert first != pytest.approx(1)                                       # weights begin as their initializer made
    for conv, inside, dense in seen:
        assert conv.max() == pytest.approx(0.3, rel=1e-5)
        np.testing.assert_allclose(inside, 1, rtol=1e-5)
        np.testing.assert_allclose(dense, 1, rtol=1e-5)


def test_frozen_layers_are_left_alone(xy):
    model = constrained()
    model.layers[-1].trainable = False
    model.compile(SGD(0.5), "categorical_crossentropy")
    before = model.params["dense_1/kernel"].copy()
    model.train_on_batch(*xy)
    np.testing.assert_array_equal(model.params["dense_1/kernel"], before)
    assert [key for key, _ in model.constraints()] == ["conv2d_1/kernel", "conv2d_1/bias", "residual_1/conv2d_1/kernel"]


def test_a_saved_model_keeps_its_constraints(xy, tmp_path):
    model = constrained()
    model.compile(SGD(0.5), "categorical_crossentropy")
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.constraints() == model.constraints()
    for each in model, again:
        each.fit(*xy, batch_size=3, epochs=2, verbose=0)
    for key, p in model.params.items():
        np.testing.assert_array_equal(again.params[key], p)
