"""The convolutions of the kernel set, each done in one of two ways: window by window, or by Winograd's squares."""

from __future__ import annotations

import numpy as np

from tinynet.kernels.fast import layout
from tinynet.kernels.fast.convolutions import winograd
from tinynet.kernels.fast.convolutions.conv import Convolution, input_gradient
from tinynet.kernels.fast.convolutions.conv_relu_pool import PooledConvolution
from tinynet.kernels.fast.convolutions.squares import Margins, Squares
from tinynet.kernels.fast.convolutions.winograd import WinogradConvolution
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.loops.pooling_last import max_pool2d_last, max_pool2d_last_gradient
from tinynet.kernels.fast.threads import NUM_PIECES, samples_per_chunk
from tinynet.kernels.geometry import Pair, expect_gradients, output_size


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Multiply the windows of each sample by the kernels, which stay in cache."""
    return convolution(x, kernel, strides, dilation).forward(None)


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Add up windows times upstream gradients in each chunk of the batch, then over the chunks, in a fixed order."""
    expect_gradients(dy, (len(x), *dy.shape[1:2], *output_size(x.shape[2:], kernel_size, strides, dilation)))
    like = np.empty((dy.shape[1], x.shape[1], *kernel_size), layout.common_dtype(x, dy))
    return convolution(x, like, strides, dilation).backward(dy, need_dx=False)[0]


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Add each upstream gradient, times the kernel, onto the pixels of its window."""
    expect_gradients(dy, (len(dy), len(kernel), *output_size(input_size, kernel.shape[2:], strides, dilation)))
    dtype, shape = layout.common_dtype(dy, kernel), (len(dy), kernel.shape[1], *input_size)
    last, dx = layout.images(dy, dtype), None
    if winograd.suits(shape, kernel.shape, strides, dilation, dtype):
        dx = winograd.input_gradient(last, kernel, Squares(shape, kernel.shape, NO_MARGINS, dtype))
    if dx is None:
        return input_gradient(last, kernel, shape, strides, dilation, samples_per_chunk(len(dy), NUM_PIECES))
    return dx


def convolution(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair, margins: Margins = NO_MARGINS
                ) -> Convolution | WinogradConvolution:
    """Return the convolution of images (N, C, H, W), with margins of zeros, and kernels (F, C / groups, kh, kw)."""
    if winograd.suits(x.shape, kernel.shape, strides, dilation, layout.common_dtype(x, kernel), margins):
        return WinogradConvolution(x, kernel, margins)
    return Convolution(x, kernel, strides, dilation, margins)


def pooled_convolution(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair, pool_size: Pair,
                       margins: Margins, relu: bool) -> PooledConvolution | ConvolutionThenPool:
    """Return the same, whose output is pooled in windows that do not overlap, with a ReLU, if asked for."""
    if winograd.suits(x.shape, kernel.shape, strides, dilation, layout.common_dtype(x, kernel), margins):
        return ConvolutionThenPool(WinogradConvolution(x, kernel, margins), pool_size, relu)
    return PooledConvolution(x, kernel, strides, dilation, pool_size, margins, relu)


class ConvolutionThenPool:
    """What `PooledConvolution` is, in two passes: the squares of a convolution are not those that are pooled.

    Attributes
    ----------
    output, pooled : the sizes of what is pooled, and of what is left of it.
    """

    def __init__(self, convolution: WinogradConvolution, pool_size: Pair, relu: bool):
        self.convolution, self.windows, self.relu = convolution, (pool_size, pool_size), relu
        self.output = convolution.squares.output
        self.pooled = output_size(self.output, *self.windows)

    def forward(self, bias: np.ndarray | None, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), in memory channels last or first. The ReLU may as well come after the pooling."""
        y, self.winner = max_pool2d_last(self.convolution.forward(bias), *self.windows, NO_MARGINS, self.relu)
        return y if channels_last else layout.channels_first(layout.images(y, y.dtype))

    def backward(self, dy: np.ndarray, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        dlast = layout.images(dy, self.convolution.dtype)
        dz = max_pool2d_last_gradient(layout.arrays(dlast), self.winner, self.output, *self.windows, NO_MARGINS)
        return self.convolution.backward(dz, need_dx)
