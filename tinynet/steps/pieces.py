"""Layers that compute each number by itself, in pieces that stay in the cache, on all cores.

What such a layer's file shows is run as it stands, on one piece of the batch after the other: NumPy makes a pass over
memory for every operation, and in the cache those cost little.
"""

from __future__ import annotations

import numpy as np

from tinynet import kernels
from tinynet.kernels import buffers
from tinynet.layers import ReLU
from tinynet.layers.base import Backward, Layer, as_floating


def elementwise(layer: Layer, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Run the layer's own forward, and backward, on one piece after the other."""
    x = as_floating(x)
    if x.size <= kernels.PIECE:
        return layer.forward(x, training)
    flat, flat_y = in_memory_order(x, x), buffers.empty((x.size,), x.dtype)
    backwards: list[Backward] = [layer.forward] * -(-x.size // kernels.PIECE)

    def work(start: int, stop: int) -> None:
        flat_y[start:stop], backwards[start // kernels.PIECE] = layer.forward(flat[start:stop], training)
    kernels.in_pieces(work, x.size)

    def backward(dy: np.ndarray) -> np.ndarray:
        flat_dy, flat_dx = in_memory_order(dy, x), buffers.empty((x.size,), dy.dtype)

        def work(start: int, stop: int) -> None:
            flat_dx[start:stop] = backwards[start // kernels.PIECE](flat_dy[start:stop])
        kernels.in_pieces(work, dy.size)
        return lying_as(x, flat_dx)
    return lying_as(x, flat_y), backward


def relu(layer: ReLU, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Rectify piece by piece; backward, select in one compiled pass."""
    if x.size <= kernels.PIECE or x.dtype.char not in "fd":
        return layer.forward(x, training)
    flat, flat_y = in_memory_order(x, x), buffers.empty((x.size,), x.dtype)
    kernels.in_pieces(lambda start, stop: np.maximum(flat[start:stop], 0, out=flat_y[start:stop]), x.size)

    def backward(dy: np.ndarray) -> np.ndarray:
        return lying_as(x, kernels.current().relu_gradient(in_memory_order(dy, x), flat_y))
    return lying_as(x, flat_y), backward


def axes_of(array: np.ndarray) -> list[int]:
    """Return the axes of an array in the order in which they lie in memory, that of the longest strides first."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def in_memory_order(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return all numbers of an array, flat, in the order in which those of `like` lie; a view where it lies so, too."""
    return array.transpose(axes_of(like)).reshape(-1)


def lying_as(like: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Return numbers that `in_memory_order` put in order in the shape of `like`: they stay where they are."""
    axes = axes_of(like)
    return flat.reshape([like.shape[axis] for axis in axes]).transpose(np.argsort(axes))
