"""Right layers of several arrays, with hand-written backward passes, for the trial of the checker.

A layer stands here as ``forward(*arrays)`` and ``backward(dy, *arrays)``, which returns a gradient for each array.
Images are (N, C, H, W). `test_checker_trial.py` compares the backward passes with differences of long doubles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


class LayerPair(NamedTuple):
    """A layer and its backward, on arrays of `shapes`; `scales` suit its inputs x, which is the first array."""

    forward: Callable[..., Array]
    backward: Callable[..., tuple[Array, ...]]
    shapes: tuple[tuple[int, ...], ...]
    scales: tuple[float, ...] = (1.0,)
    kinks: bool = False


def padded(x: Array) -> Array:
    """Return images with a border of one zero."""
    y = np.zeros((*x.shape[:2], x.shape[2] + 2, x.shape[3] + 2), x.dtype)
    y[:, :, 1:-1, 1:-1] = x                                     # several times as fast as np.pad
    return y


def windows(x: Array, stride: int = 1) -> Array:
    """Return all 3 x 3 windows of images, (N, C, P, Q, 3, 3)."""
    return sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]


def convolve(x: Array, kernel: Array, stride: int = 1) -> Array:
    """Correlate images (N, C, H, W) with a kernel (O, C, 3, 3); the border is padded."""
    return np.einsum("ncpqij,ocij->nopq", windows(padded(x), stride), kernel)


def spread(parts: Array, x: Array, stride: int = 1) -> Array:
    """Add the 3 x 3 windows (N, C, P, Q, 3, 3) up to images of x's shape: the transpose of `windows`, padded."""
    dx, (p, q) = np.zeros_like(padded(x)), parts.shape[2:4]
    for i in range(3):
        for j in range(3):
            dx[:, :, i:i + stride * p:stride, j:j + stride * q:stride] += parts[..., i, j]
    return dx[:, :, 1:-1, 1:-1]


def convolve_back(dy: Array, x: Array, kernel: Array, stride: int = 1) -> tuple[Array, Array]:
    """Return dx and the gradient of the kernel."""
    return (spread(np.einsum("nopq,ocij->ncpqij", dy, kernel), x, stride),
            np.einsum("nopq,ncpqij->ocij", dy, windows(padded(x), stride)))


def quarters(x: Array) -> Array:
    """Return the 2 x 2 windows of images, (N, C, H/2, W/2, 4)."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(n, c, h // 2, w // 2, 4)


def max_pool_back(dy: Array, x: Array) -> tuple[Array]:
    """Return dx of the maximum of each 2 x 2 window: the first largest takes it."""
    parts = dy[..., None] * (np.arange(4) == quarters(x).argmax(axis=-1)[..., None])
    n, c, p, q, _ = parts.shape
    return (parts.reshape(n, c, p, q, 2, 2).swapaxes(3, 4).reshape(x.shape),)


def average_back(dy: Array, x: Array) -> tuple[Array]:
    """Return dx of the mean of each 3 x 3 window."""
    return (spread(np.broadcast_to(dy[..., None, None] / 9, (*dy.shape, 3, 3)), x),)


def pad_edges(x: Array) -> Array:
    """Return images with their border repeated."""
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")


def pad_edges_back(dy: Array, x: Array) -> tuple[Array]:
    """Return dx of `pad_edges`: what was repeated adds up at the border."""
    rows = np.concatenate([dy[:, :, :1] + dy[:, :, 1:2], dy[:, :, 2:-2], dy[:, :, -2:-1] + dy[:, :, -1:]], axis=2)
    return (np.concatenate([rows[..., :1] + rows[..., 1:2], rows[..., 2:-2], rows[..., -2:-1] + rows[..., -1:]], 3),)


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    """Normalise each channel over the batch and the image."""
    return whitened(x)[0] * gamma[:, None, None] + beta[:, None, None]


def whitened(x: Array) -> tuple[Array, Array]:
    """Return images with mean 0 and variance 1 in each channel, and the standard deviations (1, C, 1, 1)."""
    centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
    std = np.sqrt((centred ** 2).mean(axis=(0, 2, 3), keepdims=True) + x.dtype.type(1e-3))
    return centred / std, std


def batch_norm_back(dy: Array, x: Array, gamma: Array, beta: Array, mean: float = 1.0,
                    variance: float = 1.0) -> tuple[Array, ...]:
    """Return the gradients; with `mean` or `variance` 0 a term is left out."""
    y, std = whitened(x)
    dz, over = dy * gamma[:, None, None], (0, 2, 3)
    dx = dz - mean * dz.mean(axis=over, keepdims=True) - variance * y * (dz * y).mean(axis=over, keepdims=True)
    return dx / std, (dy * y).sum(axis=over), dy.sum(axis=over)


def attention(q: Array, k: Array, v: Array) -> Array:
    """Return softmax(q k^T / 2) v, for q (L, 4), k (M, 4), v (M, D)."""
    return weights(q, k) @ v


def weights(q: Array, k: Array) -> Array:
    """Return the attention's weights (L, M)."""
    e = np.exp(q @ k.T / 2)
    return e / e.sum(axis=1, keepdims=True)


