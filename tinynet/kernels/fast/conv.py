"""The three convolutions of the fast set: a sample at a time, channels last, as products of tiles.

With channels last, (H, W, C), a line of a window is one stretch of memory, and all windows are a strided view of the
image, which `tiles.tile` can multiply as it lies: the columns of im2col are never written.
"""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.loops import channels_first, channels_last, compiled
from tinynet.kernels.fast.threads import SMALL, spread
from tinynet.kernels.naive import windows as count_windows

FEW_NUMBERS = 4096             # that the nearest cache holds beside everything else
GROUPS = 8                     # parts of a batch, each adding up gradients of its own, whatever the number of threads


def conv2d(x, kernel, strides, dilation):
    """Multiply the windows of each sample, rows of them at a time, by the kernels, which stay in the cache."""
    dtype = common_dtype(x, kernel)
    x, P_Q = np.ascontiguousarray(x, dtype), count_windows(x.shape[2:], kernel.shape[2:], strides, dilation)
    y = empty((len(x), len(kernel), *P_Q), dtype)
    weights, bias = as_weights(kernel, dilation, dtype), as_rows(np.zeros(len(kernel), dtype))

    def work(start, stop):
        forward(x[start:stop], weights, bias, y[start:stop], kernel.shape[2:], strides, dilation)
    spread(work, len(x), group(len(x)), alone=is_small(y.size, kernel.shape))
    return y


