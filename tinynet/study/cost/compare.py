"""The same layer on each kernel set: equal results, at three speeds."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet import kernels
from tinynet.layers.base import Layer
from tinynet.steps.untouched import untouched
from tinynet.study.arguments import expect
from tinynet.study.drawing import StrPath, canvas, finish
from tinynet.tables import Table, Tabular

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class KernelComparison(Tabular):
    """A layer's results on each kernel set, beside those of the naive one; ``print`` shows a table, `plot` the times.

    Attributes
    ----------
    layer : the layer's type and name.
    shape : of the samples.
    differences : ``{set: {array: max |difference| from the naive set's}}``; the arrays are ``y``, ``dx``, and those
        of ``grads``, such as ``dkernel``.
    largest : ``{array: max |element|}``, to judge the differences by.
    forward_ms, backward_ms : ``{set: median milliseconds}``.
    """

    layer: str
    shape: tuple[int, ...]
    differences: dict[str, dict[str, float]]
    largest: dict[str, float]
    forward_ms: dict[str, float]
    backward_ms: dict[str, float]

    def in_short(self) -> str:
        """Say of which layer, on what."""
        return f"{self.layer} on {self.shape}: time, and largest difference from naive"

    def tables(self) -> list[Table]:
        """Return a table of the kernel sets; the last row has the largest number of each array."""
        rows = [[name, f"{self.forward_ms[name]:.3f}", f"{self.backward_ms[name]:.3f}",
                 *(f"{difference:.1e}" for difference in self.differences[name].values())]
                for name in self.differences]
        sizes = [f"{size:.1e}" for size in self.largest.values()]
        return [Table(["", "fwd ms", "bwd ms", *self.largest], [*rows, ["largest number", "", "", *sizes]])]

    def __str__(self) -> str:
        width = max(9, *(len(name) for name in self.largest)) + 2
        return "\n".join([self.in_short(), *self.tables()[0].lines(14, 11, 11, *[width] * len(self.largest))])

    def plot(self, ax: Axes | None = None, path: StrPath | None = None) -> Figure:
        """Draw the times as bars, on a logarithmic scale."""
        figure, ax = canvas(ax, (6, 3.2))
        positions = np.arange(len(self.forward_ms))
        for offset, (label, times, grey) in zip((-0.2, 0.2), (("forward", self.forward_ms, "0.8"),
                                                              ("backward", self.backward_ms, "0.35")), strict=True):
            bars = ax.barh(positions + offset, list(times.values()), 0.38, color=grey, edgecolor="black", linewidth=0.6,
                           label=label)
            labels = [f"{time:,.0f}" if time >= 100 else f"{time:.3g}" for time in times.values()]
            ax.bar_label(bars, labels, padding=3, fontsize=8)
        ax.set_xscale("log")
        ax.set_yticks(positions, list(self.forward_ms))
        ax.invert_yaxis()
        ax.margins(x=0.15)
        ax.set_xlabel("milliseconds (median, logarithmic)")
        ax.set_title(f"{self.layer} on {self.shape}", fontsize=10)
        ax.legend(fontsize=8)
        return finish(figure, path)


def compare_kernels(layer: Layer, x: ArrayLike, repeats: int = 3) -> KernelComparison:
    """Run a layer forward and backward on the naive, the im2col and the fast kernel set, and compare them.

    The upstream gradient is random, the same for all; dropout is off. The naive set takes seconds where the others
    take milliseconds: use small images, or few. A model can be compared too; ``grads`` are left as they were.

    Parameters
    ----------
    layer : a built layer, or a model.
    x : samples for it; floats keep their dtype, so that float64 samples and weights are compared in float64.
    repeats : number of timed runs, of which the median is taken; one run on a single sample comes before.

    Raises
    ------
    ValueError : without samples, or with fewer than 1 repeat.

    >>> from tinynet.layers import Conv2D
    >>> layer = Conv2D(2, 3)
    >>> layer.build((1, 6, 6), np.random.default_rng(0))
    (2, 4, 4)
    >>> comparison = compare_kernels(layer, np.ones((3, 1, 6, 6), np.float32))
    >>> max(comparison.differences["fast"].values()) < 1e-5
    True
    """
    x = np.asarray(x)
    expect(len(x) and repeats >= 1, "samples, and repeats from 1", f"{len(x)} and {repeats}", "compare_kernels")
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    arrays: dict[str, dict[str, np.ndarray]] = {}
    forward, backward = {}, {}
    with untouched(layer):
        for name in kernels.NAMES:
            with kernels.use(name):
                measure(layer, x[:1])                       # the first call compiles
                runs = [measure(layer, x) for _ in range(repeats)]
            arrays[name] = runs[-1][0]
            forward[name], backward[name] = 1000 * np.median([times for _, times in runs], axis=0)
    reference = next(iter(arrays.values()))
    differences = {name: {key: max_abs(array - reference[key]) for key, array in results.items()}
                   for name, results in arrays.items()}
    return KernelComparison(str(layer), x.shape, differences, {key: max_abs(array) for key, array in reference.items()},
                            forward, backward)


def measure(layer: Layer, x: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """Run a layer forward and backward once; return its arrays, and the seconds of the forward and of the backward."""
    start = perf_counter()
    y, backward = layer.forward(x)
    forward = perf_counter() - start
    dy = np.random.default_rng(0).normal(size=y.shape).astype(y.dtype)
    start = perf_counter()
    dx = backward(dy)
    seconds = perf_counter() - start
    return {"y": y, "dx": dx, **{f"d{key}": array for key, array in layer.grads.items()}}, (forward, seconds)


def max_abs(array: np.ndarray) -> float:
    """Return the largest magnitude, 0 for an empty array."""
    return float(np.abs(array).max(initial=0))
