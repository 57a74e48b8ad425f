"""A convolution, its ReLU and its max pooling in one pass that never leaves the cache.

The output of a convolution is four times as large as what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a few rows of one image go through all three at a time.
"""

from __future__ import annotations

import numpy as np

from tinynet.kernels.buffers import aligned, empty
from tinynet.kernels.fast import layout, tiles
from tinynet.kernels.fast.convolutions import conv, conv_loops
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.threads import for_chunks
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
        self.pool, self.relu, self.output, self.pooled = pool_size, relu, self.sizes.output, self.sizes.pooled

    def forward(self, bias: np.ndarray | None, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), in memory channels last or first.

        Of each maximum the index within its pooling window is remembered, row by row, or -1 where ReLU has set it to
        0: winner (N, P, Q, filters), filters being F rounded up to whole vectors.
        """
        (weights, biases), (_, (P, Q), filters, loops, rows, *_) = self.panels(bias), self.sizes
        N, F, (a, b), stride = len(self.images), len(self.kernel), self.pool, self.geometry[0][0]
        winner, memory = empty((N, P, Q, filters), INT8), empty((N * P * Q * F,), self.dtype)
        multiply, pool, _, copy, *_ = self.entries
        self.winner = winner
        row, itemsize = Q * b * filters, self.dtype.itemsize
        piece = self.sizes.piece
        blocks = aligned((tiles.cut(N, piece), (rows * a + tiles.cut(rows, b)) * row), self.dtype)
        of_p, of_q, of_f = (Q * F, F, 1) if channels_last else (Q, 1, P * Q)
        arrays = loops, self.images, weights, biases, memory, winner, blocks
        for_chunks(forward, N, piece, (
            piece, multiply, pool, copy, *map(layout.begin, arrays), *self.images.strides[:2], blocks.strides[0], P, Q,
            filters, F, of_p * itemsize, of_q * itemsize, of_f * itemsize, itemsize, stride, rows, a, b,
            int(self.relu)), alive=arrays)
        return layout.arrays(memory.reshape(N, P, Q, F)) if channels_last else memory.reshape(N, F, P, Q)

    def backward(self, dy: np.ndarray, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        size, (N, C, H, W), F, chunks = self.kernel.shape[2:], self.shape, len(self.kernel), self.chunks
        dweights = layout.gradient_sums(chunks, self.kernel.shape, self.side_by_side, self.dtype)
        dbias = aligned((chunks, dweights.shape[-1]), self.dtype)
        dbias[...] = 0
        weights = layout.transposed_kernel_panels(self.kernel, self.dtype)
        dx = empty((N if need_dx else 0, H, W, C), self.dtype)
        (_, height, width, _), itemsize, filters = self.images.shape, self.dtype.itemsize, self.winner.shape[3]
        (rows, columns), (P, Q), (a, b), lanes = *self.sizes[:2], self.pool, tiles.round_up_to_vector(C, itemsize)
        kernel_loops = conv_loops.of_kernel_gradient((1, *self.images.shape[1:]), (rows, columns, filters), filters,
                                                     size, *self.geometry, itemsize)
        input_loops = conv_loops.of_input_gradient((rows, columns, filters), F, (height, width, lanes), size,
                                                   *self.geometry, itemsize)
        in_place = (height, width, lanes) == (H, W, C)
        pooled, dz, padded = (aligned((number, *each), self.dtype) for number, each in (
            (chunks, (P, Q, filters)), (chunks, (rows, columns, filters)), (chunks * need_dx, (height, width, lanes))))
        if filters > F:
            pooled[...] = 0
        if (P * a, Q * b) != (rows, columns):
            dz[...] = 0                                                          # where no pool reaches
        memory, (of_n, _, of_q, of_f) = layout.memory_of(dy, self.dtype)
        (top, _), (left, _), zeros = *self.margins, np.zeros(max(filters, lanes), self.dtype)
        arrays = (kernel_loops, input_loops, memory, self.winner, self.images, pooled, dz, weights, dweights, dbias, dx,
                  padded, zeros)
        for_chunks(backward, N, self.sizes.chunk, (
            self.sizes.chunk, *self.entries[:4], *map(layout.begin, arrays), of_n * itemsize, of_q * itemsize,
            of_f * itemsize, self.images.strides[0], pooled.strides[0], dz.strides[0], dweights.strides[0], P, Q,
            filters, F, columns, a, b, itemsize, int(need_dx), int(in_place), H, W, C, height, width, lanes,
            (top * width + left) * lanes * itemsize), alive=arrays)
        return (layout.sum_to_kernel(dweights, F, size), layout.column_sums(dbias)[:F],
                layout.arrays(dx) if need_dx else None)


# Both loops get addresses, and distances in bytes, alone: of arrays, numba takes a second more to compile them.

@chunked
def forward(start: int, stop: int, numbers: tuple[int, ...]) -> None:
    """Fill y, (N, P, Q, F) or (N, F, P, Q), and winner (N, P, Q, filters) from images (N, H, W, C).

    At most so many rows of windows at a time are pooled while they are in the cache, from z, the chunk's block, rows of
    the convolution, to `best`, which follows in it. The winner is -1 where ReLU lets nothing through: no gradient flows
    back from there.
    """
    (chunk, multiply, pool, copy, loops, images, weights, bias, y, winner, blocks, of_image, of_row, of_block, P, Q,
     filters, F, of_p, of_q, of_f, itemsize, stride, most, a, b, relu) = numbers
    z, z_row, best_row = blocks + start // chunk * of_block, Q * b * filters * itemsize, Q * filters * itemsize
    V, best = filters * itemsize // tiles.VECTOR_BYTES, z + most * a * z_row
    for n in range(start, stop):
        for p in range(0, P, most):
            rows = min(most, P - p)
            tiles.multiply(multiply, loops, rows * a, images + n * of_image + p * a * stride * of_row, weights, bias, z)
            for r in range(rows):
                tiles.pool(pool, z + r * a * z_row, z_row, a, b, b, Q, V, relu, best + r * best_row,
                           winner + (n * P + p + r) * Q * filters)
            tiles.copy(copy, best, filters * itemsize, itemsize, y + n * P * Q * F * itemsize + p * of_p, of_q, of_f,
                       rows * Q, F)


@chunked
def backward(start: int, stop: int, numbers: tuple[int, ...]) -> None:
    """Fill the chunk's dweights (rows, filters), add to its dbias (filters,), given dy (N, P, Q, F); fill dx, (N, H, W,
    C), in place or from the chunk's padded image (height, width, lanes), in which it begins `inside`.

    A sample's share of dy is `upstream` (P, Q, filters), which goes to the winners in dz (rows, columns, filters). With
    2x2 pooling three of four numbers of dz are 0. They are multiplied all the same: skipping them takes as long, and
    would lose the NaN of infinity times 0.
    """
    (chunk, multiply, _, unpool, copy, kernel_loops, input_loops, dy, winner, images, pooled, unpooled, weights,
     dweights, dbias, dx, padded, zeros, of_n, of_q, of_f, of_image, of_pooled, of_unpooled, of_dweights, P, Q, filters,
     F, columns, a, b, itemsize, need_dx, in_place, H, W, C, height, width, lanes, inside) = numbers
    k, pixel, lane = start // chunk, filters * itemsize, lanes * itemsize
    upstream, dz, dweight, dimage = (pooled + k * of_pooled, unpooled + k * of_unpooled, dweights + k * of_dweights,
                                     padded + k * height * width * lane)
    tiles.copy(copy, zeros, 0, itemsize, dweight, pixel, itemsize, of_dweights // pixel, filters)
    for n in range(start, stop):
        tiles.copy(copy, dy + n * of_n, of_q, of_f, upstream, pixel, itemsize, P * Q, F)
        for p in range(P):
            tiles.unpool(unpool, dz + p * a * columns * pixel, columns * pixel, a, b, Q, pixel // tiles.VECTOR_BYTES,
                         upstream + p * Q * pixel, winner + (n * P + p) * Q * filters, dbias + k * pixel)
        tiles.multiply(multiply, kernel_loops, 0, images + n * of_image, dz, dweight, dweight)
        if need_dx:
            target = dx + n * H * W * C * itemsize
            image = target if in_place else dimage
            tiles.copy(copy, zeros, 0, itemsize, image, lane, itemsize, height * width, lanes)
            tiles.multiply(multiply, input_loops, 1, dz, weights, image, image)
            for h in range(0 if in_place else H):
                tiles.copy(copy, image + inside + h * width * lane, lane, itemsize, target + h * W * C * itemsize,
                           C * itemsize, itemsize, W, C)
