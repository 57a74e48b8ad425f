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


def test_the_loss_keeps_the_penalty_of_a_frozen_layer():
    model = Sequential([Flatten(input_shape=(1, 4, 4)), Dense(2, kernel_regularizer=L2(1.0), trainable=False)])
    model.compile("sgd", "mse")
    bare = np.mean((model.predict(X) - Y) ** 2)
    assert model.test_on_batch(X, Y) == pytest.approx(bare + (model.params["dense_1/kernel"] ** 2).sum(), rel=1e-5)


def test_the_config_remembers_it():
    assert made(trainable=False).layers[0].get_config()["trainable"] is False
    again = Sequential.from_config(made(trainable=False).get_config())
    assert list(again.trainable_params()) == ["dense_1/kernel", "dense_1/bias"]
