"""Figures of the chapter on pooling."""

from __future__ import annotations

import numpy as np

from tinynet.datasets import mnist
from tinynet.layers import AveragePool2D, MaxPool2D
from tinynet.study.cost.costs import receptive_field
from tinynet.study.drawing import PIXELS, grid

X = np.array([[1.0, 3, 0, 0], [2, 8, 0, 0], [4, 4, 5, 1], [0, 1, 6, 2]])       # the chapter's worked example
DY = np.array([[1.0, 2], [3, 4]])
CNN = {"conv2d_1": (5, 1), "max_pool2d_1": (2, 2), "conv2d_2": (3, 1), "max_pool2d_2": (2, 2)}    # (window, stride)


def pool_routing():
    """Draw the worked example forward and back, through the maximum and through the mean."""
    figure, axes = grid(2, 4, (10.5, 5.2))
    for row, layer in zip(axes, (MaxPool2D(), AveragePool2D()), strict=True):
        y, backward = layer.forward(X[None, None])
        parts = {"x": X, "y": y[0, 0], "dy": DY, "dx": backward(DY[None, None])[0, 0]}
        for ax, (title, part) in zip(row, parts.items(), strict=True):
            ax.imshow(part, cmap=PIXELS, vmin=0, vmax=16)
            for (h, w), number in np.ndenumerate(part):
                ax.text(w, h, f"{number:g}", ha="center", va="center", fontsize=11)
            ax.set(xticks=[], yticks=[], title=title)
            for edge in (1.5,) if len(part) == 4 else ():
                ax.axhline(edge, color="#D55E00")
                ax.axvline(edge, color="#D55E00")
        row[0].set_ylabel("maximum" if isinstance(layer, MaxPool2D) else "mean", fontsize=11)
    return figure


def receptive_fields():
    """Draw on a digit how much of it one output of each layer of the larger CNN sees."""
    from matplotlib.patches import Rectangle

    image = mnist.load_data()[0][0][0]
    figure, axes = grid(1, 4, (11, 3.4))
    field = (1, 1)
    for ax, (name, window) in zip(axes[0], CNN.items(), strict=True):
        field = receptive_field(field, window)
        size, jump = field
        ax.imshow(image, cmap=PIXELS, alpha=0.6)
        for k, (colour, line) in enumerate((("#D55E00", "-"), ("black", "--"))):        # two neighbours in a row
            ax.add_patch(Rectangle((7.5 + k * jump, 7.5), size, size, fill=False, edgecolor=colour, linestyle=line,
                                   linewidth=1.8))
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name}\nsees {size} x {size}; its neighbour {jump} further", fontsize=9)
    return figure
