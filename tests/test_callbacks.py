"""The callbacks that Keras users know: their arguments and defaults, what they do, and what they say."""

import copy
import csv
import inspect
import math
import os
import pickle
import re
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential, callbacks, load_model
from tinynet.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from tinynet.layers import Dense, Layer
from tinynet.optimizers import SGD, ExponentialDecay
from tinynet.training.data import Data
from tinynet.training.run import Run
from tinynet.training.sources import Arrays

KERAS = {
    "EarlyStopping": "monitor='val_loss', min_delta=0, patience=0, verbose=0, mode='auto', baseline=None, "
                     "restore_best_weights=False, start_from_epoch=0",
    "ModelCheckpoint": "filepath, monitor='val_loss', verbose=0, save_best_only=False, save_weights_only=False, "
                       "mode='auto', save_freq='epoch', initial_value_threshold=None",
    "ReduceLROnPlateau": "monitor='val_loss', factor=0.1, patience=10, verbose=0, mode='auto', min_delta=0.0001, "
                         "cooldown=0, min_lr=0.0",
    "LearningRateScheduler": "schedule, verbose=0",
    "CSVLogger": "filename, separator=',', append=False",
    "TerminateOnNaN": "raise_error=False",
    "BackupAndRestore": "backup_dir, save_freq='epoch', double_checkpoint=False, delete_checkpoint=True",
}


@pytest.mark.parametrize("name", KERAS)
def test_arguments_and_defaults_are_those_of_keras(name):
    parameters = inspect.signature(getattr(callbacks, name)).parameters.values()
    told = [f"{p.name}={p.default!r}" if p.default is not p.empty else p.name for p in parameters
            if p.kind is not p.VAR_KEYWORD]
    assert ", ".join(told) == KERAS[name]


class Figures(Callback):
    """Replaces the figures of each epoch, and the weight by the epoch's number."""

    def __init__(self, **figures):
        super().__init__()
        self.figures = figures

    def on_epoch_end(self, epoch, logs=None):
        logs.update({key: values[epoch] for key, values in self.figures.items()})
        self.model.set_weights([np.array([[float(epoch)]])])


def fit(*used, epochs=None, optimizer=None, **figures):
    """Train a model of one weight, with figures that are given; return model and history."""
    model = Sequential([Dense(1, use_bias=False, input_dim=1)], dtype="float64")
    model.compile(optimizer or SGD(0.0), "mse", metrics=["mae"])
    epochs = epochs or len(next(iter(figures.values())))
    history = model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=2, epochs=epochs, verbose=0,
                        callbacks=[Figures(**figures), *used])
    return model, history


def weight(model):
    return model.get_weights()[0].item()


# EarlyStopping

@pytest.mark.parametrize(("arguments", "figures", "epochs"), [
    ({}, {"val_loss": [3, 2, 2, 1]}, 3),
    ({"patience": 1}, {"val_loss": [3, 4, 2, 3, 1, 1]}, 2),
    ({"patience": 2}, {"val_loss": [3, 4, 2, 3, 4, 1]}, 5),
    ({"patience": 9}, {"val_loss": [3, 4, 5]}, 3),
    ({}, {"val_loss": [math.nan, 2, 3, 1]}, 3),                       # the first epoch is never the last
    ({"patience": 1, "min_delta": 0.5}, {"val_loss": [3, 2.4, 2.0, 1]}, 3),
    ({"patience": 1, "min_delta": -0.5}, {"val_loss": [3, 2.4, 2.0, 1]}, 3),
    ({"patience": 1, "min_delta": 0.5, "monitor": "mine", "mode": "max"}, {"mine": [1, 1.6, 2.0, 3]}, 3),
    ({"patience": 1, "monitor": "val_accuracy"}, {"val_accuracy": [0.5, 0.6, 0.6, 0.9]}, 3),
    ({"patience": 1, "monitor": "mine", "mode": "max"}, {"mine": [1, 2, 1, 5]}, 3),
    ({"patience": 1, "monitor": "mine", "mode": "min"}, {"mine": [2, 1, 2, 0]}, 3),
    ({"patience": 2, "baseline": 1.0}, {"val_loss": [3, 2, 2.5, 0.5]}, 3),
    ({"patience": 1, "baseline": 2.5}, {"val_loss": [2, 3, 1, 1]}, 2),
    ({"patience": 1, "start_from_epoch": 2}, {"val_loss": [1, 2, 5, 4, 6, 1]}, 5),
])
def test_early_stopping_stops_when_nothing_improved_for_too_long(arguments, figures, epochs):
    stopping = EarlyStopping(**arguments)
    _, history = fit(stopping, **figures)
    assert len(history.epoch) == epochs
    assert stopping.stopped_epoch == (epochs - 1 if epochs < len(next(iter(figures.values()))) else 0)


