"""Layers that wait for memory more than they compute: some samples at a time, on all cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet import kernels
from tinynet.kernels.buffers import empty_like
from tinynet.kernels.splitmix import random_bits
from tinynet.layers import SpatialDropout2D, ZeroPadding2D
from tinynet.layers.base import Backward, as_floating
from tinynet.layers.windows import crop

FEW = 1 << 17                                      # numbers that one thread passes over while it would wake another
CHUNKS = 8                                         # of a batch, at most


def dropout_of_channels(layer: SpatialDropout2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply by the same mask as the layer."""
    if not training or layer.rate == 0 or x.ndim != 4:
        return layer.forward(x, training)
    x = as_floating(x)
    key, threshold, scale = layer.draw(x)
    mask = ((random_bits(key, *layer.mask_shape(x)) >= threshold) * scale).reshape(x.shape[:2])

    def masked(images: np.ndarray) -> np.ndarray:
        return kernels.current().scale_channels(images, mask)
    return masked(x), masked


def zero_padding(layer: ZeroPadding2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Copy images between zeros, which are written while the sample is in the cache; the gradient is a view."""
    if x.ndim != 4:
        return layer.forward(x, training)
    (top, bottom), (left, right) = layer.padding
    N, C, H, W = x.shape
    y = empty_like(x, (N, C, top + H + bottom, left + W + right))
    inside = crop(y, layer.padding)

    def work(start: int, stop: int) -> None:
        y[start:stop] = 0
        inside[start:stop] = x[start:stop]
    for_samples(work, y)
    return y, lambda dy: crop(dy, layer.padding)


def for_samples(work: Callable[[int, int], None], images: np.ndarray) -> None:
    """Call ``work(start, stop)`` for some samples at a time of as many as there are images."""
    if len(images):
        size = max(1, images[0].size)
        kernels.current().parallel_for(work, len(images), max(-(-FEW // size), -(-len(images) // CHUNKS)))
