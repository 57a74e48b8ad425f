"""Dropout: in training, some units, or whole channels, are set to 0 at random, so that none can be relied on alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

import numpy as np

from tinynet.checks import is_int
from tinynet.kernels.splitmix import random_bits
from tinynet.layers.base import Backward, LayerOptions, Shape, as_floating
from tinynet.layers.noise import Noise, as_rate
from tinynet.layers.rectifiers import SELU
from tinynet.layers.windows import image_shape
from tinynet.registry import Config


class Dropout(Noise):
    """Set each unit to 0 with probability `rate`, and scale the others by 1 / (1 - rate); training only.

    The scale keeps the expected value what it is without dropout, so that inference needs no change: there the
    layer is the identity. Gradients pass the same mask: ``y = x * mask``, so ``dx = dy * mask``.
    Source: Srivastava et al. 2014; scaled in training, "inverted dropout".

    Parameters
    ----------
    rate : fraction of the units dropped, at least 0 and below 1.
    noise_shape : shape of the mask, with the batch axis: along an axis of 1 units are kept or dropped together, as with
        ``(None, 1, 1)`` for samples (steps, features) that are kept or dropped whole. None stands for the size of x.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def __init__(self, rate: float, noise_shape: Iterable[int | None] | None = None, seed: int | None = None,
                 **kwargs: Unpack[LayerOptions]):
        super().__init__(seed=seed, **kwargs)
        self.rate = as_rate(self, rate)
        sizes = None if noise_shape is None else tuple(noise_shape)
        self.expect(all(size is None or is_int(size, 1) for size in sizes or ()),
                    "noise_shape as positive whole numbers, or None for the size of x", repr(noise_shape))
        self.noise_shape = sizes

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.check(x)
        if not training or self.rate == 0:
            return x, lambda dy: dy
        x = as_floating(x)
        key, threshold, scale = self.draw(x)
        shape = self.mask_shape(x)
        mask = (random_bits(key, *shape) >= threshold) * scale                                  # 0 or the scale

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * mask
        return x * mask, backward

    def mask_shape(self, x: np.ndarray) -> Shape:
        """Return the shape of the mask: each unit is drawn by itself, unless `noise_shape` says otherwise."""
        if self.noise_shape is None:
            return x.shape
        fits = len(self.noise_shape) == x.ndim and all(
            given in (None, 1, size) for given, size in zip(self.noise_shape, x.shape, strict=True))
        self.expect(fits, f"input that a mask of noise_shape {self.noise_shape} fits", x.shape)
        return tuple(given or size for given, size in zip(self.noise_shape, x.shape, strict=True))

    def draw(self, x: np.ndarray) -> tuple[np.uint64, int, np.floating]:
        """Return a new key for `random_bits`, the threshold from which units are kept, and the scale in x's dtype."""
        key = self.generator().integers(2**64, dtype=np.uint64)
        threshold = min(round(self.rate * 2**16), 2**16 - 1)
        return key, threshold, x.dtype.type(1 / (1 - self.rate))

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape and list(self.noise_shape)}


class SpatialDropout2D(Dropout):
    """Dropout of whole channels of images (N, C, H, W): each is kept, or is 0 everywhere; training only.

    Neighbouring pixels of a map say nearly the same, so what dropout silences, its neighbours still tell.
    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks", section 3.2.

    Parameters
    ----------
    rate : fraction of the channels dropped, at least 0 and below 1.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def __init__(self, rate: float, *, seed: int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(rate, seed=seed, **kwargs)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Take the generator, as for images."""
        return super().build(image_shape(self, input_shape), rng)

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W)."""
        self.expect(x.ndim == 4, "input (N, C, H, W)", x.shape)

    def mask_shape(self, x: np.ndarray) -> Shape:
        """Return the shape of the mask: each channel of each sample is drawn as one."""
        return (*x.shape[:2], 1, 1)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["noise_shape"]
        return config


class AlphaDropout(Dropout):
    """Dropout beside SELU: a unit that is dropped becomes -1.7581, what SELU levels out at; training only.

    A 0 would be far from the least that SELU says. All are scaled and shifted then, so that numbers of mean 0 and
    variance 1 keep these, and the layers behind learn from what they will see in inference::

        y  = s where(kept, x, low) + t        low = -alpha scale of SELU
        s  = 1 / sqrt((1 - rate) (1 + rate low^2))
        t  = -s rate low
        dx = s dy where kept, and 0 elsewhere

    Source: Klambauer et al. 2017, "Self-normalizing neural networks", paragraph "New dropout technique".

    Parameters
    ----------
    rate : fraction of the units dropped, at least 0 and below 1.
    noise_shape : see `Dropout`.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        if self.rate == 0 or not training:
            return x, lambda dy: dy
        x, mask_shape = as_floating(x), self.mask_shape(x)
        key, threshold, _ = self.draw(x)
        kept = random_bits(key, *mask_shape) >= threshold
        low = -SELU.alpha * SELU.scale
        s = 1 / math.sqrt((1 - self.rate) * (1 + self.rate * low ** 2))
        t = -s * self.rate * low
        slope = (kept * s).astype(x.dtype)                                                      # 0 or s

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * slope
        return x * slope + np.where(kept, t, s * low + t).astype(x.dtype), backward
