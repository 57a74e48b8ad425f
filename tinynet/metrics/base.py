"""Metric, the base of those that count: numbers that are added up over batches, and what is made of their sums."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.losses.targets import as_values
from tinynet.metrics.targets import MetricFunction
from tinynet.registry import Configured, lacking


class Metric(Configured):
    """Base of all: a subclass defines ``counts``, what a batch adds, and ``value``, what all of it comes to.

    The counts of batches are added up, weighted or not, so that the value is that of all samples together: a precision,
    say, which is no mean of the batches'. `fit` and `evaluate` keep the sums, and the metric itself has none. By
    itself it is used as in Keras: ``update_state(y_true, y_pred, sample_weight)``, ``result()``, ``reset_state()``.

    Attributes
    ----------
    name : what the logs call it; in snake case what the class is called, if not given.
    direction : ``"max"`` or ``"min"``, which of them is better, None if neither is.
    """

    direction: str | None = None
    _sums: np.ndarray | None = None

    def __init__(self, name: str | None = None):
        self.name = name or re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__).lower()

    if not TYPE_CHECKING:                                     # for which any name would be an attribute
        def __getattr__(self, name: str) -> Any:
            """Say what a constructor has left out."""
            raise lacking(self, name, "name")

    def counts(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Return the numbers of one batch, an array whose shape is always the same."""
        raise NotImplementedError(f"{type(self).__name__} must define counts(y_true, y_pred, sample_weight).")

    def counted(self, *batch: Any) -> np.ndarray:
        """Return the `counts` of a batch, or raise a ValueError unless they are what can be added up, and told apart
        from a mean.
        """
        counts = self.counts(*batch)
        if not isinstance(counts, np.ndarray) or counts.ndim == 0:
            raise invalid(f"metric {self.name}", "counts to return an array, np.array([...])", repr(counts))
        return counts

    def value(self, counts: np.ndarray) -> float:
        """Return the metric, from the sums of the counts of all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define value(counts).")

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return the targets for predictions of `shape` as an array, or raise a ValueError."""
        return as_values(f"metric {self.name}", y_true, shape)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch."""
        weights = None if sample_weight is None else np.asarray(sample_weight)
        counts = self.counted(np.asarray(y_true), np.asarray(y_pred), weights)
        self._sums = counts if self._sums is None else self._sums + counts

    def result(self) -> float:
        """Return the metric of all batches that were added."""
        if self._sums is None:
            raise invalid(f"metric {self.name}", "update_state(y_true, y_pred) before result()", "no batch yet")
        return self.value(self._sums)

    def reset_state(self) -> None:
        """Forget all batches."""
        self._sums = None

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Add a batch, and return the metric of all so far, as in Keras."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class MeanMetric(Metric):
    """Base of the means: a subclass defines ``values``, a number for each sample, or each place of one.

    >>> class Largest(MeanMetric):
    ...     def values(self, y_true, y_pred):
    ...         return y_pred.max(axis=-1)
    >>> Largest()([[0.0, 1.0], [1.0, 0.0]], [[0.25, 0.75], [0.5, 0.5]], sample_weight=[3.0, 1.0])
    0.6875
    """

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the numbers of which the metric is the mean, (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__} must define values(y_true, y_pred).")

    def counts(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Return the weighted sum of the values, and the sum of their weights."""
        values = np.asarray(self.values(self.check_targets(y_true, y_pred.shape), y_pred), float)
        weights = spread(sample_weight, values.shape)
        return np.array([(weights * values).sum(), weights.sum()])

    def value(self, counts: np.ndarray) -> float:
        """Return the mean."""
        return ratio(*counts)


class MeanOf(MeanMetric):
    """The weighted mean of a function's numbers."""

    def __init__(self, function: MetricFunction, name: str):
        super().__init__(name)
        self.function = function

    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return what the function returns; of a single number for all samples, that for each."""
        values = as_numbers(self.name, self.function(y_true, y_pred))
        return values if values.ndim else np.full(len(y_pred), values)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return what the function's own check returns, the targets as they are if it has none."""
        check = getattr(self.function, "check_targets", None)
        checked = None if check is None else check(y_true, shape)
        return np.asarray(y_true if checked is None else checked)


def as_numbers(name: str, returned: ArrayLike) -> np.ndarray:
    """Return what a function that is a metric has returned as an array, or raise a ValueError if it is no numbers."""
    values = np.asarray(returned)
    if values.dtype.kind not in "biuf":
        raise invalid(f"metric {name}", "a number for each sample, or their mean", repr(returned))
    return values


def spread(sample_weight: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weight of each number of an array (N, ...): that of its sample, 1 if there are none."""
    if sample_weight is None:
        return np.ones(shape)
    return np.broadcast_to(sample_weight.reshape(-1, *[1] * (len(shape) - 1)), shape)


def ratio(part: float, whole: float) -> float:
    """Return ``part / whole``, 0 where there is nothing, as Keras does."""
    return float(part / whole) if whole else 0.0
