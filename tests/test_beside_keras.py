"""docs/beside-keras.md names tests that exist, one at least for each difference; and what no other file holds."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential, metrics
from tinynet.layers import Dense

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "beside-keras.md").read_text(encoding="utf-8")
X = np.ones((3, 2))


def made(**compiled):
    model = Sequential([Dense(1, input_dim=2)], seed=0)
    model.compile("sgd", "mse", **compiled)
    return model


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)
    assert len(named) > 40
    for file, test in named:
        assert f"\ndef {test}(" in (TESTS / file).read_text(encoding="utf-8"), (file, test)


def test_every_difference_says_why_and_names_its_test():
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "| here |" not in line]
    assert len(rows) > 30
    for row in rows:
        assert len(row) == 4, row
        assert all(cell.strip("| ") for cell in row), row
        assert "::test_" in row[3], row


def test_predict_shows_nothing_and_evaluate_one_line(capsys):
    made().predict(X)
    assert capsys.readouterr().out == ""
    made().evaluate(X, X[:, :1])
    assert re.fullmatch(r"loss: [\d.]+\n", capsys.readouterr().out)


def test_targets_without_the_axis_of_a_single_output_are_refused_by_fit():
    model = made()
    with pytest.raises(ValueError, match=r"MeanSquaredError: expected .* \(N, 1\)\. Received: \(3,\)"):
        model.fit(X, [1.0, 2.0, 3.0], verbose=0)
    assert model.optimizer.iterations == 0


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
