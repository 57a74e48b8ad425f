"""The figure of an image and of its attributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import expect
from tinynet.study.drawing import StrPath, colorbar_below, finish, grid, show_dotted, used

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_attributions(image: ArrayLike, maps: Mapping[str, ArrayLike], title: str = "",
                      path: StrPath | None = None) -> Figure:
    """Draw an image and several attributions of it side by side, each with its own scale and colour bar.

    Attributions differ in their units: compare the maps, not their numbers. A map with negative values is drawn on a
    scale around 0, with dots on the cells clearly below 0. The title says so if a map is nowhere positive; a map that
    is 0 everywhere is left blank.

    Parameters
    ----------
    image : one sample (H, W) or (C, H, W); of several channels the mean is drawn.
    maps : attributions by title, each (H, W), or (C, H, W) of which the sum over the channels is drawn.

    Raises
    ------
    ValueError : for other shapes, or no map.
    """
    image = np.asarray(image)
    expect(maps and image.ndim in (2, 3), "one image (H, W) or (C, H, W), and maps",
           f"{image.shape} and {len(maps)} maps", "plot_attributions")
    flat = {name: as_map(name, values, image) for name, values in maps.items()}
    columns = min(len(flat) + 1, 4)
    rows = -(-(len(flat) + 1) // columns)
    figure, axes = grid(rows, columns, (2.5 * columns, 2.9 * rows + 0.3 * bool(title)))
    picture = image.mean(axis=0) if image.ndim == 3 else image
    channels = f"image, mean of {len(image)} channels" if image.ndim == 3 and len(image) > 1 else "image"
    panels = {channels: picture, **flat}
    for ax, (name, values) in zip(used(axes, len(panels)), panels.items(), strict=True):
        draw_attribution(ax, name, values, pixels=values is picture)
    figure.suptitle(title, fontsize=11)
    return finish(figure, path)


def as_map(name: str, values: ArrayLike, image: np.ndarray) -> np.ndarray:
    """Return an attribution as (H, W), summed over its channels, or raise a ValueError if it does not fit the image."""
    array = np.asarray(values)
    expect(array.ndim in (2, 3) and array.shape[-2:] == image.shape[-2:], f"maps of one image {image.shape}",
           f"{array.shape} for '{name}'", "plot_attributions")
    return array.sum(axis=0) if array.ndim == 3 else array


def draw_attribution(ax: Axes, name: str, image: np.ndarray, pixels: bool) -> None:
    """Draw the image itself (`pixels`) or one attribution (H, W); one without positive values is labelled so."""
    if not (pixels or image.any()):
        ax.set_title(name, fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "0 everywhere:\nnowhere positive", ha="center", va="center", fontsize=9,
                transform=ax.transAxes)
        ax.set_box_aspect(image.shape[0] / image.shape[1])
        return
    drawn = show_dotted(ax, image, image, 2.1 / max(image.shape), pixels)
    negative = "\nnowhere positive" if not pixels and image.max() <= 0 else ""
    ax.set_title(name + negative, fontsize=9)
    colorbar_below(drawn, pad=0.04, shrink=0.85, aspect=16)
