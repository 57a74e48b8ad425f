"""Convolutions 3 x 3 in four ninths of the multiplications: Winograd's, of 2 x 2 outputs at a time.

Two outputs y of a filter g of three numbers, of four numbers d, take six multiplications, or four::

    y[0] = d[0] g[0] + d[1] g[1] + d[2] g[2] = m[0] + m[1] + m[2]     m[0] = (d[0] - d[2]) g[0]
    y[1] = d[1] g[0] + d[2] g[1] + d[3] g[2] = m[1] - m[2] - m[3]     m[1] = (d[1] + d[2]) (g[0] + g[1] + g[2]) / 2
                                                                      m[2] = (d[2] - d[1]) (g[0] - g[1] + g[2]) / 2
                                                                      m[3] = (d[1] - d[3]) g[2]

In matrices that is y = `OUTPUT` @ ((`KERNEL` @ g) * (`IMAGE` @ d)), and along both axes of an image, y (2, 2), g (3, 3)
and d (4, 4)::

    V = IMAGE @ d @ IMAGE.T           U = KERNEL @ g @ KERNEL.T          y = OUTPUT @ (U * V) @ OUTPUT.T

What stands for d is the same for all filters, and what stands for g for all images. So with C channels and F filters,
U * V, summed over the channels, is a product of matrices for each of its 16 places: M = V @ U, (squares, C) times
(C, F). The sums before and after it are few beside it. Backward each transform is done by its transposed matrix, and
the product is that of a dense layer::

    dM = OUTPUT.T @ dy @ OUTPUT       dU = V.T @ dM       dg = KERNEL.T @ dU @ KERNEL
                                      dV = dM @ U.T       dd = IMAGE.T @ dV @ IMAGE

What is transformed are sums of neighbours: they are rounded as the largest of these are, and where one is infinite or
NaN, so are they. Then the convolution is done again, window by window.

S. Winograd, "Arithmetic Complexity of Computations", 1980; for convolutional networks A. Lavin and S. Gray, "Fast
Algorithms for Convolutional Neural Networks", 2016, F(2 x 2, 3 x 3).
"""

from __future__ import annotations

import math

import numpy as np

from tinynet.kernels.buffers import MAX_POOLED_BYTES, aligned, empty
from tinynet.kernels.fast import layout
from tinynet.kernels.fast.convolutions.conv import Convolution
from tinynet.kernels.fast.convolutions.squares import PLACES, SPARE, Margins, Squares
from tinynet.kernels.fast.layout import NO_MARGINS
from tinynet.kernels.fast.llvm.functions import entries, winograd_entries
from tinynet.kernels.fast.loops.winograd import (
    add_square_gradients,
    add_to_squares,
    convolve_squares,
    transform_kernels,
)
from tinynet.kernels.fast.threads import NUM_PIECES, for_chunks
from tinynet.kernels.fast.tiles import VECTOR_BYTES, cut
from tinynet.kernels.geometry import Pair
from tinynet.kernels.streams import synchronize

IMAGE = (1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)
KERNEL = (1, 0, 0), (.5, .5, .5), (.5, -.5, .5), (0, 0, 1)
OUTPUT = (1, 1, 1, 0), (0, 1, -1, -1)
OF_ALL = 5                                 # the place, (1, 1), that counts once in all four outputs: there is the bias
MIN_CHANNELS = 16                          # with fewer the transforms take as long as is won, or longer
MAX_SUMS = MAX_POOLED_BYTES                # of the kernel's gradients: larger memory is taken anew each time
MIN_SQUARES = 64                           # of a batch, whose products are worth the transform of the kernel


def suits(x: tuple[int, ...], kernel: tuple[int, ...], strides: Pair, dilation: Pair, dtype: np.dtype,
          margins: Margins = NO_MARGINS) -> bool:
    """Return whether a convolution of images (N, C, H, W), with margins, takes less time so."""
    (N, C, H, W), (F, _, *size), ((top, bottom), (left, right)) = x, kernel, margins
    whole_vectors = C * dtype.itemsize % VECTOR_BYTES == F * dtype.itemsize % VECTOR_BYTES == 0
    return (size == [3, 3] and strides == dilation == (1, 1) and kernel[1] == C and whole_vectors
            and min(C, F) >= MIN_CHANNELS
            and N * cut(top + H + bottom - 2, 2) * cut(left + W + right - 2, 2) >= MIN_SQUARES)


