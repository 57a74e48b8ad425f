"""What docs/beside-keras.md says of tinynet, as far as no other file holds it."""

import re
import warnings

import numpy as np
import pytest

from tinynet import Sequential, losses, metrics
from tinynet.layers import Dense

X = np.ones((3, 2))


def made(**compiled):
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile("sgd", "mse", **compiled)
    return model


def test_predict_shows_nothing_and_evaluate_one_line(capsys):
    made().predict(X)
    assert capsys.readouterr().out == ""
    made().evaluate(X, X[:, :1])
    assert re.fullmatch(r"loss: [\d.]+\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", ["crossentropy", "ce"])
def test_a_loss_is_named_in_full(name):
    with pytest.raises(ValueError, match=f"Unknown loss '{name}'"):
        Sequential([Dense(2, activation="softmax", input_dim=2)]).compile("sgd", name)


def test_softened_targets_of_binary_accuracy_count_by_their_side():
    y_true, y_pred = np.array([[0.9], [0.1], [0.9]]), np.array([[0.7], [0.2], [0.3]])
    assert metrics.binary_accuracy(y_true, y_pred).tolist() == [1, 1, 0]


def test_the_metrics_of_a_model_are_functions_by_name():
    model = made(metrics=["mae", metrics.mean_squared_error])
    assert model.metrics == {"mae": metrics.mean_absolute_error, "mean_squared_error": metrics.mean_squared_error}


@pytest.mark.parametrize(("activation", "loss"), [
    ("sigmoid", losses.CategoricalCrossentropy()), ("softmax", losses.BinaryCrossentropy())])
def test_a_cross_entropy_behind_another_function_is_that_of_the_probabilities(activation, loss):
    model = Sequential([Dense(3, activation=activation, input_dim=2)], seed=0, dtype="float64")
    model.compile("sgd", loss)
    x, y = np.array([[1.0, -2.0], [0.5, 3.0]]), np.eye(3)[[0, 2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                                        # that sigmoids are no shares
        assert model.evaluate(x, y, verbose=0) == pytest.approx(loss(y, model.predict(x)), rel=1e-12)
