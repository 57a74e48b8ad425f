"""Pooling: loops over whole rows of images, without branches, so that several windows are one vector instruction."""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled, for_loops
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import clear, numbers
from tinynet.kernels.fast.threads import for_chunks, parallel_for
from tinynet.kernels.geometry import Pair, expect_gradients, output_size

USUAL = (2, 2), (3, 2), (3, 3)  # (side, stride) of the square windows that a loop is compiled for, each by itself
MAX_CHUNK_BYTES = 1 << 20      # of images that one thread takes at a time: half of a common core's L2


def max_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window and its index within the window; the first of equals wins."""
    x = for_loops(x, common_dtype(x))
    y = empty((*x.shape[:2], *output_size(x.shape[2:], pool_size, strides)), x.dtype)
    argmax = empty(y.shape, np.dtype(np.int32))
    loop, sizes = ((small_max_pool_loop, (lengths(pool_size), lengths(strides))) if is_small(pool_size, strides)
                   else (max_pool_loop, (pool_size, strides)))
    for_chunks(loop, len(x), images_per_chunk(x), x, y, argmax, *sizes)
    return y, argmax


def max_pool2d_gradient(dy: np.ndarray, argmax: np.ndarray, input_size: Pair, pool_size: Pair,
                        strides: Pair) -> np.ndarray:
    """Send each upstream gradient to the pixel that won."""
    expect_gradients(dy, argmax.shape)
    dy = for_loops(dy, common_dtype(dy))
    dx = empty((*dy.shape[:2], *input_size), dy.dtype)
    offsets = np.add.outer(np.arange(pool_size[0]) * input_size[1], np.arange(pool_size[1])).ravel()
    for_chunks(max_pool_gradient_loop, len(dx), images_per_chunk(dx), dy, argmax, dx, offsets, strides)
    return dx


def global_max_pool2d(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each channel, and the pixel that is it, row by row; the first of equals: both (N, C)."""
    x = for_loops(x, common_dtype(x))
    pixels = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])                     # of an empty batch, too
    winner = np.empty(x.shape[:2], np.intp)

    def work(start: int, stop: int) -> None:
        pixels[start:stop].argmax(axis=2, out=winner[start:stop])                                # of NaNs the first one
    parallel_for(work, len(x), images_per_chunk(x))
    return np.take_along_axis(pixels, winner[..., None], axis=2)[..., 0], winner


def global_max_pool2d_gradient(dy: np.ndarray, winner: np.ndarray, input_size: Pair) -> np.ndarray:
    """Send each upstream gradient (N, C) to the pixel that won."""
    dx = zeros((*dy.shape, math.prod(input_size)), dy.dtype)
    np.put_along_axis(dx, winner[..., None], dy[..., None], axis=2)
    return dx.reshape(*dy.shape, *input_size)


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of zeros, written on all cores."""
    array = empty(shape, dtype)

    def work(start: int, stop: int) -> None:
        array[start:stop] = 0
    parallel_for(work, len(array), images_per_chunk(array))
    return array


def sum_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Add up each window."""
    x = for_loops(x, common_dtype(x))
    y = empty((*x.shape[:2], *output_size(x.shape[2:], pool_size, strides)), x.dtype)
    loop, sizes = ((small_sum_pool_loop, (lengths(pool_size), lengths(strides))) if is_small(pool_size, strides)
                   else (sum_pool_loop, (pool_size, strides)))
    for_chunks(loop, len(x), images_per_chunk(x), x, y, *sizes)
    return y


