"""The three convolutions, one sample at a time, as products of tiles: no columns are written."""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import layout, tiles
from tinynet.kernels.fast.compiling import compiled, for_loops, inlined
from tinynet.kernels.fast.layout import channels_first, channels_last
from tinynet.kernels.fast.threads import MIN_PARALLEL, parallel_for
from tinynet.kernels.geometry import Pair, output_size

MIN_BLOCK = 4096               # numbers of output that fit L1 beside everything else
NUM_CHUNKS = 8                 # of a batch, each with sums of gradients of its own, whatever the number of threads


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Multiply the windows of each sample, a block of rows at a time, by the kernels, which stay in cache."""
    dtype = layout.common_dtype(x, kernel)
    x = for_loops(x, dtype)
    y = empty((len(x), len(kernel), *output_size(x.shape[2:], kernel.shape[2:], strides, dilation)), dtype)
    weights, bias = layout.kernel_panels(kernel, dilation, dtype), layout.bias_rows(np.zeros(len(kernel), dtype))

    def work(start: int, stop: int) -> None:
        forward(x[start:stop], weights, bias, y[start:stop], kernel.shape[2:], strides, dilation)
    parallel_for(work, len(x), samples_per_chunk(len(x)), serial=is_small(y.size, kernel.shape))
    return y


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Add up windows times upstream gradients in each chunk of the batch, then over the chunks, in a fixed order."""
    dtype, shape = layout.common_dtype(x, dy), (dy.shape[1], x.shape[1], *kernel_size)           # (F, C, kh, kw)
    x, dy = for_loops(x, dtype), for_loops(dy, dtype)
    dweights, samples = layout.gradient_sums(NUM_CHUNKS, shape, dilation, dtype), samples_per_chunk(len(x))

    def work(start: int, stop: int) -> None:
        kernel_gradient(x[start:stop], dy[start:stop], dweights[start // samples], kernel_size, strides, dilation)
    parallel_for(work, len(x), samples, serial=is_small(dy.size, shape))
    return layout.sum_to_kernel(dweights, dy.shape[1], kernel_size)


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Add each upstream gradient, times the kernel, onto the pixels of its window."""
    dtype = layout.common_dtype(dy, kernel)
    dy, weights = for_loops(dy, dtype), layout.transposed_kernel_panels(kernel, dtype)
    dx = empty((len(dy), kernel.shape[1], *input_size), dtype)

    def work(start: int, stop: int) -> None:
        input_gradient(dy[start:stop], weights, dx[start:stop], strides, dilation)
    parallel_for(work, len(dy), samples_per_chunk(len(dy)), serial=is_small(dy.size, kernel.shape))
    return dx


def samples_per_chunk(N: int) -> int:
    """Return how many samples of a batch one thread takes at a time: a batch is `NUM_CHUNKS` chunks."""
    return max(1, -(-N // NUM_CHUNKS))


def is_small(outputs: int, kernel_shape: tuple[int, ...]) -> bool:
    """Return whether that many outputs of a kernel (F, C, kh, kw) are computed before a second thread wakes."""
    return outputs * math.prod(kernel_shape[1:]) < MIN_PARALLEL


@compiled
def forward(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, y: np.ndarray, kernel_size: Pair, strides: Pair,
            dilation: Pair) -> None:
    """Fill y (n, F, P, Q) with the convolutions of x (n, C, H, W)."""
    N, _, P, Q = y.shape
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    windows, _ = layout.window_views(image, kernel_size, strides, dilation)
    rows = rows_per_block(weights, bias, Q)
    z = np.empty((rows, Q, bias.shape[1]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        for p in range(0, P, rows):
            block = z[:min(rows, P - p)]
            convolve(windows[p:p + len(block)], weights, bias, block)
            channels_first(block, y[n, :, p:p + len(block)])


@compiled
def kernel_gradient(x: np.ndarray, dy: np.ndarray, dweights: np.ndarray, kernel_size: Pair, strides: Pair,
                    dilation: Pair) -> None:
    """Add to dweights (S, kh, R, F) the kernel's gradient for inputs x (n, C, H, W) and gradients dy (n, F, P, Q)."""
    N, _, P, Q = dy.shape
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    _, transposed = layout.window_views(image, kernel_size, strides, dilation)
    dz = np.zeros((P, Q, dweights.shape[3]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        channels_last(dy[n], dz)
        add_kernel_gradient(transposed, dz, dweights)


@compiled
def input_gradient(dy: np.ndarray, weights: np.ndarray, dx: np.ndarray, strides: Pair, dilation: Pair) -> None:
    """Fill dx (n, C, H, W) with the input's gradient for gradients dy (n, F, P, Q) of the output."""
    N, F, P, Q = dy.shape
    _, C, H, W = dx.shape
    image = np.empty((H, W, tiles.round_up_to_vector(C, dx.itemsize)), dx.dtype)
    dz = np.empty((P, Q, F), dx.dtype)
    for n in range(N):
        channels_last(dy[n], dz)
        image[...] = 0
        add_input_gradient(dz, weights, image, strides, dilation)
        channels_first(image, dx[n])


@compiled
def rows_per_block(weights: np.ndarray, bias: np.ndarray, Q: int) -> int:
    """Return how many rows of outputs to compute at a time: a block about as large as the kernels shares their cache.

    A larger one would push them out, a smaller one would read them more often than it must.
    """
    return max(1, max(weights.size, MIN_BLOCK) // (Q * bias.shape[1]))


@inlined
def convolve(windows: np.ndarray, weights: np.ndarray, bias: np.ndarray, z: np.ndarray) -> None:
    """Fill z (P, Q, F) with the bias plus windows (P, Q, S, kh, R) times weights (panels, S, kh, R, width).

    The bias is (MAX_ROWS, F), its rows all the same, and a panel has as many filters as a tile is wide.
    """
    P, Q, F = z.shape
    panels, S, _, _, width = weights.shape
    rows = tiles.balanced_rows(Q)
    for panel in range(panels):
        f = panel * width
        filters, weight = slice(f, min(f + width, F)), weights[panel, :, :, :, :min(width, F - f)]
        for p in range(P):
            for q in range(0, Q, rows):
                columns = slice(q, min(q + rows, Q))
                c = z[p, columns, filters]
                for s in range(S):
                    tiles.tile(windows[p, columns, s], weight[s], bias[:len(c), filters] if s == 0 else c, c)


@inlined
def add_kernel_gradient(transposed: np.ndarray, dz: np.ndarray, dweights: np.ndarray) -> None:
    """Add to dweights (S, kh, R, F) the transposed windows (S, kh, R, P, Q) times dz (P, Q, F)."""
    S, kh, R, F = dweights.shape
    rows, width = tiles.balanced_rows(R), tiles.tile_width(dz.itemsize)
    for f in range(0, F, width):
        upstream = dz[:, :, f:f + width]
        for s, i in np.ndindex((S, kh)):
            for r in range(0, R, rows):
                c = dweights[s, i, r:r + rows, f:f + width]
                tiles.tile(transposed[s, i, r:r + rows], upstream, c, c)


@inlined
def add_input_gradient(dz: np.ndarray, weights: np.ndarray, image: np.ndarray, strides: Pair, dilation: Pair) -> None:
    """Add dz (P, Q, F) times weights (panels, kh, kw, 1, F, width) onto the windows of image (H, W, C).

    One product for each place (i, j) of the window, so that all Q windows of a row take part: the pixels that they
    have there are t columns apart, and no two windows share one.
    """
    P, Q, lanes = dz.shape
    dz_rows = dz.reshape(P, Q, 1, lanes)                                        # (M, O, K) for a tile: O is 1
    C = image.shape[2]
    panels, kh, kw, _, F, width = weights.shape
    rows = tiles.balanced_rows(Q)
    for panel in range(panels):
        c0 = panel * width
        channels = slice(c0, min(c0 + width, C))
        for p, i, j in np.ndindex((P, kh, kw)):
            row = image[p * strides[0] + i * dilation[0], j * dilation[1]:, channels]
            pixels = row[::strides[1]]                                            # pixel q belongs to window q
            weight = weights[panel, i, j, :, :, :min(width, C - c0)]
            for q in range(0, Q, rows):
                c = pixels[q:min(q + rows, Q)]
                tiles.tile(dz_rows[p, q:q + rows, :, :F], weight, c, c)
