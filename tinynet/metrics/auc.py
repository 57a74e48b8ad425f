"""AUC: the area under the curve that a threshold draws as it moves from 1 to 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_int, warn
from tinynet.metrics.base import Metric, spread
from tinynet.metrics.targets import binary
from tinynet.registry import pick


class AUC(Metric):
    """The area under the ROC curve, recall over false positive rate, or under that of precision over recall.

    The area under ROC is the probability that a positive is predicted higher than a negative. It is 0.5 for guesses.
    As in Keras, the curve is drawn through `num_thresholds` evenly spaced thresholds, with straight lines between,
    so that predictions of any number need only be counted in as many bins.

    Parameters
    ----------
    num_thresholds : how many thresholds; the first is below all predictions, the last above.
    curve : ``"ROC"`` or ``"PR"``, between whose points precision is interpolated (Davis & Goadrich 2006, section 4).
    from_logits : whether predictions are logits, of which the sigmoid is taken; otherwise they are from 0 to 1.

    >>> AUC(num_thresholds=3)([0, 0, 1, 1], [[0.0], [0.5], [0.3], [0.9]])
    0.75
    """

    direction = "max"

    def __init__(self, num_thresholds: int = 200, curve: str = "ROC", *, name: str | None = None,
                 from_logits: bool = False):
        super().__init__(name)
        self.num_thresholds = check_int(num_thresholds, "AUC: num_thresholds", 2)
        self.curve, self.from_logits = curve, bool(from_logits)
        pick("curve", curve, CURVES)

    def counts(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
        """Return the weights of positives and negatives (2, num_thresholds), by the highest threshold they exceed."""
        real = self.check_targets(y_true, y_pred.shape) > 0.5
        with np.errstate(over="ignore"):                                     # e^1000 is infinite, and its inverse 0
            p = 1 / (1 + np.exp(-y_pred)) if self.from_logits else np.clip(y_pred, 0, 1)
        if np.isnan(p).any():
            return np.full((2, self.num_thresholds), np.nan)
        bins = np.maximum(np.ceil(p * (self.num_thresholds - 1)) - 1, 0).astype(int)
        if not self.from_logits and (p != y_pred).any():
            warn(f"{self.name}: expected predictions from 0 to 1; those beyond count as 0 or 1. Received: "
                 f"{y_pred.min():g} to {y_pred.max():g}. Of logits, AUC(from_logits=True).")
        weights = spread(sample_weight, real.shape)
        return np.array([np.bincount(bins[kind], weights[kind], self.num_thresholds) for kind in (real, ~real)])

    def value(self, counts: np.ndarray) -> float:
        """Return the area."""
        positives, negatives = counts[:, ::-1].cumsum(axis=1)[:, ::-1]       # above each threshold, the lowest first
        return CURVES[self.curve](positives, negatives)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets from 0 to 1, of the predictions' shape."""
        return binary(f"metric {self.name}", y_true, shape)


def area_under_roc(true: np.ndarray, false: np.ndarray) -> float:
    """Return the area from the true and false positives at each threshold."""
    recall, false_rate = true / (true[0] or 1), false / (false[0] or 1)
    return float(-np.diff(false_rate) @ (recall[1:] + recall[:-1])) / 2


def area_under_pr(true: np.ndarray, false: np.ndarray) -> float:
    """Return the area; between two thresholds both true and all positives are taken as linear.

    Precision is then ``(a + s x) / x`` for x positives, whose integral over recall is ``s (change of true + a log ratio
    of x) / all``.
    """
    found = true + false
    change, steps = -np.diff(true), -np.diff(found)
    slope = np.divide(change, steps, out=np.zeros_like(change), where=steps > 0)
    start = true[1:] - slope * found[1:]
    ratios = np.divide(found[:-1], found[1:], out=np.ones_like(found[1:]), where=(found[:-1] > 0) & (found[1:] > 0))
    return float((slope * (change + start * np.log(ratios))).sum() / (true[0] or 1))


CURVES = {"ROC": area_under_roc, "PR": area_under_pr}
