"""A convolution, its ReLU and its max pooling in one pass that never leaves the cache.

The output of a convolution is four times as large as what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a few rows of one image go through all three at a time.
"""

from __future__ import annotations

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import conv, conv_loops, layout, tiles
from tinynet.kernels.fast.compiling import compiled
from tinynet.kernels.fast.conv import Upstream
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.threads import NUM_CHUNKS, samples_per_chunk
from tinynet.kernels.geometry import Pair, output_size

MAX_POOL_PIXELS = 16           # of a pooling window: the loop over them is unrolled


class PooledConvolution(conv.Convolution):
    """A convolution whose output is pooled at once, in windows that do not overlap: only the maxima are written.

    Parameters
    ----------
    x, kernel, strides, dilation, margins : of the convolution, see `Convolution`.
    pool_size : of the windows, (rows, columns).
    relu : whether a ReLU comes before the pooling; after it would be the same.
    """

    def __init__(self, x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair, pool_size: Pair,
                 margins: tuple[Pair, Pair] = NO_MARGINS, relu: bool = True):
        super().__init__(x, kernel, strides, dilation, margins)
        self.pool, self.relu = static_lengths(pool_size), relu
        self.pooled_size = output_size(self.output_size, pool_size, pool_size)

    def forward(self, bias: np.ndarray, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), in memory channels last or first.

        Of each maximum the index within its pooling window is remembered, row by row, or -1 where ReLU has set it to
        0: winner (N, P, Q, filters), filters being F rounded up to whole vectors.
        """
        (weights, biases), F, (N, (P, Q)) = self.panels(bias), len(self.kernel), (len(self.images), self.pooled_size)
        a, b = map(len, self.pool)
        self.winner = empty((N, P, Q, len(biases)), np.dtype(np.int8))
        loops = self.loops(Q * b, len(biases))
        rows = tiles.cut(conv.rows_per_block(weights, len(biases) * Q * b), a)                   # of pooling windows
        y = layout.arrays(empty((N, P, Q, F), self.dtype)) if channels_last else empty((N, F, P, Q), self.dtype)

        def work(start: int, stop: int) -> None:
            forward(self.tiles, loops, self.images[start:stop], weights, biases,
                    *layout.memory_of(y[start:stop], self.dtype), F, self.winner[start:stop], self.geometry[0][0], rows,
                    *self.pool, self.relu)
        self.for_chunks(work)
        return y

    def backward(self, upstream: Upstream, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        size, (_, C, H, W) = self.kernel.shape[2:], self.shape
        dweights = layout.gradient_sums(NUM_CHUNKS, self.kernel.shape, self.geometry[1], self.dtype)
        dbias = np.zeros((NUM_CHUNKS, dweights.shape[-1]), self.dtype)
        weights = layout.transposed_kernel_panels(self.kernel, self.dtype)
        dx = empty((len(self.images), H, W, C), self.dtype) if need_dx else None
        (N, *image, _), itemsize, filters = self.images.shape, self.dtype.itemsize, self.winner.shape[3]
        image.append(tiles.round_up_to_vector(C, itemsize))
        kernel_loops = conv_loops.of_kernel_gradient((1, *self.images.shape[1:]), (*self.output_size, filters), size,
                                                     *self.geometry, itemsize)
        input_loops = conv_loops.of_input_gradient((*self.output_size, filters), len(self.kernel), tuple(image), size,
                                                   *self.geometry, itemsize)

        def work(start: int, stop: int) -> None:
            chunk, n = start // samples_per_chunk(N), stop - start
            dimages = empty((n * need_dx, *image), self.dtype)
            dimages[...] = 0
            dz = np.zeros((*self.output_size, filters), self.dtype)                  # 0 where no pool reaches
            backward(self.tiles, kernel_loops, input_loops, *layout.memory_of(upstream(start, stop), self.dtype),
                     len(self.kernel), self.winner[start:stop], self.images[start:stop], dz, dweights[chunk],
                     dbias[chunk], *self.pool, weights, dimages)
            if dx is not None:
                (top, _), (left, _) = self.margins
                dx[start:stop] = dimages[:, top:top + H, left:left + W, :C]
        self.for_chunks(work)
        return (layout.sum_to_kernel(dweights, len(self.kernel), size), dbias.sum(axis=0)[:len(self.kernel)],
                None if dx is None else layout.arrays(dx))


def static_lengths(pool_size: Pair) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return tuples as long as a pooling window is high and wide: numba compiles for their lengths, and unrolls."""
    return (0,) * pool_size[0], (0,) * pool_size[1]


