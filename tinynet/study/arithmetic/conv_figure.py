"""The figure of one output pixel of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinynet.study.drawing import (
    PIXELS,
    StrPath,
    draw_sum,
    finish,
    frame,
    grid,
    scale_of,
    show,
    show_dotted,
    values_of,
    write_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
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
    """Draw this pixel's row of the kernel matrix, its column of im2col's matrix, and their product, with neighbours.

    Of several channels the strongest's weights are drawn: the kernel and the patch of the first row, flattened.
    """
    output = step.kernel_matrix.astype(np.float64) @ step.column_matrix
    channel, weights = step.strongest(1)[0], step.kernel[0].size                     # weights of a channel, kh * kw
    r = np.arange(channel * weights, (channel + 1) * weights)
    f, k = near(step.kernel_row, len(output), 2), near(step.column_index, output.shape[1], 3)
    rows = f"kernel {step.kernel[0].shape} as a row" + (f", channel {channel}" if len(step.kernel) > 1 else "")
    kernels = show(axes[0], step.kernel_matrix[np.ix_(f, r)], scale_of(step.kernel))
    columns = show_dotted(axes[1], step.column_matrix[np.ix_(r, k)], step.image, 0.1)
    sums = show(axes[2], output[np.ix_(f, k)], scale_of(output))
    for drawn in (kernels, columns, sums) if weights <= MAX_NUMBERED + 2 else (sums,):
        write_numbers(drawn, fontsize=6, decimals=2)
    titles = (f"im2col: row {step.kernel_row} of the kernels {step.kernel_matrix.shape}\nis the {rows}",
              f"times: column {step.column_index} of the columns\n{step.column_matrix.shape} is the patch as a column",
              f"is: cell ({step.kernel_row}, {step.column_index}) of the sums\n{output.shape} is {step.sum:+.3f}")
    for drawn, title in zip((kernels, columns, sums), titles, strict=True):
        drawn.axes.set_aspect("auto")
        drawn.axes.set_ylim(max(4.5, len(values_of(drawn)) - 0.5), -0.5)             # a single row stays a row
        drawn.axes.spines[:].set_visible(False)
        drawn.axes.set_title(title, fontsize=9)
    for ax in axes[::2]:
        label_axis(ax.yaxis, f, "filter")
    for ax in axes[1:]:
        label_axis(ax.xaxis, k, "output pixel p * Q + q")
    axes[0].set_xlabel("weight", fontsize=8)
    axes[1].set_ylabel("weight", fontsize=8)
    row, column, weight = [step.kernel_row - f[0]], [step.column_index - k[0]], np.arange(weights)
    frame(axes[0], np.array(row), weight)
    frame(axes[1], weight, np.array(column))
    frame(axes[2], np.array(row), np.array(column))


def near(index: int, size: int, distance: int) -> np.ndarray:
    """Return the indices around one, as many as there are up to a distance on both sides.

    >>> near(1, 9, 2).tolist(), near(5, 9, 2).tolist()
    ([0, 1, 2, 3], [3, 4, 5, 6, 7])
    """
    return np.arange(max(0, index - distance), min(size, index + distance + 1))


def label_axis(axis: Axis, numbers: np.ndarray, label: str) -> None:
    """Number the cells of an image along an axis."""
    axis.set_ticks(np.arange(len(numbers)), numbers.tolist())
    axis.set_tick_params(labelsize=7, length=0)
    axis.set_label_text(label, fontsize=8)
