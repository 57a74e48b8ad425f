"""Metrics that are losses of numbers and of margins: each is the mean of its loss, without penalties."""

from __future__ import annotations

import numpy as np

from tinynet import losses
from tinynet.metrics.means import LossMetric


class LogCoshError(LossMetric):
    """The mean loss, see `tinynet.losses.LogCosh`."""

    def __init__(self, name: str | None = "logcosh"):
        super().__init__(name)
        self._loss = losses.LogCosh()


class MeanAbsolutePercentageError(LossMetric):
    """The mean loss, see `tinynet.losses.MeanAbsolutePercentageError`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.MeanAbsolutePercentageError()


class MeanSquaredLogarithmicError(LossMetric):
    """The mean loss, see `tinynet.losses.MeanSquaredLogarithmicError`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.MeanSquaredLogarithmicError()


class Poisson(LossMetric):
    """The mean loss, see `tinynet.losses.Poisson`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.Poisson()


class Hinge(LossMetric):
    """The mean loss, see `tinynet.losses.Hinge`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.Hinge()


class SquaredHinge(LossMetric):
    """The mean loss, see `tinynet.losses.SquaredHinge`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.SquaredHinge()


class CategoricalHinge(LossMetric):
    """The mean loss, see `tinynet.losses.CategoricalHinge`."""

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.CategoricalHinge()


class CosineSimilarity(LossMetric):
    """The mean cosine of the angle between targets and predictions, 1 where they have one direction: minus the loss.

    >>> CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]).__round__(6)
    0.5
    """

    direction = "max"

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._loss = losses.CosineSimilarity()

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the cosine of each sample."""
        return -super().values(y_true, y_pred)
