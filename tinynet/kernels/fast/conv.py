"""The three convolutions as products of tiles: images are read where they lie, and no columns are written."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import conv_loops, layout, tiles
from tinynet.kernels.fast.compiling import compiled, unmarked
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.loops.channels import add_rows
from tinynet.kernels.fast.threads import MIN_PARALLEL, parallel_for, samples_per_chunk
from tinynet.kernels.geometry import Pair, expect_gradients, output_size

SUMMED_SAMPLES = 10            # at most, whose share of a kernel's gradient is added up before it is put back
Upstream = Callable[[int, int], np.ndarray]        # (start, stop) -> the output's gradients of these samples


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Multiply the windows of each sample, a block of rows at a time, by the kernels, which stay in cache."""
    return Convolution(x, kernel, strides, dilation).forward(None)


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Add up windows times upstream gradients in each chunk of the batch, then over the chunks, in a fixed order."""
    expect_gradients(dy, (len(x), *dy.shape[1:2], *output_size(x.shape[2:], kernel_size, strides, dilation)))
    like = np.empty((dy.shape[1], x.shape[1], *kernel_size), layout.common_dtype(x, dy))
    convolution = Convolution(x, like, strides, dilation)
    return convolution.backward(lambda start, stop: dy[start:stop], need_dx=False)[0]


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Add each upstream gradient, times the kernel, onto the pixels of its window."""
    expect_gradients(dy, (len(dy), len(kernel), *output_size(input_size, kernel.shape[2:], strides, dilation)))
    dtype = layout.common_dtype(dy, kernel)
    dy = layout.images(dy, dtype)
    gradient = InputGradient(kernel, (len(dy), kernel.shape[1], *input_size), strides, dilation, dtype)
    parallel_for(lambda start, stop: gradient.fill(start, stop, dy[start:stop]), len(dy), samples_per_chunk(len(dy)),
                 serial=dy.size * math.prod(kernel.shape[1:]) < MIN_PARALLEL)
    return layout.arrays(gradient.dx)


