"""trainable=False: gradients are computed, weights stay."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten
from tinynet.regularizers import L2

X = np.random.default_rng(0).normal(size=(6, 1, 4, 4))
Y = np.random.default_rng(1).normal(size=(6, 2))


def trained(model, optimizer="sgd"):
    """Train a step; return the names of the parameters that moved."""
    model.compile(optimizer, "mse")
    before = {key: p.copy() for key, p in model.params.items()}
    model.train_on_batch(X, Y)
    return [key for key, p in model.params.items() if (p != before[key]).any()]


def made(**arguments):
    return Sequential([Conv2D(2, 3, activation="tanh", input_shape=(1, 4, 4), **arguments), Flatten(), Dense(2)],
                      seed=0)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_frozen_layer_stays_and_the_others_move(optimizer):
    assert trained(made(trainable=False), optimizer) == ["dense_1/kernel", "dense_1/bias"]
    assert len(trained(made(), optimizer)) == 4


def test_gradients_of_a_frozen_layer_are_computed_all_the_same():
    frozen, free = made(trainable=False), made()
    trained(frozen)
    trained(free)
    for key in free.grads:
        np.testing.assert_array_equal(frozen.grads[key], free.grads[key])
    assert frozen.grads["conv2d_1/kernel"].any()


def test_a_layer_can_be_frozen_and_thawed_later():
    model = made()
    model.layers[0].trainable = False
    assert trained(model) == ["dense_1/kernel", "dense_1/bias"]
    model.layers[0].trainable = True
    assert len(trained(model)) == 4


def test_a_frozen_model_keeps_everything_inside_it():
    inner = Sequential([Conv2D(2, 3), Flatten()], trainable=False)
    assert trained(Sequential([inner, Dense(2)], input_shape=(1, 4, 4))) == ["dense_1/kernel", "dense_1/bias"]
    model = made()
    model.trainable = False
    assert trained(model) == []


@pytest.mark.parametrize("freeze", [
    lambda base: setattr(base, "trainable", False),
    lambda base: Sequential(base.layers, trainable=False),
    lambda base: setattr(Sequential([base]), "trainable", False),
], ids=["set", "constructed", "set around it"])
def test_layers_of_a_frozen_model_stay_in_every_model_that_uses_them(freeze):
    base = Sequential([Conv2D(2, 3, input_shape=(1, 4, 4)), Flatten()], seed=0)
    freeze(base)
    assert trained(Sequential([base.layers[0], base.layers[1], Dense(2)])) == ["dense_1/kernel", "dense_1/bias"]
    assert trained(Sequential([base, Dense(2)])) == ["dense_1/kernel", "dense_1/bias"]


def test_setting_a_model_trainable_thaws_all_of_its_layers():
    model = made(trainable=False)
    model.trainable = True
    assert len(trained(model)) == 4


def test_a_layer_that_is_thawed_alone_is_trained_and_stays_so_in_the_config():
    base = made()
    base.trainable = False
    base.layers[2].trainable = True
    model = Sequential([base])
    assert trained(model) == ["sequential_1/dense_1/kernel", "sequential_1/dense_1/bias"]
    again = Sequential.from_config(model.get_config())
    assert again.trainable_params().keys() == model.trainable_params().keys()
    assert trained(base) == ["dense_1/kernel", "dense_1/bias"]


def test_a_layer_added_to_a_frozen_model_is_frozen():
    model = Sequential(input_shape=(3,), trainable=False)
    model.add(Dense(2))
    assert model.trainable_params() == {}
    assert not Sequential.from_config(model.get_config()).layers[0].trainable


def test_freezing_counts_from_the_next_update_on_without_compiling_again():
    model = made()
    trained(model)
    model.layers[0].trainable = False
    before = {key: p.copy() for key, p in model.params.items()}
    model.train_on_batch(X, Y)
    assert [key for key, p in model.params.items() if (p != before[key]).any()] == ["dense_1/kernel", "dense_1/bias"]


@pytest.mark.parametrize("freeze", [
    lambda model: setattr(model.layers[1].layers[0], "trainable", False),
    lambda model: setattr(model.layers[1], "trainable", False),
    lambda model: setattr(model, "trainable", False),
], ids=["layer", "model inside", "model"])
def test_the_penalty_of_a_frozen_layer_is_neither_in_the_loss_nor_in_the_gradient(freeze):
    def made(regularizer):
        return Sequential([Flatten(input_shape=(1, 4, 4)), Sequential([Dense(2, kernel_regularizer=regularizer)])],
                          seed=0, dtype="float64")
    model, bare = made(L2(1.0)), made(None)
    freeze(model)
    for each in model, bare:
        each.compile("sgd", "mse")
        each.objective(X, Y)[2]()
    assert model.test_on_batch(X, Y) == bare.test_on_batch(X, Y)
    for key, g in bare.grads.items():
        np.testing.assert_array_equal(model.grads[key], g)


def test_the_config_remembers_it():
    assert made(trainable=False).layers[0].get_config()["trainable"] is False
    again = Sequential.from_config(made(trainable=False).get_config())
    assert list(again.trainable_params()) == ["dense_1/kernel", "dense_1/bias"]
