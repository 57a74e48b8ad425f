"""The picture of an image and of what counts in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.study.drawing import Path, bar_below, finish, grid, show_dotted


def plot_attributions(image: np.ndarray, maps: Mapping[str, np.ndarray], title: str = "",
                      path: Path | None = None) -> Any:
    """Draw an image and several attributions of it side by side, each to its own scale and colour bar.

    Attributions differ in their units: compare their shapes, not their numbers. Those with numbers below 0 are drawn
    around 0, with dots on the cells clearly below 0. One that is nowhere positive is said to be so; nothing is drawn of
    one that is all 0.

    Parameters
    ----------
    image : one sample (H, W) or (C, H, W); of several channels the mean is drawn.
    maps : by what to write above them, each (H, W), or (C, H, W) of which the sum over the channels is drawn.

    Raises
    ------
    ValueError : for other shapes, or no map.
    """
    image = np.asarray(image)
    if not maps or image.ndim not in (2, 3):
        raise ValueError(f"plot_attributions: expected one image (H, W) or (C, H, W), and maps. "
                         f"Received: {image.shape} and {len(maps)} maps.")
    flat = {name: np.asarray(one) for name, one in maps.items()}
    for name, one in flat.items():
        if one.ndim not in (2, 3) or one.shape[-2:] != image.shape[-2:]:
            raise ValueError(f"plot_attributions: expected maps of one image {image.shape}. "
                             f"Received: {one.shape} for '{name}'.")
        flat[name] = one.sum(axis=0) if one.ndim == 3 else one
    columns = min(len(flat) + 1, 4)
    rows = -(-(len(flat) + 1) // columns)
    figure, axes = grid(rows, columns, (2.5 * columns, 2.9 * rows + 0.3 * bool(title)))
    picture = image.mean(axis=0) if image.ndim == 3 else image
    channels = f"image, mean of {len(image)} channels" if image.ndim == 3 and len(image) > 1 else "image"
    for ax in axes.ravel()[len(flat) + 1:]:
        ax.set_axis_off()
    for ax, (name, one) in zip(axes.ravel(), {channels: picture, **flat}.items(), strict=False):
        draw_attribution(ax, name, one, pixels=one is picture)
    figure.suptitle(title, fontsize=11)
    return finish(figure, path)


def draw_attribution(ax: Any, name: str, image: np.ndarray, pixels: bool) -> None:
    """Draw the image itself, or one map: what is below 0 is said in words too."""
    if not (pixels or image.any()):
        ax.set_title(name, fontsize=9)
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, "0 everywhere:\nnowhere positive", ha="center", va="center", fontsize=9,
                transform=ax.transAxes)
        ax.set_box_aspect(image.shape[0] / image.shape[1])
        return
    drawn = show_dotted(ax, image, image, 2.1 / max(image.shape), pixels)
    against = "\nnowhere positive" if not pixels and image.max() <= 0 else ""
    ax.set_title(name + against, fontsize=9)
    bar_below(drawn, pad=0.04, shrink=0.85, aspect=16)
