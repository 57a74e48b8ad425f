"""What fit shows: nothing, one plain line an epoch, or a bar where there is a terminal."""

import io
import os
import re
import sys

import numpy as np
import pytest
from numba import njit

from tinynet import Sequential
from tinynet.callbacks import LambdaCallback
from tinynet.kernels.compilation import compilation
from tinynet.layers import Dense
from tinynet.training import progress

X, Y = np.ones((10, 2)), np.eye(2)[[0, 1] * 5]
FIGURES = r"loss: \d\.\d{4} - accuracy: \d\.\d{4}"


@pytest.fixture
def model():
    model = Sequential([Dense(2, activation="softmax", input_dim=2)], seed=0)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def test_verbose_0_is_silent(model, capsys):
    model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2, "auto", None])
def test_off_a_terminal_every_epoch_is_one_plain_line(model, capsys, verbose):
    model.fit(X, Y, batch_size=3, epochs=2, **({} if verbose is None else {"verbose": verbose}))
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"Epoch 1/2 - \d+s - {FIGURES}\nEpoch 2/2 - \d+s - {FIGURES}\n", out)
    assert err == ""


def test_validation_figures_follow_the_others(model, capsys):
    model.fit(X, Y, verbose=2, validation_split=0.2)
    line = capsys.readouterr().out
    assert re.fullmatch(rf"Epoch 1/1 - \d+s - {FIGURES} - val_loss: \d\.\d{{4}} - val_accuracy: \d\.\d{{4}}\n", line)


def test_lines_count_from_the_initial_epoch(model, capsys):
    model.fit(X, Y, verbose=2, epochs=5, initial_epoch=4)
    assert capsys.readouterr().out.startswith("Epoch 5/5 - ")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_verbose_1_is_a_bar_and_verbose_2_lines(model, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    model.fit(X, Y, batch_size=3, epochs=2, verbose=1, validation_data=(X, Y))
    shown = sys.stdout.getvalue()
    assert "Epoch 2/2: 100%" in shown
    assert "10/10" in shown
    assert "val_accuracy: " in shown
    assert "\r" in shown
    monkeypatch.setattr(sys, "stdout", Terminal())
    model.fit(X, Y, verbose=2)
    assert "\r" not in sys.stdout.getvalue()


def on_a_terminal_of(columns, monkeypatch, model):
    """Return what fit has shown at its end, on a terminal of so many columns; lines as they were last."""
    monkeypatch.setattr(os, "get_terminal_size", lambda *args: os.terminal_size((columns, 24 if columns else 0)))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    model.fit(X, Y, batch_size=3, epochs=2, validation_data=(X, Y))
    return [line.rpartition("\r")[2] for line in sys.stdout.getvalue().split("\n")]


@pytest.mark.parametrize("columns", [0, 20, 60, 80, 120])
def test_the_figures_of_an_epoch_can_be_read_on_a_terminal_of_any_width(model, monkeypatch, columns):
    bar, figures, *_ = on_a_terminal_of(columns, monkeypatch, model)
    assert bar.startswith("Epoch 1/2: 100%"[:columns or 80])
    assert len(bar) <= (columns or 80)
    assert re.fullmatch(rf"{FIGURES} - val_loss: \d\.\d{{4}} - val_accuracy: \d\.\d{{4}}", figures)


def test_on_80_columns_the_figures_so_far_are_beside_the_bar(model, monkeypatch):
    monkeypatch.setattr(progress.ProgressBar, "on_epoch_end", lambda self, epoch, logs: self.bar.close())
    bar, *_ = on_a_terminal_of(80, monkeypatch, model)
    assert re.search(rf"\| 10/10 \[00:00<00:00, {FIGURES}\]$", bar)


def test_the_bar_says_once_that_kernels_are_compiled_and_its_clock_does_not_count_that(model, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(compilation, "seconds", 0.0)
    monkeypatch.setattr(sys, "stdout", Terminal())

    class Compiles(LambdaCallback):
        def on_train_batch_begin(self, batch, logs=None):
            compilation.begin()
            compilation.end()
            compilation.seconds += 1000 * (batch == 0)                # as if it had taken so long
            clock.append(compilation.seconds)
    listening = set(compilation.listeners)
    model.fit(X, Y, batch_size=3, epochs=2, callbacks=[Compiles()])
    assert sys.stdout.getvalue().count("compiling kernels") == 1
    assert sys.stdout.getvalue().count("Kernels were compiled in ") == 1
    assert compilation.listeners == listening


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
@pytest.mark.parametrize("verbose", [1, 2])
@pytest.mark.parametrize("terminal", [True, False])
def test_what_another_callback_raises_before_it_has_begun_is_raised(model, monkeypatch, terminal, verbose):
    monkeypatch.setattr(progress, "on_terminal", lambda: terminal)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, verbose=verbose, callbacks=[LambdaCallback(on_train_begin=lambda logs: 1 / 0)])
    assert not compilation.listeners


def test_a_compilation_of_a_kernel_is_told_and_timed(monkeypatch):
    def doubled(x):
        return 2 * x
    doubled.__module__ = "tinynet.kernels.fast.doubled"
    begun, before = [], compilation.seconds
    monkeypatch.setattr(compilation, "listeners", [lambda: begun.append(compilation.seconds)])
    assert njit(doubled)(3) == 6
    assert begun == [before]
    assert compilation.seconds > before


@pytest.mark.parametrize("module", [None, "somebody_else"])
def test_a_compilation_of_somebody_elses_function_is_not(monkeypatch, module):
    def doubled(x):
        return 2 * x
    doubled.__module__ = module                                                # None: one that `exec` has made
    begun = []
    monkeypatch.setattr(compilation, "listeners", [lambda: begun.append(module)])
    assert njit(doubled)(3) == 6
    assert not begun


class Written:
    """What a program puts in place of the standard output that it does not have."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_training_needs_no_standard_output_and_nothing_of_it_but_write(model, monkeypatch, verbose):
    for output in None, Written():
        monkeypatch.setattr(sys, "stdout", output)
        model.fit(X, Y, verbose=verbose)
        model.evaluate(X, Y)
    assert re.fullmatch(rf"Epoch 1/1 - \d+s - {FIGURES}\n{FIGURES}\n", output.text)


def test_what_an_output_cannot_spell_is_a_question_mark(model, monkeypatch):
    def точность(y_true, y_pred):
        return np.ones(len(y_true))
    model.compile("adam", "mse", metrics=[точность])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    model.fit(X, Y)
    assert b"????????: 1.0000" in sys.stdout.buffer.getvalue()


@pytest.mark.parametrize("verbose", [3, -1, "loud", None])
def test_other_values_are_refused(model, verbose):
    with pytest.raises(ValueError, match=r"fit: expected verbose 0 \(silent\), 1 \(progress bar\) or 2"):
        model.fit(X, Y, verbose=verbose)


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.0000"), (0.98125, "0.9812"), (12.5, "12.5000"),
                                             (0.0000123, "1.2300e-05"), (-0.5, "-0.5000")])
def test_figures_have_four_digits_and_tiny_ones_an_exponent(value, text):
    assert progress.format_logs({"loss": value}) == f"loss: {text}"


def test_evaluate_prints_its_figures_unless_told_not_to(model, capsys):
    model.evaluate(X, Y)
    assert re.fullmatch(FIGURES + "\n", capsys.readouterr().out)
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""