def test_early_stopping_puts_the_best_weights_back_and_says_so(capsys):
    model, _ = fit(EarlyStopping(patience=2, restore_best_weights=True, verbose=1), val_loss=[3, 1, 2, 2, 0])
    assert weight(model) == 1
    assert capsys.readouterr().out == ("Epoch 4: early stopping\n"
                                       "Restoring model weights from the end of the best epoch: 2.\n")


def test_early_stopping_restores_the_best_even_if_it_did_not_stop():
    assert weight(fit(EarlyStopping(patience=9, restore_best_weights=True), val_loss=[3, 1, 2])[0]) == 1
    assert weight(fit(EarlyStopping(patience=9), val_loss=[3, 1, 2])[0]) == 2


def test_early_stopping_warns_of_a_figure_that_is_not_there():
    with pytest.warns(UserWarning, match="Early stopping conditioned on metric `val_loss` which is not available. "
                                         "Available metrics are: loss,mae"):
        _, history = fit(EarlyStopping(), epochs=1)
    assert len(history.epoch) == 1


def test_early_stopping_can_be_used_again():
    stopping = EarlyStopping(patience=1)
    assert len(fit(stopping, val_loss=[1, 2, 3])[1].epoch) == 2
    assert len(fit(stopping, val_loss=[5, 4, 6, 3])[1].epoch) == 3            # the best of before does not count
    assert (stopping.best, stopping.best_epoch) == (4, 1)


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau,
                                  lambda **more: ModelCheckpoint("x", save_best_only=True, **more)])
def test_what_is_better_is_known_of_losses_errors_and_accuracies_and_else_asked(make):
    for name, larger in ("val_loss", False), ("accuracy", True), ("val_acc", True), ("mae", False), ("mse", False), \
            ("val_categorical_crossentropy", False), ("sparse_categorical_accuracy", True):
        assert make(monitor=name).largest() is larger
    with pytest.raises(ValueError, match="isn't able to automatically determine whether that metric should be"):
        make(monitor="mine")
    with pytest.warns(UserWarning, match="mode 'best' is unknown, fallback to auto mode"):
        make(mode="best")


# ReduceLROnPlateau and LearningRateScheduler

def rates(*used, optimizer=None, **figures):
    return fit(*used, optimizer=optimizer or SGD(1.0), **figures)[1].history["learning_rate"]


@pytest.mark.parametrize(("arguments", "losses", "expected"), [
    ({"patience": 2, "factor": 0.5}, [3, 3, 3, 3, 3, 3], [1, 1, 1, 0.5, 0.5, 0.25]),
    ({"patience": 1, "factor": 0.5, "cooldown": 2}, [3, 3, 3, 3, 3], [1, 1, 0.5, 0.5, 0.25]),
    ({"patience": 1, "min_lr": 0.4, "factor": 0.5}, [3, 3, 3, 3], [1, 1, 0.5, 0.4]),
    ({"patience": 1, "factor": 0.5, "min_delta": 0.5}, [3, 2.6, 2.6, 1], [1, 1, 0.5, 0.25]),
    ({"patience": 1, "factor": 0.5}, [3, 2, 1, 0], [1, 1, 1, 1]),
])
def test_the_learning_rate_is_reduced_on_a_plateau(arguments, losses, expected):
    assert rates(ReduceLROnPlateau(**arguments), val_loss=losses) == expected


def test_reducing_is_told(capsys):
    model, _ = fit(ReduceLROnPlateau(patience=1, verbose=1), optimizer=SGD(1.0), val_loss=[1, 1])
    assert capsys.readouterr().out == "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.1.\n"
    assert model.optimizer.learning_rate == 0.1
    with pytest.raises(ValueError, match=r"ReduceLROnPlateau does not support a factor >= 1.0. Received factor=1.0"):
        ReduceLROnPlateau(factor=1.0)
    with pytest.warns(UserWarning, match="Learning rate reduction is conditioned on metric `val_loss` which is not"):
        fit(ReduceLROnPlateau(), epochs=1)


