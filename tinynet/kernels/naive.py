"""The definition, as loops: slow, obvious, and the reference that the other kernel sets are held to.

Convolution here, as in every framework, is cross-correlation: the kernel is not flipped.
Indices: n sample, f output channel, c input channel, (p, q) output pixel, (i, j) place in the window.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.kernels.elementwise import computed, summed
from tinynet.kernels.geometry import Pair, output_size


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N)."""
    y = np.zeros((a.shape[0], b.shape[1]), np.result_type(a, b))
    for m in range(a.shape[0]):
        for n in range(b.shape[1]):
            for k in range(a.shape[1]):
                y[m, n] += a[m, k] * b[k, n]
    return y


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Slide every kernel over every image; each output is a sum of products over one window."""
    N = x.shape[0]
    F, C, kh, kw = kernel.shape
    P, Q = output_size(x.shape[2:], (kh, kw), strides, dilation)
    y = np.zeros((N, F, P, Q), np.result_type(x, kernel))
    for n, f, p, q in np.ndindex(N, F, P, Q):
        for c, i, j in np.ndindex(C, kh, kw):
            y[n, f, p, q] += kernel[f, c, i, j] * x[n, c, *at(p, q, i, j, strides, dilation)]
    return y


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Give each weight the sum of: upstream gradient of an output times the pixel the weight met for it."""
    N, F, P, Q = dy.shape
    C = x.shape[1]
    dkernel = np.zeros((F, C, *kernel_size), np.result_type(x, dy))
    for n, f, p, q in np.ndindex(N, F, P, Q):
        for c, i, j in np.ndindex(C, *kernel_size):
            dkernel[f, c, i, j] += dy[n, f, p, q] * x[n, c, *at(p, q, i, j, strides, dilation)]
    return dkernel


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Give each pixel the sum of: upstream gradient of an output times the weight the pixel met for it."""
    N, F, P, Q = dy.shape
    _, C, kh, kw = kernel.shape
    dx = np.zeros((N, C, *input_size), np.result_type(dy, kernel))
    for n, f, p, q in np.ndindex(N, F, P, Q):
        for c, i, j in np.ndindex(C, kh, kw):
            dx[n, c, *at(p, q, i, j, strides, dilation)] += dy[n, f, p, q] * kernel[f, c, i, j]
    return dx


def depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Slide each channel's own kernels over it alone: channels are not added up."""
    M, C, kh, kw = kernel.shape
    y = np.zeros((len(x), C * M, *output_size(x.shape[2:], (kh, kw), strides, dilation)), np.result_type(x, kernel))
    for n, f, p, q in np.ndindex(*y.shape):
        c, m = divmod(f, M)
        for i, j in np.ndindex(kh, kw):
            y[n, f, p, q] += kernel[m, c, i, j] * x[n, c, *at(p, q, i, j, strides, dilation)]
    return y


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Give each weight the sum of: upstream gradient of an output times the pixel the weight met for it."""
    C = x.shape[1]
    M = dy.shape[1] // C
    dkernel = np.zeros((M, C, *kernel_size), np.result_type(x, dy))
    for n, f, p, q in np.ndindex(*dy.shape):
        c, m = divmod(f, M)
        for i, j in np.ndindex(*kernel_size):
            dkernel[m, c, i, j] += dy[n, f, p, q] * x[n, c, *at(p, q, i, j, strides, dilation)]
    return dkernel


def depthwise_conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                                    dilation: Pair) -> np.ndarray:
    """Give each pixel the sum of: upstream gradient of an output times the weight the pixel met for it."""
    M, C, kh, kw = kernel.shape
    dx = np.zeros((len(dy), C, *input_size), np.result_type(dy, kernel))
    for n, f, p, q in np.ndindex(*dy.shape):
        c, m = divmod(f, M)
        for i, j in np.ndindex(kh, kw):
            dx[n, c, *at(p, q, i, j, strides, dilation)] += dy[n, f, p, q] * kernel[m, c, i, j]
    return dx


def max_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Take the largest number of each window, and remember where it stood; the first one wins a tie."""
    N, C = x.shape[:2]
    P, Q = output_size(x.shape[2:], pool_size, strides)
    y = np.empty((N, C, P, Q), x.dtype)
    argmax = np.zeros((N, C, P, Q), np.int32)
    for n, c, p, q in np.ndindex(N, C, P, Q):
        best = x[n, c, *at(p, q, 0, 0, strides)]
        for i, j in np.ndindex(*pool_size):
            value = x[n, c, *at(p, q, i, j, strides)]
            if value > best or (np.isnan(value) and not np.isnan(best)):  # a NaN is not lost in the pooling
                best = value
                argmax[n, c, p, q] = i * pool_size[1] + j
        y[n, c, p, q] = best
    return y, argmax


