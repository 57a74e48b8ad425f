"""Samples as the page file has them: a byte for each pixel where that is all there is to it, float32 elsewhere."""

from __future__ import annotations

from base64 import b64encode
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.training.data import as_samples
from tinynet.training.model import Model


class SamplesJson(TypedDict):
    """`pixels` in base64: bytes, which are to be divided by `divisor`; or float32, with the divisor 0."""

    count: int
    divisor: int
    pixels: str


def checked(model: Model, x: ArrayLike | None) -> np.ndarray:
    """Return the samples for a model that is built, none for None, or raise a ValueError if they do not fit it."""
    shape = model.input_shape or ()
    if x is None:
        return np.empty((0, *shape), model.dtype)
    samples = as_samples(x, model.dtype)
    if samples.shape[1:] != shape or not np.isfinite(samples).all():
        raise invalid("export_page", f"samples x (N, {', '.join(map(str, shape))}) of finite numbers",
                      samples.shape if samples.shape[1:] != shape else "NaN or infinity among them")
    return samples


def samples_json(samples: np.ndarray) -> SamplesJson:
    """Return samples as bytes if they are whole numbers from 0 to 255, or those divided by 255; else as float32."""
    for divisor in (255, 1):
        levels = np.round(samples * divisor)
        if levels.size and levels.min() >= 0 and levels.max() <= 255 and (levels / samples.dtype.type(divisor)
                                                                         == samples).all():
            return {"count": len(samples), "divisor": divisor, "pixels": as_text(levels.astype(np.uint8))}
    return {"count": len(samples), "divisor": 0, "pixels": as_text(samples.astype("<f4"))}


def as_many_as_fit(samples: np.ndarray, room: int) -> np.ndarray:
    """Return the first samples, as many as fit into `room` bytes; a ValueError if there are some, and none fits."""
    if not len(samples):
        return samples
    kept = room // (len(samples_json(samples)["pixels"]) // len(samples) + 1)
    if kept < 1:
        raise invalid("export_page", f"samples x that fit into the {max(room, 0):,} bytes that the page has for them; "
                      "without x the page is for drawn input", f"samples of {samples[0].size:,} numbers each")
    return samples[:kept]


def as_text(array: np.ndarray) -> str:
    """Return an array's bytes in base64."""
    return b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