def test_at_the_least_rate_nothing_is_said_to_be_reduced(capsys):
    reducing = ReduceLROnPlateau(patience=1, factor=0.5, min_lr=0.4, verbose=1)
    assert rates(reducing, val_loss=[1] * 6) == [1, 1, 0.5, 0.4, 0.4, 0.4]
    assert capsys.readouterr().out.count("reducing") == 2


def test_the_learning_rate_follows_a_schedule_of_epoch_and_rate(capsys):
    assert rates(LearningRateScheduler(lambda epoch, rate: rate / 2), val_loss=[1, 1, 1]) == [0.5, 0.25, 0.125]
    assert rates(LearningRateScheduler(lambda epoch: 1.0 / (1 + epoch)), val_loss=[1, 1]) == [1.0, 0.5]
    assert rates(LearningRateScheduler(lambda epoch, rate: np.float32(0.5), verbose=1), val_loss=[1]) == [0.5]
    assert capsys.readouterr().out == "\nEpoch 1: LearningRateScheduler setting learning rate to 0.5.\n"


def test_a_schedule_that_returns_no_rate_is_told():
    for wrong, text in (("fast", "should be a float. Got: fast"), (None, "should be a float"),
                        (1, "should be a float. Got: 1"), (-1.0, "learning_rate")):
        with pytest.raises(ValueError, match=text):
            fit(LearningRateScheduler(lambda epoch, rate, wrong=wrong: wrong), epochs=1)

    def broken(epoch, rate):
        raise TypeError("mine")
    with pytest.raises(TypeError, match="mine"):
        fit(LearningRateScheduler(broken), epochs=1)


@pytest.mark.parametrize("used", [LearningRateScheduler(lambda epoch, rate: rate), ReduceLROnPlateau("loss")])
def test_two_that_set_the_learning_rate_are_told(used):
    with pytest.raises(ValueError, match=r"expected an optimizer whose learning rate is a number\. Received: Exp"):
        fit(used, epochs=1, optimizer=SGD(ExponentialDecay(0.1, 10, 0.5)))


# ModelCheckpoint

def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_an_epoch_under_formatted_names(tmp_path, capsys):
    fit(ModelCheckpoint(tmp_path / "deep" / "{epoch:02d}-{val_loss:.2f}.safetensors", verbose=1), val_loss=[1.5, 0.25])
    assert names(tmp_path / "deep") == ["01-1.50.safetensors", "02-0.25.safetensors"]
    assert weight(load_model(tmp_path / "deep" / "02-0.25.safetensors")) == 1
    first = tmp_path / "deep" / "01-1.50.safetensors"
    assert capsys.readouterr().out.startswith(f"\nEpoch 1: saving model to {first}\n"
                                              f"\nEpoch 1: finished saving model to {first}\n")


def test_only_the_best_is_kept(tmp_path, capsys):
    path = tmp_path / "best"
    fit(ModelCheckpoint(path, save_best_only=True, verbose=1), val_loss=[3, 1, 2])
    assert weight(load_model(path)) == 1
    assert capsys.readouterr().out == (
        f"\nEpoch 1: val_loss improved from None to 3.00000, saving model to {path}\n"
        f"\nEpoch 1: finished saving model to {path}\n"
        f"\nEpoch 2: val_loss improved from 3.00000 to 1.00000, saving model to {path}\n"
        f"\nEpoch 2: finished saving model to {path}\n"
        f"\nEpoch 3: val_loss did not improve from 1.00000\n")


def test_the_best_has_to_beat_the_threshold(tmp_path):
    fit(ModelCheckpoint(tmp_path / "best", save_best_only=True, initial_value_threshold=0.5), val_loss=[3, 1])
    assert names(tmp_path) == []
    fit(ModelCheckpoint(tmp_path / "far", save_best_only=True, min_delta=3, initial_value_threshold=3), val_loss=[3, 1])
    assert names(tmp_path) == []
    fit(ModelCheckpoint(tmp_path / "best", "accuracy", save_best_only=True), accuracy=[0.2, 0.9, 0.5])
    assert weight(load_model(tmp_path / "best")) == 1


