"""What a person has drawn, or a picture that was dropped on the page, as the model's input."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from tinynet.checks import invalid
from tinynet.digits import Digit, from_ink, normalise, read_drawing
from tinynet.digits.scaling import resize
from tinynet.explore.serving.request import Request
from tinynet.layers.base import Shape

MAX_SIDE = 2000                                          # of a canvas, in pixels
MAX_PIXELS = 40_000_000                                  # of a picture: more than a telephone's camera has
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
    return described(from_ink(ink)) if ink.any() else without("Draw a digit: nothing is drawn yet.")


def picture(request: Request, shape: Shape, digits: bool) -> dict[str, Any]:
    """Read a picture's bytes; a digit is brought to the shape of MNIST's, and anything else to the input's size."""
    try:
        file = io.BytesIO(request.decoded("base64"))
        check_size(file)
        if digits:
            return described(normalise(read_drawing(file)))
        return {"image": resized(file, shape), "steps": [], "message": None}
    except ValueError as error:                          # it is empty, two digits, no picture, ...
        return without(str(error))


def check_size(file: io.BytesIO) -> None:
    """Raise a ValueError for a picture that would take too much memory, before it is unpacked."""
    from PIL import Image, UnidentifiedImageError
    try:
        with Image.open(file) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise invalid(None, "a picture that can be read, such as a PNG or JPEG", "something else") from None
    if width * height > MAX_PIXELS:
        raise invalid(None, f"a picture of at most {MAX_PIXELS:,} pixels", f"{width} x {height}")
    file.seek(0)


def resized(file: io.BytesIO, shape: Shape) -> np.ndarray:
    """Return a picture in the size and the channels of the input, from 0 to 1."""
    from PIL import Image, ImageOps
    channels, height, width = shape if len(shape) == 3 else (0, 0, 0)
    if channels not in (1, 3):
        raise invalid(None, "a model of images, (1, H, W) or (3, H, W), to drop a picture on", shape)
    with Image.open(file) as image:
        pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB" if channels == 3 else "L"), np.float64) / 255
    planes = np.moveaxis(pixels.reshape(*pixels.shape[:2], channels), 2, 0)            # (C, H, W)
    return np.stack([resize(plane, height, width) for plane in planes]).astype(np.float32)


def described(digit: Digit) -> dict[str, Any]:
    """Return a drawing and its steps as the page reads them."""
    steps = digit.steps[digit.drawing is digit.ink:]                                   # once, if they are the same
    return {"image": digit.image.astype(np.float32), "message": None,
            "steps": [{"name": name, "text": STEPS[name], "height": array.shape[0], "width": array.shape[1],
                       "pixels": array.astype(np.float32)} for name, array in steps]}


def without(message: str) -> dict[str, Any]:
    """Say why there is no image."""
    return {"image": None, "steps": [], "message": message}