def attention_back(dy: Array, q: Array, k: Array, v: Array, normalised: float = 1.0,
                   scale: float = 0.5) -> tuple[Array, ...]:
    """Return the gradients; with `normalised` 0 the softmax's sum is left out."""
    a, da = weights(q, k), dy @ v.T
    ds = scale * a * (da - normalised * (a * da).sum(axis=1, keepdims=True))
    return ds @ k, ds.T @ q, a.T @ dy


def dense(x: Array, kernel: Array, bias: Array) -> Array:
    """Return tanh of a dense layer."""
    return np.tanh(x @ kernel + bias)


def dense_back(dy: Array, x: Array, kernel: Array, bias: Array) -> tuple[Array, ...]:
    """Return the gradients."""
    dz = dy * (1 - dense(x, kernel, bias) ** 2)
    return dz @ kernel.T, x.T @ dz, dz.sum(axis=0)


IMAGES, SIZES = (2, 3, 4, 6), (1e-4, 1.0, 1e4)
LAYERS: dict[str, LayerPair] = {
    "matrix product": LayerPair(lambda x, w: x @ w, lambda dy, x, w: (dy @ w.T, x.T @ dy), ((3, 8), (8, 12)), SIZES),
    "dense with tanh": LayerPair(dense, dense_back, ((4, 5), (5, 3), (3,)), (1e-4, 1.0)),
    "convolution": LayerPair(convolve, convolve_back, (IMAGES, (4, 3, 3, 3)), SIZES),
    "strided convolution": LayerPair(lambda x, w: convolve(x, w, 2), lambda dy, x, w: convolve_back(dy, x, w, 2),
                                     ((2, 2, 5, 7), (3, 2, 3, 3)), SIZES),
    "max pooling": LayerPair(lambda x: quarters(x).max(axis=-1), max_pool_back, (IMAGES,), SIZES, True),
    "average pooling": LayerPair(lambda x: windows(padded(x)).sum(axis=(4, 5)) / 9, average_back, (IMAGES,), SIZES),
    "padding with zeros": LayerPair(padded, lambda dy, x: (dy[:, :, 1:-1, 1:-1],), (IMAGES,), SIZES),
    "padding with edges": LayerPair(pad_edges, pad_edges_back, (IMAGES,), SIZES),
    "batch normalization": LayerPair(batch_norm, batch_norm_back, ((4, 3, 3, 2), (3,), (3,)), (1.0, 1e2)),
    "scale by channel": LayerPair(lambda x, g: x * g[:, None, None], lambda dy, x, g: (
        dy * g[:, None, None], (dy * x).sum(axis=(0, 2, 3))), (IMAGES, (3,)), SIZES),
    "attention": LayerPair(attention, attention_back, ((3, 4), (5, 4), (5, 2))),
}