def test_checkpoints_of_weights_alone_and_after_batches(tmp_path):
    path = tmp_path / "{epoch}-{batch}-{loss:.0f}"
    fit(ModelCheckpoint(path, save_freq=3, save_weights_only=True), val_loss=[1, 1, 1])
    assert len(names(tmp_path)) == 2                                     # 6 batches
    assert [name[:3] for name in names(tmp_path)] == ["2-1", "3-2"]
    model = Sequential([Dense(1, use_bias=False, input_dim=1)], dtype="float64")
    model.load_weights(tmp_path / names(tmp_path)[0])
    assert weight(model) == 0


def test_checkpoint_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"Failed to format this callback filepath: .*\{top5\}.*Reason: .*top5"):
        fit(ModelCheckpoint(tmp_path / "{top5}"), epochs=1)
    with pytest.raises(OSError, match="Please specify a non-directory filepath for ModelCheckpoint"):
        fit(ModelCheckpoint(tmp_path), epochs=1)
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        fit(ModelCheckpoint(tmp_path / "m", save_best_only=True), epochs=1)
    assert names(tmp_path) == ["m"]


# What is told before the first epoch

class Prints(Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print(epoch)


class Own(Layer):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, x, training=False):
        return x * self.factor, lambda dy: dy * self.factor


def file_at(path):
    path.write_text("")
    return path


def pipe_at(path):
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda folder: ModelCheckpoint(folder / "{val_acc}"), ValueError, "Failed to format this .* Reason: 'val_acc'"),
    (lambda folder: ModelCheckpoint(folder / "{val_loss:.2f}"), ValueError, "Reason: 'val_loss'"),
    (lambda folder: ModelCheckpoint(folder / "{batch}"), ValueError, "Reason: 'batch'"),
    (lambda folder: ModelCheckpoint(folder / "{val_loss}", save_freq=1), ValueError, "Reason: 'val_loss'"),
    (lambda folder: ModelCheckpoint(folder / "{loss:d}"), ValueError, "Reason: Unknown format code 'd'"),
    (lambda folder: ModelCheckpoint(folder / "{}"), ValueError, "Failed to format"),
    (lambda folder: ModelCheckpoint(folder / "{epoch"), ValueError, "Failed to format"),
    (lambda folder: ModelCheckpoint(folder / "{0}"), ValueError, "Failed to format"),
    (lambda folder: ModelCheckpoint(folder / "{epoch.x}"), ValueError, "Failed to format"),
    (lambda folder: ModelCheckpoint(file_at(folder / "file") / "m"), OSError, "expected a folder to save into"),
    (lambda folder: ModelCheckpoint(file_at(folder / "file") / "deep" / "{epoch}"), OSError, "expected a folder to"),
    (lambda folder: ModelCheckpoint("/proc/none/m"), OSError, "expected a folder to save into, /proc/none"),
    (lambda folder: ModelCheckpoint("/proc/m"), OSError, "expected a folder to save into, /proc"),
    (lambda folder: ModelCheckpoint(folder), OSError, "Please specify a non-directory filepath"),
    (lambda folder: ModelCheckpoint(pipe_at(folder / "pipe")), ValueError, "a pipe, a socket or a device"),
    (lambda folder: BackupAndRestore(file_at(folder / "file")), OSError, "BackupAndRestore: expected a folder of"),
], ids=["metric", "no validation", "batch", "validation in an epoch", "format", "no name", "brace", "number",
        "attribute", "file for a folder", "deep", "no folder", "no file", "folder", "pipe", "backup"])
def test_a_checkpoint_that_would_fail_is_told_before_the_first_update(tmp_path, make, error, text):
    assert_told_at_once(make(tmp_path), [Dense(1)], "sgd", error, text)


@pytest.mark.parametrize("freq", [2, [1, 3]])
def test_a_name_that_some_epochs_cannot_fill_is_told_before_the_first_update(tmp_path, freq):
    model, x = Sequential([Dense(1, input_dim=1)]), np.ones((2, 1))
    model.compile("sgd", "mse")
    checkpoint = ModelCheckpoint(tmp_path / "{val_loss:.2f}")
    with pytest.raises(ValueError, match=r"Reason: 'val_loss'\. Each time it saves, there are: epoch, loss\."):
        model.fit(x, x, epochs=3, validation_data=(x, x), validation_freq=freq, callbacks=checkpoint, verbose=0)
    assert model.optimizer.iterations == 0
    model.fit(x, x, epochs=2, validation_data=iter([(x, x)] * 2), validation_steps=1, callbacks=checkpoint, verbose=0)
    model.fit(x, x, epochs=2, validation_data=(x, x), validation_freq=[1, 2], callbacks=checkpoint, verbose=0)
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(("layer", "error", "text"), [
    (lambda: Own(7.0), ValueError, "none for 'factor'"),
    (lambda: Dense(1, kernel_initializer=lambda shape, rng: np.ones(shape)), TypeError, "no get_config")])
