"""Dropout: in training, some units are silenced at random, so that none can be relied on alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.kernels.splitmix import random_bits
from tinynet.layers.base import Layer


class Dropout(Layer):
    """Set each unit to 0 with probability `rate`, and scale the others by 1 / (1 - rate); training only.

    The scale keeps the expected value what it is without dropout, so that inference needs no change: there the
    layer hands its input on. Gradients take the same road: ``y = x * mask``, so ``dx = dy * mask``.
    Source: Srivastava et al. 2014; scaled in training, "inverted dropout".

    Parameters
    ----------
    rate : fraction of the units dropped, at least 0 and below 1.
    """

    differs_in_training = True

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        number = isinstance(rate, (int, float, np.number)) and not isinstance(rate, bool)
        self.expect(number and 0 <= rate < 1, "rate, the fraction dropped, at least 0 and below 1", repr(rate))
        self.rate = float(rate)
        self.rng: np.random.Generator | None = None

    def build(self, input_shape, rng):
        """Take the model's generator."""
        self.rng = rng
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def forward(self, x, training=False):
        """Return (y, backward), both of the shape of x."""
        if not training or self.rate == 0:
            return x, lambda dy: dy
        key, threshold, scale = self.draw(x)
        mask = (random_bits(key, x.size).reshape(x.shape) >= threshold) * scale         # 0 or the scale

        def backward(dy):
            return dy * mask
        return x * mask, backward

    def draw(self, x):
        """Return a new key for `random_bits`, from where on they keep a number, and the scale in x's precision."""
        if self.rng is None:
            raise ValueError(f"{self}: has no random generator yet. Call build(input_shape, rng) first.")
        key = self.rng.integers(2**64, dtype=np.uint64)
        threshold = min(round(self.rate * 2**16), 2**16 - 1)
        return key, threshold, np.result_type(x, np.float16).type(1 / (1 - self.rate))

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
