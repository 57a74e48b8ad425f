"""Principal components: the directions in which a layer's outputs vary most, and how the classes lie in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Layer
from tinynet.study.arguments import LayerOrName, expect
from tinynet.study.drawing import StrPath, finish, grid, panels, used
from tinynet.study.trace import Trace
from tinynet.tables import Table, Tabular, shortened
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class PrincipalComponents(Tabular):
    """The principal components of N outputs of D elements: R = min(N, D) at most.

    Attributes
    ----------
    mean : (D,) of the outputs.
    components : (count, D) unit vectors, by decreasing variance; the sign of each is chosen so that its element of the
        largest magnitude is positive.
    scores : (N, count) the projections of the outputs, minus their mean, on each component.
    variance : (R,) of the outputs along each component, including those not kept; the divisor is N - 1.
    ratio : (R,) the same as fractions of the total variance.
    """

    mean: np.ndarray
    components: np.ndarray
    scores: np.ndarray
    variance: np.ndarray
    ratio: np.ndarray

    def in_short(self) -> str:
        """Say how many there are, of what, and how much they explain."""
        (N, count), D = self.scores.shape, len(self.mean)
        return f"{count} of {N:,} outputs of {D:,} elements, {self.ratio[:count].sum():.1%} of the variance"

    def tables(self) -> list[Table]:
        """Return a table of the components that were kept."""
        rows = [[str(k + 1), f"{self.variance[k]:.4g}", f"{100 * self.ratio[k]:.1f}"]
                for k in range(len(self.components))]
        return [Table(["component", "variance", "% of all"], shortened(rows))]


def pca(model: Model, x: ArrayLike, layer: LayerOrName | Iterable[LayerOrName] | None = None,
        count: int = 2) -> dict[str, PrincipalComponents]:
    """Return the principal components of the outputs of every step, by its name, or of some steps.

    With the outputs minus their mean as rows of A (N, D), its singular value decomposition ``A = U S V^T`` gives the
    components, the columns of V, the scores ``A V = U S``, and the variances ``S^2 / (N - 1)``, which are the
    eigenvalues of the covariance ``A^T A / (N - 1)``. Computed in float64. A few hundred samples take seconds.
    Source: Pearson 1901; Jolliffe 2002, "Principal component analysis", section 3.5.

    Parameters
    ----------
    x : samples for the model (N, ...), at least 2.
    layer : a layer (its first step), the name of a step, ``"input"`` for `x` itself, or a list of these; None takes
        the input and all steps.
    count : number of components to keep.

    Raises
    ------
    ValueError : for fewer than 2 samples or 1 component, or a layer that is not in the model.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import ReLU
    >>> found = pca(Sequential([ReLU(input_shape=(2,))]), [[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]], "relu_1", count=1)
    >>> found["relu_1"].components.tolist(), found["relu_1"].ratio.tolist()
    ([[1.0, 0.0]], [1.0, 0.0])
    """
    trace = Trace(model, x)
    N = len(trace.inputs[0])
    expect(N >= 2 and count >= 1, "samples from 2 and count from 1", f"{N} samples and count {count}", "pca")
    outputs = {"input": trace.inputs[0]} | {s.name: out for s, out in zip(trace.steps, trace.outputs, strict=True)}
    if layer is not None:
        chosen = [layer] if isinstance(layer, str | Layer) else layer
        names = ["input" if one == "input" else trace.steps[trace.place(one)].name for one in chosen]
        outputs = {name: outputs[name] for name in names}
    return {name: decompose(out.reshape(N, -1).astype(np.float64), count) for name, out in outputs.items()}


def decompose(rows: np.ndarray, count: int) -> PrincipalComponents:
    """Return the principal components of the rows (N, D)."""
    mean = rows.mean(axis=0)
    _, singular_values, vectors = np.linalg.svd(rows - mean, full_matrices=False)      # (R,), (R, D)
    components = vectors[:count]
    largest = np.abs(components).argmax(axis=1)          # the decomposition leaves signs open: fix them
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    variance = singular_values**2 / (len(rows) - 1)
    total = variance.sum()
    return PrincipalComponents(mean, components, (rows - mean) @ components.T, variance,
                               variance / total if total else variance)


def plot_pca(found: Mapping[str, PrincipalComponents], labels: ArrayLike | None = None,
             path: StrPath | None = None) -> Figure:
    """Draw the samples along the first two components, a panel for each step: digits and colours are the labels.

    The title of each panel says how much of the variance its two axes show: samples that are close together here may
    be far apart along other components.

    Parameters
    ----------
    found : what `pca` returned.
    labels : (N,) whole numbers, to mark the samples with; None marks them with dots.

    Raises
    ------
    ValueError : for labels that are not whole numbers, one for each sample.
    """
    rows, columns = panels(len(found), 3)
    figure, axes = grid(rows, columns, (3.2 * columns, 3.2 * rows))
    for ax, (name, part) in zip(used(axes, len(found)), found.items(), strict=True):
        scores = np.pad(part.scores[:, :2], ((0, 0), (0, max(0, 2 - part.scores.shape[1]))))
        scatter(ax, scores, labels)
        ax.set_title(f"{name}\n{100 * part.ratio[:2].sum():.0f} % of the variance", fontsize=8)
        ax.locator_params(nbins=5)
        ax.tick_params(labelsize=6)
        ax.set_xlabel(f"component 1 ({100 * part.ratio[0]:.0f} %)", fontsize=7)
        ax.set_ylabel(f"component 2 ({100 * part.ratio[1:2].sum():.0f} %)", fontsize=7)
    return finish(figure, path)


def scatter(ax: Axes, points: np.ndarray, labels: ArrayLike | None) -> None:
    """Draw points (N, 2), each class in its own colour, with its number as the marker."""
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], s=6, color="0.3")
        return
    labels = np.asarray(labels)
    expect(labels.shape == (len(points),) and labels.dtype.kind in "iu",
           f"labels, a whole number for each of {len(points)} samples", f"{labels.dtype} of shape {labels.shape}",
           "plot_pca")
    for label in np.unique(labels):
        x, y = points[labels == label].T
        ax.scatter(x, y, s=16, marker=f"${label}$", color=f"C{label % 10}", linewidths=0.3)
