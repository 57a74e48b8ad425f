"""Elastic deformation: neighbouring pixels move alike, distant ones differently, as strokes of a hand do."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.checks import check_positive
from tinynet.layers.augmentation.base import Warp
from tinynet.layers.noise import NoiseOptions
from tinynet.registry import Config

CUT = 3                         # standard deviations, at which a Gaussian window ends


class RandomElasticTransform(Warp):
    """Shift every pixel by a smooth random field; training only.

    Each pixel draws a shift from (-1, 1) along each axis; these are smoothed by a Gaussian window of `sigma` pixels,
    and scaled so that they are `alpha` pixels large on average (root mean square).

    Source: Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to visual
    document analysis", section 2.

    Parameters
    ----------
    alpha : usual size of a shift, in pixels.
    sigma : how far pixels move alike, in pixels.
    fill_mode, fill_value : what lies outside the image: ``"reflect"``, ``"nearest"`` or ``"constant"``, a number.
    seed : see `tinynet.layers.noise.Noise`.
    """

    def __init__(self, alpha: float = 1.0, sigma: float = 4.0, fill_mode: str = "reflect", fill_value: float = 0.0,
                 **kwargs: Unpack[NoiseOptions]):
        super().__init__(fill_mode, fill_value, **kwargs)
        self.alpha, self.sigma = check_positive(self, "alpha", alpha), check_positive(self, "sigma", sigma)

    def places(self, N: int, H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a field for each image; return where it takes the pixels from."""
        noise = 2 * self.uniform(N, 2, H, W) - 1                                    # variance 1/3
        along_rows, along_columns = gaussian(H, self.sigma), gaussian(W, self.sigma)
        field = along_rows @ noise @ along_columns.T                                # (N, 2, H, W)
        usual = np.sqrt(np.outer((along_rows ** 2).sum(axis=1), (along_columns ** 2).sum(axis=1)) / 3)
        field *= self.alpha / usual                                                 # the same at the border, too
        return np.arange(H)[:, None] + field[:, 0], np.arange(W) + field[:, 1]

    def get_config(self) -> Config:
        return {**super().get_config(), "alpha": self.alpha, "sigma": self.sigma}


def gaussian(size: int, sigma: float) -> np.ndarray:
    """Return the matrix (size, size) that smooths along an axis: rows of a Gaussian window, cut off at 3 sigma."""
    apart = np.arange(size)[:, None] - np.arange(size)
    return np.where(np.abs(apart) <= CUT * sigma, np.exp(-0.5 * (apart / sigma) ** 2), 0)