def max_pool2d_gradient(dy: np.ndarray, argmax: np.ndarray, input_size: Pair, pool_size: Pair,
                        strides: Pair) -> np.ndarray:
    """Send each upstream gradient to the one pixel that won; a pixel that won several windows gets their sum."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for n, c, p, q in np.ndindex(*dy.shape):
        i, j = divmod(int(argmax[n, c, p, q]), pool_size[1])
        dx[n, c, *at(p, q, i, j, strides)] += dy[n, c, p, q]
    return dx


def sum_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Add up each window (average pooling divides by the count)."""
    N, C = x.shape[:2]
    y = np.zeros((N, C, *output_size(x.shape[2:], pool_size, strides)), x.dtype)
    for n, c, p, q in np.ndindex(*y.shape):
        for i, j in np.ndindex(*pool_size):
            y[n, c, p, q] += x[n, c, *at(p, q, i, j, strides)]
    return y


def sum_pool2d_gradient(dy: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Send each upstream gradient to every pixel of its window."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for n, c, p, q in np.ndindex(*dy.shape):
        for i, j in np.ndindex(*pool_size):
            dx[n, c, *at(p, q, i, j, strides)] += dy[n, c, p, q]
    return dx


def bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Take output pixel (p, q) of each image from a place between four pixels, the nearer the more; 0 is around it."""
    y = np.zeros((*x.shape[:2], *rows.shape[1:]), x.dtype)
    for n, p, q in np.ndindex(*rows.shape):
        for i, j, weight in neighbours(rows[n, p, q], columns[n, p, q], x.shape[2:]):
            y[n, :, p, q] += weight * x[n, :, i, j]
    return y


def bilinear_gradient(dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, input_size: Pair) -> np.ndarray:
    """Send each upstream gradient to the four pixels, with the same weights."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for n, p, q in np.ndindex(*rows.shape):
        for i, j, weight in neighbours(rows[n, p, q], columns[n, p, q], input_size):
            dx[n, :, i, j] += weight * dy[n, :, p, q]
    return dx


def neighbours(row: Any, column: Any, size: Pair) -> list[tuple[int, int, float]]:
    """Return the pixels around a place that are inside the image, (i, j, weight) each; four weights add up to 1."""
    if not (-1 < row < size[0] and -1 < column < size[1]):
        return []
    top, left = int(np.floor(row)), int(np.floor(column))
    return [(i, j, (1 - abs(row - i)) * (1 - abs(column - j))) for i in (top, top + 1) for j in (left, left + 1)
            if 0 <= i < size[0] and 0 <= j < size[1]]


def channel_sums(x: np.ndarray, center: np.ndarray, dy: np.ndarray | None = None,
                 through: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Give each channel the sums of dy and of dy d, with d = x - center; without a dy, of d and of d d.

    With ``through = (scale, shift)`` only those dy count that a ReLU after d scale + shift lets through.
    """
    sums = np.zeros((2, x.shape[1]))
    for k in np.ndindex(*x.shape):
        d = x[k] - center[k[1]]
        g = d if dy is None else dy[k] if passes(d, k[1], through) else 0
        sums[0, k[1]] += g
        sums[1, k[1]] += g * d
    return sums


def channel_affine(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   dy: np.ndarray | None = None, dy_scale: np.ndarray | None = None, relu: bool = False,
                   through: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Give each number (x - center) scale + shift, and dy dy_scale more where there is a dy; cut off below 0 by a ReLU.

    `through` is that of `channel_sums`.
    """
    y = np.empty(x.shape, x.dtype if dy is None else np.result_type(x, dy))
    for k in np.ndindex(*x.shape):
        d = x[k] - center[k[1]]
        y[k] = d * scale[k[1]] + shift[k[1]]
        if dy is not None and dy_scale is not None and passes(d, k[1], through):
            y[k] += dy[k] * dy_scale[k[1]]
        if relu:
            y[k] = max(y[k], 0)
    return y


def passes(d: float, channel: int, through: tuple[np.ndarray, np.ndarray] | None) -> bool:
    """Return whether a gradient passes the ReLU after d scale + shift; without one it does."""
    return through is None or d * through[0][channel] + through[1][channel] > 0


def relu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where y is above 0, and 0 elsewhere."""
    dx = np.zeros(dy.shape, dy.dtype)
    for place in np.ndindex(*dy.shape):
        if y[place] > 0:
            dx[place] = dy[place]
    return dx


def adam(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray,
         rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Update a parameter, the running mean of its gradient and that of its square, number by number."""
    for k in np.ndindex(*p.shape):
        m[k] = beta_1 * m[k] + (1 - beta_1) * g[k]
        v[k] = beta_2 * v[k] + (1 - beta_2) * g[k] ** 2
        p[k] -= rate * m[k] / (np.sqrt(v[k]) + epsilon)


def elementwise(formula: Callable[..., Any], *args: np.ndarray | float, out: tuple[np.ndarray, ...] = ()) -> Any:
    """Compute a formula, which is its own definition."""
    return computed(formula, args, out)


def elementwise_sum(formula: Callable[..., Any], *args: np.ndarray | float) -> float:
    """Add up a formula, which is its own definition."""
    return summed(formula, args)


def at(p: int, q: int, i: int, j: int, strides: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return the pixel under place (i, j) of the window that makes output (p, q)."""
    return p * strides[0] + i * dilation[0], q * strides[1] + j * dilation[1]
