"""A loss that is no number: told with the epoch, the batch, the layer where it began, and what usually causes it."""

import math
import warnings

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks
from tinynet.callbacks import LambdaCallback, TerminateOnNaN
from tinynet.layers import Conv2D, Dense, Flatten, Layer, MaxPool2D
from tinynet.optimizers import SGD
from tinynet.training.divergence import TrainingDiverged

X, Y = np.linspace(-1, 1, 12).reshape(6, 2), np.linspace(0, 1, 6).reshape(6, 1)


def regression(rate=0.01, **arguments):
    model = Sequential([Dense(4, activation="relu", input_dim=2), Dense(3), Dense(1)], seed=0, **arguments)
    model.compile(SGD(rate), "mse")
    return model


class Faulty(Layer):
    """Hands its input on, until it has been called so often: then its output or its gradient is bad."""

    def __init__(self, after, backward=False, value=np.nan):
        super().__init__()
        self.after, self.in_backward, self.value = after, backward, value

    def forward(self, x, training=False):
        self.after -= training
        broken = self.after < 0

        def backward(dy):
            return np.full_like(dy, self.value) if broken and self.in_backward else dy
        return (np.full_like(x, self.value) if broken and not self.in_backward else x), backward


def diverge(model, x=X, y=Y, **arguments):
    with pytest.raises(TrainingDiverged) as error:
        model.fit(x, y, **{"batch_size": 2, "epochs": 9, "verbose": 0, "shuffle": False, **arguments})
    return error.value


def test_a_learning_rate_that_is_too_large_is_told():
    model = regression(rate=1e30)
    error = diverge(model)
    assert (error.epoch, error.batch) == (0, 1)
    assert "in epoch 1, batch 2 (both counted from 1). The first to go bad: " in str(error)
    assert "Usually caused by a learning rate (1e+30) that is too large" in str(error)
    assert error.layer in ("dense_1", "dense_2", "dense_3")
    assert f"{error.layer!r}" in str(error) or f"'{error.layer}/" in str(error)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_layer_whose_output_went_bad_is_named(value):
    model = Sequential([Dense(4, input_dim=2), Faulty(4, value=value), Dense(3), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    error = diverge(model)
    assert (error.epoch, error.batch, error.layer) == (1, 1, "faulty_1")
    assert "the output of 'faulty_1' (Faulty). Usually caused by" in str(error)


def test_an_activation_is_named_as_its_step():
    model = Sequential([Dense(4, activation=Faulty(0), input_dim=2), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    assert diverge(model).layer == "dense_1/faulty"


def test_layers_inside_models_are_named_by_their_path():
    model = Sequential([Sequential([Dense(4), Sequential([Faulty(2)])]), Dense(1)], input_shape=(2,), seed=0)
    model.compile("sgd", "mse")
    assert diverge(model).layer == "sequential_1/sequential_1/faulty_1"


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_the_layer_through_which_a_gradient_went_bad_is_named(batch):
    """Backward runs from the last layer to the first: Dense 2 is the first to get it from the faulty one."""
    model = Sequential([Dense(4, input_dim=2), Dense(3), Faulty(batch, backward=True), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    error = diverge(model)
    assert error.layer == "dense_2"
    assert "The first to go bad: the gradient of 'dense_2/" in str(error)
    assert f"epoch 1, batch {batch + 2}" in str(error) or "after the last batch of epoch 1" in str(error)
    assert "try a tenth of it, or clipnorm=1" in str(error)


def test_weights_spoiled_by_the_last_batch_of_all_are_told_too():
    model = Sequential([Dense(1, input_dim=2), Faulty(2, backward=True)], seed=0)
    model.compile("sgd", "mse")
    error = diverge(model, epochs=1)
    assert (error.epoch, error.batch, error.layer) == (0, 2, "dense_1")
    assert "The weights are not finite after the last batch of epoch 1." in str(error)


def test_a_loss_that_overflows_alone_is_told():
    error = diverge(regression(rate=0.0), y=Y + 1e30)
    assert error.layer is None
    assert "the loss itself; all outputs are numbers" in str(error)
    assert "data that are not scaled to about 1 (x is from -1 to -0.454545, y from 1e+30 to 1e+30)" in str(error)


def test_inputs_out_of_scale_are_told_with_their_range():
    model = Sequential([Dense(1, kernel_initializer="ones", input_dim=5)], seed=0)
    model.compile("sgd", "mse")
    error = diverge(model, x=np.full((6, 5), 1e38))
    assert error.layer == "dense_1"
    assert "or by inputs that are not scaled to about 1 (x is from 1e+38 to 1e+38)" in str(error)


def test_the_history_is_kept_and_the_weights_are_those_before_the_bad_loss():
    model = Sequential([Dense(1, input_dim=2), Faulty(7)], seed=0)
    model.compile(SGD(0.01), "mse")
    diverge(model)
    assert model.history.epoch == [0, 1]
    assert np.isfinite(model.history.history["loss"]).all()
    assert np.isfinite(model.get_weights()[0]).all()
    assert model.optimizer.iterations == 7


def test_with_terminate_on_nan_it_stops_quietly(capsys):
    model = Sequential([Dense(1, input_dim=2), Faulty(4)], seed=0)
    model.compile(SGD(0.01), "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(X, Y, batch_size=2, epochs=9, verbose=0, callbacks=[TerminateOnNaN()])
    assert history.epoch == [0, 1]
    assert math.isfinite(history.history["loss"][0])
    assert math.isnan(history.history["loss"][1])
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"


def test_with_terminate_on_nan_weights_spoiled_at_the_end_of_an_epoch_stop_it_too(capsys):
    model = Sequential([Dense(1, input_dim=2), Faulty(2, backward=True)], seed=0)
    model.compile("sgd", "mse")
    assert model.fit(X, Y, batch_size=2, epochs=9, verbose=0, callbacks=[TerminateOnNaN()]).epoch == [0]
    assert capsys.readouterr().out == "Epoch 1: Invalid weights, terminating training\n"


def test_a_callback_of_your_own_that_stops_is_as_good():
    model = Sequential([Dense(1, input_dim=2), Faulty(0)], seed=0)
    model.compile("sgd", "mse")

    def stop(batch, logs):
        model.stop_training = not math.isfinite(logs["loss"])
    assert model.fit(X, Y, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=stop)]).epoch == [0]


def test_no_warnings_of_numpy_come_before_it():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        diverge(regression(rate=1e30))
    assert told == []


def test_convolutions_are_named():
    model = Sequential([Conv2D(2, 3, activation="relu", kernel_initializer="ones"), MaxPool2D(), Flatten(), Dense(3)],
                       input_shape=(1, 8, 8), seed=0)
    model.compile("sgd", "mse")
    assert diverge(model, np.full((8, 1, 8, 8), 1e38), np.ones((8, 3))).layer == "conv2d_1"


def test_the_search_costs_nothing_where_nothing_is_wrong(monkeypatch):
    monkeypatch.setattr(tinynet.training.divergence, "first_bad", None)
    monkeypatch.setattr(tinynet.training.divergence, "first_bad_weights", None)
    regression().fit(X, Y, verbose=0)


def test_a_batch_with_a_loss_that_is_no_number_is_no_update():
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with np.errstate(all="ignore"):
        assert math.isnan(model.train_on_batch(X * np.nan, Y))
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.optimizer.iterations == 0


def test_its_names():
    assert tinynet.TrainingDiverged is callbacks.TrainingDiverged is TrainingDiverged
    assert issubclass(TrainingDiverged, RuntimeError)