def test_a_model_that_no_checkpoint_can_hold_is_told_before_the_first_update(tmp_path, layer, error, text):
    assert_told_at_once(ModelCheckpoint(tmp_path / "m"), [layer()], "sgd", error, text)


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)])
@pytest.mark.parametrize("schedule", [ExponentialDecay(0.1, 10, 0.5), lambda step: 0.1])
def test_a_rate_that_is_set_beside_a_schedule_is_told_before_the_first_update(callback, schedule):
    assert_told_at_once(callback, [Dense(1)], SGD(schedule), ValueError, "learning rate is a number. Received: ")


class NoLogs(Callback):
    def on_epoch_end(self, epoch):
        pass


class NoNumber(Callback):
    def on_train_batch_end(self, logs=None):
        pass


class TooMany(Callback):
    def on_train_end(self, epoch, logs):
        pass


@pytest.mark.parametrize(("callback", "text"), [
    (NoLogs(), r"^NoLogs\.on_epoch_end: expected a function of \(epoch, logs\)\. Received: .*too many"),
    (NoNumber(), r"^NoNumber\.on_train_batch_end: expected a function of \(batch, logs\)"),
    (TooMany(), r"^TooMany\.on_train_end: expected a function of \(logs\)\. Received: .*missing"),
    (LambdaCallback(on_epoch_end=lambda logs: None), r"^LambdaCallback\.on_epoch_end: expected a function of \(epoch"),
    (LambdaCallback(on_test_end=3), r"^LambdaCallback\.on_test_end: expected a function of \(logs\)\. Received: 3 \(")])
def test_a_method_that_cannot_be_called_is_told_before_the_first_update(callback, text):
    assert_told_at_once(callback, [Dense(1)], "sgd", TypeError, text)


def test_a_schedule_that_is_no_function_is_told():
    with pytest.raises(ValueError, match=r"expected schedule, a function of the epoch .*\. Received: 'fast'"):
        LearningRateScheduler("fast")


def assert_told_at_once(callback, layers, optimizer, error, text):
    model = Sequential(layers, input_shape=(1,))
    model.compile(optimizer, "mse", metrics=["mae"])
    with pytest.raises(error, match=text):
        model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0, callbacks=[Prints(), callback])
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("callback", [EarlyStopping(), ReduceLROnPlateau("val_acc"),
                                      ModelCheckpoint("none", "val_mae", save_best_only=True, save_freq=99)])
def test_a_metric_to_monitor_that_there_will_not_be_is_told_once_before_the_first_update(callback, tmp_path,
                                                                                         monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, updates = Sequential([Dense(1, input_dim=1)]), []
    model.compile("sgd", "mse")
    monkeypatch.setattr(warnings, "warn", lambda *args, **kwargs: updates.append(model.optimizer.iterations))
    model.fit(np.ones((2, 1)), np.ones((2, 1)), epochs=3, verbose=0, callbacks=[callback])
    assert updates == [0]


@pytest.mark.parametrize("given", [lambda one, other: one, lambda one, other: (one, [other]),
                                   lambda one, other: iter([one, None])])
def test_one_callback_needs_no_list_and_lists_may_be_nested(given):
    calls = []
    one, other = (LambdaCallback(on_train_begin=lambda logs, name=name: calls.append(name)) for name in "ab")
    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0, callbacks=given(one, other))
    assert calls == (["a", "b"] if isinstance(given(one, other), tuple) else ["a"])


# CSVLogger

def rows(path, **kwargs):
    with open(path, newline="") as file:
        return list(csv.reader(file, **kwargs))


def test_every_epoch_is_a_line_of_the_csv_file(tmp_path):
    path = tmp_path / "log.csv"
    _, history = fit(CSVLogger(path), val_loss=[3.25, 0.1, 1e-20])
    head, *lines = rows(path)
    assert head == ["epoch", "loss", "mae", "val_loss"]
    assert [line[0] for line in lines] == ["0", "1", "2"]
    for column, key in enumerate(head[1:], start=1):
        assert [float(line[column]) for line in lines] == history.history[key]


