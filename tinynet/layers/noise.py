"""Noise in training, so that a network does not learn its images by heart: Gaussian here, `dropout` beside it."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from tinynet.checks import check_nonnegative, is_int, is_number
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.registry import Config


class NoiseOptions(LayerOptions, total=False):
    """The keyword arguments that every layer takes, and the seed."""

    seed: int | None


class Noise(Layer):
    """Base of layers that draw random numbers in training, and are the identity in inference.

    Parameters
    ----------
    seed : gives the layer a generator of its own, that begins there; None: it draws from its model's.
    """

    differs_in_training = True

    def __init__(self, *, seed: int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.expect(seed is None or is_int(seed, 0), "seed, a whole number from 0", repr(seed))
        self.seed = None if seed is None else int(seed)
        self.rng: np.random.Generator | None = None

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Take the model's generator, or make one's own."""
        self.rng = rng if self.seed is None else np.random.default_rng(self.seed)
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def generator(self) -> np.random.Generator:
        """Return the generator, or raise a ValueError if the layer is not built."""
        if self.rng is None:
            raise ValueError(f"{self}: has no random generator yet. Call build(input_shape, rng) first.")
        return self.rng

    def get_config(self) -> Config:
        return {**super().get_config(), "seed": self.seed}


class GaussianNoise(Noise):
    """``y = x + n``, n drawn anew for each number from N(0, stddev^2); training only, so ``dx = dy``.

    Source: Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".

    Parameters
    ----------
    stddev : the standard deviation of the noise, at least 0.
    seed : see `Noise`.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(seed=seed, **kwargs)
        self.stddev = check_nonnegative(self, "stddev", stddev)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        if not training or self.stddev == 0:
            return x, lambda dy: dy
        x = as_floating(x)
        return x + self.generator().normal(0, self.stddev, x.shape).astype(x.dtype), lambda dy: dy

    def get_config(self) -> Config:
        return {**super().get_config(), "stddev": self.stddev}


class GaussianDropout(Noise):
    """``y = x n``, n drawn anew for each number from N(1, rate / (1 - rate)); training only, so ``dx = dy n``.

    Mean and variance of n are those of the mask of a `Dropout` of the same rate, which is 0 or 1 / (1 - rate).
    Source: Srivastava et al. 2014, section 10.

    Parameters
    ----------
    rate : at least 0 and below 1.
    seed : see `Noise`.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(seed=seed, **kwargs)
        self.rate = as_rate(self, rate)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        if not training or self.rate == 0:
            return x, lambda dy: dy
        x = as_floating(x)
        stddev = math.sqrt(self.rate / (1 - self.rate))
        noise = self.generator().normal(1, stddev, x.shape).astype(x.dtype)

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * noise
        return x * noise, backward

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate}


def as_rate(layer: Layer, rate: object) -> float:
    """Return the fraction dropped as a float, or raise a ValueError."""
    layer.expect(is_number(rate) and 0 <= rate < 1, "rate, the fraction dropped, at least 0 and below 1", repr(rate))
    return float(rate)                                                                       # type: ignore[arg-type]
