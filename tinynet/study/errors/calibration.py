"""Calibration: whether a model's confidence is its accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_int
from tinynet.study.drawing import StrPath, finish, grid
from tinynet.study.errors.predictions import predictions, probabilities
from tinynet.tables import Table, Tabular
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Calibration(Tabular):
    """Samples binned by their confidence, the largest probability; ``print`` shows a table, `plot` draws it.

    Attributes
    ----------
    edges : (B + 1,) of the bins, from 0 to 1; a bin includes its upper edge, but not its lower.
    counts : (B,) samples in each bin.
    confidence, accuracy : (B,) means over each bin's samples; NaN where there are none.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error (ECE): ``sum_b counts_b / N |accuracy_b - confidence_b|``."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())

    @property
    def overall(self) -> tuple[float, float]:
        """Mean confidence and accuracy over all samples."""
        confidence, accuracy = (np.nansum(self.counts * means) / self.counts.sum()
                                for means in (self.confidence, self.accuracy))
        return float(confidence), float(accuracy)

    def in_short(self) -> str:
        """Say of how many samples, and the error expected."""
        return f"{self.counts.sum():,} samples in {len(self.counts)} bins, expected error {self.expected_error:.4f}"

    def tables(self) -> list[Table]:
        """Return a table of the bins, the last row of all samples."""
        bins = [f"{low:.3f} - {high:.3f}" for low, high in pairwise(self.edges)]
        parts = zip([*bins, "all"], [*self.counts, self.counts.sum()], [*self.confidence, self.overall[0]],
                    [*self.accuracy, self.overall[1]], strict=True)
        rows = [[name, f"{count:,}", *([f"{confidence:.4f}", f"{accuracy:.4f}", f"{accuracy - confidence:+.4f}"]
                                       if count else ["", "", ""])]
                for name, count, confidence, accuracy in parts]
        return [Table(["confidence", "samples", "mean conf", "accuracy", "gap"], rows,
                      f"expected calibration error: {self.expected_error:.4f}")]

    def __str__(self) -> str:
        table, = self.tables()
        return "\n".join([*table.lines(14, 9, 11, 10, 9), table.below])

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the reliability diagram, and below it how many samples each bin has.

        Bins of fewer than 10 samples, whose accuracy is uncertain, are drawn pale.
        """
        figure, axes = grid(2, 1, (6, 6), height_ratios=[3, 1.2], sharex=True)
        upper, lower = axes[:, 0]
        full = self.counts > 0
        middle, width = ((self.edges[:-1] + self.edges[1:]) / 2)[full], np.diff(self.edges)[full]
        confidence, accuracy, counts = self.confidence[full], self.accuracy[full], self.counts[full]
        upper.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--", label="perfect calibration")
        bars = upper.bar(middle, accuracy, width, color="0.75", edgecolor="black", linewidth=0.8, label="accuracy")
        gap = upper.bar(middle, confidence - accuracy, width, bottom=accuracy, color="none", edgecolor="#B33C00",
                        hatch="////", linewidth=0.8, label="gap to mean confidence")
        upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        upper.legend(fontsize=8, loc="upper left")
        for k in np.flatnonzero(counts < 10):
            bars[k].set_alpha(0.3)
            gap[k].set_alpha(0.3)
        low, high = self.overall
        upper.set_title(f"expected calibration error {self.expected_error:.4f}\n"
                        f"mean confidence {low:.4f}, accuracy {high:.4f}", fontsize=10)
        drawn = lower.bar(middle, counts, width, color="0.75", edgecolor="black", linewidth=0.8)
        lower.bar_label(drawn, [f"{count:,}" for count in counts], fontsize=7, padding=2)
        lower.set_yscale("log")
        lower.set_ylim(0.5, 10 * counts.max())
        lower.set(xlabel="confidence: the largest probability", ylabel="samples\n(logarithmic)")
        return finish(figure, path)


def calibration(model: Model, x: ArrayLike, y: ArrayLike, bins: int = 15) -> Calibration:
    """Compare a model's confidence with its accuracy.

    Of the samples with a confidence around 0.8, four in five should be classified correctly. The expected calibration
    error is the mean gap between accuracy and confidence, the bins weighted by their samples. It depends on the number
    of bins: compare models with the same number.
    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", equations 2, 3 and 5.

    Parameters
    ----------
    model : ends in a softmax, or in logits that its loss takes with ``from_logits=True``.
    x : samples (N, ...).
    y : their classes, as labels or one-hot.
    bins : number of bins of equal width; 15 in the paper.

    Raises
    ------
    ValueError : for outputs other than the classes' probabilities or logits, wrong labels, or bins that are not a
        whole number from 1.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Softmax
    >>> logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7]])
    >>> print(calibration(Sequential([Softmax(input_shape=(2,))]), logits, [0, 1, 1], bins=4))
    confidence      samples  mean conf  accuracy      gap
    0.000 - 0.250         0
    0.250 - 0.500         0
    0.500 - 0.750         1     0.7000    1.0000  +0.3000
    0.750 - 1.000         2     0.9000    0.5000  -0.4000
    all                   3     0.8333    0.6667  -0.1667
    expected calibration error: 0.3667
    """
    bins = check_int(bins, "bins")
    found = predictions(model, x, y)
    confidence = probabilities(model, found.outputs).max(axis=1).astype(np.float64)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)     # probabilities may be 1 + 1e-7
    counts = np.bincount(bin_of, minlength=bins)
    means = [np.divide(np.bincount(bin_of, values, bins), counts, out=np.full(bins, np.nan), where=counts > 0)
             for values in (confidence, (found.predicted == found.true).astype(float))]
    return Calibration(edges, counts, *means)
