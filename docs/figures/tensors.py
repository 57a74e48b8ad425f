"""Figures of the chapter on tensors and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.datasets import mnist
from tinynet.study.drawing import PIXELS, grid

LARGER_CNN = [                                                         # name, shape of the output, parameters
    ("input", (1, 28, 28), "parameters:"), ("conv2d_1", (30, 24, 24), "780"), ("max_pool2d_1", (30, 12, 12), "0"),
    ("conv2d_2", (15, 10, 10), "4,065"), ("max_pool2d_2", (15, 5, 5), "0"), ("flatten_1", (375,), "0"),
    ("dense_1", (128,), "48,128"), ("dense_2", (50,), "6,450"), ("dense_3", (10,), "510")]


def digit_as_numbers():
    """Draw a digit, and a part of it with its numbers."""
    image = mnist.load_data()[0][0][0]                                  # (28, 28)
    rows, columns = slice(5, 13), slice(10, 20)
    figure, axes = grid(1, 2, (10, 4.4), width_ratios=[1, 1.35])
    whole, part = axes[0]
    whole.imshow(image, cmap=PIXELS)
    whole.set(xlabel="w, the column", ylabel="h, the row", title="x_train[0], 28 x 28 numbers, drawn as ink")
    _frame(whole, rows, columns)
    part.imshow(image[rows, columns], cmap=PIXELS, extent=(9.5, 19.5, 12.5, 4.5))
    for h, w in np.ndindex(8, 10):
        number = image[5 + h, 10 + w]
        part.text(10 + w, 5 + h, number, ha="center", va="center", fontsize=9,
                  color="white" if number > 128 else "black")
    part.set(xticks=range(10, 20), yticks=range(5, 13), xlabel="w", ylabel="h", title="x_train[0, 5:13, 10:20]")
    return figure


def shapes_in_the_network():
    """Draw the arrays of one image on its way through the larger CNN: maps to scale, vectors as columns.

    Below each is how many parameters the layer that makes it has.
    """
    from matplotlib.patches import Rectangle

    figure, axes = grid(1, 1, (10, 2.9))
    ax, x = axes[0, 0], 0.0
    ax.imshow(mnist.load_data()[0][0][0], cmap=PIXELS, extent=(0, 28, -14, 14))
    for name, shape, parameters in LARGER_CNN:
        if len(shape) == 3:
            maps, height, width = shape
            step = 0.35 if maps > 1 else 0
            for k in range(maps):                                       # one behind the other
                ax.add_patch(Rectangle((x + k * step, -height / 2 + k * step), width, height, edgecolor="black",
                                       facecolor="white" if maps > 1 else "none", linewidth=0.7, zorder=1 - k))
            right = width + (maps - 1) * step
        else:
            right = 2.0
            height = shape[0] / 9
            ax.add_patch(Rectangle((x, -height / 2), right, height, facecolor="0.75", edgecolor="black", linewidth=0.7))
        shown = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
        ax.text(x + right / 2, -23, f"{name}\n{shown}\n{parameters}", ha="center", va="top", fontsize=9)
        x += right + (15 if right < 12 else 11 if right < 18 else 6)
    ax.set(xlim=(-3, x), ylim=(-36, 25), aspect="equal")
    ax.axis("off")
    return figure


def _frame(ax: Any, rows: slice, columns: slice) -> None:
    """Frame a part of an image."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5), columns.stop - columns.start,
                           rows.stop - rows.start, fill=False, edgecolor="#D55E00", linewidth=2))
