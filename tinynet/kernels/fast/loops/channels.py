"""Sums over a batch and normalisation, channel by channel: each in one pass over memory, in pieces of fixed size."""

import math
from functools import partial

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import REASSOCIATED, for_loops, inlined
from tinynet.kernels.fast.layout import arrays, common_dtype, images
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import numbers
from tinynet.kernels.fast.loops.elementwise import MIN_SUMMED, numbers_per_chunk
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.streams import synchronize

Line = tuple[np.ndarray, np.ndarray]       # (scale, shift): what a ReLU got, (x - center) scale + shift


def channel_sums(x: np.ndarray, center: np.ndarray, dy: np.ndarray | None = None,
                 through: Line | None = None) -> np.ndarray:
    """Add up each piece of the batch by itself, in float64; then the pieces, in order."""
    x, dy = as_rows(x, dy)
    center, samples = for_loops(center, np.dtype(np.float64)), samples_per_chunk(x)
    sums = np.zeros((max(1, -(-len(x) // samples)), 2, x.shape[1]))                       # (pieces, 2, C)

    if dy is None:
        for_chunks(square_sums_loop, len(x), samples, samples, x, center, sums)
    else:
        for_chunks(product_sums_loop, len(x), samples, samples, x, center, dy, *as_line(center, through, x), sums)
    synchronize()
    return sums[0] if len(sums) == 1 else np.add.reduce(sums)


def channel_affine(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   dy: np.ndarray | None = None, dy_scale: np.ndarray | None = None, relu: bool = False,
                   through: Line | None = None) -> np.ndarray:
    """Return (x - center) scale + shift, and dy dy_scale more where there is a dy; cut off below 0 if there is a ReLU.
    """
    rows, drows = as_rows(x, dy)
    y = empty(rows.shape, rows.dtype)
    center, scale, shift = (for_loops(array, rows.dtype) for array in (center, scale, shift))
    samples = -(-numbers_per_chunk(rows.size) // max(1, math.prod(rows.shape[1:])))
    if drows is None or dy_scale is None:
        for_chunks(affine_loop, len(rows), samples, rows, center, scale, shift, relu, y)
    else:
        dy_scale = for_loops(dy_scale, rows.dtype)
        for_chunks(affine_sum_loop, len(rows), samples, rows, center, scale, shift, drows, dy_scale,
                   *as_line(center, through, rows), y)
    return from_rows(y, x)


def as_line(center: np.ndarray, through: Line | None, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the line of a ReLU as loops take it, and whether there is one."""
    scale, shift = (center, center) if through is None else through
    return for_loops(scale, rows.dtype), for_loops(shift, rows.dtype), through is not None


def as_rows(x: np.ndarray, dy: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return arrays (N, C, ...) as loops take them, of one dtype: (N, C, M), M numbers of each channel in a row.

    Images that lie channels last in memory are as many samples as they have pixels, (N*H*W, C, 1), and dy is then laid
    out as they are.
    """
    dtype = common_dtype(x) if dy is None else common_dtype(x, dy)
    if is_last(x):
        return tuple(None if each is None else images(each, dtype).reshape(-1, x.shape[1], 1)      # type: ignore[return-value]
                     for each in (x, dy))
    shape = *x.shape[:2], math.prod(x.shape[2:])
    return for_loops(x, dtype).reshape(shape), None if dy is None else for_loops(dy, dtype).reshape(shape)


def from_rows(rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what was computed from the rows of x in the shape of x, and lying as it lies."""
    if is_last(x):
        N, C, H, W = x.shape
        return arrays(rows.reshape(N, H, W, C))
    return rows.reshape(x.shape)


def is_last(x: np.ndarray) -> bool:
    """Return whether these are images that lie channels last in memory."""
    return x.ndim == 4 and not x.flags.c_contiguous and x.transpose(0, 2, 3, 1).flags.c_contiguous


def samples_per_chunk(x: np.ndarray) -> int:
    """Return how many samples one thread takes at a time: a number that depends on their size alone."""
    return -(-MIN_SUMMED // max(1, math.prod(x.shape[1:])))


@inlined
def let_through(dy: float, x: float, center: float, scale: float, shift: float, relu: bool) -> float:
    """Return dy where a ReLU, if there is one, let (x - center) scale + shift through.

    As a function's argument dy is read in any case: read on a condition only, it took up to half as long again.
    """
    return dy if (not relu) | ((x - center) * scale + shift > type(x)(0)) else type(x)(0)


@partial(chunked, fastmath=REASSOCIATED)
def square_sums_loop(start: int, stop: int, size: int, x: np.ndarray, center: np.ndarray, sums: np.ndarray) -> None:
    """Add d and d d, with d = x - center, over the samples of a chunk of x (N, C, M), to its sums (2, C)."""
    x, sums = x[start:stop], sums[start // size]
    N, C, M = x.shape
    if M == 1:                                                  # neighbours are of different channels
        rows = numbers(x, 0, (N, C))
        for n in range(0, N - 1, 2):                            # two at a time: half as many loads and stores of sums
            row, other = rows[n], rows[n + 1]
            for c in range(C):
                d, e = row[c] - center[c], other[c] - center[c]
                sums[0, c] += d + e
                sums[1, c] += d * d + e * e
        for n in range(N - N % 2, N):                           # and what is left
            for c in range(C):
                d = rows[n, c] - center[c]
                sums[0, c] += d
                sums[1, c] += d * d
    for n in range(0 if M == 1 else N):
        for c in range(C):
            row, middle, total, squares = x[n, c], center[c], 0.0, 0.0
            for m in range(M):
                d = row[m] - middle
                total += d
                squares += d * d
            sums[0, c] += total
            sums[1, c] += squares


@partial(chunked, fastmath=REASSOCIATED)
def product_sums_loop(start: int, stop: int, size: int, x: np.ndarray, center: np.ndarray, dy: np.ndarray,
                      scale: np.ndarray, shift: np.ndarray, relu: bool, sums: np.ndarray) -> None:
    """Add dy and dy (x - center) over the samples of a chunk of x and dy, (N, C, M), to its sums (2, C).

    With a ReLU only those dy count that it let through: where (x - center) scale + shift is above 0.
    """
    x, dy, sums = x[start:stop], dy[start:stop], sums[start // size]
    N, C, M = x.shape
    middles = center.astype(x.dtype)
    if M == 1:
        rows, drows = numbers(x, 0, (N, C)), numbers(dy, 0, (N, C))
        for n in range(0, N - 1, 2):
            row, other, drow, dother = rows[n], rows[n + 1], drows[n], drows[n + 1]
            for c in range(C):
                g = let_through(drow[c], row[c], middles[c], scale[c], shift[c], relu)
                h = let_through(dother[c], other[c], middles[c], scale[c], shift[c], relu)
                sums[0, c] += np.float64(g) + h
                sums[1, c] += g * (row[c] - center[c]) + h * (other[c] - center[c])
        for n in range(N - N % 2, N):
            for c in range(C):
                g = let_through(drows[n, c], rows[n, c], middles[c], scale[c], shift[c], relu)
                sums[0, c] += g
                sums[1, c] += g * (rows[n, c] - center[c])
    for n in range(0 if M == 1 else N):
        for c in range(C):
            row, drow, middle, total, products = x[n, c], dy[n, c], center[c], 0.0, 0.0
            for m in range(M):
                g = let_through(drow[m], row[m], middles[c], scale[c], shift[c], relu)
                total += g
                products += g * (row[m] - middle)
            sums[0, c] += total
            sums[1, c] += products


@chunked
def affine_loop(start: int, stop: int, x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                relu: bool, y: np.ndarray) -> None:
    """Fill y with (x - center) scale + shift, both (N, C, M), from start to stop, cut off below 0 if there is a ReLU.
    """
    x, y = x[start:stop], y[start:stop]
    N, C, M = x.shape
    zero = x.dtype.type(0)
    if M == 1:
        rows, yrows = numbers(x, 0, (N, C)), numbers(y, 0, (N, C))
        for n in range(N):
            for c in range(C):
                value = (rows[n, c] - center[c]) * scale[c] + shift[c]
                yrows[n, c] = zero if relu & (value <= zero) else value                 # a NaN stays
    for n in range(0 if M == 1 else N):
        for c in range(C):
            row, out, a, b, middle = x[n, c], y[n, c], scale[c], shift[c], center[c]
            for m in range(M):
                value = (row[m] - middle) * a + b
                out[m] = zero if relu & (value <= zero) else value


@chunked
def affine_sum_loop(start: int, stop: int, x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                    dy: np.ndarray, dy_scale: np.ndarray, line_scale: np.ndarray, line_shift: np.ndarray, relu: bool,
                    y: np.ndarray) -> None:
    """Fill y with (x - center) scale + shift + dy dy_scale, all (N, C, M), from start to stop; with a ReLU, of those dy
    it let through.
    """
    x, dy, y = x[start:stop], dy[start:stop], y[start:stop]
    N, C, M = x.shape
    if M == 1:
        rows, drows, yrows = numbers(x, 0, (N, C)), numbers(dy, 0, (N, C)), numbers(y, 0, (N, C))
        for n in range(N):
            for c in range(C):
                g = let_through(drows[n, c], rows[n, c], center[c], line_scale[c], line_shift[c], relu)
                yrows[n, c] = (rows[n, c] - center[c]) * scale[c] + shift[c] + g * dy_scale[c]
    for n in range(0 if M == 1 else N):
        for c in range(C):
            row, drow, out, a, b, middle, f = x[n, c], dy[n, c], y[n, c], scale[c], shift[c], center[c], dy_scale[c]
            for m in range(M):
                g = let_through(drow[m], row[m], middle, line_scale[c], line_shift[c], relu)
                out[m] = (row[m] - middle) * a + b + g * f


@inlined
def add_rows(rows: np.ndarray, sums: np.ndarray) -> None:
    """Add the rows (n, C) to sums (C,), one after the other, as NumPy does in two to six times the time."""
    for n in range(len(rows)):
        for c in range(sums.size):
            sums[c] += rows[n, c]