def conv2d_kernel_gradient(x, dy, kernel_size, strides, dilation):
    """Add up windows times upstream gradients in each part of the batch, then over the parts, in a fixed order."""
    dtype = common_dtype(x, dy)
    x, dy = np.ascontiguousarray(x, dtype), np.ascontiguousarray(dy, dtype)
    dweights = no_weights((dy.shape[1], x.shape[1], *kernel_size), dilation, dtype)

    def work(start, stop):
        kernel_gradient(x[start:stop], dy[start:stop], dweights[start // group(len(x))], kernel_size, strides, dilation)
    spread(work, len(x), group(len(x)), alone=is_small(dy.size, (dy.shape[1], x.shape[1], *kernel_size)))
    return as_kernel(dweights, dy.shape[1], kernel_size)


def conv2d_input_gradient(dy, kernel, input_size, strides, dilation):
    """Add each upstream gradient, times the kernel, onto the pixels of its window."""
    dtype = common_dtype(dy, kernel)
    dy, turned = np.ascontiguousarray(dy, dtype), as_turned_weights(kernel, dtype)
    dx = empty((len(dy), kernel.shape[1], *input_size), dtype)

    def work(start, stop):
        input_gradient(dy[start:stop], turned, dx[start:stop], strides, dilation)
    spread(work, len(dy), group(len(dy)), alone=is_small(dy.size, kernel.shape))
    return dx


@compiled
def forward(x, weights, bias, y, kernel_size, strides, dilation):
    """Fill y (n, F, P, Q) with the convolutions of x (n, C, H, W)."""
    N, _, P, Q = y.shape
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    windows, _ = tiles.windows_of(image, kernel_size, strides, dilation)
    rows = band(weights, bias, Q)
    z = np.empty((rows, Q, bias.shape[1]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        for p in range(0, P, rows):
            some = z[:min(rows, P - p)]
            tiles.convolve(windows[p:p + len(some)], weights, bias, some)
            channels_first(some, y[n, :, p:p + len(some)])


@compiled
def kernel_gradient(x, dy, dweights, kernel_size, strides, dilation):
    """Add to dweights (S, kh, R, F) what dy (n, F, P, Q) asks of the kernel that saw x (n, C, H, W)."""
    N, _, P, Q = dy.shape
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    _, turned = tiles.windows_of(image, kernel_size, strides, dilation)
    dz = np.zeros((P, Q, dweights.shape[3]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        channels_last(dy[n], dz)
        tiles.add_kernel_gradient(turned, dz, dweights)


@compiled
def input_gradient(dy, turned, dx, strides, dilation):
    """Fill dx (n, C, H, W) with what dy (n, F, P, Q) sends back through the kernel."""
    N, F, P, Q = dy.shape
    _, C, H, W = dx.shape
    image = np.empty((H, W, lanes(C, dx.itemsize)), dx.dtype)
    dz = np.empty((P, Q, F), dx.dtype)
    for n in range(N):
        channels_last(dy[n], dz)
        image[...] = 0
        tiles.add_input_gradient(dz, turned, image, strides, dilation)
        channels_first(image, dx[n])


@compiled
def band(weights, bias, Q):
    """Return how many rows of windows to take at a time: so many that they are about as large as the kernels."""
    return max(1, max(weights.size, FEW_NUMBERS) // (Q * bias.shape[1]))


@compiled
def lanes(channels, itemsize):
    """Return a number of channels, made whole vectors."""
    lanes = tiles.VECTOR_BYTES // itemsize
    return -(-channels // lanes) * lanes


def common_dtype(a, b):
    """Return the dtype of a product of two arrays, made floating: a tile knows float32 and float64 alone."""
    dtype = np.result_type(a, b)
    return dtype if dtype.kind == "f" and dtype.itemsize >= 4 else np.result_type(dtype, np.float32)


def as_weights(kernel, dilation, dtype):
    """Lay a kernel (F, C, kh, kw) out as `tiles.convolve` wants it: (panels, S, kh, R, width), R as in `windows_of`."""
    _, C, kh, kw = kernel.shape
    if dilation[1] == 1:
        panels = in_panels(kernel.transpose(2, 3, 1, 0), dtype)                  # (panels, kh, kw, C, width)
        return panels.reshape(len(panels), 1, kh, kw * C, -1)
    return in_panels(kernel.transpose(3, 2, 1, 0), dtype)                        # (panels, kw, kh, C, width)


def as_turned_weights(kernel, dtype):
    """Lay a kernel (F, C, kh, kw) out as `tiles.add_input_gradient` wants it: (panels, kh, kw, 1, F, width)."""
    return in_panels(kernel.transpose(2, 3, 0, 1)[:, :, None], dtype)


def in_panels(matrix, dtype):
    """Cut the last axis into panels as wide as a tile, filled up with zeros: (..., N) -> (panels, ..., width)."""
    N, wide = matrix.shape[-1], tiles.tile_width(dtype.itemsize)
    panels = np.zeros((-(-N // wide), *matrix.shape[:-1], wide), dtype)
    for panel, start in enumerate(range(0, N, wide)):
        panels[panel, ..., :N - start] = matrix[..., start:start + wide]
    return panels


def as_rows(bias):
    """Repeat a bias (F,) in every row that a tile may have, F made whole vectors by zeros."""
    rows = np.zeros((tiles.MOST_ROWS, lanes(len(bias), bias.itemsize)), bias.dtype)
    rows[:, :len(bias)] = bias
    return rows


def no_weights(shape, dilation, dtype):
    """Return zeros (GROUPS, S, kh, R, filters) for the gradients of a kernel of a shape (F, C, kh, kw)."""
    F, C, kh, kw = shape
    S, R = (1, kw * C) if dilation[1] == 1 else (kw, C)
    return np.zeros((GROUPS, S, kh, R, lanes(F, dtype.itemsize)), dtype)


def as_kernel(dweights, F, kernel_size):
    """Add up the gradients of the groups and return them as the kernel's, (F, C, kh, kw)."""
    (kh, kw), S = kernel_size, dweights.shape[1]
    lines = dweights.sum(axis=0)[..., :F]                                        # (S, kh, R, F)
    if S == 1:
        lines = lines.reshape(kh, kw, -1, F).transpose(1, 0, 2, 3)               # (kw, kh, C, F)
    return np.ascontiguousarray(lines.transpose(3, 2, 1, 0))


def group(N):
    """Say how many samples of a batch go to one thread at a time: the batch in `GROUPS` parts."""
    return max(1, -(-N // GROUPS))


def is_small(outputs, kernel_shape):
    """Tell whether so many outputs of a kernel (F, C, kh, kw) are not worth waking a second thread."""
    return outputs * math.prod(kernel_shape[1:]) < SMALL
