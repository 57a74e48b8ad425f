"""Depthwise convolution: each channel by itself, so that threads take channels, and no sum is shared between them.

There is no product of matrices in it, and each number that is loaded takes part in few multiplications. So these are
loops over several rows of an image at once, one behind the other as they lie in memory: moved by i rows and j columns,
they are what place (i, j) of the window meets. What is computed where a row ends and the next begins, or between two
outputs, is left out afterwards, or is multiplied by 0.
"""

from collections.abc import Callable

import numpy as np
from numba.extending import register_jitable

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled, for_loops, reassociated
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.threads import MIN_PARALLEL, parallel_for
from tinynet.kernels.geometry import Pair, output_size

NUM_CHUNKS = 8                 # of the channels
MAX_BLOCK = 4096               # numbers of an image that are worked on at a time: three such rows fit L1 in float32


def depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Add up the pixels that each place of the window meets, times its weight."""
    dtype, (M, C, kh, kw) = common_dtype(x, kernel), kernel.shape
    x, kernel = for_loops(x, dtype), for_loops(kernel, dtype)
    y = empty((len(x), C * M, *output_size(x.shape[2:], (kh, kw), strides, dilation)), dtype)

    def work(start: int, stop: int) -> None:
        forward(x, kernel, y, start, stop, strides, dilation)
    for_channels(work, C, y.size * kh * kw)
    return y


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Multiply the pixels that each place of the window meets by the upstream gradients, and add the products up."""
    dtype, C, (kh, kw) = common_dtype(x, dy), x.shape[1], kernel_size
    x, dy = for_loops(x, dtype), for_loops(dy, dtype)
    sums = np.zeros((dy.shape[1] // C, C, kh, kw), dtype)                                # (M, C, kh, kw)

    def work(start: int, stop: int) -> None:
        kernel_gradient(x, dy, sums, start, stop, strides, dilation)
    for_channels(work, C, dy.size * kh * kw)
    return sums


def depthwise_conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                                    dilation: Pair) -> np.ndarray:
    """Add the upstream gradients, times the weight of each place of the window, onto the pixels that it meets."""
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
    W, (s, t), (d, e) = x.shape[3], strides, dilation
    rows = rows_per_block(s * W)
    sums = np.empty(rows * s * W, x.dtype)
    for c, n in np.ndindex((stop - start, N)):
        pixels = x[n, start + c].reshape(-1)
        for m in range(M):
            for p0 in range(0, P, rows):
                p1 = min(p0 + rows, P)
                total = sums[:(p1 - p0 - 1) * s * W + (Q - 1) * t + 1]
                total[:] = 0
                for i in range(kh):
                    for j in range(kw):
                        first = (p0 * s + i * d) * W + j * e
                        add_product(total, kernel[m, start + c, i, j], pixels[first:first + total.size])
                for p in range(p0, p1):
                    seen, outputs = total[(p - p0) * s * W:], y[n, (start + c) * M + m, p]
                    if t == 1:
                        for q in range(Q):
                            outputs[q] = seen[q]
                    else:
                        for q in range(Q):
                            outputs[q] = seen[q * t]


@compiled
def kernel_gradient(x: np.ndarray, dy: np.ndarray, sums: np.ndarray, start: int, stop: int, strides: Pair,
                    dilation: Pair) -> None:
    """Add to sums (M, C, kh, kw) the kernels' gradients of some channels."""
    M, _, kh, kw = sums.shape
    N, _, P, Q = dy.shape
    W, (s, t), (d, e) = x.shape[3], strides, dilation
    rows = rows_per_block(s * W)
    spread = np.zeros(rows * s * W, x.dtype)
    for c, n in np.ndindex((stop - start, N)):
        pixels = x[n, start + c].reshape(-1)
        finite = is_finite(pixels)                              # zeros between the gradients times infinity are NaN
        for m in range(M):
            total = sums[m, start + c]
            for p0 in range(0, P, rows):
                p1 = min(p0 + rows, P)
                upstream = spread_out(dy[n, (start + c) * M + m, p0:p1], spread, s * W, t)
                for i in range(kh):
                    for j in range(kw):
                        first = (p0 * s + i * d) * W + j * e
                        if finite:
                            total[i, j] += dot(upstream, pixels[first:first + upstream.size])
                        else:
                            for p, q in np.ndindex((p1 - p0, Q)):
                                total[i, j] += upstream[p * s * W + q * t] * pixels[first + p * s * W + q * t]


@compiled
def input_gradient(dy: np.ndarray, kernel: np.ndarray, dx: np.ndarray, start: int, stop: int, strides: Pair,
                   dilation: Pair) -> None:
    """Fill the gradients dx (N, C, H, W) of channels `start` to `stop` from those of their outputs."""
    M, _, kh, kw = kernel.shape
    N, _, P, Q = dy.shape
    W, (s, t), (d, e) = dx.shape[3], strides, dilation
    rows = rows_per_block(s * W)
    spread = np.zeros(rows * s * W, dx.dtype)
    for c, n in np.ndindex((stop - start, N)):
        pixels = dx[n, start + c].reshape(-1)
        pixels[:] = 0
        for m in range(M):
            finite = is_finite(kernel[m, start + c].copy().reshape(-1))
            for p0 in range(0, P, rows):
                p1 = min(p0 + rows, P)
                upstream = spread_out(dy[n, (start + c) * M + m, p0:p1], spread, s * W, t)
                for i in range(kh):
                    for j in range(kw):
                        first, weight = (p0 * s + i * d) * W + j * e, kernel[m, start + c, i, j]
                        if finite:
                            add_product(pixels[first:first + upstream.size], weight, upstream)
                        else:
                            for p, q in np.ndindex((p1 - p0, Q)):
                                pixels[first + p * s * W + q * t] += weight * upstream[p * s * W + q * t]


@register_jitable
def rows_per_block(width: int) -> int:
    """Return how many rows of outputs, `width` numbers of the image apart, are worked on at a time, in L1."""
    return max(1, MAX_BLOCK // width)


@compiled
def spread_out(dy: np.ndarray, spread: np.ndarray, row: int, stride: int) -> np.ndarray:
    """Write gradients dy (P, Q) as far apart as the windows they are of, and return these numbers; others stay 0."""
    P, Q = dy.shape
    for p in range(P):
        target, gradients = spread[p * row:], dy[p]
        if stride == 1:
            for q in range(Q):
                target[q] = gradients[q]
        else:
            for q in range(Q):
                target[q * stride] = gradients[q]
    return spread[:(P - 1) * row + (Q - 1) * stride + 1]


@compiled
def add_product(total: np.ndarray, weight: float, numbers: np.ndarray) -> None:
    """Add numbers times a weight to total, both (n,)."""
    for k in range(total.size):
        total[k] += weight * numbers[k]


@reassociated
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Return the sum of the products of two rows."""
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@reassociated
def is_finite(numbers: np.ndarray) -> bool:
    """Return whether no number is infinite or a NaN."""
    total = numbers.dtype.type(0)
    for k in range(numbers.size):
        total += numbers[k] * numbers.dtype.type(0)
    return total == 0
