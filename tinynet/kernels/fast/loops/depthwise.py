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
    return biased_depthwise_conv2d(x, kernel, np.zeros(kernel.shape[0] * kernel.shape[1]), strides, dilation)


def biased_depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, strides: Pair, dilation: Pair
                            ) -> np.ndarray:
    """Do the same, and add the bias (C*M,) in the same pass."""
    dtype, (M, C, kh, kw) = common_dtype(x, kernel), kernel.shape
    x, kernel, bias = for_loops(x, dtype), for_loops(kernel, dtype), for_loops(bias, dtype)
    y = empty((len(x), C * M, *output_size(x.shape[2:], (kh, kw), strides, dilation)), dtype)

    def work(start: int, stop: int) -> None:
        forward(x, kernel, bias, y, start, stop, strides, dilation)
    for_channels(work, C, y.size * kh * kw)
    return y


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Multiply the pixels that each place of the window meets by the upstream gradients, and add the products up."""
    return depthwise_conv2d_parameter_gradients(x, dy, kernel_size, strides, dilation)[0]


def depthwise_conv2d_parameter_gradients(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                         dilation: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of the kernel (M, C, kh, kw) and of the bias (C*M,), in one pass over dy."""
    dtype, C, (kh, kw) = common_dtype(x, dy), x.shape[1], kernel_size
    x, dy = for_loops(x, dtype), for_loops(dy, dtype)
    dkernel, dbias = np.zeros((dy.shape[1] // C, C, kh, kw), dtype), np.zeros(dy.shape[1], dtype)

    def work(start: int, stop: int) -> None:
        parameter_gradients(x, dy, dkernel, dbias, start, stop, strides, dilation)
    for_channels(work, C, dy.size * kh * kw)
    return dkernel, dbias


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
def forward(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, y: np.ndarray, start: int, stop: int,
            strides: Pair, dilation: Pair) -> None:
    """Fill the outputs y (N, C*M, P, Q) of channels `start` to `stop` of x (N, C, H, W)."""
    M, _, kh, _ = kernel.shape
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
                total[:] = bias[(start + c) * M + m]
                for i in range(kh):
                    add_row_of_window(total, kernel[m, start + c, i], pixels[(p0 * s + i * d) * W:], e)
                for p in range(p0, p1):
                    seen, outputs = total[(p - p0) * s * W:], y[n, (start + c) * M + m, p]
                    if t == 1:
                        for q in range(Q):
                            outputs[q] = seen[q]
                    else:
                        for q in range(Q):
                            outputs[q] = seen[q * t]


@compiled
def parameter_gradients(x: np.ndarray, dy: np.ndarray, dkernel: np.ndarray, dbias: np.ndarray, start: int, stop: int,
                        strides: Pair, dilation: Pair) -> None:
    """Add to dkernel (M, C, kh, kw) and dbias (C*M,) the gradients of some channels."""
    M, _, kh, kw = dkernel.shape
    N, _, P, Q = dy.shape
    W, (s, t), (d, e) = x.shape[3], strides, dilation
    rows = rows_per_block(s * W)
    spread = np.zeros(rows * s * W, x.dtype)
    for c, n in np.ndindex((stop - start, N)):
        pixels = x[n, start + c].reshape(-1)
        finite = is_finite(pixels)                              # zeros between the gradients times infinity are NaN
        for m in range(M):
            total = dkernel[m, start + c]
            for p0 in range(0, P, rows):
                p1 = min(p0 + rows, P)
                upstream = spread_out(dy[n, (start + c) * M + m, p0:p1], spread, s * W, t, 0)
                dbias[(start + c) * M + m] += sum_of(upstream)
                for i in range(kh):
                    first = (p0 * s + i * d) * W
                    if finite:
                        add_dots(total[i], upstream, pixels[first:], e)
                    else:
                        for j, p, q in np.ndindex((kw, p1 - p0, Q)):
                            place = p * s * W + q * t
                            total[i, j] += upstream[place] * pixels[first + j * e + place]


@compiled
def input_gradient(dy: np.ndarray, kernel: np.ndarray, dx: np.ndarray, start: int, stop: int, strides: Pair,
                   dilation: Pair) -> None:
    """Fill the gradients dx (N, C, H, W) of channels `start` to `stop` from those of their outputs.

    Seen from a pixel, a row of the window is turned round: its last place meets the gradients that lie furthest to the
    left, up to `margin` pixels away, so zeros are on both sides of them.
    """
    M, _, kh, kw = kernel.shape
    N, _, P, Q = dy.shape
    W, (s, t), (d, e) = dx.shape[3], strides, dilation
    rows, margin = rows_per_block(s * W), (kw - 1) * e
    spread = np.zeros(rows * s * W + 2 * margin, dx.dtype)
    for c, n in np.ndindex((stop - start, N)):
        pixels = dx[n, start + c].reshape(-1)
        pixels[:] = 0
        for m in range(M):
            weights = kernel[m, start + c, :, ::-1].copy()
            finite = is_finite(weights.reshape(-1))
            for p0 in range(0, P, rows):
                p1 = min(p0 + rows, P)
                upstream = spread_out(dy[n, (start + c) * M + m, p0:p1], spread, s * W, t, margin)
                for i in range(kh):
                    first = (p0 * s + i * d) * W
                    if finite:
                        add_row_of_window(pixels[first:first + upstream.size - margin], weights[i], upstream, e)
                    else:
                        for j, p, q in np.ndindex((kw, p1 - p0, Q)):
                            place = p * s * W + q * t
                            pixels[first + j * e + place] += weights[i, kw - 1 - j] * upstream[margin + place]


@register_jitable
def rows_per_block(width: int) -> int:
    """Return how many rows of outputs, `width` numbers of the image apart, are worked on at a time, in L1."""
    return max(1, MAX_BLOCK // width)


@compiled
def spread_out(dy: np.ndarray, spread: np.ndarray, row: int, stride: int, margin: int) -> np.ndarray:
    """Write gradients dy (P, Q) as far apart as the windows they are of, and return these numbers; others stay 0.

    So do margins on both sides of them. None reaches into the next row of gradients: right of the last place of a row
    there is as much of the image as a margin is wide.
    """
    P, Q = dy.shape
    for p in range(P):
        target, gradients = spread[margin + p * row:], dy[p]
        if stride == 1:
            for q in range(Q):
                target[q] = gradients[q]
        else:
            for q in range(Q):
                target[q * stride] = gradients[q]
    return spread[:2 * margin + (P - 1) * row + (Q - 1) * stride + 1]


@compiled
def add_row_of_window(total: np.ndarray, weights: np.ndarray, numbers: np.ndarray, step: int) -> None:
    """Add to total[k] the sum over j of weights[j] numbers[k + j step], three weights for each time it is loaded."""
    kw = weights.size
    for j in range(0, kw - 2, 3):
        w0, w1, w2 = weights[j], weights[j + 1], weights[j + 2]
        n0, n1, n2 = numbers[j * step:], numbers[(j + 1) * step:], numbers[(j + 2) * step:]
        for k in range(total.size):
            total[k] += w0 * n0[k] + w1 * n1[k] + w2 * n2[k]
    for j in range(kw - kw % 3, kw):
        weight, moved = weights[j], numbers[j * step:]
        for k in range(total.size):
            total[k] += weight * moved[k]


@reassociated
def add_dots(totals: np.ndarray, numbers: np.ndarray, others: np.ndarray, step: int) -> None:
    """Add to totals[j] the sum over k of numbers[k] others[k + j step], three of them for each time a number is loaded.
    """
    kw = totals.size
    for j in range(0, kw - 2, 3):
        t0 = t1 = t2 = totals.dtype.type(0)
        o0, o1, o2 = others[j * step:], others[(j + 1) * step:], others[(j + 2) * step:]
        for k in range(numbers.size):
            t0 += numbers[k] * o0[k]
            t1 += numbers[k] * o1[k]
            t2 += numbers[k] * o2[k]
        totals[j] += t0
        totals[j + 1] += t1
        totals[j + 2] += t2
    for j in range(kw - kw % 3, kw):
        total, moved = totals.dtype.type(0), others[j * step:]
        for k in range(numbers.size):
            total += numbers[k] * moved[k]
        totals[j] += total


@reassociated
def sum_of(numbers: np.ndarray) -> float:
    """Return the sum of numbers."""
    total = numbers.dtype.type(0)
    for k in range(numbers.size):
        total += numbers[k]
    return total


@reassociated
def is_finite(numbers: np.ndarray) -> bool:
    """Return whether no number is infinite or a NaN."""
    total = numbers.dtype.type(0)
    for k in range(numbers.size):
        total += numbers[k] * numbers.dtype.type(0)
    return total == 0
