"""What all figures have in common: they are made without a window, drawn to one scale, and saved if asked.

matplotlib is loaded when the first figure is made, not before.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

SIGNED, POSITIVE, PIXELS = "RdBu_r", "viridis", "gray_r"       # colour maps: around 0, from 0 up, and digits
Path = str | PathLike[str]


def canvas(ax: Any = None, size: tuple[float, float] = (6, 4)) -> tuple[Any, Any]:
    """Return (figure, axes): those given, or new ones of `size` inches."""
    if ax is not None:
        return ax.figure, ax
    figure, axes = grid(1, 1, size)
    return figure, axes[0, 0]


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, np.ndarray]:
    """Return a figure of `size` inches and its axes (rows, columns); `options` are those of ``Figure.subplots``."""
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, widest: int) -> tuple[int, int]:
    """Return (rows, columns) for so many panels, at most `widest` in a row, and the rows as full as they can be.

    >>> panels(10, 8), panels(3, 8)
    ((2, 5), (1, 3))
    """
    rows = -(-count // widest)
    return rows, -(-count // rows)


def finish(figure: Any, path: Path | None = None) -> Any:
    """Save the figure if a path is given, and return it."""
    if path is not None:
        figure.savefig(path, dpi=110)
    return figure


def show(ax: Any, image: np.ndarray, limit: float, signed: bool = True) -> Any:
    """Draw an image (H, W) without ticks, on the scale -limit to limit, or 0 to limit; return it for a colour bar."""
    limit = limit or 1.0                                          # an image of zeros has no scale of its own
    ax.set_xticks([])
    ax.set_yticks([])
    return ax.imshow(image, cmap=SIGNED if signed else POSITIVE, vmin=-limit if signed else 0, vmax=limit)


def scale_of(*arrays: np.ndarray) -> float:
    """Return the largest finite magnitude in the arrays: the common limit of a row of images."""
    sizes = np.concatenate([np.abs(array).ravel() for array in arrays])
    sizes = sizes[np.isfinite(sizes)]
    return float(sizes.max()) if sizes.size else 0.0


def stipple(image: Any, cell: float) -> None:
    """Put a dot on each cell below 0 of an image that `show` drew, so that signs can be told without colours.

    Cells above -15 % of the scale, which look nearly white, get none.

    Parameters
    ----------
    cell : a cell's side in inches, about.
    """
    rows, columns = np.nonzero(np.ma.filled(image.get_array(), np.nan) < -0.15 * image.norm.vmax)
    image.axes.scatter(columns, rows, s=(0.25 * 72 * cell)**2, color="black", linewidths=0)


def show_dotted(ax: Any, image: np.ndarray, scale: np.ndarray, cell: float, pixels: bool = True) -> Any:
    """Draw an image to the scale of a whole array: as pixels if that has nothing below 0, else signed, with dots."""
    signed = bool(np.nanmin(scale) < 0)
    drawn = show(ax, image, scale_of(scale), signed)
    if signed:
        stipple(drawn, cell)
    elif pixels:
        drawn.set_cmap(PIXELS)
    return drawn


def bar_below(drawn: Any, **options: Any) -> None:
    """Put a small colour bar below what `show` drew: 2 and "1e-4", not 0.0002; `options` are ``Figure.colorbar``'s."""
    bar = drawn.axes.figure.colorbar(drawn, ax=drawn.axes, orientation="horizontal", **options)
    bar.formatter.set_powerlimits((-2, 3))
    bar.ax.locator_params(nbins=5)
    bar.ax.tick_params(labelsize=7)
    bar.ax.xaxis.get_offset_text().set_fontsize(7)


def draw_sum(ax: Any, parts: dict[str, float], results: int) -> None:
    """Draw parts, and what they sum to, as bars with their numbers; the last `results` are black."""
    place = np.arange(len(parts))
    drawn = ax.barh(place, list(parts.values()), color=["0.6"] * (len(parts) - results) + ["black"] * results)
    size = max(map(abs, parts.values()))
    form = f"+.{3 - int(np.floor(np.log10(size)))}f" if 0.01 <= size < 1000 else "+.3g"       # one for all, to be added
    ax.bar_label(drawn, [f"{number + 0.0:{form}}" for number in parts.values()], padding=3, fontsize=8)
    ax.set_yticks(place, list(parts), fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0, color="black", linewidth=0.8)
    ax.use_sticky_edges = False                                   # room for the numbers on both sides of 0
    ax.margins(x=0.15)
    ax.tick_params(axis="x", labelsize=8)


def mosaic(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images (K, h, w) out in rows of `columns`, a blank row or column between them; missing ones are blank, NaN.

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


def write_numbers(image: Any, fontsize: float = 7, decimals: int = 5) -> None:
    """Write its number on each cell of an image that `show` drew, black or white, whichever can be read there.

    As many decimals as show three digits of the scale's largest number, at most `decimals`.
    """
    digits = int(np.clip(2 - np.floor(np.log10(image.norm.vmax)), 0, decimals))
    for (row, column), number in np.ndenumerate(np.ma.filled(image.get_array(), np.nan)):
        if np.isfinite(number):
            red, green, blue, _ = image.cmap(image.norm(number))
            colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
            image.axes.text(column, row, f"{round(float(number), digits) + 0.0:.{digits}f}", ha="center", va="center",
                            fontsize=fontsize, color=colour)                      # + 0.0: no minus zeros
