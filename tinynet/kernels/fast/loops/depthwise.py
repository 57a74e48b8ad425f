"""Depthwise convolution: each channel by itself, so that threads take channels, and no sum is shared between them.

There is no product of matrices in it, and each number that is loaded takes part in few multiplications. So these are
loops over whole rows of images, as in pooling: for each place of the window, all outputs of a row at once.
"""

from collections.abc import Callable

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled, for_loops
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.threads import MIN_PARALLEL, parallel_for
from tinynet.kernels.geometry import Pair, output_size

NUM_CHUNKS = 8                 # of the channels


def depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Add up, for each row of outputs, the rows of the image under it, times a weight each."""
    dtype, (M, C, kh, kw) = common_dtype(x, kernel), kernel.shape
    x, kernel = for_loops(x, dtype), for_loops(kernel, dtype)
    y = empty((len(x), C * M, *output_size(x.shape[2:], (kh, kw), strides, dilation)), dtype)

    def work(start: int, stop: int) -> None:
        forward(x, kernel, y, start, stop, strides, dilation)
    for_channels(work, C, y.size * kh * kw)
    return y


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Multiply rows of the image by rows of upstream gradients, add the products up column by column, then across."""
    dtype, C, (kh, kw) = common_dtype(x, dy), x.shape[1], kernel_size
    x, dy = for_loops(x, dtype), for_loops(dy, dtype)
    sums = np.zeros((dy.shape[1] // C, C, kh, kw, dy.shape[3]), dtype)                   # (M, C, kh, kw, Q)

    def work(start: int, stop: int) -> None:
        kernel_gradient(x, dy, sums, start, stop, strides, dilation)
    for_channels(work, C, dy.size * kh * kw)
    return sums.sum(axis=4)


def depthwise_conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                                    dilation: Pair) -> np.ndarray:
    """Add each row of upstream gradients, times a weight each, onto the rows of the image under it."""
    dtype, (_, C, kh, kw) = common_dtype(dy, kernel), kernel.shape
    dy, kernel = for_loops(dy, dtype), for_loops(kernel, dtype)
    dx = empty((len(dy), C, *input_size), dtype)

    def work(start: int, stop: int) -> None:
        input_gradient(dy, kernel, dx, start, stop, strides, dilation)
    for_channels(work, C, dy.size * kh * kw)
    return dx


def for_channels(work: Callable[[int, int], None], C: int, multiply_adds: int) -> None:
    """Call ``work(start, stop)`` for chunks of the channels, on all cores if that is worth it."""
    parallel_for(work, C, max(1, -(-C // NUM_CHUNKS)), serial=multiply_adds < MIN_PARALLEL)


@compiled
def forward(x: np.ndarray, kernel: np.ndarray, y: np.ndarray, start: int, stop: int, strides: Pair,
            dilation: Pair) -> None:
    """Fill the outputs y (N, C*M, P, Q) of channels `start` to `stop` of x (N, C, H, W)."""
    M, _, kh, kw = kernel.shape
    N, _, P, Q = y.shape
    for c, n, m, p in np.ndindex((stop - start, N, M, P)):
        total = y[n, (start + c) * M + m, p]
        total[:] = 0
        for i in range(kh):
            row = x[n, start + c, p * strides[0] + i * dilation[0]]
            for j in range(kw):
                weight, seen = kernel[m, start + c, i, j], row[j * dilation[1]::strides[1]]
                for q in range(Q):
                    total[q] += weight * seen[q]


@compiled
def kernel_gradient(x: np.ndarray, dy: np.ndarray, sums: np.ndarray, start: int, stop: int, strides: Pair,
                    dilation: Pair) -> None:
    """Add to sums (M, C, kh, kw, Q) the kernels' gradients of some channels, a number for each column of outputs."""
    M, _, kh, kw, Q = sums.shape
    N, _, P, _ = dy.shape
    for c, n, m, p in np.ndindex((stop - start, N, M, P)):
        upstream = dy[n, (start + c) * M + m, p]
        for i in range(kh):
            row = x[n, start + c, p * strides[0] + i * dilation[0]]
            for j in range(kw):
                total, seen = sums[m, start + c, i, j], row[j * dilation[1]::strides[1]]
                for q in range(Q):
                    total[q] += upstream[q] * seen[q]


@compiled
def input_gradient(dy: np.ndarray, kernel: np.ndarray, dx: np.ndarray, start: int, stop: int, strides: Pair,
                   dilation: Pair) -> None:
    """Fill the gradients dx (N, C, H, W) of channels `start` to `stop` from those of their outputs."""
    M, _, kh, kw = kernel.shape
    N, _, P, Q = dy.shape
    dx[:, start:stop] = 0
    for c, n, m, p in np.ndindex((stop - start, N, M, P)):
        upstream = dy[n, (start + c) * M + m, p]
        for i in range(kh):
            row = dx[n, start + c, p * strides[0] + i * dilation[0]]
            for j in range(kw):
                weight, seen = kernel[m, start + c, i, j], row[j * dilation[1]::strides[1]]
                for q in range(Q):
                    seen[q] += weight * upstream[q]
