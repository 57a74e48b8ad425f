"""The plot of a gradient check: analytic slopes against measured ones."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.testing.gradcheck.report import TensorReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# verdict: colour, marker, label; the colours are Okabe and Ito's, which colour-blind readers can tell apart
STYLES = {"right": ("#0072B2", "o", "right"), "on kink": ("#E69F00", "D", "right, on a kink"),
          "skipped": ("#999999", "x", "skipped"), "wrong": ("#D55E00", "s", "wrong")}


def plot(tensors: list[TensorReport], path: str | PathLike[str] | None = None, ax: Axes | None = None) -> Figure:
    """Plot each tensor into axes of its own, or all into `ax`; return the figure."""
    from tinynet.figures import InlineFigure
    measured = [tensor for tensor in tensors if tensor.measurements]
    if ax is None:
        columns = min(3, max(1, len(measured)))
        rows = max(1, -(-len(measured) // columns))
        figure: Any = InlineFigure(figsize=(4.2 * columns, 4.0 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for spare in axes[len(measured):]:
            spare.set_axis_off()
        modes = len({tensor.training for tensor in measured}) > 1
        for tensor, each in zip(measured, axes, strict=False):
            title = f"{tensor.name} {tensor.shape}"
            mode = "\nin training" if tensor.training else "\nin inference"
            scatter([tensor], each, title + mode * modes)
    else:
        figure = ax.figure
        scatter(measured, ax, "")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def scatter(tensors: list[TensorReport], ax: Axes, title: str) -> None:
    """Scatter the slopes, each divided by the norm of its direction, and annotate the worst of the wrong ones."""
    points = [(m, m.measured.value / norm, m.analytic / norm) for tensor in tensors for m in tensor.measurements
              if np.isfinite([m.measured.value, m.analytic]).all()
              for norm in [float(np.linalg.norm(m.direction))]]
    low, high = limits([number for _, *pair in points for number in pair])
    ax.plot([low, high], [low, high], color="#BBBBBB", linewidth=1, zorder=0)
    for verdict, (colour, marker, label) in STYLES.items():
        for single in (True, False):
            chosen = [(m, x, y) for m, x, y in points if m.verdict == verdict and m.single == single]
            if not chosen:
                continue
            measured, x, y = zip(*chosen, strict=True)
            if verdict == "on kink":
                half_width = [m.measured.half_width / np.linalg.norm(m.direction) for m in measured]
                ax.errorbar(x, y, xerr=half_width, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6, zorder=1)
            face = "none" if not single and marker != "x" else colour
            ax.scatter(x, y, s=26 if single else 44, marker=marker, facecolors=face, linewidths=1, zorder=2,
                       edgecolors=None if marker == "x" else colour, color=colour if marker == "x" else None,
                       alpha=0.8, label=f"{label} ({len(x)}{'' if single else ' in groups'})")
    for tensor in tensors:
        annotate_worst(tensor, ax, middle=(low + high) / 2)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="measured slope", ylabel="analytic slope", title=title)
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    if points:
        ax.legend(fontsize=8, loc="best", framealpha=0.9)


def annotate_worst(tensor: TensorReport, ax: Axes, middle: float) -> None:
    """Name the worst entry of a wrong tensor beside its point, on the side where the axes have room."""
    if tensor.worst is None or tensor.worst.verdict != "wrong" or tensor.at is None:
        return
    point = (tensor.worst.measured.value, tensor.worst.analytic)
    if np.isfinite(point).all():
        side = -1 if point[0] > middle else 1
        ax.annotate(f"worst: {tensor.name}{list(tensor.at)}", point, xytext=(10 * side, 0),
                    textcoords="offset points", fontsize=8, ha="left" if side > 0 else "right", va="center",
                    color=STYLES["wrong"][0])


def limits(numbers: list[float]) -> tuple[float, float]:
    """Return the limits of an axis that shows the numbers with a margin.

    >>> limits([0.0, 10.0])
    (-0.8, 10.8)
    """
    low, high = min(numbers, default=-1.0), max(numbers, default=1.0)
    margin = 0.08 * (high - low) or 0.08 * abs(high) or 1.0
    return low - margin, high + margin
