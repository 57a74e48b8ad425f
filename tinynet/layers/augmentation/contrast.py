"""Images paler or stronger than they were."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.layers.augmentation.base import Augmentation, FactorLike
from tinynet.layers.base import Backward
from tinynet.layers.noise import NoiseOptions
from tinynet.registry import Config


class RandomContrast(Augmentation):
    """Scale how far each pixel is from the mean of its image and channel; training only.

    ``y = (x - mean) (1 + f) + mean``, with an f for each image; so ``dx = (1 + f) dy - f mean(dy)``, because every
    pixel is part of the mean. Unlike Keras's, values are not clipped, as they may be of any range.

    Parameters
    ----------
    factor : f is drawn from (-factor, factor), or from a pair (lowest, highest), not below -1.
    seed : see `tinynet.layers.noise.Noise`.

    >>> layer = RandomContrast((1, 1), input_shape=(1, 1, 2))
    >>> _ = layer.build((1, 1, 2), np.random.default_rng(0))
    >>> layer(np.array([[[[1.0, 2.0]]]]), training=True)
    array([[[[0.5, 2.5]]]])
    """

    def __init__(self, factor: FactorLike, **kwargs: Unpack[NoiseOptions]):
        super().__init__(**kwargs)
        self.range = self.factor(factor, "factor", least=-1)

    def augment(self, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Change the contrast of a batch."""
        low, high = self.range
        f = (low + (high - low) * self.uniform(len(x), 1, 1, 1)).astype(x.dtype)
        y = x + f * (x - x.mean(axis=(2, 3), keepdims=True))

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy + f * (dy - dy.mean(axis=(2, 3), keepdims=True))
        return y, backward

    def get_config(self) -> Config:
        return {**super().get_config(), "factor": list(self.range)}
