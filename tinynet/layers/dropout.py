"""Dropout: in training, some units are set to 0 at random, so that none can be relied on alone."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.checks import is_number
from tinynet.kernels.splitmix import random_bits
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.registry import Config


class Dropout(Layer):
    """Set each unit to 0 with probability `rate`, and scale the others by 1 / (1 - rate); training only.

    The scale keeps the expected value what it is without dropout, so that inference needs no change: there the
    layer is the identity. Gradients pass the same mask: ``y = x * mask``, so ``dx = dy * mask``.
    Source: Srivastava et al. 2014; scaled in training, "inverted dropout".

    Parameters
    ----------
    rate : fraction of the units dropped, at least 0 and below 1.
    """

    differs_in_training = True

    def __init__(self, rate: float, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.expect(is_number(rate) and 0 <= rate < 1, "rate, the fraction dropped, at least 0 and below 1", repr(rate))
        self.rate = float(rate)
        self.rng: np.random.Generator | None = None

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Take the model's generator."""
        self.rng = rng
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        if not training or self.rate == 0:
            return x, lambda dy: dy
        x = as_floating(x)
        key, threshold, scale = self.draw(x)
        mask = (random_bits(key, x.size).reshape(x.shape) >= threshold) * scale         # 0 or the scale

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * mask
        return x * mask, backward

    def draw(self, x: np.ndarray) -> tuple[np.uint64, int, np.floating]:
        """Return a new key for `random_bits`, the threshold from which units are kept, and the scale in x's dtype."""
        if self.rng is None:
            raise ValueError(f"{self}: has no random generator yet. Call build(input_shape, rng) first.")
        key = self.rng.integers(2**64, dtype=np.uint64)
        threshold = min(round(self.rate * 2**16), 2**16 - 1)
        return key, threshold, x.dtype.type(1 / (1 - self.rate))

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate}
