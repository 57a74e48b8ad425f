"""Bring a drawing of a digit into the shape that MNIST's digits have.

MNIST's digits are light ink on dark, 28 x 28. Each was cropped, scaled into a box of 20 x 20 with its proportions
kept, and moved until the centre of its mass lay at the middle. (LeCun, Bottou, Bengio and Haffner 1998,
"Gradient-based learning applied to document recognition", section III A.) A model that has seen nothing else needs
the same of yours.
"""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image, ImageOps, UnidentifiedImageError

SIDE, BOX, MIDDLE = 28, 20, 14                         # of MNIST: image, box of the digit, place of the centre of mass
FAINT = 0.05                                           # what differs less from the paper is a stain on it
AFAR, SPECK = 100, 0.04                                # blocks to the longer side; the ink of one that is only a speck


class Digit(NamedTuple):
    """A drawing on its way to MNIST's shape.

    drawing : (H, W) its brightness, 0 black to 1 white.
    ink : (H, W) 0 where there is paper, 1 where there is most ink.
    cropped : (h, w) the smallest box that has all the ink.
    fitted : the same in 20 x 20 at most; one side is 20.
    image : (28, 28) the same, its centre of mass at the middle.
    """

    drawing: np.ndarray
    ink: np.ndarray
    cropped: np.ndarray
    fitted: np.ndarray
    image: np.ndarray


def read_drawing(path: str | PathLike[str]) -> np.ndarray:
    """Read the brightness (H, W) of a picture, from 0 to 1: grey or in colour, transparent or not.

    Where a picture is transparent there is paper: white, but black under a light pen on nothing.
    """
    try:
        with Image.open(path) as file:
            turned = ImageOps.exif_transpose(file)     # a telephone says which way up it was
            if turned.mode.startswith("I"):            # 16 bits of grey
                return np.asarray(turned, np.float64) / 65535
            red, green, blue, alpha = np.moveaxis(np.asarray(turned.convert("RGBA"), np.float64) / 255, 2, 0)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not an image that can be read: a PNG or JPEG would be.") from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read. {error}") from None
    brightness = 0.299 * red + 0.587 * green + 0.114 * blue
    pen_is_light = alpha.mean() < 0.5 and (alpha * brightness).sum() > 0.5 * alpha.sum()
    return alpha * brightness + (1 - alpha) * (0.0 if pen_is_light else 1.0)


def find_ink(drawing: np.ndarray) -> np.ndarray:
    """Tell the ink from the paper: 0 is paper, 1 the most ink.

    Most of a drawing is paper, so the median is the paper's brightness. Ink is dark if the darkest pixel lies
    further from it than the lightest, else it is light. What differs from the paper no more than paper does from
    itself, in grain and shade, is paper too.
    """
    paper = np.median(drawing)
    is_dark = paper - drawing.min() > drawing.max() - paper
    ink = (paper - drawing if is_dark else drawing - paper).clip(0)
    grain = 3 * 1.4826 * np.median(np.abs(drawing - paper))        # 3 standard deviations, were the grain normal
    if ink.max() > 2 * max(FAINT, grain):
        ink = without_specks(np.where(ink > max(FAINT, grain), ink, 0) / ink.max())
        if ink.any():
            return ink
    raise ValueError("The drawing is empty: no ink that stands out from the paper.")


def without_specks(ink: np.ndarray) -> np.ndarray:
    """Take away what is too small to be seen from afar: grains and dust, which would spoil the crop.

    From afar is a hundred blocks to the longer side, each as dark as the mean of its pixels.
    """
    height, width = (-(-side // -(-max(ink.shape) // AFAR)) for side in ink.shape)
    seen = resize(ink, height, width) > SPECK
    rows, columns = (np.arange(side) * count // side for side, count in zip(ink.shape, seen.shape, strict=True))
    return np.where(seen[rows][:, columns], ink, 0)


def crop(ink: np.ndarray) -> np.ndarray:
    """Cut out the smallest box that has all the ink."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale an image: each new pixel is the mean of the area of old pixels that it covers, so that no line is lost."""
    return overlaps(image.shape[0], height) @ image @ overlaps(image.shape[1], width).T


def overlaps(old: int, new: int) -> np.ndarray:
    """Return how much of each new pixel (rows) each old pixel (columns) makes up, along an axis: (new, old).

    >>> overlaps(3, 2)
    array([[0.66666667, 0.33333333, 0.        ],
           [0.        , 0.33333333, 0.66666667]])
    """
    edges = np.linspace(0, old, new + 1)
    starts, ends = np.maximum.outer(edges[:-1], np.arange(old)), np.minimum.outer(edges[1:], np.arange(1, old + 1))
    return (ends - starts).clip(0) * new / old


def fit(cropped: np.ndarray) -> np.ndarray:
    """Scale into 20 x 20, the proportions kept, and make the strongest ink 1 again."""
    scale = BOX / max(cropped.shape)
    fitted = resize(cropped, *(max(1, round(scale * side)) for side in cropped.shape))
    return fitted / fitted.max()


def centre(fitted: np.ndarray) -> np.ndarray:
    """Put onto 28 x 28, the centre of mass at (14, 14) to half a pixel, or as near as the edges let it."""
    top, left = (int(np.clip(round(MIDDLE - at), 0, SIDE - side))
                 for at, side in zip(centre_of_mass(fitted), fitted.shape, strict=True))
    image = np.zeros((SIDE, SIDE))
    image[top:top + fitted.shape[0], left:left + fitted.shape[1]] = fitted
    return image


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Return the mean (row, column) of the pixels, each weighed by its ink.

    >>> centre_of_mass(np.array([[0, 0, 0], [1, 0, 3]]))
    (1.0, 1.5)
    """
    rows, columns = np.indices(image.shape)
    return float((rows * image).sum() / image.sum()), float((columns * image).sum() / image.sum())


def normalise(drawing: np.ndarray) -> Digit:
    """Take a drawing (H, W) through all the steps."""
    ink = find_ink(drawing)
    cropped = crop(ink)
    fitted = fit(cropped)
    return Digit(drawing, ink, cropped, fitted, centre(fitted))


def plot_digit(digit: Digit) -> plt.Figure:
    """Draw the steps side by side: the drawing as it is, then its ink in black."""
    figure, axes = plt.subplots(1, 5, figsize=(12, 3), layout="constrained")
    titles = ("drawing", "ink", "cropped", f"in {BOX} x {BOX}", "as MNIST's")
    for axis, image, title in zip(axes, digit, titles, strict=True):
        axis.imshow(image, cmap="gray" if title == "drawing" else "gray_r", vmin=0, vmax=1)
        axis.set_title(f"{title}\n{image.shape[0]} x {image.shape[1]}", fontsize=10)
        axis.set_anchor("N")
        axis.tick_params(labelsize=7)
        axis.locator_params(nbins=4, integer=True)
    row, column = centre_of_mass(digit.image)
    axes[-1].plot(column, row, "+", color="#D55E00", markersize=14, markeredgewidth=2)
    axes[-1].set_xlabel("+ the centre of mass", fontsize=8)
    rows, columns = np.flatnonzero(digit.ink.any(axis=1)), np.flatnonzero(digit.ink.any(axis=0))
    height, width = digit.cropped.shape
    axes[1].add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), width, height, fill=False, color="#D55E00"))
    return figure
