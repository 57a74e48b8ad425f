"""Scaling a drawing, and bringing its ink into the shape that MNIST's digits have."""

from __future__ import annotations

import numpy as np

AFAR = 140                                             # pixels along the longer side of a picture seen from afar
SIDE, BOX, MIDDLE = 28, 20, 14                         # of MNIST: image, box of the digit, place of the centre of mass


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


def crop(ink: np.ndarray) -> np.ndarray:
    """Cut out the smallest box that has all the ink."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


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


def block_of(shape: tuple[int, ...]) -> int:
    """Return the side of the square blocks of which a picture has at most `AFAR` along its longer side."""
    return -(-max(shape) // AFAR)


def reduced(picture: np.ndarray, block: int | None = None) -> np.ndarray:
    """Scale a picture (H, W) down: each pixel becomes the mean of a square block; None: as seen from afar."""
    block = block or block_of(picture.shape)
    whole = np.pad(picture, [(0, -side % block) for side in picture.shape], mode="edge")
    return whole.reshape(whole.shape[0] // block, block, -1, block).mean(axis=(1, 3))


def enlarged(picture: np.ndarray, shape: tuple[int, ...], ratio: float) -> np.ndarray:
    """Repeat the pixels of a picture, each `ratio` times along both axes, up to a shape."""
    rows, columns = ((np.arange(side) / ratio).astype(int).clip(0, most - 1)
                     for side, most in zip(shape, picture.shape, strict=True))
    return picture[rows][:, columns]


def crop_around(drawing: np.ndarray, ink: np.ndarray, margin: float = 0.5) -> np.ndarray:
    """Cut out of a drawing the box of the ink found in its reduced picture, with a margin of a part of its size."""
    cuts = []
    for axis, size in enumerate(drawing.shape):
        at = np.flatnonzero(ink.any(axis=1 - axis)) * size / ink.shape[axis]
        beside = margin * (np.ptp(at) + 6 * size / ink.shape[axis])
        cuts.append(slice(int(max(0, at[0] - beside)), int(at[-1] + beside) + 1))
    return drawing[tuple(cuts)]


def laid_over(drawing: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lay what a mask covers of a reduced picture over the drawing that it is a picture of."""
    rows, columns = (np.arange(size) * few // size for size, few in zip(drawing.shape, mask.shape, strict=True))
    return np.where(mask[rows][:, columns], picture[rows][:, columns], drawing)
