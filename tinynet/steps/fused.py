"""What layers do one after the other, or in several passes, in one, where the fast kernels have a function for it.

The numbers stay the same. Convolutions, and what comes after them, are in `tinynet.steps.convolutions`.
"""

from __future__ import annotations

import numpy as np

from tinynet import kernels
from tinynet.kernels.buffers import empty_like
from tinynet.kernels.splitmix import random_bits
from tinynet.kernels.streams import launching, reshaped
from tinynet.layers import (
    AveragePool2D,
    Dense,
    Dropout,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    MaxPool2D,
    ReLU,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.base import Backward, Shape, as_floating
from tinynet.layers.resizing import shares
from tinynet.layers.weighted import Weighted
from tinynet.layers.windows import check_images, crop

NO_MARGINS = (0, 0), (0, 0)
COPIED = 1 << 17                                   # numbers that one thread copies before a second one wakes


def only_last(x: np.ndarray) -> bool:
    """Return whether images lie channels last in memory, and not first as well, as those of a single channel do."""
    return not x.flags.c_contiguous and kernels.current().lies_channels_last(x, x.dtype)


def pool(layer: MaxPool2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Pool all channels of a pixel at once, where they lie side by side in memory."""
    layer.check(x)
    k, windows = kernels.current(), layer.windows
    if not only_last(x):
        return layer.forward(x, training)
    image, place = x.shape[2:], (windows.size, windows.strides, windows.around(x.shape[2:]))
    y, winner = k.max_pool2d_last(as_floating(x), *place)
    return y, lambda dy: k.max_pool2d_last_gradient(dy, winner, image, *place)


def average_pool(layer: AveragePool2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Add up and divide all channels of a pixel at once, where they lie side by side in memory."""
    layer.check(x)
    k, windows = kernels.current(), layer.windows
    if not only_last(x):
        return layer.forward(x, training)
    image, place = x.shape[2:], (windows.size, windows.strides, windows.around(x.shape[2:]))
    ones = np.ones((1, 1, *image), x.dtype)
    counts = k.average_pool2d_last(ones, np.ones(windows.output_size(image)), *place)[0, 0]       # inside: (P, Q)
    y = k.average_pool2d_last(as_floating(x), counts, *place)
    return y, lambda dy: k.average_pool2d_last_gradient(dy, counts, image, *place)


def global_max_pool(layer: GlobalMaxPool2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Compare some samples at a time on all cores, and all channels of a pixel at once where they lie side by side."""
    layer.check(x)
    if x.dtype.char not in "fd":
        return layer.forward(x, training)
    k, last = kernels.current(), only_last(x)
    y, winner = k.global_max_pool2d_last(x) if last else k.global_max_pool2d(x)
    gradient = k.global_max_pool2d_last_gradient if last else k.global_max_pool2d_gradient

    def backward(dy: np.ndarray) -> np.ndarray:
        return gradient(dy.reshape(y.shape), winner, x.shape[2:])
    return y[:, :, None, None] if layer.keepdims else y, backward


def global_average_pool(layer: GlobalAvgPool2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Take the means of some samples at a time on all cores, and hand shares of the gradient out in the same way.

    Where channels lie last in memory, the image is a single window: all channels of a pixel are added at once.
    """
    layer.check(x)
    k, x, (N, C, H, W) = kernels.current(), as_floating(x), x.shape
    if only_last(x) and x.dtype.char in "fd":
        return global_average_pool_last(layer, x)
    size = N if x.size < COPIED else k.samples_per_chunk(N)
    y = np.empty((N, C, 1, 1), x.dtype)

    def work(start: int, stop: int) -> None:
        x[start:stop].mean(axis=(2, 3), keepdims=True, out=y[start:stop])
    k.parallel_for(work, N, size)

    def backward(dy: np.ndarray) -> np.ndarray:
        dx, shares = empty_like(x.astype(dy.dtype, copy=False)), dy.reshape(N, C, 1, 1) / (H * W)

        def work_back(start: int, stop: int) -> None:
            dx[start:stop] = shares[start:stop]
        k.parallel_for(work_back, N, size)
        return dx
    return y if layer.keepdims else y[:, :, 0, 0], backward


def global_average_pool_last(layer: GlobalAvgPool2D, x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """Do so for images that lie channels last."""
    k, (N, C, H, W) = kernels.current(), x.shape
    windows, counts = ((H, W), (H, W), NO_MARGINS), np.full((1, 1), H * W, x.dtype)
    y = k.average_pool2d_last(x, counts, *windows)

    def backward(dy: np.ndarray) -> np.ndarray:
        dx = k.average_pool2d_last_gradient(dy.reshape(N, C, 1, 1), counts, (H, W), *windows)
        return dx.astype(dy.dtype, copy=False)
    return y if layer.keepdims else y[:, :, 0, 0], backward


def softmax(layer: Softmax, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Take the exponentials of a few rows at a time, and divide them by their sums, while they are in the cache."""
    if x.dtype.char not in "fd" or x.ndim < 2 or len(layer.axis) > 1:
        return layer.forward(x, training)
    if not layer.over_last:
        return softmax_of_axis(layer, x)
    k, shape = kernels.current(), (-1, x.shape[-1])
    y = k.softmax(x.reshape(shape))
    return y.reshape(x.shape), lambda dy: k.softmax_gradient(dy.reshape(shape), y).reshape(x.shape)


def softmax_of_axis(layer: Softmax, x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """Do so along another axis: moved to the end, it makes rows, a view where channels lie last in memory."""
    k, (axis,) = kernels.current(), layer.axes_of(x)
    moved = np.moveaxis(x, axis, -1)
    shape = moved.shape
    y = k.softmax(moved.reshape(-1, shape[-1]))

    def backward(dy: np.ndarray) -> np.ndarray:
        rows = np.moveaxis(dy, axis, -1).reshape(y.shape)
        return np.moveaxis(k.softmax_gradient(rows, y).reshape(shape), -1, axis)
    return np.moveaxis(y.reshape(shape), -1, axis), backward


@launching
def dense_relu(dense: Dense, relu: ReLU, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply; then bias and ReLU take one pass over the product, in place."""
    dense.check(x)
    k, kernel, bias = kernels.current(), dense.params["kernel"], bias_of(dense, dense.units)
    rows = reshaped(x, (-1, len(kernel)))                           # (N, ..., inputs) -> (N*..., inputs)
    y = k.dense_relu(rows, kernel, bias)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        dz = k.relu_gradient(reshaped(dy, y.shape), y)
        return dense_backward(dense, kernel, rows, dz, x.shape, need_dx)
    return y.reshape(*x.shape[:-1], dense.units), backward


@launching
def dense(layer: Dense, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply; then add the bias in place."""
    layer.check(x)
    kernel = layer.params["kernel"]
    rows = reshaped(x, (-1, len(kernel)))                           # (N, ..., inputs) -> (N*..., inputs)
    y = kernels.current().dense(rows, kernel, layer.params.get("bias"))

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        return dense_backward(layer, kernel, rows, reshaped(dy, y.shape), x.shape, need_dx)
    return y.reshape(*x.shape[:-1], layer.units), backward


def dense_backward(layer: Dense, kernel: np.ndarray, rows: np.ndarray, dz: np.ndarray, shape: Shape, need_dx: bool
                   ) -> np.ndarray | None:
    """Set the gradients of a product of rows (N, inputs) by a kernel, and return that of the input, of a shape, if it
    is needed, given that of the product, (N, units).
    """
    k = kernels.current()
    layer.grads["kernel"] = k.matmul(rows.T, dz)
    if layer.use_bias:
        layer.grads["bias"] = k.column_sums(dz)
    return k.matmul(dz, kernel.T).reshape(shape) if need_dx else None


@launching
def dropout(layer: Dropout, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Drop units without storing a mask: backward generates its random bits again; either way in one pass."""
    if not training or layer.rate == 0:
        return layer.forward(x, training)
    x = as_floating(x)
    dropped, drawn = kernels.current().dropout, layer.draw(x)
    return dropped(x, *drawn), lambda dy: dropped(dy, *drawn)


def dropout_of_channels(layer: SpatialDropout2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply by the same mask as the layer, some samples at a time on all cores."""
    if not training or layer.rate == 0 or x.ndim != 4:
        return layer.forward(x, training)
    x = as_floating(x)
    key, threshold, scale = layer.draw(x)
    mask = ((random_bits(key, *layer.mask_shape(x)) >= threshold) * scale).reshape(x.shape[:2])

    def masked(images: np.ndarray) -> np.ndarray:
        return kernels.current().scale_channels(images, mask)
    return masked(x), masked


def zero_padding(layer: ZeroPadding2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Copy images between zeros, which are written while the sample is in the cache; the gradient is a view."""
    if x.ndim != 4:
        return layer.forward(x, training)
    (top, bottom), (left, right) = layer.padding
    N, C, H, W = x.shape
    y = empty_like(x, (N, C, top + H + bottom, left + W + right))
    inside = crop(y, layer.padding)

    def work(start: int, stop: int) -> None:
        y[start:stop] = 0
        inside[start:stop] = x[start:stop]
    kernels.current().parallel_for(work, N, N if y.size < COPIED else kernels.current().samples_per_chunk(N))
    return y, lambda dy: crop(dy, layer.padding)


def upsampling(layer: UpSampling2D, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Give all channels of a pixel to its block at once, or mix them with its neighbours'."""
    check_images(layer, x)
    k, (H, W) = kernels.current(), x.shape[2:]
    if x.dtype.char not in "fd" or min(H, W) < 2 or (x.flags.c_contiguous and layer.interpolation == "nearest"):
        return layer.forward(x, training)
    (s, t), ones = layer.size, np.ones((H, W), x.dtype)
    if layer.interpolation == "nearest":                            # back and forth, sums over windows side by side
        windows = layer.size, layer.size, NO_MARGINS
        y = k.average_pool2d_last_gradient(x, ones, (s * H, t * W), *windows)
        return y, lambda dy: k.average_pool2d_last(dy, ones, *windows)
    matrices = shares(H, s).astype(x.dtype), shares(W, t).astype(x.dtype)
    return k.mix_neighbours(x, *matrices), lambda dy: k.mix_neighbours_gradient(dy, *matrices)


def bias_of(layer: Weighted, outputs: int) -> np.ndarray:
    """Return a layer's bias, zeros if it has none."""
    bias = layer.params.get("bias")
    return np.zeros(outputs, next(iter(layer.params.values())).dtype) if bias is None else bias
