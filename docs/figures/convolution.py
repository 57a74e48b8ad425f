"""Figures of the chapter on convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.kernels.im2col import im2col
from tinynet.layers import Conv2D
from tinynet.study import conv_step
from tinynet.study.arithmetic.window_geometry import window_at
from tinynet.study.drawing import PIXELS, SIGNED, grid, scale_of

EDGES = {"upper edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "left edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
         "outlines": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], "a blur": np.full((3, 3), 1 / 9)}
BAR: dict[str, Any] = {"orientation": "horizontal", "pad": 0.03, "shrink": 0.9}


def conv_filters():
    """Draw a digit, and what four kernels written by hand make of it."""
    image = mnist.load_data()[0][0][:1, None] / 255                     # (1, 1, 28, 28)
    layer = Conv2D(len(EDGES), 3, input_shape=(1, 28, 28))
    layer.build((1, 28, 28), np.random.default_rng(0))
    layer.params["kernel"][:, 0] = list(EDGES.values())                 # (4, 3, 3)
    maps = layer(image)[0]
    figure, axes = grid(2, 5, (10.5, 4.3), height_ratios=[1, 2.2])
    axes[0, 0].axis("off")
    figure.colorbar(axes[1, 0].imshow(image[0, 0], cmap=PIXELS), **BAR).ax.tick_params(labelsize=7)
    axes[1, 0].set_title("the image", fontsize=9)
    for column, (name, kernel) in enumerate(EDGES.items(), start=1):
        _numbers(axes[0, column], np.asarray(kernel, float), "{:.2g}")
        axes[0, column].set_title(name, fontsize=9)
        one = maps[column - 1]
        drawn = axes[1, column].imshow(one, cmap=SIGNED, vmin=-scale_of(one), vmax=scale_of(one))
        figure.colorbar(drawn, **BAR).ax.tick_params(labelsize=7)
    for ax in axes[1]:
        ax.set(xticks=[], yticks=[])
    return figure


def conv_one_pixel():
    """Draw the step of one output pixel, of a kernel for upper edges."""
    image = mnist.load_data()[0][0][:1, None] / 255
    model = Sequential([Conv2D(1, 3, activation="relu", input_shape=(1, 28, 28))], seed=0)
    model.layers[0].params["kernel"][0, 0] = EDGES["upper edges"]
    return conv_step(model, "conv2d_1", image, at=(0, 4, 14)).plot()


def conv_windows():
    """Draw which cells four windows see: plain, with stride, with padding, with dilation."""
    settings = [("plain", {}), ("strides=2", {"strides": 2}), ('padding="same"', {"padding": "same"}),
                ("dilation_rate=2", {"dilation_rate": 2})]
    figure, axes = grid(1, 4, (11, 3.8))
    for ax, (title, options) in zip(axes[0], settings, strict=True):
        layer = Conv2D(1, 3, **options)
        _, P, Q = layer.build((1, 6, 6), np.random.default_rng(0))
        for h, w in np.ndindex(6, 6):
            ax.add_patch(Rectangle((w - 0.5, h - 0.5), 1, 1, fill=False, edgecolor="0.6", linewidth=0.8))
        for q, marker, colour in ((0, "o", "#0072B2"), (1, "x", "#D55E00")):
            rows, columns = window_at(layer.windows, (6, 6), (0, q))
            h, w = np.meshgrid(rows, columns, indexing="ij")
            ax.scatter(w, h, s=110 if marker == "o" else 45, marker=marker, linewidth=1.6,
                       label=f"seen by output (0, {q})",
                       **({"facecolors": "none", "edgecolors": colour} if marker == "o" else {"color": colour}))
        ax.text(2.5, -1.9, f"{title}\n6 x 6 -> {P} x {Q}", ha="center", va="bottom", fontsize=10)
        ax.set(xlim=(-1.7, 6.2), ylim=(6, -3.6), aspect="equal")
        ax.axis("off")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def im2col_columns():
    """Draw a small image with numbered pixels, the columns that im2col makes of it, and where pixel 5 went."""
    image = np.arange(16).reshape(1, 1, 4, 4)
    columns = im2col(image, (2, 2), (1, 1), (1, 1))[0]                  # (4, 9)
    figure, axes = grid(1, 2, (9, 3.4), width_ratios=[1, 2.2])
    for ax, matrix in zip(axes[0], (image[0, 0], columns), strict=True):
        _numbers(ax, matrix, "{:d}")
        for h, w in np.argwhere(matrix == 5):
            ax.add_patch(Rectangle((w - 0.42, h - 0.42), 0.84, 0.84, fill=False, edgecolor="#D55E00", linewidth=2))
    axes[0, 0].set_title("image (4, 4), its pixels numbered", fontsize=10)
    axes[0, 1].set(xticks=range(9), xticklabels=[f"({p}, {q})" for p, q in np.ndindex(3, 3)], yticks=range(4),
                   yticklabels=[f"({i}, {j})" for i, j in np.ndindex(2, 2)], xlabel="output pixel (p, q)",
                   ylabel="place in the window (i, j)")
    axes[0, 1].tick_params(length=0, labelsize=8)
    axes[0, 1].set_title("columns (4, 9): which pixel lies there", fontsize=10)
    return figure


def _numbers(ax: Any, matrix: np.ndarray, form: str) -> None:
    """Draw a matrix with a number in each cell, on colours pale enough to read it."""
    top = 1.8 * float(np.abs(matrix).max())
    if matrix.dtype.kind == "f":
        ax.imshow(matrix, cmap=SIGNED, vmin=-top, vmax=top)
    for (row, column), number in np.ndenumerate(matrix):
        ax.text(column, row, form.format(number), ha="center", va="center", fontsize=9)
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="0.6", linewidth=0.6))
    rows, columns = matrix.shape
    ax.set(xticks=[], yticks=[], xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
