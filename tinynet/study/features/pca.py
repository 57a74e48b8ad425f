"""Principal components: the two directions along which a layer's outputs differ most, and how classes lie there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.drawing import Path, finish, grid, panels
from tinynet.study.trace import Trace


@dataclass(frozen=True)
class PrincipalComponents:
    """The principal components of N outputs of D numbers: R = min(N, D) at most.

    Attributes
    ----------
    mean : (D,) of the outputs.
    components : (count, D) the directions, of length 1, the one along which the outputs differ most first; each is
        turned so that its number of the largest magnitude is positive.
    scores : (N, count) how far each output, less the mean, goes along each.
    variance : (R,) of the outputs along each direction, also along those not kept; divided by N - 1.
    ratio : (R,) the same as parts of the whole.
    """

    mean: np.ndarray = field(repr=False)
    components: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    variance: np.ndarray = field(repr=False)
    ratio: np.ndarray


def pca(model: Any, x: Any, layer: Any = None, count: int = 2) -> dict[str, PrincipalComponents]:
    """Return the principal components of the outputs of every step, by its name, or of some.

    With the outputs less their mean as rows of A (N, D), its singular value decomposition ``A = U S V^T`` has the
    directions in V, the scores ``A V = U S``, and the variances ``S^2 / (N - 1)``, which are the eigenvalues of the
    covariance ``A^T A / (N - 1)``. Computed in float64. Some hundreds of samples will do, and take seconds.
    Source: Pearson 1901; Jolliffe 2002, "Principal component analysis", section 3.5.

    Parameters
    ----------
    x : samples for the model (N, ...), at least 2.
    layer : a layer (its first step), the name of a step, ``"input"`` for `x` itself, or a list of these; None takes
        the input and all steps.
    count : how many components to keep.

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
    if N < 2 or count < 1:
        raise ValueError(f"pca: expected samples from 2 and count from 1. Received: {N} samples and count {count}.")
    outputs = {"input": trace.inputs[0]} | {s.name: out for s, out in zip(trace.steps, trace.outputs, strict=True)}
    if layer is not None:
        asked = [layer] if isinstance(layer, str | Layer) else layer
        names = ["input" if one == "input" else trace.steps[trace.place(one)].name for one in asked]
        outputs = {name: outputs[name] for name in names}
    return {name: decompose(out.reshape(N, -1).astype(np.float64), count) for name, out in outputs.items()}


def decompose(rows: np.ndarray, count: int) -> PrincipalComponents:
    """Return the principal components of the rows (N, D)."""
    mean = rows.mean(axis=0)
    _, sizes, directions = np.linalg.svd(rows - mean, full_matrices=False)             # (R,), (R, D)
    components = directions[:count]
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    variance = sizes**2 / (len(rows) - 1)
    whole = variance.sum()
    return PrincipalComponents(mean, components, (rows - mean) @ components.T, variance,
                               variance / whole if whole else variance)


def plot_pca(found: Mapping[str, PrincipalComponents], labels: Any = None, path: Path | None = None) -> Any:
    """Draw the samples along the first two components, a panel for each step: digits and colours are the labels.

    Above each panel stands how much of the variance its two axes show: what lies together here may lie apart along
    the others.

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
    for ax in axes.ravel()[len(found):]:
        ax.set_axis_off()
    for ax, (name, part) in zip(axes.ravel(), found.items(), strict=False):
        scores = np.pad(part.scores[:, :2], ((0, 0), (0, max(0, 2 - part.scores.shape[1]))))
        scatter(ax, scores, labels)
        ax.set_title(f"{name}\n{100 * part.ratio[:2].sum():.0f} % of the variance", fontsize=8)
        ax.locator_params(nbins=5)
        ax.tick_params(labelsize=6)
        ax.set_xlabel(f"component 1 ({100 * part.ratio[0]:.0f} %)", fontsize=7)
        ax.set_ylabel(f"component 2 ({100 * part.ratio[1:2].sum():.0f} %)", fontsize=7)
    return finish(figure, path)


def scatter(ax: Any, points: np.ndarray, labels: Any) -> None:
    """Draw points (N, 2), each class in its colour and with its number as the mark."""
    if labels is None:
        ax.scatter(*points.T, s=6, color="0.3")
        return
    labels = np.asarray(labels)
    if labels.shape != (len(points),) or labels.dtype.kind not in "iu":
        raise ValueError(f"plot_pca: expected labels, a whole number for each of {len(points)} samples. "
                         f"Received: {labels.dtype} of shape {labels.shape}.")
    for label in np.unique(labels):
        ax.scatter(*points[labels == label].T, s=16, marker=f"${label}$", color=f"C{label % 10}", linewidths=0.3)
