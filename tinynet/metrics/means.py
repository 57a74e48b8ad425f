"""Metrics that are means over all samples: accuracies, errors, cross-entropies."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tinynet import losses
from tinynet.checks import check_int, check_number
from tinynet.losses import Loss
from tinynet.metrics import functions
from tinynet.metrics.base import MeanMetric
from tinynet.metrics.targets import binary, labels, one_hot


class BinaryAccuracy(MeanMetric):
    """The share of outputs on the target's side: above `threshold`, or not.

    >>> BinaryAccuracy(threshold=0.3)([1.0, 0.0], [[0.4], [0.4]])
    0.5
    """

    direction = "max"

    def __init__(self, name: str | None = None, *, threshold: float = 0.5):
        super().__init__(name)
        self.threshold = check_number("BinaryAccuracy", "threshold", threshold)

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the share of each sample."""
        return ((y_pred > self.threshold) == (y_true > 0.5)).mean(axis=-1)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets from 0 to 1."""
        return binary(f"metric {self.name}", y_true, shape)


class CategoricalAccuracy(MeanMetric):
    """The share of samples whose largest prediction is at the one-hot target."""

    direction = "max"

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return 1 for each that is right, else 0."""
        return functions.categorical_accuracy(y_true, y_pred)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return one-hot targets."""
        return one_hot(f"metric {self.name}", y_true, shape)


class SparseCategoricalAccuracy(MeanMetric):
    """The share of samples whose largest prediction is at the label."""

    direction = "max"

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return 1 for each that is right, else 0."""
        return functions.sparse_categorical_accuracy(y_true, y_pred)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return labels."""
        return labels(f"metric {self.name}", y_true, shape)


class SparseTopKCategoricalAccuracy(SparseCategoricalAccuracy):
    """The share of samples for which fewer than k predictions are larger than that at the label.

    >>> SparseTopKCategoricalAccuracy(k=2)([0, 2], [[0.3, 0.6, 0.1], [0.5, 0.4, 0.1]])
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None):
        super().__init__(name)
        self.k = check_int(k, f"{type(self).__name__}: k")

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return 1 for each that is among the largest, else 0."""
        return among_largest(y_true, y_pred, self.k)


class TopKCategoricalAccuracy(CategoricalAccuracy):
    """The same with one-hot targets."""

    def __init__(self, k: int = 5, name: str | None = None):
        super().__init__(name)
        self.k = check_int(k, f"{type(self).__name__}: k")

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return 1 for each that is among the largest, else 0."""
        return among_largest(y_true.argmax(axis=-1), y_pred, self.k)


class MeanSquaredError(MeanMetric):
    """The mean of the squared differences."""

    direction = "min"

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the mean of each sample."""
        return functions.mean_squared_error(y_true, y_pred)


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of the squared differences of all samples, in the units of the targets.

    >>> RootMeanSquaredError()([0.0, 0.0], [[1.0], [7.0]])
    5.0
    """

    def value(self, counts: np.ndarray) -> float:
        """Return the root of the mean."""
        return math.sqrt(super().value(counts))


class MeanAbsoluteError(MeanMetric):
    """The mean of the absolute differences."""

    direction = "min"

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the mean of each sample."""
        return functions.mean_absolute_error(y_true, y_pred)


class LossMetric(MeanMetric):
    """Base of those that are losses: the mean of the loss, without penalties."""

    direction = "min"
    _loss: Loss

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the loss of each sample."""
        return self._loss.losses(y_true, y_pred)[0]

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets that the loss takes."""
        return self._loss.check_targets(y_true, shape)


class BinaryCrossentropy(LossMetric):
    """The binary cross-entropy, see `tinynet.losses.BinaryCrossentropy`."""

    def __init__(self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(name)
        self._loss = losses.BinaryCrossentropy(from_logits, label_smoothing)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(LossMetric):
    """The cross-entropy of one-hot targets, see `tinynet.losses.CategoricalCrossentropy`."""

    def __init__(self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(name)
        self._loss = losses.CategoricalCrossentropy(from_logits, label_smoothing)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class SparseCategoricalCrossentropy(LossMetric):
    """The cross-entropy of labels, see `tinynet.losses.SparseCategoricalCrossentropy`."""

    def __init__(self, name: str | None = None, *, from_logits: bool = False):
        super().__init__(name)
        self._loss = losses.SparseCategoricalCrossentropy(from_logits)
        self.from_logits = from_logits


class KLDivergence(LossMetric):
    """The divergence of the predictions from the targets, see `tinynet.losses.KLDivergence`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.KLDivergence()


def among_largest(y_true: np.ndarray, y_pred: np.ndarray, k: int) -> np.ndarray:
    """Return 1 where fewer than k predictions are larger than that at the label, else 0: a tie is no mistake."""
    right = np.take_along_axis(y_pred, y_true[..., None], axis=-1)
    return ((y_pred > right).sum(axis=-1) < k).astype(float)
