"""The picture of a gradient check: analytic slopes against measured ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.testing.gradcheck.report import TensorReport

# verdict: colour, marker, and how it is called
STYLES = {"right": ("#0072B2", "o", "right"), "on kink": ("#E69F00", "D", "right, on a kink"),
          "skipped": ("#999999", "x", "skipped"), "wrong": ("#D55E00", "s", "wrong")}


def plot(tensors: list[TensorReport], path: Any = None, ax: Any = None) -> Any:
    """Draw each tensor into axes of its own, or all into `ax`; return the figure."""
    from matplotlib.figure import Figure
    drawn = [tensor for tensor in tensors if tensor.measurements]
    if ax is None:
        columns = min(3, max(1, len(drawn)))
        rows = max(1, -(-len(drawn) // columns))
        figure: Any = Figure(figsize=(4.2 * columns, 4.0 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for spare in axes[len(drawn):]:
            spare.set_axis_off()
        modes = len({tensor.training for tensor in drawn}) > 1
        for tensor, each in zip(drawn, axes, strict=False):
            title = f"{tensor.name} {tensor.shape}"
            mode = "\nin training" if tensor.training else "\nin inference"
            draw([tensor], each, title + mode * modes)
    else:
        figure = ax.figure
        draw(drawn, ax, "")
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def draw(tensors: list[TensorReport], ax: Any, title: str) -> None:
    """Scatter the slopes, each divided by the length of its direction, and name the worst of the wrong ones."""
    points = [(m, m.measured.value / norm, m.analytic / norm) for tensor in tensors for m in tensor.measurements
              if np.isfinite([m.measured.value, m.analytic]).all()
              for norm in [float(np.linalg.norm(m.direction))]]
    low, high = limits([number for _, *pair in points for number in pair])
    ax.plot([low, high], [low, high], color="#BBBBBB", linewidth=1, zorder=0)
    for verdict, (colour, marker, label) in STYLES.items():
        for single in (True, False):
            some = [(m, x, y) for m, x, y in points if m.verdict == verdict and m.single == single]
            if not some:
                continue
            measured, x, y = zip(*some, strict=True)
            if verdict == "on kink":
                spread = [m.measured.spread / np.linalg.norm(m.direction) for m in measured]
                ax.errorbar(x, y, xerr=spread, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6, zorder=1)
            face = "none" if not single and marker != "x" else colour
            ax.scatter(x, y, s=26 if single else 44, marker=marker, facecolors=face, linewidths=1, zorder=2,
                       edgecolors=None if marker == "x" else colour, color=colour if marker == "x" else None,
                       alpha=0.8, label=f"{label} ({len(x)}{'' if single else ' in groups'})")
    for tensor in tensors:
        if tensor.worst and tensor.worst.verdict == "wrong" and tensor.at is not None:
            place = f"{tensor.name}{list(tensor.at)}"
            here = (tensor.worst.measured.value, tensor.worst.analytic)
            if np.isfinite(here).all():
                side = -1 if here[0] > (low + high) / 2 else 1
                ax.annotate(f"worst: {place}", here, xytext=(10 * side, 0), textcoords="offset points", fontsize=8,
                            ha="left" if side > 0 else "right", va="center", color=STYLES["wrong"][0])
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="measured slope", ylabel="analytic slope", title=title)
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    if points:
        ax.legend(fontsize=8, loc="best", framealpha=0.9)


def limits(numbers: list[float]) -> tuple[float, float]:
    """Return what an axis must span to show the numbers with some room around them.

    >>> limits([0.0, 10.0])
    (-0.8, 10.8)
    """
    low, high = min(numbers, default=-1.0), max(numbers, default=1.0)
    room = 0.08 * (high - low) or 0.08 * abs(high) or 1.0
    return low - room, high + room
