"""What all figures have in common: they need no window, a notebook shows them, and they share scales and colours.

matplotlib is loaded when the first figure is made, not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

SIGNED, POSITIVE, PIXELS = "RdBu_r", "viridis", "gray_r"       # colour maps: around 0, from 0 up, and digits
MIN_DOTTED = 0.06                                              # side of a cell in inches, from which on signs are dots
HIGHLIGHT = "#D55E00"                                          # vermilion, distinct from black for the colour-blind too
StrPath = str | PathLike[str]


def canvas(ax: Axes | None = None, size: tuple[float, float] = (6, 4)) -> tuple[Figure, Axes]:
    """Return (figure, axes): those of `ax` if it is given, or new ones of `size` inches."""
    if ax is not None:
        return cast("Figure", ax.figure), ax                      # or a SubFigure, which draws the same
    figure, axes = grid(1, 1, size)
    return figure, axes[0, 0]


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure of `size` inches and its axes (rows, columns); `options` are those of ``Figure.subplots``."""
    from tinynet.figures import InlineFigure

    figure = InlineFigure(size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, widest: int) -> tuple[int, int]:
    """Return (rows, columns) of a grid for `count` panels, at most `widest` in a row, the rows filled evenly.

    >>> panels(10, 8), panels(3, 8)
    ((2, 5), (1, 3))
    """
    rows = -(-count // widest)
    return rows, -(-count // rows)


def used(axes: np.ndarray, count: int) -> Sequence[Axes]:
    """Return the first `count` axes of a grid, and hide the others."""
    for ax in axes.ravel()[count:]:
        ax.set_axis_off()
    return axes.ravel()[:count].tolist()


def finish(figure: Figure, path: StrPath | None = None) -> Figure:
    """Save the figure if a path is given, and return it."""
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def show(ax: Axes, image: np.ndarray, limit: float, signed: bool = True) -> AxesImage:
    """Draw an image (H, W) without ticks, on the scale -limit to limit, or 0 to limit if it is not signed."""
    limit = limit or 1.0                                          # an image of zeros has no scale of its own
    ax.set_xticks([])
    ax.set_yticks([])
    return ax.imshow(image, cmap=SIGNED if signed else POSITIVE, vmin=-limit if signed else 0, vmax=limit)


def scale_of(*arrays: np.ndarray) -> float:
    """Return the largest finite magnitude in the arrays: the common limit of a row of images."""
    magnitudes = np.concatenate([np.abs(array).ravel() for array in arrays])
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    return float(magnitudes.max()) if magnitudes.size else 0.0


def stipple(image: AxesImage, cell: float) -> None:
    """Put a dot on each negative cell of an image that `show` drew, so that signs can be told without colours.

    Cells above -15 % of the scale, which look nearly white, get none, and none does where cells are so small that dots
    would be noise.

    Parameters
    ----------
    cell : approximate side of a cell in inches.
    """
    if cell < MIN_DOTTED:
        return
    _, limit = image.get_clim()
    rows, columns = np.nonzero(values_of(image) < -0.15 * (limit or 0))
    side = 0.25 * 72 * cell                                       # a quarter of the cell, in points
    image.axes.scatter(columns, rows, s=side**2, color="black", linewidths=0)


def show_dotted(ax: Axes, image: np.ndarray, scale: np.ndarray, cell: float, pixels: bool = True) -> AxesImage:
    """Draw an image on the scale of a whole array: signed, with dots, if that has negative values, else unsigned.

    Parameters
    ----------
    cell : approximate side of a cell in inches.
    pixels : whether unsigned values are drawn as ink on paper.
    """
    signed = bool(np.nanmin(scale) < 0)
    drawn = show(ax, image, scale_of(scale), signed)
    if signed:
        stipple(drawn, cell)
    elif pixels:
        drawn.set_cmap(PIXELS)
    return drawn


def frame(ax: Axes, rows: np.ndarray, columns: np.ndarray) -> None:
    """Draw a frame around the given rows and columns of an image; it may extend beyond the axes."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1,
                           fill=False, edgecolor=HIGHLIGHT, linewidth=2, clip_on=False))


def colorbar_below(drawn: AxesImage, **options: Any) -> None:
    """Add a small colour bar below an image; its labels are 2 and "1e-4" rather than 0.0002.

    `options` are those of ``Figure.colorbar``.
    """
    bar = drawn.axes.figure.colorbar(drawn, ax=drawn.axes, orientation="horizontal", **options)
    bar.ax.ticklabel_format(axis="x", scilimits=(-2, 3))
    bar.ax.locator_params(nbins=5)
    bar.ax.tick_params(labelsize=7)
    bar.ax.xaxis.get_offset_text().set_fontsize(7)


def draw_sum(ax: Axes, summands: dict[str, float], results: int) -> None:
    """Draw summands, and behind them what they sum to, as bars with their numbers; the last `results` are black."""
    positions = np.arange(len(summands))
    bars = ax.barh(positions, list(summands.values()),
                   color=["0.6"] * (len(summands) - results) + ["black"] * results)
    largest = max(map(abs, summands.values()))
    decimals = 3 - int(np.floor(np.log10(largest))) if 0.01 <= largest < 1000 else None
    form = "+.3g" if decimals is None else f"+.{decimals}f"       # the same decimals for all, so that they can be added
    ax.bar_label(bars, [f"{number + 0.0:{form}}" for number in summands.values()], padding=3, fontsize=8)
    ax.set_yticks(positions, list(summands), fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0, color="black", linewidth=0.8)
    ax.use_sticky_edges = False                                   # room for the numbers on both sides of 0
    ax.margins(x=0.15)
    ax.tick_params(axis="x", labelsize=8)


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images (K, h, w) out in rows of `columns`, separated by a blank row or column; blank is NaN.

    >>> mosaic(np.arange(3).reshape(3, 1, 1), columns=2)
    array([[ 0., nan,  1.],
           [nan, nan, nan],
           [ 2., nan, nan]])
    """
    K, h, w = images.shape
    rows = -(-K // columns)
    tiles = np.full((rows * columns, h + 1, w + 1), np.nan)
    tiles[:K, :h, :w] = images
    tiles = tiles.reshape(rows, columns, h + 1, w + 1).swapaxes(1, 2)          # (rows, h + 1, columns, w + 1)
    return tiles.reshape(rows * (h + 1), columns * (w + 1))[:-1, :-1]


def write_numbers(image: AxesImage, fontsize: float = 7, decimals: int = 5) -> None:
    """Write its value on each cell of an image that `show` drew, in black or white, whichever contrasts.

    All have the decimals that show three significant digits of the scale's largest number, at most `decimals`.
    """
    _, limit = image.get_clim()
    digits = int(np.clip(2 - np.floor(np.log10(limit or 1.0)), 0, decimals))
    for (row, column), number in np.ndenumerate(values_of(image)):
        if np.isfinite(number):
            red, green, blue, _ = image.to_rgba(number)
            luminance = 0.3 * red + 0.6 * green + 0.1 * blue
            image.axes.text(column, row, f"{round(float(number), digits) + 0.0:.{digits}f}",  # + 0.0: no minus zeros
                            ha="center", va="center", fontsize=fontsize, color="white" if luminance < 0.5 else "black")


def values_of(image: AxesImage) -> np.ndarray:
    """Return the values that an image shows, NaN where it is blank."""
    return np.ma.filled(np.ma.asarray(image.get_array()), np.nan)


def integer_ticks(axis: Axis) -> None:
    """Put the ticks of an axis on whole numbers only."""
    axis.get_major_locator().set_params(integer=True)             # type: ignore[call-arg]
