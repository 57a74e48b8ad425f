"""Figures of the chapter on dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Dense, Softmax
from tinynet.study.drawing import SIGNED, grid, show

X = np.array([[1.0, 2, 0], [3, -1, 2]])                                 # the chapter's worked example
KERNEL = np.array([[1.0, 0], [2, -1], [0, 3]])
DY = np.array([[1.0, -1], [0, 2]])


def dense_products():
    """Draw the three matrix products of the worked example: forward, kernel gradient, input gradient."""
    products = [("forward: the sum runs over the inputs i", ("x", X), ("kernel", KERNEL), "x @ kernel", "ni", "iu"),
                ("kernel gradient: over the samples n", ("x.T", X.T), ("dy", DY), "dkernel", "in", "nu"),
                ("input gradient: over the units u", ("dy", DY), ("kernel.T", KERNEL.T), "dx", "nu", "ui")]
    figure, axes = grid(3, 1, (7.5, 7.6))
    for ax, (title, left, right, name, left_axes, right_axes) in zip(axes[:, 0], products, strict=True):
        _matrix(ax, 0, *left, left_axes)
        _matrix(ax, 4.5, *right, right_axes)
        _matrix(ax, 9, name, left[1] @ right[1], left_axes[0] + right_axes[1])
        for x, sign in ((3.75, "@"), (8.25, "=")):
            ax.text(x, 1.5, sign, ha="center", va="center", fontsize=14)
        ax.set(xlim=(-0.1, 12.1), ylim=(3.1, -0.6), aspect="equal")
        ax.axis("off")
        ax.set_title(title, fontsize=11, loc="left")
    return figure


def dense_templates(limit: int | None = None):
    """Draw what each unit of a network of a single dense layer has learned to look for: its column of the kernel."""
    (images, labels), _ = mnist.load_data()
    model = Sequential([Dense(10, input_shape=(784,)), Softmax()], seed=0)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(images[:limit].reshape(-1, 784) / 255, labels[:limit], batch_size=200, epochs=5, verbose=0)
    kernel = model.layers[0].params["kernel"].T.reshape(10, 28, 28)     # (784, 10) -> (10, 28, 28)
    figure, axes = grid(2, 5, (9, 4.2))
    limits = float(np.percentile(np.abs(kernel), 99))
    for unit, ax in enumerate(axes.flat):
        drawn = show(ax, kernel[unit], limits)
        ax.set_title(f"unit {unit}", fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, extend="both")
    bar.set_label("weight of the pixel")
    return figure


def _matrix(ax: Any, left: float, name: str, matrix: np.ndarray, indices: str) -> None:
    """Draw one matrix in a field of 3 x 3 cells: its numbers, and above it its name and indices."""
    rows, columns = matrix.shape
    left, top = left + (3 - columns) / 2, (3 - rows) / 2
    ax.imshow(matrix, cmap=SIGNED, vmin=-12, vmax=12, extent=(left, left + columns, top + rows, top))
    for (row, column), number in np.ndenumerate(matrix):
        ax.text(left + column + 0.5, top + row + 0.5, f"{number:g}", ha="center", va="center", fontsize=11)
        ax.add_patch(Rectangle((left + column, top + row), 1, 1, fill=False, linewidth=0.6))
    ax.text(left + columns / 2, top - 0.1, f"{name} [{', '.join(indices)}]", ha="center", va="bottom", fontsize=10)
