"""What a person has drawn, or a picture that was dropped on the page, as the model's input."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.checks import invalid
from tinynet.digits import Digit, from_ink, normalise
from tinynet.digits.reading import brightness
from tinynet.digits.scaling import reduced, resize
from tinynet.explore.serving.request import Request
from tinynet.layers.base import Shape

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 2000                                          # of a canvas, in pixels
MAX_PIXELS = 40_000_000                                  # of a picture: more than a telephone's camera has
READ, SHOWN = 1000, 280                                  # pixels along a side of a picture: as it is read, as shown
STEPS = {
    "drawing": "The drawing.",
    "ink": "Its ink: 1 where there is most of it, 0 where there is paper.",
    "cropped": "The smallest box that has all the ink.",
    "fitted": "Scaled so that its longer side is 20 pixels.",
    "as MNIST's": "Moved until its centre of mass lies in the middle of 28 x 28.",
}


def normalised(request: Request) -> dict[str, Any]:
    """Bring a canvas, ink 255 on paper 0, to the shape of MNIST's digits."""
    height, width = request.whole("height", MAX_SIDE, 1), request.whole("width", MAX_SIDE, 1)
    ink = request.levels("pixels", (height, width)) / 255.0
    if not ink.any():
        return without("Draw a digit: nothing is drawn yet.")
    return described(from_ink(ink), steps=not request.has("steps") or request.flag("steps"))


def picture(request: Request, shape: Shape, digits: bool) -> dict[str, Any]:
    """Read a picture's bytes; a digit is brought to the shape of MNIST's, and anything else to the input's size."""
    try:
        image = opened(request.decoded("base64"))
        if digits:
            return described(normalise(brightness(image, "The picture")))
        return {"image": resized(image, shape), "steps": [], "message": None}
    except ValueError as error:                          # it is empty, two digits, no picture, ...
        return without(str(error))


def opened(content: bytes) -> Image:
    """Unpack a picture, unless that takes too much memory, and make it smaller, if it is large."""
    from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        with Image.open(io.BytesIO(content)) as image:
            if math.prod(image.size) > MAX_PIXELS:
                raise invalid(None, f"a picture of at most {MAX_PIXELS:,} pixels", "{} x {}".format(*image.size))
            upright = ImageOps.exif_transpose(image)     # a telephone says which way up it was
            upright.thumbnail((READ, READ))
            return upright
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise invalid(None, "a picture that can be read, such as a PNG or JPEG", "something else") from None


def resized(image: Image, shape: Shape) -> np.ndarray:
    """Return a picture in the size and the channels of the input, from 0 to 1."""
    channels, height, width = shape if len(shape) == 3 else (0, 0, 0)
    if channels not in (1, 3):
        raise invalid(None, "a model of images, (1, H, W) or (3, H, W), to drop a picture on", shape)
    pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"), np.float64) / 255
    planes = np.moveaxis(pixels.reshape(*pixels.shape[:2], channels), 2, 0)            # (C, H, W)
    return np.stack([resize(plane, height, width) for plane in planes]).astype(np.float32)


def described(digit: Digit, steps: bool = True) -> dict[str, Any]:
    """Return a drawing as the page reads it, and its steps, unless nobody looks at them."""
    shown = digit.steps[digit.drawing is digit.ink:] if steps else []                  # once, if they are the same
    small = [(name, reduced(array, -(-max(array.shape) // SHOWN)).astype(np.float32)) for name, array in shown]
    return {"image": digit.image.astype(np.float32), "message": None,
            "steps": [{"name": name, "text": STEPS[name], "height": array.shape[0], "width": array.shape[1],
                       "pixels": array} for name, array in small]}


def without(message: str) -> dict[str, Any]:
    """Say why there is no image."""
    return {"image": None, "steps": [], "message": message}
