"""Rescaling: pixels as they are loaded, brought to the numbers that a network learns best from."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.registry import Config


class Rescaling(Layer):
    """``y = scale * x + offset``, both fixed, so ``dx = scale * dy``: ``Rescaling(1 / 255)`` for pixels from 0 to 255.

    As the first layer of a model it takes images as they are loaded, uint8.

    Parameters
    ----------
    scale : the factor: a number; or an array along the first axes of a sample, such as (C,), one for each channel.
    offset : what is added then, a number or such an array.

    >>> Rescaling(1 / 127.5, offset=-1)(np.array([[0, 255]], np.uint8))
    array([[-1.,  1.]], dtype=float32)
    """

    rescales = True                          # so that `fit` does not warn of pixels from 0 to 255

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.scale, self.offset = self.as_numbers(scale, "scale"), self.as_numbers(offset, "offset")

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape unchanged."""
        for setting, what in (self.scale, "scale"), (self.offset, "offset"):
            self.along(input_shape, setting, what)
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        scale = self.along(x.shape[1:], self.scale, "scale").astype(x.dtype)
        offset = self.along(x.shape[1:], self.offset, "offset").astype(x.dtype)

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * scale
        return x * scale + offset, backward

    def as_numbers(self, value: ArrayLike, what: str) -> np.ndarray:
        """Return a setting as a float64 array, or raise a ValueError."""
        try:
            array = np.array(value, np.float64)
        except (TypeError, ValueError):
            array = np.array(np.nan)
        self.expect(bool(np.isfinite(array).all()), f"{what}, a number or an array of numbers", repr(value))
        return array

    def along(self, shape: Shape, setting: np.ndarray, what: str) -> np.ndarray:
        """Return a setting with its axes beside the first ones of samples of `shape`: (C,) -> (C, 1, 1)."""
        fits = all(own in (1, size) for own, size in zip(setting.shape, shape, strict=False))
        self.expect(fits and setting.ndim <= len(shape),
                    f"samples whose first axes are those of its {what}, {setting.shape}", shape)
        return setting.reshape(setting.shape + (1,) * (len(shape) - setting.ndim))

    def get_config(self) -> Config:
        return {**super().get_config(), "scale": self.scale.tolist(), "offset": self.offset.tolist()}
