"""The three convolutions as products of tiles: images are read where they lie, and no columns are written."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinynet.kernels.buffers import aligned, empty
from tinynet.kernels.fast import layout, tiles
from tinynet.kernels.fast.compiling import unmarked
from tinynet.kernels.fast.convolutions import conv_loops
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.loops.convolution import add_kernel_gradients, add_to_windows, convolve
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.geometry import Pair
from tinynet.kernels.streams import synchronize


class Convolution:
    """One convolution of a batch, forward and backward, a chunk of the samples at a time on all cores.

    Parameters
    ----------
    x, kernel : (N, C, H, W) and (F, C / groups, kh, kw).
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
        """Return y (N, F, P, Q), with the bias (F,), if there is one, and a ReLU, if asked for; channels lie last in
        memory, or first.
        """
        (weights, biases), (size, _, filters, loops, rows, *_) = self.panels(bias), self.sizes
        N, F = len(self.images), len(self.kernel)
        memory = empty((N * math.prod(size) * F,), self.dtype)
        in_place = channels_last and filters == F
        piece = self.sizes.piece
        blocks = aligned((0 if in_place else tiles.cut(N, piece), rows * size[1] * filters), self.dtype)
        for_chunks(convolve, N, piece, piece, self.entries.multiply, self.entries.copy, loops, self.images, 0, 0,
                   weights, biases, memory, *size, F, channels_last, self.geometry[0][0], rows, relu, blocks,
                   self.images[:0])
        return layout.arrays(memory.reshape(N, *size, F)) if channels_last else memory.reshape(N, F, *size)

    def backward(self, dy: np.ndarray, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output.

        Without a bias, none: adding up what nobody uses took 2 % of a step of a residual network.
        """
        (F, *shape), groups, size = self.kernel.shape, self.groups, self.kernel.shape[2:]
        dy = layout.images(dy, self.dtype)
        dweights = layout.gradient_sums(self.chunks * groups, (F // groups, *shape), self.side_by_side, self.dtype)
        dbias = np.zeros((self.chunks, F if self.has_bias else 0), self.dtype)
        lanes = layout.spread(self.sizes.filters, groups, self.dtype.itemsize)
        loops = conv_loops.of_kernel_gradients(self.images.shape, (*self.sizes.output, lanes), dweights.shape[-1], size,
                                               *self.geometry, self.dtype.itemsize, groups)
        most = min(conv_loops.SUMMED_SAMPLES, self.sizes.chunk) * math.prod(self.sizes.output)
        blocks = aligned((0 if lanes == F else self.chunks, most, lanes), self.dtype)
        for_chunks(add_kernel_gradients, len(dy), self.sizes.chunk, self.sizes.chunk, self.entries.multiply,
                   self.entries.copy, loops, self.images, dy, blocks,
                   dweights.reshape(self.chunks, groups, math.prod(dweights.shape[1:])), dbias)
        dx = input_gradient(dy, self.kernel, self.shape, *self.geometry, self.sizes.piece,
                            self.margins) if need_dx else None
        return layout.sum_to_kernel(dweights, F // groups, size, groups), layout.column_sums(dbias), dx

    def panels(self, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernels of the groups, (groups, numbers), and a bias, as the loops take them."""
        self.has_bias, biases = bias is not None, np.zeros(self.sizes.filters, self.dtype)
        if bias is not None:
            biases.reshape(self.groups, -1)[:, :len(bias) // self.groups] = bias.reshape(self.groups, -1)
        return by_group(self.kernel, self.groups, lambda kernel: layout.kernel_panels(
            kernel, self.side_by_side, self.dtype)), biases

    @property
    def chunks(self) -> int:
        """Return how many chunks of the samples add up gradients of the kernel."""
        return tiles.cut(len(self.images), self.sizes.chunk)


def input_gradient(dy: np.ndarray, kernel: np.ndarray, shape: tuple[int, int, int, int], strides: Pair, dilation: Pair,
                   chunk: int, margins: tuple[Pair, Pair] = NO_MARGINS) -> np.ndarray:
    """Return the gradient dx (N, C, H, W) of a convolution's input, given that of its output, (N, P, Q, F).

    Where the output has the size of the input, it is a convolution as well, of upstream gradients with margins around
    them and the kernel turned by half a turn. Elsewhere that would multiply more margins than gradients, and each
    gradient is added, times the kernel, onto its window; but for several groups, whose products are so small that to
    add them takes longer.
    """
    (N, C, H, W), (_, P, Q, F), size, dtype = shape, dy.shape, kernel.shape[2:], dy.dtype
    groups, itemsize, entries = C // kernel.shape[1], dtype.itemsize, tiles.entries(dtype)
    lanes = conv_loops.in_vectors(C, groups, itemsize)
    dx, dy, ((top, bottom), (left, right)) = empty((N, H, W, C), dtype), unmarked(dy), margins
    reach = [each * (length - 1) for each, length in zip(dilation, size, strict=True)]
    keeps_size = [top + bottom, left + right] == reach
    if strides == (1, 1) and (keeps_size or groups > 1) and np.isfinite(kernel).all():   # 0 times infinity would be NaN
        side_by_side = dilation[1] == groups == 1
        weights = by_group(kernel, groups, lambda each: layout.kernel_panels(each[:, :, ::-1, ::-1].swapaxes(0, 1),
                                                                             side_by_side, dtype))
        height, width = P + 2 * reach[0] - top - bottom, Q + 2 * reach[1] - left - right
        loops = conv_loops.of_outputs((width, F // groups), W, lanes * itemsize // groups // tiles.VECTOR_BYTES, size,
                                      strides, dilation, itemsize, groups)
        rows = conv_loops.rows_per_block(weights[0].size, lanes // groups * W)
        blocks = aligned((0 if lanes == C else tiles.cut(N, chunk), rows * W * lanes), dtype)
        copies = aligned((0 if (height, width) == (P, Q) else tiles.cut(N, chunk), height, width, F), dtype)
        for_chunks(convolve, N, chunk, chunk, entries.multiply, entries.copy, loops, dy, reach[0] - top,
                   reach[1] - left, weights, np.zeros(lanes, dtype), dx.reshape(-1), H, W, C, True, 1, rows, False,
                   blocks, copies)
    else:
        weights = by_group(kernel, groups, lambda each: layout.transposed_kernel_panels(each, dtype))
        height, width = top + H + bottom, left + W + right
        loops = conv_loops.of_input_gradient((P, Q, F // groups), F // groups, (height, width, lanes // groups), size,
                                             strides, dilation, itemsize, groups)
        in_place = (height, width, lanes) == (H, W, C)
        padded = aligned((0 if in_place else tiles.cut(N, chunk), height, width, lanes), dtype)
        for_chunks(add_to_windows, N, chunk, chunk, entries.multiply, entries.copy, loops, dy, weights, dx, top, left,
                   padded)
    return layout.arrays(dx)


def by_group(kernel: np.ndarray, groups: int, panels: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the panels of the kernel of each group, (groups, numbers)."""
    if groups == 1:
        return panels(kernel).reshape(1, -1)
    each_of = [panels(each).reshape(-1) for each in np.split(kernel, groups)]
    synchronize()
    return np.stack(each_of)
