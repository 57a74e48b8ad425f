"""What augmentation layers share: training only, other random numbers for every image, places to take pixels from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.checks import check_number
from tinynet.kernels.splitmix import uniform
from tinynet.layers.base import Backward, Shape, as_floating
from tinynet.layers.noise import Noise, NoiseOptions
from tinynet.layers.windows import as_choice, image_shape
from tinynet.registry import Config

FactorLike = float | Sequence[float]                      # one number f is (-f, f)
Range = tuple[float, float]
FILL_MODES = {"constant": "fill_value", "nearest": "the pixel of the border", "reflect": "d c b a | a b c d | d c b a"}


class Augmentation(Noise):
    """Base of layers that change images (N, C, H, W) at random in training, and are the identity in inference.

    A subclass defines `augment`. The random numbers of sample n are a hash of a key, drawn for each batch, and of n:
    they are the same for any number of threads, and repeat when the generator does.

    Parameters
    ----------
    seed : see `tinynet.layers.noise.Noise`.
    """

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Take the generator, as for images; return (C, H, W)."""
        return super().build(image_shape(self, input_shape), rng)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.expect(x.ndim == 4, "input (N, C, H, W)", x.shape)
        return self.augment(as_floating(x)) if training else (x, lambda dy: dy)

    def augment(self, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) for a batch in training."""
        raise NotImplementedError(f"{type(self).__name__} must define augment(x).")

    def uniform(self, *shape: int) -> np.ndarray:
        """Draw numbers from 0 to below 1, of `shape` (N, ...)."""
        return uniform(self.generator().integers(2**64, dtype=np.uint64), shape)

    def factor(self, value: FactorLike, what: str, least: float = -np.inf) -> Range:
        """Return a factor as (lowest, highest); one number f is (-f, f)."""
        pair = value if isinstance(value, Sequence) else (-value, value)
        self.expect(len(pair) == 2, f"{what}, a number or a pair (lowest, highest)", repr(value))
        low, high = (check_number(self, what, number) for number in pair)
        self.expect(least <= low <= high, f"{what} as (lowest, highest)" + ("" if least == -np.inf else
                                                                             f", from {least:g}"), repr(value))
        return low, high


class Warp(Augmentation):
    """Base of layers that take each output pixel from another place of the image, between its pixels (bilinear).

    ``y[n,c,p,q] = sum_ij w_ij x[n,c,i,j]`` over the four pixels around the place ``(rows, columns)[n,p,q]``; so
    ``dx[n,c,i,j]`` is the sum of ``w_ij dy[n,c,p,q]`` over all that took from it. A subclass defines `places`.

    Parameters
    ----------
    fill_mode : what lies outside the image: ``"reflect"``, ``"nearest"`` or ``"constant"``.
    fill_value : the number outside, for ``"constant"``.
    """

    def __init__(self, fill_mode: str = "reflect", fill_value: float = 0.0, **kwargs: Unpack[NoiseOptions]):
        super().__init__(**kwargs)
        self.fill_mode = as_choice(fill_mode, self, "fill_mode", FILL_MODES)
        self.fill_value = check_number(self, "fill_value", fill_value)

    def places(self, N: int, H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the row and the column (N, H, W), of any real value, that each output pixel is taken from."""
        raise NotImplementedError(f"{type(self).__name__} must define places(N, H, W).")

    def augment(self, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Take each pixel of a batch from its place."""
        k, (N, _, H, W) = kernels.current(), x.shape
        rows, columns = (self.inside(where, size).astype(x.dtype) for where, size in
                         zip(self.places(N, H, W), (H, W), strict=True))
        y = k.bilinear(x - x.dtype.type(self.fill_value), rows, columns) + x.dtype.type(self.fill_value)

        def backward(dy: np.ndarray) -> np.ndarray:
            return k.bilinear_gradient(dy, rows, columns, (H, W))
        return y, backward

    def inside(self, where: np.ndarray, size: int) -> np.ndarray:
        """Bring coordinates along an axis into the image, as `fill_mode` says."""
        if self.fill_mode == "constant":
            return where
        if self.fill_mode == "reflect":
            where = np.abs((where + 0.5 + size) % (2 * size) - size) - 0.5         # about -0.5 and size - 0.5
        return np.clip(where, 0, size - 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "fill_mode": self.fill_mode, "fill_value": self.fill_value}
