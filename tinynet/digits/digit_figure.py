"""The figure of a drawing's steps to the shape of MNIST's digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinynet.digits.scaling import centre_of_mass

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinynet.digits.digit import Digit

MARK = "#D55E00"                                       # vermilion, distinct from black for the colour-blind too


def plot_digit(digit: Digit) -> Figure:
    """Draw the steps of a `Digit` side by side: the drawing as it is, then its ink in black."""
    from matplotlib.patches import Rectangle

    from tinynet.figures import InlineFigure

    figure = InlineFigure((12, 3), layout="constrained")
    axes = figure.subplots(1, len(digit.steps))
    for axis, (name, image) in zip(axes, digit.steps, strict=True):
        axis.imshow(image, cmap="gray" if name == "drawing" else "gray_r", vmin=0, vmax=1)
        axis.set_title(f"{name}\n{image.shape[0]} x {image.shape[1]}", fontsize=10)
        axis.set_anchor("N")
        axis.tick_params(labelsize=7)
        axis.locator_params(nbins=4, integer=True)
    row, column = centre_of_mass(digit.image)
    axes[-1].plot(column, row, "+", color=MARK, markersize=14, markeredgewidth=2)
    axes[-1].set_xlabel("+ the centre of mass", fontsize=8)
    rows, columns = np.flatnonzero(digit.ink.any(axis=1)), np.flatnonzero(digit.ink.any(axis=0))
    height, width = digit.cropped.shape
    axes[1].add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), width, height, fill=False, color=MARK))
    return figure
