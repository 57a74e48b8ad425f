"""Read a picture file: any kind of pixels, any part of their range, and ink that differs in colour alone."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from tinynet.digits.scaling import reduced

if TYPE_CHECKING:
    from PIL.Image import Image

EYE = np.array([0.299, 0.587, 0.114])                  # how bright red, green and blue are to the eye


def read_drawing(path: str | PathLike[str]) -> np.ndarray:
    """Read the brightness (H, W) of a picture, from 0 to 1: grey or in colour, transparent or not.

    Where a picture is transparent there is paper: white, but black under a light pen on nothing. Grey numbers of 16
    or 32 bits are divided by the largest, since few pictures use all of their range. Where the ink is nearly as bright
    as the paper, such as yellow on white, the brightness is along the line in colour on which they differ most.

    Raises
    ------
    FileNotFoundError : if there is no such file.
    ValueError : if it is no picture, is damaged, or has numbers that are not finite.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            return brightness(ImageOps.exif_transpose(file), str(path))      # a telephone says which way up it was
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not an image that can be read: a PNG or JPEG would be.") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read. {error}") from None


def brightness(image: Image, name: str) -> np.ndarray:
    """Return the brightness (H, W) of a picture in any of Pillow's modes."""
    if image.mode[0] in "IF":                          # 16 or 32 bits of grey, or floating-point numbers
        return deep_grey(np.asarray(image, np.float64), name)
    pixels = np.asarray(image.convert("RGBA"), np.float64) / 255
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    pen_is_light = alpha.mean() < 0.5 and (alpha[..., 0] * (colour @ EYE)).sum() > 0.5 * alpha.sum()
    return grey(alpha * colour + (1 - alpha) * (0.0 if pen_is_light else 1.0))


def deep_grey(numbers: np.ndarray, name: str) -> np.ndarray:
    """Bring numbers (H, W) of whatever range to one from 0 to 1."""
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} has pixels that are not finite numbers.")
    numbers = numbers - min(0.0, numbers.min())
    return numbers / (numbers.max() or 1.0)


def grey(colour: np.ndarray) -> np.ndarray:
    """Return the brightness (H, W) of colours (H, W, 3): the eye's, or along the line on which ink and paper differ.

    The line is the first principal component of the differences between near pixels, which are those between ink and
    paper, mostly. It is used where to the eye they are less than half as large.
    """
    few = np.stack([reduced(channel) for channel in np.moveaxis(colour, 2, 0)], axis=2)
    near = 1 + max(few.shape) // 20                    # as far as a stroke is wide, so that uneven light counts little
    differences = np.concatenate([(few[near:] - few[:-near]).reshape(-1, 3),
                                  (few[:, near:] - few[:, :-near]).reshape(-1, 3)])
    line = np.linalg.eigh(differences.T @ differences)[1][:, -1]
    line = line / np.abs(line).sum() * (1 if EYE @ line >= 0 else -1)
    if 2 * np.std(differences @ EYE) >= np.std(differences @ line):
        return colour @ EYE
    return colour @ line - line[line < 0].sum()