def sum_pool2d_gradient(dy: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Send each upstream gradient to every pixel of its window."""
    expect_gradients(dy, (*dy.shape[:2], *output_size(input_size, pool_size, strides)))
    dy = for_loops(dy, common_dtype(dy))
    dx = empty((*dy.shape[:2], *input_size), dy.dtype)
    covered = tuple(map(math.prod, zip(dy.shape[2:], pool_size, strict=True))) == tuple(input_size)
    side_by_side = pool_size == strides and covered and is_small(pool_size, strides)
    loop, sizes = ((tiled_sum_pool_gradient_loop, (lengths(pool_size),)) if side_by_side
                   else (sum_pool_gradient_loop, (pool_size, strides)))
    for_chunks(loop, len(dx), images_per_chunk(dx), dy, dx, *sizes)
    return dx


def lengths(size: Pair) -> tuple[int, ...]:
    """Return a tuple as long as the side of a square window: numba compiles for its length, and unrolls."""
    return (0,) * size[0]


def is_small(pool_size: Pair, strides: Pair) -> bool:
    """Return whether windows, and the steps between them, are of the usual kind, for which a loop is unrolled."""
    side, step = pool_size[0], strides[0]
    return pool_size == (side, side) and strides == (step, step) and (side, step) in USUAL


def images_per_chunk(images: np.ndarray) -> int:
    """Return how many images (N, C, H, W) one thread takes at a time: a quarter, or as many as fit in cache."""
    return max(1, min(-(-len(images) // 4), MAX_CHUNK_BYTES // max(1, images[:1].nbytes)))


@chunked
def max_pool_loop(start: int, stop: int, x: np.ndarray, y: np.ndarray, argmax: np.ndarray, pool_size: Pair,
                  strides: Pair) -> None:
    """Fill y and argmax (N, C, P, Q) with the maximum of each window of x (N, C, H, W) and its index."""
    _, C, P, Q = y.shape
    for k, c, p in np.ndindex((stop - start, C, P)):
        n = start + k
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


@chunked
def small_max_pool_loop(start: int, stop: int, x: np.ndarray, y: np.ndarray, argmax: np.ndarray,
                        side: tuple[int, ...], step: tuple[int, ...]) -> None:
    """Fill y and argmax as `max_pool_loop` does, with all pixels of a square window compared in registers.

    Nothing branches but for a NaN: the maximum is taken first, then the place of the first pixel that equals it.
    """
    (_, C, P, Q), (_, _, H, W), a, s = y.shape, x.shape, len(side), len(step)
    for n in range(start, stop):
        for c in range(C):
            for p in range(P):
                rows, out = numbers(x, ((n * C + c) * H + p * s) * W, (a, W)), ((n * C + c) * P + p) * Q
                best, winner, has_nan = numbers(y, out, (Q,)), numbers(argmax, out, (Q,)), False
                for q in range(Q):
                    largest, total, place = rows[0, q * s], x.dtype.type(0), np.int32(0)
                    for i in range(a):
                        for j in range(a):
                            value = rows[i, q * s + j]
                            largest = value if value > largest else largest
                            total += value
                    for i in range(a):
                        for j in range(a):
                            u, v = a - 1 - i, a - 1 - j
                            place = np.int32(u * a + v) if rows[u, q * s + v] == largest else place
                    has_nan |= total != total                                    # or both infinities
                    best[q], winner[q] = largest, place
                if has_nan:
                    max_of_row(rows, best, winner, s)


@compiled
def max_of_row(rows: np.ndarray, best: np.ndarray, winner: np.ndarray, step: int) -> None:
    """Fill best and winner (Q,) with the first NaN of each square window as high as the rows, or its maximum, and its
    index.
    """
    side = len(rows)
    for q in range(len(best)):
        largest, place = rows[0, q * step], np.int32(0)
        for i in range(side):
            for j in range(side):
                value = rows[i, q * step + j]
                if (value > largest) | ((value != value) & (largest == largest)):
                    largest, place = value, np.int32(i * side + j)
        best[q], winner[q] = largest, place


@chunked
def max_pool_gradient_loop(start: int, stop: int, dy: np.ndarray, argmax: np.ndarray, dx: np.ndarray,
                           offsets: np.ndarray, strides: Pair) -> None:
    """Fill dx (N, C, H, W): dy (N, C, P, Q) is added onto the winners, `offsets` from the first pixel of a window."""
    _, C, P, Q = dy.shape
    row, size = dx.shape[3], dx.shape[2] * dx.shape[3]
    for n in range(start, stop):
        clear(dx, n)
        for c in range(C):
            image = numbers(dx, (n * C + c) * size, (size,))
            for p in range(P):
                for q in range(Q):
                    image[p * strides[0] * row + q * strides[1] + offsets[argmax[n, c, p, q]]] += dy[n, c, p, q]


@chunked
def sum_pool_loop(start: int, stop: int, x: np.ndarray, y: np.ndarray, pool_size: Pair, strides: Pair) -> None:
    """Fill y (N, C, P, Q) with the sum of each window of x (N, C, H, W)."""
    _, C, P, Q = y.shape
    for k, c, p in np.ndindex((stop - start, C, P)):
        n = start + k
        total = y[n, c, p]
        for q in range(Q):
            total[q] = 0
        for i in range(pool_size[0]):
            row = x[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    total[q] += row[q * strides[1] + j]


@chunked
def small_sum_pool_loop(start: int, stop: int, x: np.ndarray, y: np.ndarray, side: tuple[int, ...],
                        step: tuple[int, ...]) -> None:
    """Fill y as `sum_pool_loop` does, with each sum, of a square window, in a register."""
    (_, C, P, Q), (_, _, H, W), a, s = y.shape, x.shape, len(side), len(step)
    for n in range(start, stop):
        for c in range(C):
            for p in range(P):
                rows = numbers(x, ((n * C + c) * H + p * s) * W, (a, W))
                total = numbers(y, ((n * C + c) * P + p) * Q, (Q,))
                for q in range(Q):
                    so_far = x.dtype.type(0)
                    for i in range(a):
                        for j in range(a):
                            so_far += rows[i, q * s + j]
                    total[q] = so_far


@chunked
def tiled_sum_pool_gradient_loop(start: int, stop: int, dy: np.ndarray, dx: np.ndarray, side: tuple[int, ...]) -> None:
    """Fill dx (N, C, H, W), where square windows lie side by side: each number of dy (N, C, P, Q) goes to its own."""
    (_, C, P, Q), (_, _, H, W), a = dy.shape, dx.shape, len(side)
    for n in range(start, stop):
        for c in range(C):
            for p in range(P):
                upstream = numbers(dy, ((n * C + c) * P + p) * Q, (Q,))
                for i in range(a):
                    row = numbers(dx, ((n * C + c) * H + p * a + i) * W, (W,))
                    for q in range(Q):
                        for j in range(a):
                            row[q * a + j] = upstream[q]


@chunked
def sum_pool_gradient_loop(start: int, stop: int, dy: np.ndarray, dx: np.ndarray, pool_size: Pair, strides: Pair
                           ) -> None:
    """Fill dx (N, C, H, W): dy (N, C, P, Q) is added onto every pixel of its window."""
    _, C, P, Q = dy.shape
    for n in range(start, stop):
        clear(dx, n)
    for k, c, p in np.ndindex((stop - start, C, P)):
        n = start + k
        for i in range(pool_size[0]):
            row = dx[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    row[q * strides[1] + j] += dy[n, c, p, q]