class Convolution:
    """One convolution of a batch, forward and backward, a chunk of the samples at a time on all cores.

    Parameters
    ----------
    x, kernel : (N, C, H, W) and (F, C, kh, kw), or, where `takes` says so, (F, C / groups, kh, kw).
    strides, dilation : pairs (rows, columns).
    margins : of zeros around the images, ((top, bottom), (left, right)).
    pool_size : of the windows that are pooled at once, in a `PooledConvolution`.
    """

    def __init__(self, x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair,
                 margins: tuple[Pair, Pair] = NO_MARGINS, pool_size: Pair = (1, 1)):
        self.dtype, self.kernel, self.shape, self.margins = layout.common_dtype(x, kernel), kernel, x.shape, margins
        self.has_bias = False                                                                     # see `forward`
        self.images = layout.images(x, self.dtype, margins)                                       # (N, H, W, C)
        self.geometry, self.entries = (strides, dilation), tiles.entries(self.dtype)
        self.groups = x.shape[1] // kernel.shape[1]
        self.side_by_side = dilation[1] == self.groups == 1
        self.sizes = conv_loops.sizes(self.images.shape, kernel.shape, *self.geometry, pool_size, self.dtype.itemsize)

    def forward(self, bias: np.ndarray | None, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), with the bias (F,), if there is one, and a ReLU, if asked for.

        Where channels are to lie first in memory, and not last, a chunk is turned while it is in the cache.
        """
        (weights, biases), (size, _, filters, loops, rows, *_) = self.panels(bias), self.sizes
        N, F = len(self.images), len(self.kernel)
        y = empty((N, *size, F) if channels_last else (N, F, *size), self.dtype)

        def work(start: int, stop: int) -> None:
            piece = y[start:stop]
            z = piece if channels_last and filters == F else empty((stop - start, *size, filters), self.dtype)
            images, groups = self.images[start:stop], self.groups
            for group, panels in enumerate(weights):
                forward(self.entries.multiply, loops, part(images, group, groups), panels, part(biases, group, groups),
                        part(z, group, groups), self.geometry[0][0], rows, relu)
            if z is not piece:
                piece[...] = z[..., :F] if channels_last else layout.arrays(z)[:, :F]
        self.for_chunks(work)
        return layout.arrays(y) if channels_last else y

    def backward(self, upstream: Upstream, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output.

        Without a bias, zeros: adding up what nobody uses took 2 % of a step of a residual network.
        """
        (F, *shape), groups, size = self.kernel.shape, self.groups, self.kernel.shape[2:]
        dweights = layout.gradient_sums(self.chunks * groups, (F // groups, *shape), self.side_by_side, self.dtype)
        dbias = np.zeros((self.chunks, self.sizes.filters), self.dtype)
        gradient = InputGradient(self.kernel, self.shape, *self.geometry, self.dtype, self.margins) if need_dx else None

        def work(start: int, stop: int) -> None:
            dy, chunk = layout.images(upstream(start, stop), self.dtype), start // self.sizes.chunk
            dz = layout.in_whole_vectors(dy)
            spread = layout.spread(dz) if groups == 1 else dz                    # groups are equal parts of a row
            for group in range(groups):
                sums = dweights[chunk * groups + group]
                sums[...] = 0
                add_kernel_gradient(self.images[start:stop], spread, sums, size, *self.geometry, group, groups)
            if self.has_bias:
                add_rows(unmarked(dz.reshape(-1, dz.shape[-1])), dbias[chunk])
            if gradient is not None:
                gradient.fill(start, stop, dy)
        self.for_chunks(work)
        dkernels = [layout.sum_to_kernel(dweights[group::groups], F // groups, size) for group in range(groups)]
        return (dkernels[0] if groups == 1 else np.concatenate(dkernels), dbias.sum(axis=0)[:F],
                None if gradient is None else layout.arrays(gradient.dx))

    def panels(self, bias: np.ndarray | None) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the kernel of each group, and a bias, as the loops take them."""
        self.has_bias, biases = bias is not None, np.zeros(self.sizes.filters, self.dtype)
        if bias is not None:
            biases[:len(bias)] = bias
        return [layout.kernel_panels(each, self.side_by_side, self.dtype)
                for each in by_group(self.kernel, self.groups)], biases

    @property
    def chunks(self) -> int:
        """Return how many chunks of the samples there are."""
        return tiles.cut(len(self.images), self.sizes.chunk)

    def for_chunks(self, work: Callable[[int, int], None]) -> None:
        """Call ``work(start, stop)`` for each chunk of the samples, on all cores if that is worth it."""
        parallel_for(work, len(self.images), self.sizes.chunk, self.sizes.serial)


class InputGradient:
    """The gradient dx (N, H, W, C) of a convolution's input, filled a few samples at a time.

    Where the output has the size of the input, it is a convolution as well, of upstream gradients with margins around
    them and the kernel turned by half a turn. Elsewhere that would multiply more margins than gradients, and each
    gradient is added, times the kernel, onto its window; but for several groups, whose products are so small that to
    add them takes longer.
    """

    def __init__(self, kernel: np.ndarray, shape: tuple[int, int, int, int], strides: Pair, dilation: Pair,
                 dtype: np.dtype, margins: tuple[Pair, Pair] = NO_MARGINS):
        (N, C, H, W), (self.size, self.strides, self.dilation) = shape, (kernel.shape[2:], strides, dilation)
        self.dx, self.margins, self.groups = empty((N, H, W, C), dtype), margins, C // kernel.shape[1]
        reach = [each * (length - 1) for each, length in zip(dilation, self.size, strict=True)]
        keeps_size = [sum(each) for each in margins] == reach
        self.turned = (strides == (1, 1) and (keeps_size or self.groups > 1)
                       and bool(np.isfinite(kernel).all()))              # 0 times infinity, in a margin, would be NaN
        kernels = by_group(kernel, self.groups)
        if self.turned:
            (top, bottom), (left, right) = margins
            self.margins = (reach[0] - top, reach[0] - bottom), (reach[1] - left, reach[1] - right)
            side_by_side = dilation[1] == self.groups == 1
            self.weights = [layout.kernel_panels(each[:, :, ::-1, ::-1].swapaxes(0, 1), side_by_side, dtype)
                            for each in kernels]
            self.bias = layout.in_whole_vectors(np.zeros(C, dtype))
        else:
            self.weights = [layout.transposed_kernel_panels(each, dtype) for each in kernels]

    def fill(self, start: int, stop: int, dy: np.ndarray) -> None:
        """Compute those of samples `start` to `stop`, given the output's, (n, P, Q, F)."""
        dx, groups = self.dx[start:stop], self.groups
        n, H, W, C = dx.shape
        (top, bottom), (left, right) = NO_MARGINS if self.turned else self.margins
        padded_shape = n, top + H + bottom, left + W + right, tiles.round_up_to_vector(C, dx.itemsize)
        padded = dx if padded_shape == dx.shape else empty(padded_shape, dx.dtype)
        (_, *image, channels), multiply = padded.shape, tiles.entries(dx.dtype).multiply
        channels //= groups
        if self.turned:
            images = layout.images(layout.arrays(dy), dx.dtype, self.margins)
            loops = conv_loops.of_outputs((images.shape[2], images.shape[3] // groups), image[1],
                                          channels * dx.itemsize // tiles.VECTOR_BYTES, self.size, self.strides,
                                          self.dilation, dx.itemsize, groups)
            rows = conv_loops.rows_per_block(self.weights[0].size, channels * image[1])
            for group, panels in enumerate(self.weights):
                forward(multiply, loops, part(images, group, groups), panels, part(self.bias, group, groups),
                        part(padded, group, groups), self.strides[0], rows, False)
        else:
            padded[...] = 0
            dy, filters = unmarked(dy), dy.shape[3] // groups
            loops = conv_loops.of_input_gradient((*dy.shape[1:3], filters), filters, (*image, channels), self.size,
                                                 self.strides, self.dilation, dx.itemsize, groups)
            for group, panels in enumerate(self.weights):
                target = from_part(padded, group, groups)
                tiles.run(multiply, loops, n, from_part(dy, group, groups), panels.reshape(-1), target, target)
        if padded is not dx:
            dx[...] = padded[:, top:top + H, left:left + W, :C]


def takes(kernel: np.ndarray, groups: int) -> bool:
    """Return whether a `Convolution` takes a kernel (F, C / groups, kh, kw): what a group sees and makes, in vectors.

    Other groups would begin in the middle of one, see `tinynet.kernels.groups`.
    """
    F, C, *_ = kernel.shape
    return groups == 1 or all(size * kernel.itemsize % tiles.VECTOR_BYTES == 0 for size in (C, F // groups))


def by_group(kernel: np.ndarray, groups: int) -> list[np.ndarray]:
    """Cut a kernel into those of the groups."""
    return [kernel] if groups == 1 else np.split(kernel, groups)


def part(array: np.ndarray, group: int, groups: int) -> np.ndarray:
    """Return the channels of a group, of an array (..., C); of a single one, the array: numba compiles parts anew."""
    size = array.shape[-1] // groups
    return array if groups == 1 else array[..., group * size:(group + 1) * size]


def from_part(array: np.ndarray, group: int, groups: int) -> np.ndarray:
    """Return the memory of an array (..., C) from where the channels of a group begin."""
    return array.reshape(-1)[group * (array.shape[-1] // groups):]


@compiled
def forward(entry: int, loops: np.ndarray, images: np.ndarray, weights: np.ndarray, bias: np.ndarray, z: np.ndarray,
            stride: int, rows: int, relu: bool) -> None:
    """Fill z (n, P, Q, filters) with the convolutions of images (n, H, W, C), cut off below 0 if there is a ReLU."""
    N, P, Q, F = z.shape
    for n in range(N):
        for p in range(0, P, rows):
            last = min(p + rows, P)
            tiles.multiply(entry, loops, last - p, images[n, p * stride], weights, bias, z[n, p])
            if relu:
                for r in range(p, last):
                    for q in range(Q):
                        for f in range(F):
                            z[n, r, q, f] = z.dtype.type(0) if z[n, r, q, f] <= 0 else z[n, r, q, f]   # a NaN stays


def add_kernel_gradient(images: np.ndarray, dz: np.ndarray, dweights: np.ndarray, kernel_size: Pair, strides: Pair,
                        dilation: Pair, group: int, groups: int) -> None:
    """Add the gradients for a group of images (n, H, W, C) and dz (n, P, Q, lanes) to dweights (S, kh, R, F / groups).
    """
    flat, multiply = dweights.reshape(-1), tiles.entries(dz.dtype).multiply
    (*image, C), F = images.shape[1:], dweights.shape[-1]
    samples = tiles.balanced(len(dz), SUMMED_SAMPLES)
    for n in range(0, len(dz), max(1, samples)):
        some, dsome = images[n:n + samples], unmarked(dz[n:n + samples])
        loops = conv_loops.of_kernel_gradient((len(some), *image, C // groups), dz.shape[1:], F, kernel_size, strides,
                                              dilation, dz.itemsize, groups)
        tiles.run(multiply, loops, 0, from_part(some, group, groups), from_part(dsome, group, groups), flat, flat)
