"""A convolution, its ReLU and its max pooling in one pass that never leaves the cache.

The output of a convolution is four times as large as what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a few rows of one image go through all three at a time.
"""

from __future__ import annotations

import numpy as np

from tinynet.kernels.buffers import MIN_POOLED_BYTES, aligned, empty
from tinynet.kernels.fast import conv, conv_loops, layout, tiles
from tinynet.kernels.fast.compiling import compiled
from tinynet.kernels.fast.conv import Upstream
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.llvm.functions import Entries
from tinynet.kernels.geometry import Pair

MAX_POOL_PIXELS = 127          # of a pooling window: winners are kept as int8
INT8 = np.dtype(np.int8)


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
        super().__init__(x, kernel, strides, dilation, margins, pool_size)
        self.pool, self.relu = pool_size, relu

    def forward(self, bias: np.ndarray | None, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), in memory channels last or first.

        Of each maximum the index within its pooling window is remembered, row by row, or -1 where ReLU has set it to
        0: winner (N, P, Q, filters), filters being F rounded up to whole vectors.
        """
        ((weights,), biases), (_, (P, Q), filters, loops, rows, *_, spare) = self.panels(bias), self.sizes
        N, F, (a, b), stride = len(self.images), len(self.kernel), self.pool, self.geometry[0][0]
        winner, memory = empty((N, P, Q, filters), INT8), empty((N * P * Q * F,), self.dtype)
        multiply, pool, _, copy = self.entries
        self.winner = winner

        def work(start: int, stop: int) -> None:
            try:
                z = spare.pop()                             # atomic: two threads never get the same one
            except IndexError:
                z = aligned((rows * a + tiles.cut(rows, b), Q * b, filters), self.dtype)
            forward(multiply, pool, copy, loops, start, stop, self.images, weights, biases, memory, channels_last, F,
                    winner, stride, z, rows, a, b, self.relu)
            if z.nbytes < MIN_POOLED_BYTES:
                spare.append(z)
        self.for_chunks(work)
        return layout.arrays(memory.reshape(N, P, Q, F)) if channels_last else memory.reshape(N, F, P, Q)

    def backward(self, upstream: Upstream, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        size, (_, C, H, W) = self.kernel.shape[2:], self.shape
        dweights = layout.gradient_sums(self.chunks, self.kernel.shape, self.side_by_side, self.dtype)
        dbias = np.zeros((self.chunks, dweights.shape[-1]), self.dtype)
        weights = layout.transposed_kernel_panels(self.kernel, self.dtype)
        dx = empty((len(self.images), H, W, C), self.dtype) if need_dx else None
        (_, *image, _), itemsize, filters = self.images.shape, self.dtype.itemsize, self.winner.shape[3]
        image.append(tiles.round_up_to_vector(C, itemsize))
        rows, columns = self.sizes.output
        kernel_loops = conv_loops.of_kernel_gradient((1, *self.images.shape[1:]), (rows, columns, filters), filters,
                                                     size, *self.geometry, itemsize)
        input_loops = conv_loops.of_input_gradient((rows, columns, filters), len(self.kernel), tuple(image), size,
                                                   *self.geometry, itemsize)

        def work(start: int, stop: int) -> None:
            chunk, n = start // self.sizes.chunk, stop - start
            dimages = empty((n * need_dx, *image), self.dtype)
            dimages[...] = 0
            dz, pooled = (aligned((*size, filters), self.dtype) for size in self.sizes[:2])
            dweights[chunk] = 0
            dz[...] = 0                                                              # where no pool reaches
            pooled[...] = 0                                                          # filters that fill a vector
            backward(self.entries, kernel_loops, input_loops, *layout.memory_of(upstream(start, stop), self.dtype),
                     len(self.kernel), self.winner[start:stop], self.images[start:stop], pooled, dz, dweights[chunk],
                     dbias[chunk], self.pool, weights, dimages)
            if dx is not None:
                (top, _), (left, _) = self.margins
                dx[start:stop] = dimages[:, top:top + H, left:left + W, :C]
        self.for_chunks(work)
        return (layout.sum_to_kernel(dweights, len(self.kernel), size), dbias.sum(axis=0)[:len(self.kernel)],
                None if dx is None else layout.arrays(dx))


@compiled
def forward(multiply: int, pool: int, copy: int, loops: np.ndarray, start: int, stop: int, images: np.ndarray,
            weights: np.ndarray, bias: np.ndarray, memory: np.ndarray, channels_last: bool, F: int, winner: np.ndarray,
            stride: int, z: np.ndarray, most: int, a: int, b: int, relu: bool) -> None:
    """Fill y, which is made of `memory`, and winner (N, P, Q, filters) from images (N, H, W, C), for the samples from
    `start` to `stop`; y is (N, P, Q, F), or (N, F, P, Q) unless channels are last. Numbers alone, as numba takes a
    microsecond for a tuple.

    At most so many rows of windows at a time are pooled while they are in the cache, from z (rows of the convolution,
    columns, filters) into the rows of z that follow. The winner is -1 where ReLU lets nothing through: no gradient
    flows back from there.
    """
    (_, P, Q, filters), size_of = winner.shape, z.itemsize
    of_p, of_q, of_f = (Q * F, F, 1) if channels_last else (Q, 1, P * Q)
    V, best = filters * size_of // tiles.VECTOR_BYTES, z[most * a:].reshape(-1, filters)
    for n in range(start, stop):
        for p in range(0, P, most):
            rows = min(most, P - p)
            tiles.multiply(multiply, loops, rows * a, images[n, p * a * stride], weights, bias, z)
            for r in range(rows):
                tiles.pool(pool, z[r * a], z.strides[0], a, b, b, Q, V, relu, best[r * Q:], winner[n, p + r])
            tiles.copy(copy, best, filters * size_of, size_of, memory[n * P * Q * F + p * of_p:], of_q * size_of,
                       of_f * size_of, rows * Q, F)


@compiled
def backward(entries: Entries, kernel_loops: np.ndarray, input_loops: np.ndarray, memory: np.ndarray,
             strides: tuple[int, ...], F: int, winner: np.ndarray, images: np.ndarray, upstream: np.ndarray,
             dz: np.ndarray, dweights: np.ndarray, dbias: np.ndarray, size: Pair, weights: np.ndarray,
             dimages: np.ndarray) -> None:
    """Add the gradients to dweights (S, kh, R, filters) and dbias (filters,), given dy (n, P, Q, F), which is made of
    `memory`; fill dimages (n, H, W, channels), or as many of them as there are, which are 0.

    A sample's share of dy is `upstream` (P, Q, filters), which goes to the winners in dz (rows, columns, filters). With
    2x2 pooling three of four numbers of dz are 0. They are multiplied all the same: skipping them takes as long, and
    would lose the NaN of infinity times 0.
    """
    (N, P, Q, filters), (a, b), (of_n, _, of_q, of_f), size_of = winner.shape, size, strides, dz.itemsize
    V = filters * dz.itemsize // tiles.VECTOR_BYTES
    for n in range(N):
        tiles.copy(entries.copy, memory[n * of_n:], of_q * size_of, of_f * size_of, upstream, filters * size_of,
                   size_of, P * Q, F)
        for p in range(P):
            tiles.unpool(entries.unpool, dz[p * a], dz.strides[0], a, b, Q, V, upstream[p], winner[n, p], dbias)
        tiles.multiply(entries.multiply, kernel_loops, 0, images[n], dz, dweights, dweights)
        if n < len(dimages):
            tiles.multiply(entries.multiply, input_loops, 1, dz, weights, dimages[n], dimages[n])