def test_a_csv_file_is_the_one_that_keras_writes(tmp_path):
    _, history = fit(CSVLogger(tmp_path / "log", separator=";"), epochs=2)
    loss, mae = history.history["loss"], history.history["mae"]
    assert (tmp_path / "log").read_bytes().decode() == (
        "epoch;loss;mae;val_loss;val_mae\r\n" + "".join(f"{n};{loss[n]};{mae[n]};NA;NA\r\n" for n in range(2)))


def test_csv_files_are_begun_anew_or_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    fit(CSVLogger(path, separator=";"), val_loss=[3, 2])
    fit(CSVLogger(path, separator=";"), val_loss=[1])
    assert len(rows(path, delimiter=";")) == 2
    fit(CSVLogger(path, separator=";", append=True), val_loss=[3, 2])
    assert [line[0] for line in rows(path, delimiter=";")] == ["epoch", "0", "0", "1"]
    fit(CSVLogger(tmp_path / "new", append=True), val_loss=[3])
    assert [line[0] for line in rows(tmp_path / "new")] == ["epoch", "0"]


def log_of(path, text):
    path.write_text(text, newline="")
    return path


def test_appended_numbers_stand_under_their_own_headers(tmp_path):
    path = log_of(tmp_path / "log.csv", "epoch,val_loss,old,mae,loss\r\n0,1.5,2.5,3.5,4.5\r\n")
    _, history = fit(CSVLogger(path, append=True), val_loss=[0.5])
    _, first, second = rows(path)
    assert first == ["0", "1.5", "2.5", "3.5", "4.5"]
    assert second == ["0", "0.5", "NA", str(history.history["mae"][0]), str(history.history["loss"][0])]


@pytest.mark.parametrize(("text", "arguments"), [
    ("epoch,loss\n0,1\n", {}), ("epoch,loss,mse\n0,1,2\n", {}), ("epoch;loss;mae\n0;1;2\n", {}), ("0,1,2\n", {}),
    ("epoch,loss,mae\n0,1,2\n", {"validation_data": (np.ones((2, 1)), np.ones((2, 1)))})],
    ids=["no metric", "another", "another separator", "no header", "no validation"])
def test_a_csv_file_without_columns_for_the_metrics_is_told_before_the_training_and_stays(tmp_path, text, arguments):
    path, model = log_of(tmp_path / "log.csv", text), Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse", metrics=["mae"])
    with pytest.raises(ValueError, match=r"^CSVLogger: expected columns epoch, loss, mae.* in .*log\.csv, to append"):
        model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0, callbacks=[CSVLogger(path, append=True)], **arguments)
    assert model.optimizer.iterations == 0
    assert path.read_text() == text


def test_a_figure_for_which_a_csv_file_has_no_column_is_told(tmp_path):
    with pytest.warns(UserWarning, match=r"CSVLogger: .*log has no columns for learning_rate, which will not be in it"):
        fit(LearningRateScheduler(lambda epoch: 0.5),
            CSVLogger(log_of(tmp_path / "log", "epoch,loss,mae\n"), append=True), epochs=1)


def test_figures_that_go_missing_are_na(tmp_path):
    class Once(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                logs["extra"] = 1.0
    fit(Once(), CSVLogger(tmp_path / "log"), val_loss=[1, 2])
    assert [line[1] for line in rows(tmp_path / "log")] == ["extra", "1.0", "NA"]


def test_a_csv_file_is_utf_8_in_every_locale(tmp_path, monkeypatch):
    opened = []
    real = open
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: opened.append(kwargs) or real(*args, **kwargs))
    fit(CSVLogger(tmp_path / "log.csv"), loss=[1])
    assert [kwargs["encoding"] for kwargs in opened] == ["utf-8", "utf-8"]


def test_a_csv_file_that_cannot_be_written_is_told_before_the_training(tmp_path):
    with pytest.raises(FileNotFoundError):
        fit(CSVLogger(tmp_path / "none" / "log.csv"), epochs=1)


# Copies

@pytest.mark.parametrize("copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))],
                         ids=["copied", "pickled"])
