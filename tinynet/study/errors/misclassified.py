"""The samples that a model misclassifies, the most confident mistakes first."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import expect
from tinynet.study.drawing import PIXELS, StrPath, finish, grid, scale_of, show
from tinynet.study.errors.predictions import predictions, probabilities
from tinynet.tables import Table, Tabular
from tinynet.training.data import as_samples
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Misclassified(Tabular):
    """M misclassified samples; ``print`` shows a table, `plot` a gallery of images.

    Sorted by the probability of the wrong class, the largest first.

    Attributes
    ----------
    total : number of samples, classified correctly or not.
    indices : (M,) their indices among all samples.
    x : (M, ...) the samples themselves.
    true, predicted : (M,) their classes.
    probabilities : (M, K) predicted for each class.
    """

    total: int
    indices: np.ndarray
    x: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def confidence(self) -> np.ndarray:
        """(M,) probability of the predicted, wrong class."""
        return self.probabilities[np.arange(len(self)), self.predicted]

    def in_short(self) -> str:
        """Say how many there are."""
        return f"{len(self):,} of {self.total:,} samples are misclassified"

    def tables(self) -> list[Table]:
        """Return a table of the first twenty."""
        rows = [[str(index), str(true), str(predicted), f"{p[predicted]:.4f}", f"{p[true]:.4f}"]
                for index, true, predicted, p in list(zip(self.indices, self.true, self.predicted,
                                                          self.probabilities, strict=True))[:20]]
        more = [["...", "", "", "", ""]] if len(self) > 20 else []
        return [Table(["sample", "true", "predicted", "p(predicted)", "p(true)"], rows + more)]

    def __str__(self) -> str:
        return "\n".join([self.in_short(), *self.tables()[0].lines(8, 6, 11, 14, 9, left=0)])

    def plot(self, count: int = 24, path: StrPath | None = None) -> Figure:
        """Draw the first `count` images, each with true -> predicted (its probability) and all probabilities as bars.

        The true class is shaded. Of images with several channels, the first is drawn.

        Raises
        ------
        ValueError : if the samples are not images (C, H, W), or none was misclassified.
        """
        shown = min(count, len(self))
        expect(self.x.ndim == 4 and shown >= 1, "images (C, H, W), and a count of at least one of them",
               f"samples of shape {self.x.shape}, count {count}", "Misclassified.plot")
        columns = min(max(shown, 3), 8)
        rows = -(-shown // columns)
        figure, axes = grid(2 * rows, columns, (1.25 * columns + 0.7, 1.9 * rows + 0.6),
                            height_ratios=[3, 1.3] * rows)
        for ax in axes.ravel():
            ax.set_axis_off()
        limit, signed = scale_of(self.x[:shown]), bool(self.x[:shown].min() < 0)
        for k in range(shown):
            row, column = divmod(k, columns)
            image, bars = axes[2 * row, column], axes[2 * row + 1, column]
            drawn = show(image, self.x[k, 0], limit, signed)
            if not signed:
                drawn.set_cmap(PIXELS)
            image.set_title(f"{self.true[k]} \u2192 {self.predicted[k]} ({self.confidence[k]:.2f})", fontsize=9, pad=3)
            image.set_xlabel(f"sample {self.indices[k]}", fontsize=6, labelpad=1)
            draw_bars(bars, self.probabilities[k], self.true[k])
            image.set_axis_on()
            bars.set_axis_on()
            bars.set_yticks([0, 1], [0, 1] if column == 0 else ["", ""], fontsize=6)
        lines = (f"{shown} of {len(self):,} mistakes in {self.total:,} samples, the most confident first: true \u2192 "
                 "predicted (its probability)", "bars: the probability of each class; shaded: the true one")
        figure.suptitle("\n".join(fill(line, 18 * columns + 8) for line in lines), fontsize=9)
        return finish(figure, path)


def misclassified(model: Model, x: ArrayLike, y: ArrayLike) -> Misclassified:
    """Collect the samples whose largest probability is not that of their class, the most confident mistakes first.

    Parameters
    ----------
    model : ends in a softmax, or in logits that its loss takes with ``from_logits=True``.
    x : samples (N, ...).
    y : their classes, as labels or one-hot.

    Raises
    ------
    ValueError : for outputs other than the classes' probabilities or logits, or labels that are not classes.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Softmax
    >>> logits = np.log([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> print(misclassified(Sequential([Softmax(input_shape=(2,))]), logits, [0, 1, 0]))
    2 of 3 samples are misclassified
      sample  true  predicted  p(predicted)  p(true)
           2     0          1        0.8000   0.2000
           1     1          0        0.6000   0.4000
    """
    x = as_samples(x, model.dtype)
    found = predictions(model, x, y)
    p = probabilities(model, found.outputs)
    wrong = np.flatnonzero(found.predicted != found.true)
    wrong = wrong[np.argsort(-p[wrong, found.predicted[wrong]], kind="stable")]
    return Misclassified(len(x), wrong, x[wrong], found.true[wrong], found.predicted[wrong], p[wrong])


def draw_bars(ax: Axes, probabilities: np.ndarray, true: int) -> None:
    """Draw the probabilities (K,) of all classes as bars, the true class shaded."""
    classes = np.arange(len(probabilities))
    ax.axvspan(true - 0.5, true + 0.5, color="0.85")
    ax.bar(classes, probabilities, 0.8, color="0.25")
    ax.set(xlim=(-0.7, len(classes) - 0.3), ylim=(0, 1))
    shown = classes if len(classes) <= 10 else classes[:0]
    ax.set_xticks(shown, shown, fontsize=5)
    ax.tick_params(length=1.5, pad=1)
