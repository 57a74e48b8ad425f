"""The three convolutions as products of tiles: images are read where they lie, and no columns are written."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import layout, tiles
from tinynet.kernels.fast.compiling import compiled, inlined
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.threads import MIN_PARALLEL, NUM_CHUNKS, parallel_for, samples_per_chunk
from tinynet.kernels.geometry import Pair, output_size

MIN_BLOCK = 4096               # numbers of output that fit L1 beside everything else
SUMMED_SAMPLES = 16            # whose share of a kernel's gradient is added up before it is put back
Upstream = Callable[[int, int], np.ndarray]        # (start, stop) -> the output's gradients of these samples


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Multiply the windows of each sample, a block of rows at a time, by the kernels, which stay in cache."""
    return Convolution(x, kernel, strides, dilation).forward(np.zeros(len(kernel), kernel.dtype))


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Add up windows times upstream gradients in each chunk of the batch, then over the chunks, in a fixed order."""
    like = np.empty((dy.shape[1], x.shape[1], *kernel_size), layout.common_dtype(x, dy))
    convolution = Convolution(x, like, strides, dilation)
    return convolution.backward(lambda start, stop: dy[start:stop], need_dx=False)[0]


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Add each upstream gradient, times the kernel, onto the pixels of its window."""
    dtype = layout.common_dtype(dy, kernel)
    dy = layout.images(dy, dtype)
    gradient = InputGradient(kernel, (len(dy), kernel.shape[1], *input_size), strides, dilation, dtype)
    parallel_for(lambda start, stop: gradient.fill(start, stop, dy[start:stop]), len(dy), samples_per_chunk(len(dy)),
                 serial=is_small(dy.size, kernel.shape))
    return layout.arrays(gradient.dx)


class Convolution:
    """One convolution of a batch, forward and backward, a chunk of the samples at a time on all cores.

    Parameters
    ----------
    x, kernel : (N, C, H, W) and (F, C, kh, kw).
    strides, dilation : pairs (rows, columns).
    margins : of zeros around the images, ((top, bottom), (left, right)).
    """

    def __init__(self, x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair,
                 margins: tuple[Pair, Pair] = NO_MARGINS):
        self.dtype, self.kernel, self.shape, self.margins = layout.common_dtype(x, kernel), kernel, x.shape, margins
        self.images = layout.images(x, self.dtype, margins)                                       # (N, H, W, C)
        self.geometry = strides, dilation
        self.output_size = output_size(self.images.shape[1:3], kernel.shape[2:], strides, dilation)
        self.serial = is_small(len(x) * len(kernel) * math.prod(self.output_size), kernel.shape)

    def forward(self, bias: np.ndarray, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), with the bias (F,) and, if asked for, a ReLU.

        Where channels are to lie first in memory, and not last, a chunk is turned while it is in the cache.
        """
        kernel_size, (weights, biases) = self.kernel.shape[2:], self.panels(bias)
        N, F, size, filters = len(self.images), len(self.kernel), self.output_size, biases.shape[1]
        y = empty((N, *size, F) if channels_last else (N, F, *size), self.dtype)

        def work(start: int, stop: int) -> None:
            piece = y[start:stop]
            z = piece if channels_last and filters == F else empty((stop - start, *size, filters), self.dtype)
            forward(self.images[start:stop], weights, biases, z, kernel_size, *self.geometry, relu)
            if z is not piece:
                piece[...] = z[..., :F] if channels_last else layout.arrays(z)[:, :F]
        self.for_chunks(work)
        return layout.arrays(y) if channels_last else y

    def backward(self, upstream: Upstream, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        size = self.kernel.shape[2:]
        dweights = layout.gradient_sums(NUM_CHUNKS, self.kernel.shape, self.geometry[1], self.dtype)
        dbias = np.zeros((NUM_CHUNKS, dweights.shape[-1]), self.dtype)
        gradient = InputGradient(self.kernel, self.shape, *self.geometry, self.dtype, self.margins) if need_dx else None

        def work(start: int, stop: int) -> None:
            dy, chunk = layout.images(upstream(start, stop), self.dtype), start // samples_per_chunk(len(self.images))
            dz = layout.in_whole_vectors(dy)
            kernel_gradient(self.images[start:stop], dz, dweights[chunk], dbias[chunk], size, *self.geometry)
            if gradient is not None:
                gradient.fill(start, stop, dy)
        self.for_chunks(work)
        return (layout.sum_to_kernel(dweights, len(self.kernel), size), dbias.sum(axis=0)[:len(self.kernel)],
                None if gradient is None else layout.arrays(gradient.dx))

    def panels(self, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel and a bias as the loops take them."""
        return (layout.kernel_panels(self.kernel, self.geometry[1], self.dtype),
                layout.bias_rows(bias.astype(self.dtype, copy=False)))

    def for_chunks(self, work: Callable[[int, int], None]) -> None:
        """Call ``work(start, stop)`` for each chunk of the samples, on all cores if that is worth it."""
        parallel_for(work, len(self.images), samples_per_chunk(len(self.images)), self.serial)


