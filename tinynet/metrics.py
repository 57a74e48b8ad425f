"""What is reported beside the loss: functions of (y_true, y_pred) that return one number for each sample.

>>> import numpy as np
>>> categorical_accuracy(np.array([[0, 1], [1, 0]]), np.array([[0.2, 0.8], [0.4, 0.6]]))
array([1., 0.])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.checks import invalid
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.registry import pick

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray | float]


def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the one-hot target, else 0."""
    return (y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)).astype(float)


def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the label, else 0."""
    return (y_true.reshape(y_pred.shape[:-1]) == y_pred.argmax(axis=-1)).astype(float)


def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the share of outputs on the target's side of 0.5."""
    return ((y_pred > 0.5) == (y_true > 0.5)).mean(axis=-1)


def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the accuracy that fits the shapes: one-hot targets, labels, or a single output."""
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true.reshape(y_pred.shape), y_pred)
    fits = categorical_accuracy if y_true.shape == y_pred.shape else sparse_categorical_accuracy
    return fits(y_true, y_pred)


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the squared differences."""
    return np.square(y_pred - y_true).mean(axis=-1)


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the absolute differences."""
    return np.abs(y_pred - y_true).mean(axis=-1)


def categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the one-hot target."""
    return CategoricalCrossentropy().losses(y_true, y_pred)[0]


def sparse_categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the label."""
    loss = SparseCategoricalCrossentropy()
    return loss.losses(loss.check_targets(y_true, y_pred.shape), y_pred)[0]


KNOWN: dict[str, Metric] = {
    "accuracy": accuracy, "acc": accuracy, "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy, "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "mean_squared_error": mean_squared_error, "mse": mean_squared_error,
    "mean_absolute_error": mean_absolute_error, "mae": mean_absolute_error,
    "categorical_crossentropy": categorical_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
}


def get(identifier: str | Metric) -> tuple[str, Metric]:
    """Return the name and the function for a known name or a callable; ``"acc"`` is called accuracy."""
    if isinstance(identifier, str):
        metric = pick("metric", identifier, KNOWN)
        return ("accuracy" if identifier == "acc" else identifier), metric
    if not callable(identifier):
        raise invalid(None, "a metric: a name, or a callable (y_true, y_pred)", repr(identifier))
    return getattr(identifier, "__name__", type(identifier).__name__), identifier
