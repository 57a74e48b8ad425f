"""Pooling of images that lie channels last: neighbours in memory are of one pixel, so a vector has as many windows.

Windows may overlap, and have margins around the image. What is returned lies channels last, too.
"""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.compiling import unmarked
from tinynet.kernels.fast.convolutions.conv_relu_pool import MAX_POOL_PIXELS
from tinynet.kernels.fast.layout import NO_MARGINS, arrays, common_dtype, images, in_whole_vectors
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import at, clear, numbers
from tinynet.kernels.fast.loops.pooling import images_per_chunk, zeros
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.geometry import Pair, output_size

Margins = tuple[Pair, Pair]    # (top, bottom), (left, right)


def max_pool2d_last(x: np.ndarray, pool_size: Pair, strides: Pair, margins: Margins, relu: bool = False
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window, and its index within it: winner (N, P, Q, lanes), C and what fills vectors.

    With a ReLU it is -1 where that lets nothing through.
    """
    last, C = in_whole_vectors(images(x, common_dtype(x), margins, -np.inf)), x.shape[1]
    y = empty((len(x), *output_size(last.shape[1:3], pool_size, strides), last.shape[3]), last.dtype)
    winner, entry = np.empty(y.shape, np.int8), tiles.entries(last.dtype).pool
    for_chunks(max_pool_loop, len(x), images_per_chunk(last), entry, last, y, winner, pool_size, strides, relu)
    return arrays(np.ascontiguousarray(y[..., :C])), winner


def max_pool2d_last_gradient(dy: np.ndarray, winner: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair,
                             margins: Margins) -> np.ndarray:
    """Send each upstream gradient to the pixel that won."""
    last, C = images(dy, common_dtype(dy)), dy.shape[1]
    whole = in_whole_vectors(last)
    side_by_side = pool_size == strides and whole.shape[3] == winner.shape[3]      # not so if dy is of another dtype
    dlast = whole if side_by_side else last
    dx = with_margins(len(dy), input_size, dlast.shape[3], dlast.dtype, margins)
    entry, (H, W) = tiles.entries(dlast.dtype).unpool, dx.shape[1:3]
    offsets = (np.add.outer(np.arange(pool_size[0]) * W, np.arange(pool_size[1])) * C).ravel()
    covered = side_by_side and not (H % pool_size[0] or W % pool_size[1])
    if side_by_side:
        for_chunks(unpool_loop, len(dx), images_per_chunk(dx), entry, unmarked(dlast), winner, dx, pool_size, covered)
    else:
        for_chunks(add_to_winners_loop, len(dx), images_per_chunk(dx), unmarked(dlast), winner, dx, offsets, strides)
    return arrays(np.ascontiguousarray(without_margins(dx, margins)[..., :C]))


def average_pool2d_last(x: np.ndarray, counts: np.ndarray, pool_size: Pair, strides: Pair, margins: Margins
                        ) -> np.ndarray:
    """Return the sum of each window over its count (P, Q)."""
    last = images(x, common_dtype(x), margins)
    y, counts = empty((len(x), *counts.shape, x.shape[1]), last.dtype), counts.astype(last.dtype)
    for_chunks(average_pool_loop, len(x), images_per_chunk(last), last, counts, y, pool_size, strides)
    return arrays(y)


def average_pool2d_last_gradient(dy: np.ndarray, counts: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair,
                                 margins: Margins) -> np.ndarray:
    """Send each upstream gradient, over the window's count (P, Q), to every pixel of its window."""
    dlast = images(dy, common_dtype(dy, counts))
    dx, counts = with_margins(len(dy), input_size, dy.shape[1], dlast.dtype, margins), counts.astype(dlast.dtype)
    all_rows = strides[0] <= pool_size[0] and (len(counts) - 1) * strides[0] + pool_size[0] == dx.shape[1]
    for_chunks(average_pool_gradient_loop, len(dx), images_per_chunk(dx), unmarked(dlast), counts, dx, pool_size,
               strides, all_rows)
    return arrays(np.ascontiguousarray(without_margins(dx, margins)))


def global_max_pool2d_last(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each channel, and the pixel that is it, row by row; the first of equals: both (N, C)."""
    last = images(x, common_dtype(x))
    N, H, W, C = last.shape
    if max(H, W) <= MAX_POOL_PIXELS and in_whole_vectors(last) is last:
        rows, column = max_pool2d_last(x, (1, W), (1, W), NO_MARGINS)                  # (N, C, H, 1), (N, H, 1, C)
        y, row = max_pool2d_last(rows, (H, 1), (H, 1), NO_MARGINS)
        row = row.astype(np.intp)                                                      # (N, 1, 1, C)
        return y.reshape(N, C), (row * W + np.take_along_axis(column, row, axis=1))[:, 0, 0]
    pixels, y, winner = last.reshape(N, H * W, C), np.empty((N, C), last.dtype), np.empty((N, C), np.int32)
    for_chunks(global_max_loop, N, images_per_chunk(last), pixels, y, winner)
    return y, winner


def global_max_pool2d_last_gradient(dy: np.ndarray, winner: np.ndarray, input_size: Pair) -> np.ndarray:
    """Send each upstream gradient (N, C) to the pixel that won."""
    (N, C), (H, W) = dy.shape, input_size
    dx = zeros((N, H * W, C), dy.dtype)
    np.put_along_axis(dx, winner[:, None], dy[:, None], axis=1)
    return arrays(dx.reshape(N, H, W, C))


def with_margins(N: int, size: Pair, C: int, dtype: np.dtype, margins: Margins) -> np.ndarray:
    """Return room for images (N, H, W, C) and their margins."""
    (top, bottom), (left, right) = margins
    return empty((N, top + size[0] + bottom, left + size[1] + right, C), dtype)


def without_margins(images: np.ndarray, margins: Margins) -> np.ndarray:
    """Return images (N, H, W, C) without their margins, a view."""
    (top, bottom), (left, right) = margins
    return images[:, top:images.shape[1] - bottom, left:images.shape[2] - right]


@chunked
def max_pool_loop(start: int, stop: int, entry: int, x: np.ndarray, y: np.ndarray, winner: np.ndarray, pool_size: Pair,
                  strides: Pair, relu: bool) -> None:
    """Fill y and winner (N, P, Q, C) with the maximum of each window of x (N, H, W, C) and its index."""
    (_, P, Q, C), (a, b), (s, t) = y.shape, pool_size, strides
    for n in range(start, stop):
        for p in range(P):
            tiles.pool(entry, at(x, n, p * s), x.strides[1], a, b, t, Q, C * x.itemsize // tiles.VECTOR_BYTES, relu,
                       at(y, n, p), at(winner, n, p))


@chunked
def unpool_loop(start: int, stop: int, entry: int, dy: np.ndarray, winner: np.ndarray, dx: np.ndarray, pool_size: Pair,
                covered: bool) -> None:
    """Fill the windows in dx (N, H, W, C), side by side: dy (N, P, Q, C) at the winners, 0 at the others, and beside
    the windows, unless dx is covered by them.

    What all winners get is added up in `total`, as a bias would need it; there is none here.
    """
    (_, P, Q, C), (a, b), total = dy.shape, pool_size, np.zeros(dy.shape[3], dy.dtype)
    for n in range(start, stop):
        if not covered:
            clear(dx, n)
        for p in range(P):
            tiles.unpool(entry, at(dx, n, p * a), dx.strides[1], a, b, Q, C * dx.itemsize // tiles.VECTOR_BYTES,
                         at(dy, n, p), at(winner, n, p), total)


@chunked
def add_to_winners_loop(start: int, stop: int, dy: np.ndarray, winner: np.ndarray, dx: np.ndarray, offsets: np.ndarray,
                        strides: Pair) -> None:
    """Fill dx (N, H, W, C): dy (N, P, Q, C) is added to the winners, `offsets` from the first pixel of a window."""
    (_, P, Q, C), (s, t), W = dy.shape, strides, dx.shape[2]
    for n in range(start, stop):
        clear(dx, n)
        size = dx.shape[1] * W * C
        image = numbers(dx, n * size, (size,))
        for p in range(P):
            for q in range(Q):
                window, upstream, won = image[(p * s * W + q * t) * C:], dy[n, p, q], winner[n, p, q]
                for c in range(C):
                    window[offsets[won[c]] + c] += upstream[c]


@chunked
def global_max_loop(start: int, stop: int, x: np.ndarray, y: np.ndarray, winner: np.ndarray) -> None:
    """Fill y and winner (N, C) with the maximum of the pixels of x (N, M, C), or the first NaN, and its index."""
    for n in range(start, stop):
        best, place = y[n], winner[n]
        for m in range(x.shape[1]):
            pixel = x[n, m]
            for c in range(best.size):
                value, so_far = pixel[c], best[c]
                better = (m == 0) | (value > so_far) | ((value != value) & (so_far == so_far))
                best[c] = value if better else so_far
                place[c] = np.int32(m) if better else place[c]


@chunked
def average_pool_loop(start: int, stop: int, x: np.ndarray, counts: np.ndarray, y: np.ndarray, pool_size: Pair,
                      strides: Pair) -> None:
    """Fill y (N, P, Q, C) from x (N, H, W, C): its rows are added up in rows (W, C) first, then their columns."""
    (_, P, Q, C), (a, b), (s, t), rows = y.shape, pool_size, strides, np.empty(x.shape[2:], x.dtype)
    total = numbers(rows, 0, (rows.size,))
    for n in range(start, stop):
        for p in range(P):
            for i in range(a):
                row = numbers(x, (n * x.shape[1] + p * s + i) * total.size, (total.size,))
                for k in range(total.size):
                    total[k] = row[k] if i == 0 else total[k] + row[k]
            for q in range(Q):
                mean, count = y[n, p, q], counts[p, q]
                for j in range(b):
                    pixel = rows[q * t + j]
                    for c in range(C):
                        mean[c] = pixel[c] if j == 0 else mean[c] + pixel[c]
                for c in range(C):
                    mean[c] /= count


@chunked
def average_pool_gradient_loop(start: int, stop: int, dy: np.ndarray, counts: np.ndarray, dx: np.ndarray,
                               pool_size: Pair, strides: Pair, all_rows: bool) -> None:
    """Add shares of dy (N, P, Q, C) up in the columns of rows (W, C), then these in dx (N, H, W, C).

    Rows that no window has are 0, if the windows have not all rows.
    """
    (_, P, Q, C), (a, b), (s, t), rows = dy.shape, pool_size, strides, np.empty(dx.shape[2:], dx.dtype)
    total = numbers(rows, 0, (rows.size,))
    for n in range(start, stop):
        if not all_rows:
            clear(dx, n)
        for p in range(P):
            for k in range(total.size):
                total[k] = 0
            for q in range(Q):
                upstream, count = dy[n, p, q], counts[p, q]
                for j in range(b):
                    pixel = rows[q * t + j]
                    for c in range(C):
                        pixel[c] += upstream[c] / count
            for i in range(a):
                row = numbers(dx, (n * dx.shape[1] + p * s + i) * total.size, (total.size,))
                first = p == 0 or i >= a - s                                         # of the windows that cover it
                for k in range(total.size):
                    row[k] = total[k] if first else row[k] + total[k]
