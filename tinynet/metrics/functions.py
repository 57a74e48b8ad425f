"""Metrics as functions of (y_true, y_pred), which return one number for each sample.

Each checks its targets, before the first update too: see `takes`.

>>> categorical_accuracy(np.array([[0, 1], [1, 0]]), np.array([[0.2, 0.8], [0.4, 0.6]]))
array([1., 0.])
"""

from __future__ import annotations

import numpy as np

from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.losses.targets import as_values
from tinynet.metrics.targets import binary, classes, labels, one_hot, takes


@takes(one_hot)
def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the one-hot target, else 0."""
    return (y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)).astype(float)


@takes(labels)
def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the label, else 0."""
    return (y_true == y_pred.argmax(axis=-1)).astype(float)


@takes(binary)
def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the share of outputs on the target's side of 0.5."""
    return ((y_pred > 0.5) == (y_true > 0.5)).mean(axis=-1)


@takes(classes)
def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the accuracy that fits the shapes: one-hot targets, labels, or a single output."""
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    fits = categorical_accuracy if y_true.shape == y_pred.shape else sparse_categorical_accuracy
    return fits(y_true, y_pred)


@takes(as_values)
def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the squared differences."""
    return np.square(y_pred - y_true).mean(axis=-1)


@takes(as_values)
def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the absolute differences."""
    return np.abs(y_pred - y_true).mean(axis=-1)


@takes(one_hot)
def categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the one-hot target."""
    return CategoricalCrossentropy().losses(y_true, y_pred)[0]


@takes(labels)
def sparse_categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the label."""
    return SparseCategoricalCrossentropy().losses(y_true, y_pred)[0]


@takes(classes)
def crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the right class: the cross-entropy that fits the shapes, one-hot targets or labels."""
    fits = categorical_crossentropy if y_true.shape == y_pred.shape else sparse_categorical_crossentropy
    return fits(y_true, y_pred)
