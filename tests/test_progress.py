"""What fit shows: nothing, one plain line an epoch, or a bar where there is a terminal."""

import io
import re
import sys

import numpy as np
import pytest

from tinynet import Sequential
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