class WinogradConvolution:
    """What `Convolution` is, for those that `suits` names.

    Parameters
    ----------
    x, kernel : (N, C, H, W) and (F, C, 3, 3).
    margins : of zeros around the images, ((top, bottom), (left, right)).
    """

    def __init__(self, x: np.ndarray, kernel: np.ndarray, margins: Margins = NO_MARGINS):
        self.kernel, self.margins, self.dtype = kernel, margins, layout.common_dtype(x, kernel)
        self.images, self.has_bias = layout.images(x, self.dtype), False                         # (N, H, W, C)
        self.squares = Squares(x.shape, kernel.shape, margins, self.dtype)

    def forward(self, bias: np.ndarray | None, relu: bool = False, channels_last: bool = True) -> np.ndarray:
        """Return y (N, F, P, Q), with the bias (F,), if there is one, and a ReLU, if asked for; channels lie last in
        memory, or first.
        """
        squares, F, dtype, self.has_bias = self.squares, len(self.kernel), self.dtype, bias is not None
        biases = np.zeros((PLACES, F), dtype)
        if bias is not None:
            biases[OF_ALL] = bias
        y, nonfinite = empty((len(self.images), *squares.output, F), dtype), squares.nonfinite()
        weights = transformed(layout.kernel_panels(self.kernel, True, dtype))
        squares.for_chunks(convolve_squares, functions(dtype), squares.loops.forward, self.images, *squares.before,
                           squares.copies(self.images, squares.seen), weights, biases, y, relu, *squares.buffers(),
                           nonfinite)
        synchronize()
        if nonfinite.any():
            return self.by_windows().forward(bias, relu, channels_last)
        return layout.arrays(y) if channels_last else layout.channels_first(y)

    def backward(self, dy: np.ndarray, need_dx: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return the gradients of kernel, bias and, if needed, x (otherwise None), given that of the output."""
        dlast = layout.images(dy, self.dtype)
        of_weights = self.weight_gradients(dlast)
        dx = input_gradient(dlast, self.kernel, self.squares) if need_dx else None
        dx_is_missing = need_dx and dx is None
        if of_weights is None or dx_is_missing:
            dkernel, dbias, by_windows = self.by_windows().backward(dy, dx_is_missing)
            of_weights, dx = of_weights or (dkernel, dbias), by_windows if dx_is_missing else dx
        return *of_weights, dx

    def weight_gradients(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the gradients of kernel and bias, given that of the output, (N, P, Q, F); None if one is not finite,
        or where each chunk would need too much memory for its sums.
        """
        squares, (F, C, *_), dtype, nonfinite = self.squares, self.kernel.shape, self.dtype, self.squares.nonfinite()
        shape = squares.chunks, PLACES, C + SPARE, F
        if math.prod(shape) * dtype.itemsize > MAX_SUMS:
            return None
        dweights = layout.gradient_sums(squares.chunks, self.kernel.shape, True, dtype)
        dbias = np.zeros((squares.chunks, F if self.has_bias else 0), dtype)
        squares.for_chunks(add_square_gradients, functions(dtype), squares.loops.of_kernel, self.images,
                           *squares.before, squares.copies(self.images, squares.seen), dy,
                           squares.copies(dy, squares.even), *squares.buffers(), aligned(shape, dtype), dweights, dbias,
                           nonfinite)
        synchronize()
        return None if nonfinite.any() else (layout.sum_to_kernel(dweights, F, (3, 3)), layout.column_sums(dbias))

    def by_windows(self) -> Convolution:
        """Return the same convolution, done window by window."""
        product = Convolution(layout.arrays(self.images), self.kernel, (1, 1), (1, 1), self.margins)
        product.has_bias = self.has_bias
        return product


def input_gradient(dy: np.ndarray, kernel: np.ndarray, squares: Squares) -> np.ndarray | None:
    """Return the gradient dx (N, C, H, W) of images, given that of the output, (N, P, Q, F); None if not finite."""
    (N, C, H, W), dtype, nonfinite = squares.shape, dy.dtype, squares.nonfinite()
    dx, weights = empty((N, H, W, C), dtype), transformed(layout.transposed_kernel_panels(kernel, dtype))
    images, outputs = squares.buffers()
    squares.for_chunks(add_to_squares, functions(dtype), squares.loops.of_images, dy, squares.copies(dy, squares.even),
                       weights, np.zeros((PLACES, C), dtype), dx, *squares.before, squares.copies(dx, squares.seen),
                       outputs, images, nonfinite)
    synchronize()
    return None if nonfinite.any() else layout.arrays(dx)


def transformed(panels: np.ndarray) -> np.ndarray:
    """Return U, (panels, 16, K + zeros, width), of the panels of a kernel, of K rows for each of its nine places."""
    number, width, dtype = len(panels), panels.shape[-1], panels.dtype
    K = panels.size // (number * 9 * width)
    weights = aligned((number, PLACES, K + SPARE, width), dtype)
    for_chunks(transform_kernels, K, K if weights.size < layout.MIN_SHARED else cut(K, NUM_PIECES), functions(dtype),
               panels.reshape(number, 9, K, width), weights)
    return weights


def functions(dtype: np.dtype) -> tuple[int, ...]:
    """Return the addresses of compiled functions, in the order in which the loops take them."""
    return entries(dtype).multiply, entries(dtype).copy, *winograd_entries(dtype, IMAGE, KERNEL, OUTPUT)
