"""The confusion matrix: how often each class is predicted as each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.drawing import StrPath, canvas, finish, integer_ticks, scale_of
from tinynet.study.errors.predictions import predictions
from tinynet.study.formatting import percent
from tinynet.tables import Table, Tabular
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Confusion(Tabular):
    """How often each class was predicted as each; ``print`` shows a table, `plot` draws it.

    Attributes
    ----------
    matrix : (K, K) counts of samples; the row is the true class, the column the predicted one.
    """

    matrix: np.ndarray

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.matrix.sum())

    @property
    def errors(self) -> int:
        """Number of samples off the diagonal."""
        return self.samples - int(np.trace(self.matrix))

    @property
    def error_rate(self) -> float:
        """Fraction of the samples that are off the diagonal: 1 - accuracy."""
        return self.errors / self.samples

    @property
    def recall(self) -> np.ndarray:
        """(K,) fraction of each true class that was predicted as it; NaN for a class without samples."""
        return diagonal_fraction(self.matrix, self.matrix.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """(K,) fraction of each predicted class that is of it; NaN for a class that was never predicted."""
        return diagonal_fraction(self.matrix, self.matrix.sum(axis=0))

    def most_confused(self, k: int = 5) -> list[tuple[int, int, int]]:
        """Return up to k pairs (true, predicted, count), the most frequent mistakes first."""
        wrong = self.matrix - np.diag(np.diag(self.matrix))
        order = np.argsort(-wrong, axis=None, kind="stable")[:min(k, np.count_nonzero(wrong))]
        return [(int(i), int(j), int(wrong[i, j])) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)]

    def in_short(self) -> str:
        """Say how many errors there are."""
        return f"{self.errors:,} errors in {self.samples:,} samples ({self.error_rate:.2%})"

    def tables(self) -> list[Table]:
        """Return the matrix, true classes down, predicted ones across."""
        rows = [[str(i), *(f"{count:,}" for count in row), percent(recall)]
                for i, (row, recall) in enumerate(zip(self.matrix, self.recall, strict=True))]
        return [Table(["true", *map(str, range(len(self.matrix))), "recall %"],
                      [*rows, ["precision %", *map(percent, self.precision), ""]])]

    def __str__(self) -> str:
        width = max(7, len(f"{self.matrix.max():,}") + 2)
        return "\n".join([self.in_short(), *self.tables()[0].lines(11, *[width] * len(self.matrix), 10)])

    def plot(self, ax: Axes | None = None, path: StrPath | None = None) -> Figure:
        """Draw the counts; only the mistakes are coloured, since on the diagonal's scale none could be seen.

        Recall is written to the right of each row, precision above each column. Counts of 0 are left blank; with more
        than 20 classes no counts are written.
        """
        K = len(self.matrix)
        figure, ax = canvas(ax, (0.5 * min(K, 20) + 3, 0.45 * min(K, 20) + 2))
        wrong = np.ma.masked_array(self.matrix, np.eye(K, dtype=bool))
        limit = scale_of(wrong.compressed()) or 1.0
        ax.set_facecolor("0.85")                                                # the diagonal has no colour
        drawn = ax.imshow(wrong, cmap="Oranges", vmin=0, vmax=limit)
        if K <= 20:
            for (i, j), count in np.ndenumerate(self.matrix):
                if count:
                    ax.text(j, i, f"{count:,}", ha="center", va="center", fontsize=8,
                            color="white" if i != j and count > 0.7 * limit else "black")
            ax.set_xticks(np.arange(K))
            ax.set_yticks(np.arange(K))
            top, right = ax.secondary_xaxis("top"), ax.secondary_yaxis("right")
            top.set_xticks(np.arange(K), [percent(value) for value in self.precision], fontsize=7)
            top.set_xlabel("precision, %", fontsize=8)
            right.set_yticks(np.arange(K), [percent(value) for value in self.recall], fontsize=7)
            right.set_ylabel("recall, %", fontsize=8)
        ax.set(xlabel="predicted class", ylabel="true class")
        ax.set_title(f"{self.errors:,} errors in {self.samples:,} samples ({self.error_rate:.2%})", fontsize=10)
        bar = figure.colorbar(drawn, ax=ax, shrink=0.8, label="mistakes (samples)")
        integer_ticks(bar.ax.yaxis)
        return finish(figure, path)


def confusion(model: Model, x: ArrayLike, y: ArrayLike) -> Confusion:
    """Count how often each true class was predicted as each; dropout is off.

    Parameters
    ----------
    model : its outputs are (N, K); the largest is the predicted class.
    x : samples (N, ...).
    y : their classes, as labels or one-hot.

    Raises
    ------
    ValueError : for outputs other than (N, classes), or labels that are not classes.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Softmax
    >>> found = confusion(Sequential([Softmax(input_shape=(2,))]), [[5, 0], [4, 0], [0, 3], [2, 0]], [0, 0, 1, 1])
    >>> print(found)
    1 errors in 4 samples (25.00%)
    true             0      1  recall %
    0                2      0     100.0
    1                1      1      50.0
    precision %   66.7  100.0
    >>> found.most_confused()
    [(1, 0, 1)]
    """
    found = predictions(model, x, y)
    K = found.outputs.shape[1]
    return Confusion(np.bincount(found.true * K + found.predicted, minlength=K * K).reshape(K, K))


def diagonal_fraction(matrix: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Divide the diagonal by the totals; NaN where they are 0."""
    return np.divide(np.diag(matrix), totals, out=np.full(len(matrix), np.nan), where=totals > 0)
