"""Batch normalisation, with the ReLU after it, in as few passes as can be.

Forward there are two: one for the sums over the batch, and one that normalises and rectifies. Backward there are two as
well: what the ReLU let through is not stored, but computed again from what was normalised.
"""

from __future__ import annotations

import math

import numpy as np

from tinynet import kernels
from tinynet.kernels.buffers import axes_in_memory
from tinynet.kernels.streams import launching, synchronize
from tinynet.layers import BatchNormalization, LayerNormalization, ReLU
from tinynet.layers.base import Backward, as_floating

SMALL = 1 << 12                                    # numbers that NumPy normalises in the time that a loop takes


@launching
def norm_relu(norm: BatchNormalization, relu: ReLU, x: np.ndarray, training: bool = False
              ) -> tuple[np.ndarray, Backward]:
    """Normalise and rectify in one pass over the batch, after that for its sums."""
    return normalize(norm, as_floating(x), training, relu=True)


def rows(norm: LayerNormalization, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Normalise the last axes of each sample, a few rows at a time: three passes over what is in the cache."""
    if x.size <= SMALL or x.dtype.char not in "fd":
        return norm.forward(x, training)
    norm.check(x)
    k, others = kernels.current(), x.ndim - len(norm.axis)
    axes = axes_in_memory(x)
    if others > 1 or axes[0] != 0:                                # of a whole sample any order of its numbers will do
        axes = [*range(x.ndim)]
    of_params, shape = [axis - others for axis in axes[others:]], x.shape[others:]

    def flat(array: np.ndarray) -> np.ndarray:
        return array.transpose(axes).reshape(-1, math.prod(shape))

    def as_params(gradient: np.ndarray) -> np.ndarray:
        return gradient.reshape([shape[axis] for axis in of_params]).transpose(np.argsort(of_params))

    def as_x(array: np.ndarray) -> np.ndarray:
        return array.reshape([x.shape[axis] for axis in axes]).transpose(np.argsort(axes))
    gamma, beta = (norm.params.get(key, np.full(shape, default, x.dtype)).transpose(of_params).reshape(-1)
                   for key, default in (("gamma", 1), ("beta", 0)))
    y, statistics = k.normalize_rows(flat(x), gamma, beta, norm.epsilon)

    def backward(dy: np.ndarray) -> np.ndarray:
        dx, dgamma, dbeta = k.normalize_rows_gradient(flat(dy), flat(x), statistics, gamma)
        norm.set_grads(as_params(dgamma), as_params(dbeta))
        return as_x(dx)
    return as_x(y), backward


def of_last_axes(training: bool, norm: LayerNormalization) -> bool:
    """Return whether a normalisation is over the last axes of a sample, which lie side by side in memory."""
    rank = 1 + len(norm.input_shape or ())
    return sorted(axis % rank for axis in norm.axis) == list(range(rank - len(norm.axis), rank))


def normalize(norm: BatchNormalization, x: np.ndarray, training: bool, relu: bool
              ) -> tuple[np.ndarray, Backward]:
    """Return what the layer does, and its backward, with the notation of `BatchNormalization.forward`."""
    norm.check(x)
    k, of_batch = kernels.current(), training and norm.trainable and len(x) > 0
    mean, variance = norm.batch_statistics(x) if of_batch else norm.moving_statistics()
    std = np.sqrt(variance + norm.epsilon)                                                               # (C,)
    factor, beta = norm.params.get("gamma", np.ones_like(std)) / std, norm.params.get("beta", np.zeros_like(std))
    through, y = (factor, beta) if relu else None, k.channel_affine(x, mean, factor, beta, relu=relu)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        n, dbeta, products = kernels.batch_sums(x, mean, dy, k, through)
        dgamma = products / std
        norm.set_grads(dgamma, dbeta)
        if not need_dx:
            return None
        if not of_batch:                                             # mean and std do not depend on x
            synchronize()
            return k.channel_affine(np.where(y > 0, dy, 0) if relu else dy, 0 * std, factor, 0 * std)
        scale, shift = -factor * dgamma / (n * std), -factor * dbeta / n
        return k.channel_affine(x, mean, scale, shift, dy, factor, through=through)
    return y, backward
