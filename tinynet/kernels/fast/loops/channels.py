"""Sums over a batch and normalisation, channel by channel: each in one pass over memory, in pieces of fixed size."""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled, for_loops, reassociated
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.threads import parallel_for

MIN_CHUNK = 100_000            # numbers that one thread takes at a time: waking a second one takes longer than these


def channel_sums(x: np.ndarray, center: np.ndarray, dy: np.ndarray | None = None) -> np.ndarray:
    """Add up each piece of the batch by itself, in float64; then the pieces, in order."""
    x, dy = as_rows(x, dy)
    center, samples = for_loops(center, np.dtype(np.float64)), samples_per_chunk(x)
    sums = np.zeros((max(1, -(-len(x) // samples)), 2, x.shape[1]))                       # (pieces, 2, C)

    def work(start: int, stop: int) -> None:
        if dy is None:
            square_sums_loop(x[start:stop], center, sums[start // samples])
        else:
            product_sums_loop(x[start:stop], center, dy[start:stop], sums[start // samples])
    parallel_for(work, len(x), samples)
    return sums.sum(axis=0)


def channel_affine(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   dy: np.ndarray | None = None, dy_scale: np.ndarray | None = None) -> np.ndarray:
    """Return (x - center) scale + shift, and dy dy_scale more where there is a dy."""
    shape, (x, dy) = x.shape, as_rows(x, dy)
    y = empty(x.shape, x.dtype)
    center, scale, shift = (for_loops(array, x.dtype) for array in (center, scale, shift))
    dy_scale = None if dy_scale is None else for_loops(dy_scale, x.dtype)

    def work(start: int, stop: int) -> None:
        if dy is None or dy_scale is None:
            affine_loop(x[start:stop], center, scale, shift, y[start:stop])
        else:
            affine_sum_loop(x[start:stop], center, scale, shift, dy[start:stop], dy_scale, y[start:stop])
    parallel_for(work, len(x), samples_per_chunk(x))
    return y.reshape(shape)


def as_rows(x: np.ndarray, dy: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return arrays (N, C, ...) as loops take them, (N, C, M), of one dtype: M numbers of each channel in a row."""
    shape = *x.shape[:2], math.prod(x.shape[2:])
    if dy is None:
        return for_loops(x, common_dtype(x)).reshape(shape), None
    dtype = common_dtype(x, dy)
    return for_loops(x, dtype).reshape(shape), for_loops(dy, dtype).reshape(shape)


def samples_per_chunk(x: np.ndarray) -> int:
    """Return how many samples one thread takes at a time: a number that depends on their size alone."""
    return -(-MIN_CHUNK // max(1, math.prod(x.shape[1:])))


@reassociated
def square_sums_loop(x: np.ndarray, center: np.ndarray, sums: np.ndarray) -> None:
    """Add d and d d, with d = x - center, over the samples of x (n, C, M) to sums (2, C)."""
    N, C, M = x.shape
    if M == 1:                                                  # neighbours are of different channels
        rows = x.reshape(N, C)
        for n in range(N):
            for c in range(C):
                d = rows[n, c] - center[c]
                sums[0, c] += d
                sums[1, c] += d * d
        return
    for n in range(N):
        for c in range(C):
            row, middle, total, squares = x[n, c], center[c], 0.0, 0.0
            for m in range(M):
                d = row[m] - middle
                total += d
                squares += d * d
            sums[0, c] += total
            sums[1, c] += squares


@reassociated
def product_sums_loop(x: np.ndarray, center: np.ndarray, dy: np.ndarray, sums: np.ndarray) -> None:
    """Add dy and dy (x - center) over the samples of x and dy, (n, C, M), to sums (2, C)."""
    N, C, M = x.shape
    if M == 1:
        rows, drows = x.reshape(N, C), dy.reshape(N, C)
        for n in range(N):
            for c in range(C):
                g = np.float64(drows[n, c])
                sums[0, c] += g
                sums[1, c] += g * (rows[n, c] - center[c])
        return
    for n in range(N):
        for c in range(C):
            row, drow, middle, total, products = x[n, c], dy[n, c], center[c], 0.0, 0.0
            for m in range(M):
                g = np.float64(drow[m])
                total += g
                products += g * (row[m] - middle)
            sums[0, c] += total
            sums[1, c] += products


@compiled
def affine_loop(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    """Fill y with (x - center) scale + shift, both (n, C, M)."""
    N, C, M = x.shape
    if M == 1:
        rows, yrows = x.reshape(N, C), y.reshape(N, C)
        for n in range(N):
            for c in range(C):
                yrows[n, c] = (rows[n, c] - center[c]) * scale[c] + shift[c]
        return
    for n in range(N):
        for c in range(C):
            row, out, a, b, middle = x[n, c], y[n, c], scale[c], shift[c], center[c]
            for m in range(M):
                out[m] = (row[m] - middle) * a + b


@compiled
def affine_sum_loop(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                    dy: np.ndarray, dy_scale: np.ndarray, y: np.ndarray) -> None:
    """Fill y with (x - center) scale + shift + dy dy_scale, all (n, C, M)."""
    N, C, M = x.shape
    if M == 1:
        rows, drows, yrows = x.reshape(N, C), dy.reshape(N, C), y.reshape(N, C)
        for n in range(N):
            for c in range(C):
                yrows[n, c] = (rows[n, c] - center[c]) * scale[c] + shift[c] + drows[n, c] * dy_scale[c]
        return
    for n in range(N):
        for c in range(C):
            row, drow, out, a, b, middle, g = x[n, c], dy[n, c], y[n, c], scale[c], shift[c], center[c], dy_scale[c]
            for m in range(M):
                out[m] = (row[m] - middle) * a + b + drow[m] * g
