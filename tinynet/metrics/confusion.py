"""Precision and recall: of what was predicted, and of what there was, the part that was found; and the counts of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_int, check_number, invalid
from tinynet.metrics.base import Metric, ratio, spread
from tinynet.metrics.targets import binary


class Confusions(Metric):
    """Base of the metrics of true and false positives, with targets (N, ..., K) from 0 to 1, such as one-hot rows.

    Parameters
    ----------
    thresholds : a number; predictions above it are positive. None: 0.5, or, with `top_k`, all.
    top_k : of each row, only the k largest predictions can be positive.
    class_id : the one class that counts; None: each prediction of each row does.
    """

    direction = "max"

    def __init__(self, thresholds: float | None = None, top_k: int | None = None, class_id: int | None = None,
                 name: str | None = None):
        super().__init__(name)
        own = type(self).__name__
        self.thresholds = None if thresholds is None else check_number(own, "thresholds, of which there is one here",
                                                                       thresholds)
        self.top_k = None if top_k is None else check_int(top_k, f"{own}: top_k")
        self.class_id = None if class_id is None else check_int(class_id, f"{own}: class_id", 0)

    def positive(self, y_pred: np.ndarray) -> np.ndarray:
        """Return which predictions are positive."""
        lowest = (-np.inf if self.top_k else 0.5) if self.thresholds is None else self.thresholds
        positive = y_pred > lowest
        if self.top_k is not None:
            rank = np.argsort(np.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)          # of equal ones the first
            positive &= rank < self.top_k
        return positive

    def counts(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Return the weights of true positives, false positives, false negatives and true negatives."""
        real, found = self.check_targets(y_true, y_pred.shape) > 0.5, self.positive(y_pred)
        if self.class_id is not None:
            real, found = real[..., self.class_id], found[..., self.class_id]
        weights = spread(sample_weight, real.shape)
        kinds = real & found, found & ~real, real & ~found, ~real & ~found
        return np.array([weights[kind].sum() for kind in kinds])

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets from 0 to 1, of the predictions' shape."""
        owner = f"metric {self.name}"
        if self.class_id is not None and self.class_id >= shape[-1]:
            raise invalid(owner, f"class_id below {shape[-1]}, the number of outputs", self.class_id)
        return binary(owner, y_true, shape)


class Precision(Confusions):
    """``true positives / (true + false positives)`` of all samples; 0 where nothing is positive.

    >>> metric = Precision()
    >>> metric.update_state([1, 0, 1, 1], [[0.9], [0.8], [0.2], [0.7]])
    >>> round(metric.result(), 4)
    0.6667
    """

    def value(self, counts: np.ndarray) -> float:
        """Return the precision."""
        true_positives, false_positives, _, _ = counts
        return ratio(true_positives, true_positives + false_positives)


class Recall(Confusions):
    """``true positives / (true positives + false negatives)`` of all samples; 0 where there is nothing to find.

    >>> round(Recall()([1, 0, 1, 1], [[0.9], [0.8], [0.2], [0.7]]), 4)
    0.6667
    """

    def value(self, counts: np.ndarray) -> float:
        """Return the recall."""
        true_positives, _, false_negatives, _ = counts
        return ratio(true_positives, true_positives + false_negatives)


class Count(Confusions):
    """Base of the metrics that count: a subclass says which of the four, by its place in ``counts``."""

    place: int

    def __init__(self, thresholds: float | None = None, name: str | None = None):
        super().__init__(thresholds, name=name)

    def value(self, counts: np.ndarray) -> float:
        """Return how many there are, or their weights."""
        return float(counts[self.place])


class TruePositives(Count):
    """How many predictions above the threshold are right.

    >>> TruePositives()([1, 0, 1, 1], [[0.9], [0.8], [0.2], [0.7]])
    2.0
    """

    place = 0


class FalsePositives(Count):
    """How many predictions above the threshold are wrong."""

    direction = "min"
    place = 1


class FalseNegatives(Count):
    """How many predictions up to the threshold are wrong."""

    direction = "min"
    place = 2


class TrueNegatives(Count):
    """How many predictions up to the threshold are right."""

    place = 3
