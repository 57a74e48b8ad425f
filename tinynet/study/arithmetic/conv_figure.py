"""The figure of one output pixel of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.study.drawing import (
    HIGHLIGHT,
    PIXELS,
    StrPath,
    draw_sum,
    finish,
    frame,
    grid,
    scale_of,
    show,
    show_dotted,
    write_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinynet.study.arithmetic.conv_step import ConvStep

MAX_CHANNELS = 3                                                      # that are drawn, the strongest
MAX_NUMBERED = 7                                                      # rows of a kernel whose numbers are legible


def plot_conv_step(step: ConvStep, path: StrPath | None = None) -> Figure:
    """Draw a `ConvStep`: a row for each of the strongest channels, and below them the sums and the matrix product."""
    channels = step.strongest(MAX_CHANNELS)
    figure, axes = grid(len(channels) + 1, 4, (11.5, 2.7 * len(channels) + 3.6),
                        height_ratios=[2.7] * len(channels) + [3.2])
    for row, c in zip(axes, channels, strict=False):
        draw_channel(row, step, c)
    for column, part in enumerate((step.image, step.patch, step.kernel, step.products)):
        drawn = axes[0, column].images[0]
        bar = figure.colorbar(drawn, ax=list(axes[:-1, column]), orientation="horizontal", shrink=0.8, aspect=25,
                              pad=0.02)
        bar.ax.tick_params(labelsize=7)
        bar.set_label(f"all {len(part)} channels on this scale" if len(part) > 1 else "value", fontsize=7)
    draw_sums(axes[-1, 0], step, channels)
    draw_product(axes[-1, 1:], step)
    f, p, q = step.at
    shown = f": the {len(channels)} strongest of {len(step.patch)} channels" if len(step.patch) > MAX_CHANNELS else ""
    figure.suptitle(f"{step.name}, filter {f}, output pixel ({p}, {q}){shown}", fontsize=11)
    return finish(figure, path)


def draw_channel(axes: np.ndarray, step: ConvStep, c: int) -> None:
    """Draw the image and the window on it, the patch, the kernel and the products of one channel."""
    signed = bool(step.image.min() < 0)
    image = show_dotted(axes[0], step.image[c], step.image, 2 / max(step.image.shape[1:]))
    frame(axes[0], step.rows, step.columns)
    H, W = step.image.shape[1:]
    axes[0].set(xlim=(min(0, step.columns[0]) - 1, max(W - 1, step.columns[-1]) + 1),     # room for the padding
                ylim=(max(H - 1, step.rows[-1]) + 1, min(0, step.rows[0]) - 1))
    patch = show(axes[1], np.where(step.padding, np.nan, step.patch[c]), scale_of(step.image), signed)
    for i, j in np.argwhere(step.padding):
        axes[1].text(j, i, "0", ha="center", va="center", fontsize=7, color="0.5")
    drawn = [image, patch, show(axes[2], step.kernel[c], scale_of(step.kernel)),
             show(axes[3], step.products[c], scale_of(step.products))]
    if not signed:
        patch.set_cmap(PIXELS)
    for part in drawn[1:]:
        if max(step.kernel.shape[1:]) <= MAX_NUMBERED:
            write_numbers(part)
    titles = (f"input, channel {c}", "patch" + (" (0: padding)" if step.padding.any() else ""), "kernel",
              f"products: their sum is {step.channel_sums[c]:+.4f}")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=9)


def draw_sums(ax: Axes, step: ConvStep, channels: list[int]) -> None:
    """Draw the channels' sums, the bias, their sum z, and the activation's output y as bars."""
    bars = {f"channel {c}": step.channel_sums[c] for c in channels}
    if len(step.patch) > len(channels):
        bars[f"others ({len(step.patch) - len(channels)})"] = np.delete(step.channel_sums, channels).sum()
    bars |= {"bias": step.bias, "z: their sum": step.z}
    if step.activation:
        bars[f"y: {step.activation}(z)"] = step.y
    draw_sum(ax, bars, 1 + bool(step.activation))
    ax.margins(x=0.65)                                                # a narrow panel
    ax.locator_params(axis="x", nbins=3)
    ax.set_xlabel("value", fontsize=8)
    ax.set_title("the sums", fontsize=9)


def draw_product(axes: np.ndarray, step: ConvStep) -> None:
    """Draw kernels @ columns = output, with this pixel's row, column and element between lines."""
    output = step.kernel_matrix.astype(np.float64) @ step.column_matrix
    parts = ((step.kernel_matrix, f"im2col: kernels {step.kernel_matrix.shape}\nrow {step.kernel_row}, times",
              "weight (c, i, j)", "filter"),
             (step.column_matrix, f"columns {step.column_matrix.shape}\ncolumn {step.column_index}, is",
              "output pixel p * Q + q", "weight (c, i, j)"),
             (output, f"sums {output.shape}\ncell ({step.kernel_row}, {step.column_index}): {step.sum:+.3f}",
              "output pixel p * Q + q", "filter"))
    for ax, (matrix, title, across, down) in zip(axes, parts, strict=True):
        signed = bool(matrix.min() < 0)
        drawn = show(ax, matrix, scale_of(matrix), signed)
        if not signed:
            drawn.set_cmap(PIXELS)
        ax.set_aspect("auto")
        ax.set_xlabel(across, fontsize=8)
        ax.set_ylabel(down, fontsize=8)
        ax.set_title(title, fontsize=9)
        ax.figure.colorbar(drawn, ax=ax, aspect=30, pad=0.02).ax.tick_params(labelsize=6)
    line: dict[str, Any] = {"color": HIGHLIGHT, "linewidth": 1.2}
    rows, columns = step.kernel_matrix.shape[0], step.column_matrix.shape[1]
    for ax in (axes[0], axes[2]):
        for edge in (-0.5, 0.5) if rows > 1 else ():
            ax.axhline(step.kernel_row + edge, **line)
    for ax in axes[1:]:
        for edge in (-0.5, 0.5) if columns > 1 else ():
            ax.axvline(step.column_index + edge, **line)
