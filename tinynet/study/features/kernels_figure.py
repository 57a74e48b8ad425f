"""A convolution's kernels as images, before and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import Conv2DTranspose, DepthwiseConv2D
from tinynet.layers.base import Layer
from tinynet.study.arguments import expect
from tinynet.study.drawing import StrPath, finish, grid, mosaic, scale_of, show, stipple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OF_OTHER_AXES = Conv2DTranspose, DepthwiseConv2D      # kernels (C, filters, ...) and (depth_multiplier, C, ...)
MAX_SHOWN = 32                                        # filters, and channels of each, that are drawn


def plot_filters(layer: Layer, before: ArrayLike | None = None, path: StrPath | None = None) -> Figure:
    """Draw a convolution's kernels, all on one scale around 0; beside them those before training, if given.

    Weights clearly below 0 have a dot.

    The kernels of a single channel are laid out in rows of 8. With several channels, each filter is a row and each
    channel a column: the filter's output is the sum over its row. (A mean over the channels would resemble none of
    the kernels.) Of more than 32 filters or channels the first 32 are drawn.

    Parameters
    ----------
    layer : a convolution that is built; of a model, its first convolution is taken.
    before : the kernel as it was, (filters, C, kh, kw): ``layer.params["kernel"].copy()`` before `fit`.

    Raises
    ------
    ValueError : for a layer without a kernel (filters, C, kh, kw), or a `before` of another shape.
    """
    convolutions = [leaf for leaf in layer.leaves() if leaf.params.get("kernel", np.empty(0)).ndim == 4
                    and not isinstance(leaf, OF_OTHER_AXES)]
    expect(convolutions, "a built layer with a kernel (filters, C, kh, kw)", layer, "plot_filters")
    kernel = convolutions[0].params["kernel"]
    kernels = {"": kernel}
    if before is not None:
        kernels = {"before training": np.asarray(before), "after training": kernel}
        expect(np.shape(before) == kernel.shape, f"before of the kernel's shape, {kernel.shape}", np.shape(before),
               "plot_filters")
    filters, channels, kh, kw = kernel.shape
    columns = min(channels, MAX_SHOWN) if channels > 1 else min(filters, 8)
    rows = min(filters, MAX_SHOWN) if channels > 1 else -(-min(filters, MAX_SHOWN) // columns)
    cell = min(0.6 / max(kh, kw), (6 if before is None else 4.3) / (columns * (kw + 1)))           # inches
    size = max(2.4, columns * (kw + 1) * cell + 0.7), max(1.6, rows * (kh + 1) * cell + 0.7)
    figure, axes = grid(1, len(kernels), (size[0] * len(kernels) + 0.9, size[1] + 0.4))
    for ax, (title, weights) in zip(axes[0], kernels.items(), strict=True):
        shown = weights[:MAX_SHOWN, :MAX_SHOWN].reshape(-1, kh, kw)
        image = show(ax, mosaic(shown, columns), scale_of(*kernels.values()))
        stipple(image, cell)
        ax.set_title(title, fontsize=10)
        ax.spines[:].set_visible(False)
        label_axes(ax, columns, rows, (kh, kw), channels)
    figure.colorbar(image, ax=list(axes[0]), label="weight", shrink=0.9, aspect=25)
    omitted = [f"{MAX_SHOWN} of {count} {what}" for count, what in ((filters, "filters"), (channels, "channels"))
               if count > MAX_SHOWN]
    figure.suptitle(", ".join([str(convolutions[0]), *omitted]), fontsize=11)
    return finish(figure, path)


def label_axes(ax: Axes, columns: int, rows: int, size: tuple[int, int], channels: int) -> None:
    """Number the filters (rows) and channels (columns) of the mosaic.

    With one channel, a filter's number is the sum of its row's and its column's.
    """
    kh, kw = size
    down, across = np.arange(rows), np.arange(0, columns, 1 if columns <= 10 else 5)
    ax.set_yticks(down * (kh + 1) + (kh - 1) / 2, down if channels > 1 else down * columns, fontsize=7)
    ax.set_xticks(across * (kw + 1) + (kw - 1) / 2, across if channels > 1 else [f"+{k}" for k in across], fontsize=7)
    ax.tick_params(length=0)
    ax.set_ylabel("filter", fontsize=8)
    if channels > 1:
        ax.set_xlabel("channel", fontsize=8)
