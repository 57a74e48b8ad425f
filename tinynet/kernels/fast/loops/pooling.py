"""Pooling: loops over whole rows of images, without branches, so that several windows are one vector instruction."""

import numpy as np

from tinynet.kernels.fast.compiling import compiled, for_loops
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.threads import parallel_for
from tinynet.kernels.geometry import Pair, output_size

MAX_CHUNK_BYTES = 1 << 20      # of images that one thread takes at a time: half of a common core's L2


def max_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window and its index within the window; the first of equals wins."""
    x = for_loops(x, common_dtype(x))
    y = np.empty((*x.shape[:2], *output_size(x.shape[2:], pool_size, strides)), x.dtype)
    argmax = np.empty(y.shape, np.int32)

    def work(start: int, stop: int) -> None:
        max_pool_loop(x[start:stop], y[start:stop], argmax[start:stop], pool_size, strides)
    parallel_for(work, len(x), images_per_chunk(x))
    return y, argmax


def max_pool2d_gradient(dy: np.ndarray, argmax: np.ndarray, input_size: Pair, pool_size: Pair,
                        strides: Pair) -> np.ndarray:
    """Send each upstream gradient to the pixel that won."""
    dy = for_loops(dy, common_dtype(dy))
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)

    def work(start: int, stop: int) -> None:
        max_pool_gradient_loop(dy[start:stop], argmax[start:stop], dx[start:stop], pool_size, strides)
    parallel_for(work, len(dx), images_per_chunk(dx))
    return dx


def sum_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Add up each window."""
    x = for_loops(x, common_dtype(x))
    y = np.zeros((*x.shape[:2], *output_size(x.shape[2:], pool_size, strides)), x.dtype)

    def work(start: int, stop: int) -> None:
        sum_pool_loop(x[start:stop], y[start:stop], pool_size, strides)
    parallel_for(work, len(x), images_per_chunk(x))
    return y


def sum_pool2d_gradient(dy: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Send each upstream gradient to every pixel of its window."""
    dy = for_loops(dy, common_dtype(dy))
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)

    def work(start: int, stop: int) -> None:
        sum_pool_gradient_loop(dy[start:stop], dx[start:stop], pool_size, strides)
    parallel_for(work, len(dx), images_per_chunk(dx))
    return dx


def images_per_chunk(images: np.ndarray) -> int:
    """Return how many images (N, C, H, W) one thread takes at a time: a quarter, or as many as fit in cache."""
    return max(1, min(-(-len(images) // 4), MAX_CHUNK_BYTES // max(1, images[:1].nbytes)))


@compiled
def max_pool_loop(x: np.ndarray, y: np.ndarray, argmax: np.ndarray, pool_size: Pair, strides: Pair) -> None:
    """Fill y and argmax (n, C, P, Q) with the maximum of each window of x (n, C, H, W) and its index."""
    N, C, P, Q = y.shape
    for n, c, p in np.ndindex((N, C, P)):
        best, winner = y[n, c, p], argmax[n, c, p]
        for i in range(pool_size[0]):
            row = x[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                place = i * pool_size[1] + j
                for q in range(Q):
                    value, so_far = row[q * strides[1] + j], best[q]
                    # the third case is a NaN, which compares as not larger and must not be lost
                    better = (place == 0) | (value > so_far) | ((value != value) & (so_far == so_far))
                    best[q] = value if better else so_far
                    winner[q] = place if better else winner[q]


@compiled
def max_pool_gradient_loop(dy: np.ndarray, argmax: np.ndarray, dx: np.ndarray, pool_size: Pair, strides: Pair) -> None:
    """Add dy (n, C, P, Q) onto the winners in dx (n, C, H, W)."""
    N, C, P, Q = dy.shape
    for n, c, p, q in np.ndindex((N, C, P, Q)):
        place = argmax[n, c, p, q]
        i = place // pool_size[1]
        dx[n, c, p * strides[0] + i, q * strides[1] + place - i * pool_size[1]] += dy[n, c, p, q]


@compiled
def sum_pool_loop(x: np.ndarray, y: np.ndarray, pool_size: Pair, strides: Pair) -> None:
    """Add each window of x (n, C, H, W) to y (n, C, P, Q)."""
    N, C, P, Q = y.shape
    for n, c, p in np.ndindex((N, C, P)):
        total = y[n, c, p]
        for i in range(pool_size[0]):
            row = x[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    total[q] += row[q * strides[1] + j]


@compiled
def sum_pool_gradient_loop(dy: np.ndarray, dx: np.ndarray, pool_size: Pair, strides: Pair) -> None:
    """Add dy (n, C, P, Q) onto every pixel of its window in dx (n, C, H, W)."""
    N, C, P, Q = dy.shape
    for n, c, p in np.ndindex((N, C, P)):
        for i in range(pool_size[0]):
            row = dx[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    row[q * strides[1] + j] += dy[n, c, p, q]
