"""A convolution, its ReLU and its max pooling in one pass that never leaves the cache.

The output of a convolution is four times as large as what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a few rows of one image go through all three at a time.
"""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import conv, layout, tiles
from tinynet.kernels.fast.compiling import compiled, for_loops
from tinynet.kernels.fast.layout import channels_first, channels_last
from tinynet.kernels.fast.threads import parallel_for
from tinynet.kernels.geometry import Pair, output_size

MAX_POOL_PIXELS = 16           # of a pooling window: the loop over them is unrolled


def conv2d_relu_max_pool2d(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, strides: Pair, dilation: Pair,
                           pool_size: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Convolve, add the bias, apply ReLU and pool, with pooling windows that do not overlap.

    Returns y (N, F, P, Q) and winner (N, P, Q, filters), filters being F rounded up to whole vectors: the index of the
    maximum within its pooling window, row by row, or -1 where ReLU has set it to 0.
    """
    dtype, samples = layout.common_dtype(x, kernel), conv.samples_per_chunk(len(x))
    x = for_loops(x, dtype)
    P, Q = output_size(output_size(x.shape[2:], kernel.shape[2:], strides, dilation), pool_size, pool_size)
    weights, biases = layout.kernel_panels(kernel, dilation, dtype), layout.bias_rows(bias.astype(dtype, copy=False))
    y = empty((len(x), len(kernel), P, Q), dtype)
    winner = empty((len(x), P, Q, biases.shape[1]), np.dtype(np.int8))

    def work(start: int, stop: int) -> None:
        forward(x[start:stop], weights, biases, y[start:stop], winner[start:stop], kernel.shape[2:], strides, dilation,
                *static_lengths(pool_size))
    parallel_for(work, len(x), samples, serial=conv.is_small(y.size * math.prod(pool_size), kernel.shape))
    return y, winner


def conv2d_relu_max_pool2d_gradient(
        dy: np.ndarray, winner: np.ndarray, x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair,
        pool_size: Pair, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the gradients of kernel, bias and, if needed, x (otherwise None), in one pass too."""
    dtype, samples = layout.common_dtype(dy, kernel), conv.samples_per_chunk(len(x))
    x, dy = for_loops(x, dtype), for_loops(dy, dtype)
    dweights = layout.gradient_sums(conv.NUM_CHUNKS, kernel.shape, dilation, dtype)
    dbias = np.zeros((conv.NUM_CHUNKS, dweights.shape[-1]), dtype)
    weights, dx = (layout.transposed_kernel_panels(kernel, dtype), empty(x.shape, dtype)) if need_dx else (None, None)

    def work(start: int, stop: int) -> None:
        chunk = start // samples
        backward(dy[start:stop], winner[start:stop], x[start:stop], dweights[chunk], dbias[chunk], kernel.shape[2:],
                 strides, dilation, *static_lengths(pool_size), weights, None if dx is None else dx[start:stop])
    parallel_for(work, len(x), samples, serial=conv.is_small(dy.size * math.prod(pool_size), kernel.shape))
    return layout.sum_to_kernel(dweights, len(kernel), kernel.shape[2:]), dbias.sum(axis=0)[:len(kernel)], dx


def static_lengths(pool_size: Pair) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return tuples as long as a pooling window is high and wide: numba compiles for their lengths, and unrolls."""
    return (0,) * pool_size[0], (0,) * pool_size[1]


@compiled
def forward(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, y: np.ndarray, winner: np.ndarray,
            kernel_size: Pair, strides: Pair, dilation: Pair,
            pool_rows: tuple[int, ...], pool_columns: tuple[int, ...]) -> None:
    """Fill y (n, F, P, Q) and winner (n, P, Q, filters) from x (n, C, H, W)."""
    N, _, P, Q = y.shape
    a, b = len(pool_rows), len(pool_columns)
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    windows = layout.window_views(image, kernel_size, strides, dilation)[0][:, :Q * b]
    rows = -(-conv.rows_per_block(weights, bias, Q * b) // a)                       # of pooling windows
    z, best = np.empty((rows * a, Q * b, bias.shape[1]), x.dtype), np.empty((rows, Q, bias.shape[1]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        for p0 in range(0, P, rows):
            p1 = min(p0 + rows, P)
            conv.convolve(windows[p0 * a:p1 * a], weights, bias, z[:(p1 - p0) * a])
            for p in range(p0, p1):
                relu_max(z[(p - p0) * a:], best[p - p0], winner[n, p], pool_rows, pool_columns)
            channels_first(best[:p1 - p0], y[n, :, p0:p1])


@compiled
def relu_max(z: np.ndarray, best: np.ndarray, winner: np.ndarray,
             pool_rows: tuple[int, ...], pool_columns: tuple[int, ...]) -> None:
    """Fill best and winner (Q, F) with the maximum of max(z, 0) in each pooling window, and its index.

    The winner is -1 where nothing is above 0: no gradient flows back from there.
    """
    Q, F = best.shape
    b = len(pool_columns)
    for q in range(Q):
        for f in range(F):
            largest, place = z[0, q * b, f], winner.dtype.type(0)
            for u in range(len(pool_rows)):
                for v in range(b):
                    value = z[u, q * b + v, f]
                    # selects instead of branching, for vectors of filters; the second case is a NaN, never lost
                    better = (value > largest) | ((value != value) & (largest == largest))
                    largest, place = value if better else largest, winner.dtype.type(u * b + v) if better else place
            winner[q, f] = place if largest > 0 else winner.dtype.type(-1)
            best[q, f] = z.dtype.type(0) if largest <= 0 else largest


@compiled
def backward(dy: np.ndarray, winner: np.ndarray, x: np.ndarray, dweights: np.ndarray, dbias: np.ndarray,
             kernel_size: Pair, strides: Pair, dilation: Pair, pool_rows: tuple[int, ...],
             pool_columns: tuple[int, ...], weights: np.ndarray | None, dx: np.ndarray | None) -> None:
    """Add the gradients to dweights (S, kh, R, filters) and dbias (filters,), given dy (n, F, P, Q); fill dx if given.

    With 2x2 pooling three of four numbers of dz are 0. They are multiplied all the same: skipping them takes as long,
    and would lose the NaN of infinity times 0.
    """
    N, _, P, Q = dy.shape
    _, C, H, W = x.shape
    a = len(pool_rows)
    image = np.empty((H, W, C), x.dtype)
    _, transposed = layout.window_views(image, kernel_size, strides, dilation)       # (S, kh, R, rows, columns)
    upstream = np.zeros((P, Q, dweights.shape[3]), x.dtype)
    dz = np.zeros((*transposed.shape[3:], dweights.shape[3]), x.dtype)               # 0 where no pool reaches
    dimage = np.empty((H, W, tiles.round_up_to_vector(C, x.itemsize)), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        channels_last(dy[n], upstream)
        for p in range(P):
            scatter_to_winners(upstream[p], winner[n, p], dz[p * a:], dbias, pool_rows, pool_columns)
        conv.add_kernel_gradient(transposed, dz, dweights)
        if dx is not None and weights is not None:
            dimage[...] = 0
            conv.add_input_gradient(dz, weights, dimage, strides, dilation)
            channels_first(dimage, dx[n])


@compiled
def scatter_to_winners(dy: np.ndarray, winner: np.ndarray, dz: np.ndarray, dbias: np.ndarray,
                       pool_rows: tuple[int, ...], pool_columns: tuple[int, ...]) -> None:
    """Write dy (Q, F) to the winners in dz, 0 to the others; add what the winners get to dbias (F,)."""
    Q, F = dy.shape
    b = len(pool_columns)
    for q in range(Q):
        for u in range(len(pool_rows)):
            for v in range(b):
                row, place = dz[u, q * b + v], winner.dtype.type(u * b + v)
                for f in range(F):
                    row[f] = dy[q, f] if winner[q, f] == place else dy.dtype.type(0)
        for f in range(F):
            dbias[f] += dy[q, f] if winner[q, f] >= 0 else dy.dtype.type(0)