class InputGradient:
    """The gradient dx (N, H, W, C) of a convolution's input, filled a few samples at a time.

    Where the output has the size of the input, it is a convolution as well, of upstream gradients with margins around
    them and the kernel turned by half a turn. Elsewhere that would multiply more margins than gradients, and each
    gradient is added, times the kernel, onto its window.
    """

    def __init__(self, kernel: np.ndarray, shape: tuple[int, int, int, int], strides: Pair, dilation: Pair,
                 dtype: np.dtype, margins: tuple[Pair, Pair] = NO_MARGINS):
        (N, C, H, W), (self.size, self.strides, self.dilation) = shape, (kernel.shape[2:], strides, dilation)
        self.dx, self.margins = empty((N, H, W, C), dtype), margins
        reach = [each * (length - 1) for each, length in zip(dilation, self.size, strict=True)]
        self.turned = (strides == (1, 1) and [sum(each) for each in margins] == reach
                       and bool(np.isfinite(kernel).all()))              # 0 times infinity, in a margin, would be NaN
        if self.turned:
            (top, bottom), (left, right) = margins
            self.margins = (reach[0] - top, reach[0] - bottom), (reach[1] - left, reach[1] - right)
            self.weights = layout.kernel_panels(kernel[:, :, ::-1, ::-1].swapaxes(0, 1), dilation, dtype)
            self.bias = layout.bias_rows(np.zeros(C, dtype))
        else:
            self.weights = layout.transposed_kernel_panels(kernel, dtype)

    def fill(self, start: int, stop: int, dy: np.ndarray) -> None:
        """Compute those of samples `start` to `stop`, given the output's, (n, P, Q, F)."""
        dx = self.dx[start:stop]
        n, H, W, C = dx.shape
        (top, bottom), (left, right) = NO_MARGINS if self.turned else self.margins
        padded_shape = n, top + H + bottom, left + W + right, tiles.round_up_to_vector(C, dx.itemsize)
        padded = dx if padded_shape == dx.shape else empty(padded_shape, dx.dtype)
        if self.turned:
            forward(layout.images(layout.arrays(dy), dx.dtype, self.margins), self.weights, self.bias, padded,
                    self.size, self.strides, self.dilation, False)
        else:
            input_gradient(dy, self.weights, padded, self.strides, self.dilation)
        if padded is not dx:
            dx[...] = padded[:, top:top + H, left:left + W, :C]


def is_small(outputs: int, kernel_shape: tuple[int, ...]) -> bool:
    """Return whether that many outputs of a kernel (F, C, kh, kw) are computed before a second thread wakes."""
    return outputs * math.prod(kernel_shape[1:]) < MIN_PARALLEL


@compiled
def forward(images: np.ndarray, weights: np.ndarray, bias: np.ndarray, z: np.ndarray, kernel_size: Pair, strides: Pair,
            dilation: Pair, relu: bool) -> None:
    """Fill z (n, P, Q, filters) with the convolutions of images (n, H, W, C), cut off below 0 if there is a ReLU."""
    N, P, Q, _ = z.shape
    rows = rows_per_block(weights, bias, Q)
    for n in range(N):
        windows = layout.window_view(images[n], kernel_size, strides, dilation)
        for p in range(0, P, rows):
            block = z[n, p:p + rows]
            convolve(windows[p:p + rows], weights, bias, block)
            if relu:
                for values in block:
                    cut_off(values)


@compiled
def cut_off(z: np.ndarray) -> None:
    """Set what is below 0 in z (Q, F) to 0; a NaN stays."""
    for q in range(z.shape[0]):
        for f in range(z.shape[1]):
            z[q, f] = z.dtype.type(0) if z[q, f] <= 0 else z[q, f]


@compiled
def kernel_gradient(images: np.ndarray, dz: np.ndarray, dweights: np.ndarray, dbias: np.ndarray, kernel_size: Pair,
                    strides: Pair, dilation: Pair) -> None:
    """Add the gradients for images (n, H, W, C) and dz (n, P, Q, filters) to dweights (S, kh, R, filters) and dbias."""
    N, P, Q, F = dz.shape
    for row in dz.reshape(N * P * Q, F):
        for f in range(F):
            dbias[f] += row[f]
    for n in range(0, len(dz), SUMMED_SAMPLES):
        some, dsome = images[n:n + SUMMED_SAMPLES], dz[n:n + SUMMED_SAMPLES]
        windows, upstream = layout.transposed_windows(some, dsome, kernel_size, strides, dilation)
        add_kernel_gradient(windows, upstream, dweights)


@compiled
def input_gradient(dz: np.ndarray, weights: np.ndarray, images: np.ndarray, strides: Pair, dilation: Pair) -> None:
    """Fill images (n, H, W, channels) with the input's gradient for gradients dz (n, P, Q, F) of the output."""
    images[...] = 0
    for n in range(len(dz)):
        add_input_gradient(dz[n], weights, images[n], strides, dilation)


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
    """Add to dweights (S, kh, R, F) the transposed windows (S, kh, R, K, L, Q) times dz (K, L, Q, F)."""
    S, kh, R, F = dweights.shape
    rows, width = tiles.balanced_rows(R), tiles.tile_width(dz.itemsize)
    for f in range(0, F, width):
        for k in range(len(dz)):
            upstream = dz[k, :, :, f:f + width]
            for s, i in np.ndindex((S, kh)):
                for r in range(0, R, rows):
                    c = dweights[s, i, r:r + rows, f:f + width]
                    tiles.tile(transposed[s, i, r:r + rows, k], upstream, c, c)


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
