"""A convolution's kernels as pictures, before training and after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.drawing import Path, finish, grid, mosaic, scale_of, show, stipple

SHOWN = 32                                            # filters, and channels of each, that are drawn


def plot_filters(layer: Layer, before: Any = None, path: Path | None = None) -> Any:
    """Draw a convolution's kernels, all to one scale around 0; with those of before training beside them.

    Weights clearly below 0 have a dot.

    The kernels of one channel are laid out in rows of 8. Of several channels, each filter is a row and each channel a
    column: the filter adds up what all kernels of its row find. (A mean over the channels would show none of
    them.) Of more than 32 filters or channels the first 32 are drawn.

    Parameters
    ----------
    layer : a convolution that is built; of a model, its first convolution is taken.
    before : the kernel as it was, (filters, C, kh, kw): ``layer.params["kernel"].copy()`` before `fit`.

    Raises
    ------
    ValueError : for a layer without a kernel (filters, C, kh, kw), or a `before` of another shape.
    """
    found = [leaf for leaf in layer.leaves() if "kernel" in leaf.params and leaf.params["kernel"].ndim == 4]
    if not found:
        raise ValueError(f"plot_filters: expected a built layer with a kernel (filters, C, kh, kw). Received: {layer}.")
    kernel = found[0].params["kernel"]
    parts = {"after training" if before is not None else "": kernel}
    if before is not None:
        parts = {"before training": np.asarray(before), **parts}
        if np.shape(before) != kernel.shape:
            raise ValueError(f"plot_filters: expected before of the kernel's shape, {kernel.shape}. "
                             f"Received: {np.shape(before)}.")
    filters, channels, kh, kw = kernel.shape
    columns = min(channels, SHOWN) if channels > 1 else min(filters, 8)
    rows = min(filters, SHOWN) if channels > 1 else -(-min(filters, SHOWN) // columns)
    cell = min(0.6 / max(kh, kw), (6 if before is None else 4.3) / (columns * (kw + 1)))           # inches
    size = max(2.4, columns * (kw + 1) * cell + 0.7), max(1.6, rows * (kh + 1) * cell + 0.7)
    figure, axes = grid(1, len(parts), (size[0] * len(parts) + 0.9, size[1] + 0.4))
    for ax, (title, part) in zip(axes[0], parts.items(), strict=True):
        shown = part[:SHOWN, :SHOWN].reshape(-1, kh, kw)
        image = show(ax, mosaic(shown, columns), scale_of(*parts.values()))
        stipple(image, cell)
        ax.set_title(title, fontsize=10)
        ax.spines[:].set_visible(False)
        label(ax, columns, rows, (kh, kw), channels)
    figure.colorbar(image, ax=list(axes[0]), label="weight", shrink=0.9, aspect=25)
    cut = [f"{SHOWN} of {count} {what}" for count, what in ((filters, "filters"), (channels, "channels"))
           if count > SHOWN]
    figure.suptitle(", ".join([str(found[0]), *cut]), fontsize=11)
    return finish(figure, path)


def label(ax: Any, columns: int, rows: int, size: tuple[int, int], channels: int) -> None:
    """Write the numbers of filters and channels beside the mosaic: the filters', in one channel, as a sum of two."""
    kh, kw = size
    down, across = np.arange(rows), np.arange(0, columns, 1 if columns <= 10 else 5)
    ax.set_yticks(down * (kh + 1) + (kh - 1) / 2, down if channels > 1 else down * columns, fontsize=7)
    ax.set_xticks(across * (kw + 1) + (kw - 1) / 2, across if channels > 1 else [f"+{k}" for k in across], fontsize=7)
    ax.tick_params(length=0)
    ax.set_ylabel("filter", fontsize=8)
    if channels > 1:
        ax.set_xlabel("channel", fontsize=8)