def test_a_model_can_be_copied_after_and_in_a_fit_whatever_its_callbacks_hold(copied, tmp_path):
    class Holds(Callback):
        def __init__(self):
            super().__init__()
            self.lock, self.copies = threading.Lock(), []

        def on_epoch_end(self, epoch, logs=None):
            self.copies.append(copied(self.model))
    model, _ = fit(holds := Holds(), LambdaCallback(on_epoch_end=lambda epoch, logs: None),
                   BackupAndRestore(tmp_path), epochs=1, mine=[1.0])
    for again in (copied(model), *holds.copies):
        np.testing.assert_array_equal(again.predict(np.ones((2, 1))), model.predict(np.ones((2, 1))))
    assert copied(model).history.history == copied(model.history).history == model.history.history


# States

class Weights(Sequential):
    """A model whose weights are a number, that of the epoch."""

    def __init__(self, **config):
        super().__init__(**config)
        self.compile(SGD(1.0), "mse")
        self.epoch = 0

    def get_weights(self):
        return [self.epoch]

    def save(self, path):
        Path(path).write_text("")


ONE = Arrays(Data(np.zeros(1), np.zeros(1)), 1, np.dtype(float))                    # a sample


@pytest.mark.parametrize("make", [
    lambda folder: EarlyStopping(patience=3, restore_best_weights=True), lambda folder: ReduceLROnPlateau(patience=9),
    lambda folder: ReduceLROnPlateau(patience=1, cooldown=9),
    lambda folder: ModelCheckpoint(folder / "m", save_freq=50),
    lambda folder: ModelCheckpoint(folder / "m", save_best_only=True), lambda folder: CSVLogger(folder / "log")],
    ids=["stopping", "reducing", "cooling down", "saving", "saving the best", "logging"])
def test_nothing_is_lost_where_a_callback_goes_on_from_its_state(make, tmp_path):
    def watched(interrupted):
        model, folder = Weights(), tmp_path / str(interrupted)
        folder.mkdir()

        def begun():
            callback = make(folder)
            callback.set_model(model)
            callback.set_run(Run(model, [Figures()], ONE, None, True, 0, validation_samples=0))
            callback.on_train_begin()
            return callback
        callback = begun()
        for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.5, 1.5]):
            model.epoch = epoch
            callback.on_epoch_begin(epoch)
            callback.on_train_batch_end(0, {"loss": loss})
            callback.on_epoch_end(epoch, {"loss": loss, "val_loss": loss})
            if interrupted:
                state, callback = callback.get_state(), begun()
                callback.set_state(state)
                callback.on_epoch_begin(epoch)                                   # as where it goes on inside an epoch
        files = {path.name: path.read_text() for path in folder.iterdir()}
        kept = {name: value for name, value in vars(callback).items() if not isinstance(value, (str, Run, Weights))}
        return kept, files, model.optimizer.learning_rate
    whole = watched(False)
    assert watched(True) == whole
    fresh = vars(make(tmp_path))
    assert any(fresh.get(name) != value for name, value in whole[0].items())      # there was something to lose


# LambdaCallback

def test_functions_are_called_as_the_methods_would_be():
    calls = []
    fit(LambdaCallback(
        on_train_begin=lambda logs: calls.append(("train", logs)),
        on_train_end=lambda logs: calls.append(("end", set(logs))),
        on_epoch_begin=lambda epoch, logs: calls.append((epoch, logs)),
        on_epoch_end=lambda epoch, logs: calls.append((epoch, logs["val_loss"])),
        on_train_batch_begin=lambda batch, logs: calls.append(("batch", batch)),
        on_train_batch_end=lambda batch, logs: calls.append(("done", batch, set(logs)))), val_loss=[7])
    figures = {"loss", "mae"}
    assert calls == [("train", {}), (0, {}), ("batch", 0), ("done", 0, figures), ("batch", 1), ("done", 1, figures),
                     (0, 7), ("end", figures | {"val_loss"})]


def test_functions_that_nobody_would_call_are_told():
    with pytest.raises(ValueError, match=r"Unknown method of a callback 'on_epoch_ends'\. Did you mean 'on_epoch_e"):
        LambdaCallback(on_epoch_ends=print)


# Ctrl-C