@compiled
def forward(entry: int, loops: np.ndarray, images: np.ndarray, weights: np.ndarray, bias: np.ndarray,
            memory: np.ndarray, memory_strides: tuple[int, ...], F: int, winner: np.ndarray, stride: int, rows: int,
            pool_rows: tuple[int, ...], pool_columns: tuple[int, ...], relu: bool) -> None:
    """Fill y (n, P, Q, F), which is made of `memory`, and winner (n, P, Q, filters) from images (n, H, W, C)."""
    N, P, Q, filters = winner.shape
    a, b = len(pool_rows), len(pool_columns)
    of_n, of_p, of_q, of_f = memory_strides
    z, best = np.empty((rows * a, Q * b, filters), memory.dtype), np.empty((Q, filters), memory.dtype)
    for n in range(N):
        for p0 in range(0, P, rows):
            p1 = min(p0 + rows, P)
            tiles.multiply(entry, loops, (p1 - p0) * a, images[n, p0 * a * stride], weights, bias, z)
            for p in range(p0, p1):
                relu_max(z[(p - p0) * a:], best, winner[n, p], pool_rows, pool_columns, relu)
                for q in range(Q):
                    for f in range(F):
                        memory[n * of_n + p * of_p + q * of_q + f * of_f] = best[q, f]


@compiled
def relu_max(z: np.ndarray, best: np.ndarray, winner: np.ndarray,
             pool_rows: tuple[int, ...], pool_columns: tuple[int, ...], relu: bool) -> None:
    """Fill best and winner (Q, F) with the maximum of z, or of max(z, 0), in each pooling window, and its index.

    The winner is -1 where ReLU lets nothing through: no gradient flows back from there.
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
            winner[q, f] = place if (largest > 0) | (not relu) else winner.dtype.type(-1)
            best[q, f] = z.dtype.type(0) if (largest <= 0) & relu else largest


@compiled
def backward(entry: int, kernel_loops: np.ndarray, input_loops: np.ndarray, memory: np.ndarray,
             memory_strides: tuple[int, ...], F: int, winner: np.ndarray, images: np.ndarray, dz: np.ndarray,
             dweights: np.ndarray, dbias: np.ndarray, pool_rows: tuple[int, ...], pool_columns: tuple[int, ...],
             weights: np.ndarray, dimages: np.ndarray) -> None:
    """Add the gradients to dweights (S, kh, R, filters) and dbias (filters,), given dy (n, P, Q, F), which is made of
    `memory`; fill dimages (n, H, W, channels), or as many of them as there are, which are 0.

    With 2x2 pooling three of four numbers of dz (rows, columns, filters), a sample's share, are 0. They are multiplied
    all the same: skipping them takes as long, and would lose the NaN of infinity times 0.
    """
    N, P, Q, filters = winner.shape
    a, (of_n, of_p, of_q, of_f) = len(pool_rows), memory_strides
    upstream = np.zeros((Q, filters), images.dtype)
    for n in range(N):
        for p in range(P):
            for q in range(Q):
                for f in range(F):
                    upstream[q, f] = memory[n * of_n + p * of_p + q * of_q + f * of_f]
            scatter_to_winners(upstream, winner[n, p], dz[p * a:], dbias, pool_rows, pool_columns)
        tiles.multiply(entry, kernel_loops, 0, images[n], dz, dweights, dweights)
        if n < len(dimages):
            tiles.multiply(entry, input_loops, 1, dz, weights, dimages[n], dimages[n])


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