@pytest.fixture
def ctrl_c():
    """Let Ctrl-C interrupt as it does by default; a job in the background of a shell is started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_a_usable_model_with_its_history_and_is_raised_again():
    model = Sequential([Dense(1, input_dim=1)], seed=0)
    model.compile("adam", "mse")
    x, y = np.ones((8, 1)), np.zeros((8, 1))

    def interrupt(batch, logs):
        if model.optimizer.iterations == 7:
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=2, epochs=5, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=interrupt)])
    assert model.history.epoch == [0]
    assert len(model.history.history["loss"]) == 1
    before = model.evaluate(x, y, verbose=0)
    assert math.isfinite(before)
    model.fit(x, y, epochs=5, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


def test_terminating_is_told(capsys):
    _, history = fit(TerminateOnNaN(), epochs=3, optimizer=SGD(1e200))
    assert not math.isfinite(history.history["loss"][-1])
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"
    assert len(history.epoch) == 1


def test_terminating_may_raise_an_error_instead():
    model = Sequential([Dense(1, input_dim=1)], dtype="float64")
    model.compile(SGD(1e200), "mse")
    with pytest.raises(RuntimeError, match=r"^NaN or Inf loss encountered at batch 1\. Loss value: inf\. Terminat"):
        model.fit(np.ones((4, 1)), np.full((4, 1), 9.0), batch_size=2, verbose=0, callbacks=TerminateOnNaN(True))
    model = Sequential([Dense(1, input_dim=1)])
    model.compile(SGD(0.1), "mse")
    with pytest.raises(RuntimeError, match=r"^NaN or Inf weights encountered at the end of epoch 1\. Terminating"):
        model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0, callbacks=[LambdaCallback(
            on_train_batch_end=lambda batch, logs: model.set_weights([[[math.inf]], [0.0]])), TerminateOnNaN(True)])


def test_a_first_loss_that_is_no_number_is_not_the_best(tmp_path, capsys):
    fit(ModelCheckpoint(tmp_path / "best", save_best_only=True, verbose=1), val_loss=[math.nan, 2.0])
    assert weight(load_model(tmp_path / "best")) == 1
    assert "Epoch 1: val_loss did not improve from None" in capsys.readouterr().out


@pytest.mark.parametrize(("make", "message"), [
    (lambda: EarlyStopping(patience="3"), "EarlyStopping: expected patience, a number at least 0"),
    (lambda: EarlyStopping(patience=None), "EarlyStopping: expected patience, a number at least 0"),
    (lambda: EarlyStopping(start_from_epoch="2"), "EarlyStopping: expected start_from_epoch, a number at least 0"),
    (lambda: EarlyStopping(baseline="x"), "EarlyStopping: expected baseline, a number. Received: 'x'"),
    (lambda: ReduceLROnPlateau(patience="3"), "ReduceLROnPlateau: expected patience, a number at least 0"),
    (lambda: ReduceLROnPlateau(cooldown="2"), "ReduceLROnPlateau: expected cooldown, a number at least 0"),
    (lambda: ReduceLROnPlateau(min_lr="1"), "ReduceLROnPlateau: expected min_lr, a number at least 0"),
    (lambda: ReduceLROnPlateau(factor=-1), "ReduceLROnPlateau: expected factor, a number at least 0"),
])
def test_settings_that_cannot_be_are_told_when_they_are_made(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_the_best_is_not_overwritten_after_epochs_that_are_not_validated(tmp_path):
    model = Sequential([Dense(1, input_dim=1)], seed=0)
    model.compile(SGD(1e-3), "mse")
    x, path, saved = np.ones((4, 1)), tmp_path / "best", []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                            # that epochs without a validation lack the metric
        model.fit(x, x, epochs=5, validation_data=(x, x), validation_freq=2, verbose=0, callbacks=[
            ModelCheckpoint(path, save_best_only=True),
            LambdaCallback(on_epoch_end=lambda epoch, logs: saved.append(load_model(path).get_weights()[0].item()))])
    assert saved[1] == saved[2] != saved[0]
    assert saved[3] == saved[4] != saved[2]


def test_early_stopping_restores_nothing_of_an_earlier_training_where_another_callback_fails():
    stopping = EarlyStopping("loss", restore_best_weights=True)
    model = Sequential([Dense(1, input_dim=1)], seed=0)
    model.compile("sgd", "mse")
    x = np.ones((4, 1))
    model.fit(x, x, verbose=0, callbacks=[stopping])
    model.fit(x, x, epochs=5, verbose=0)
    before = model.get_weights()
    with pytest.raises(FileNotFoundError, match="no/folder"):
        model.fit(x, x, verbose=0, callbacks=[CSVLogger("no/folder/x.csv"), stopping])
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
