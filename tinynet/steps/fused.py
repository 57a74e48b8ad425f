"""Several layers' forwards and backwards in one pass, where the fast kernels have a function for it.

The numbers stay the same: each computes what its layers would have computed one after the other. What a convolution
returns may lie channels last in memory, where the next step reads it so, though its shape is (N, C, H, W) as ever.
Which of these run, and how their output lies, is decided in `tinynet.steps.plan`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.kernels.buffers import empty_like
from tinynet.kernels.splitmix import random_bits
from tinynet.layers import (
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    GlobalMaxPool2D,
    MaxPool2D,
    ReLU,
    SeparableConv2D,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.base import Backward, as_floating
from tinynet.layers.resizing import shares
from tinynet.layers.weighted import Weighted
from tinynet.layers.windows import check_images, crop
from tinynet.steps.normalized import in_pieces, normalize, piecewise

NO_MARGINS = (0, 0), (0, 0)
COPIED = 1 << 17                                   # numbers that one thread copies before a second one wakes
Upstream = Callable[[int, int], np.ndarray]        # (start, stop) -> gradients of these samples
Product = tuple[np.ndarray, Callable[[Upstream, bool], tuple[np.ndarray, np.ndarray, np.ndarray | None]]]


def conv(conv: Conv2D, x: np.ndarray, training: bool = False, channels_last: bool = True
         ) -> tuple[np.ndarray, Backward]:
    """Convolve, with the bias and the padding in the same pass."""
    y, product_backward = convolved(conv, x, channels_last=channels_last)
    return y, weights_backward(conv, product_backward, in_pieces)


def conv_relu(conv: Conv2D, relu: ReLU, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve and rectify a few rows at a time, while they are in the cache."""
    y, product_backward = convolved(conv, x, relu=True, channels_last=channels_last)

    def upstream(dy: np.ndarray) -> Upstream:
        k = kernels.current()

        def gradient(start: int, stop: int) -> np.ndarray:
            dz = k.relu_gradient(k.images(dy[start:stop], y.dtype), k.images(y[start:stop], y.dtype))
            return dz.transpose(0, 3, 1, 2)
        return piecewise(gradient, y)
    return y, weights_backward(conv, product_backward, upstream)


def conv_relu_pool(conv: Conv2D, relu: ReLU, pool: MaxPool2D, x: np.ndarray, training: bool = False,
                   channels_last: bool = True) -> tuple[np.ndarray, Backward]:
    """Convolve, rectify and pool a few rows at a time, while they are in the cache."""
    y, product_backward = convolved(conv, x, relu=True, pool=pool, channels_last=channels_last)
    return y, weights_backward(conv, product_backward, in_pieces)


def conv_pool(conv: Conv2D, pool: MaxPool2D, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, while they are in the cache."""
    y, product_backward = convolved(conv, x, pool=pool, channels_last=channels_last)
    return y, weights_backward(conv, product_backward, in_pieces)


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


def conv_norm(conv: Conv2D, norm: BatchNormalization, x: np.ndarray, training: bool = False
              ) -> tuple[np.ndarray, Backward]:
    """Convolve, then normalise; backward, the normalisation's gradient goes into the convolution's piece by piece."""
    return conv_then_norm(conv, norm, x, training)


def conv_norm_relu(conv: Conv2D, norm: BatchNormalization, relu: ReLU, x: np.ndarray, training: bool = False
                   ) -> tuple[np.ndarray, Backward]:
    """Convolve, then normalise and rectify in one pass."""
    return conv_then_norm(conv, norm, x, training, relu=True)


def conv_pool_norm(conv: Conv2D, pool: MaxPool2D, norm: BatchNormalization, x: np.ndarray, training: bool = False
                   ) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, then normalise."""
    return conv_then_norm(conv, norm, x, training, pool=pool)


def conv_pool_norm_relu(conv: Conv2D, pool: MaxPool2D, norm: BatchNormalization, relu: ReLU, x: np.ndarray,
                        training: bool = False) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, then normalise and rectify in one pass."""
    return conv_then_norm(conv, norm, x, training, relu=True, pool=pool)


def conv_then_norm(conv: Conv2D, norm: BatchNormalization, x: np.ndarray, training: bool, relu: bool = False,
                   pool: MaxPool2D | None = None) -> tuple[np.ndarray, Backward]:
    """Convolve, pool if asked for, normalise, and rectify if asked for."""
    z, product_backward = convolved(conv, x, pool=pool)
    y, gradient = normalize(norm, z, training, relu)
    return y, weights_backward(conv, product_backward, gradient)


def convolved(conv: Conv2D, x: np.ndarray, relu: bool = False, pool: MaxPool2D | None = None,
              channels_last: bool = True) -> Product:
    """Return the convolution of x, with what is done in the same pass, and the function that goes back."""
    conv.check(x)
    k, windows, kernel = kernels.current(), conv.windows, conv.params["kernel"]
    strides, dilation, margins = windows.strides, windows.dilation, windows.around(x.shape[2:])
    if pool is None:
        product = k.Convolution(x, kernel, strides, dilation, margins)
    else:
        product = k.PooledConvolution(x, kernel, strides, dilation, pool.windows.size, margins, relu)
        if 0 in product.sizes.pooled:
            pool.windows.output_size(product.sizes.output)                 # the pooling's own error
    return product.forward(conv.params.get("bias"), relu, channels_last), product.backward


def weights_backward(conv: Conv2D, product_backward: Callable[..., tuple], upstream: Callable[[np.ndarray], Upstream]
                     ) -> Backward:
    """Return the backward that sets a convolution's gradients, given how to get the product's upstream gradient."""
    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        conv.grads["kernel"], dbias, dx = product_backward(upstream(dy), need_dx)
        if conv.use_bias:
            conv.grads["bias"] = dbias
        return dx
    return backward


def depthwise(layer: DepthwiseConv2D, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve each channel, with bias and padding in the same pass."""
    x, product = depthwise_of(layer, x, layer.params["kernel"])
    y = product.forward(x, bias_of(layer, product.outputs), channels_last)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        layer.grads["kernel"], dbias, dx = product.backward(dy, x, need_dx)
        if layer.use_bias:
            layer.grads["bias"] = dbias
        return dx
    return y, backward


def separable(layer: SeparableConv2D, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve each channel; then their mixture is a convolution as any other, with its bias in the same pass."""
    x, product = depthwise_of(layer, x, layer.params["depthwise_kernel"])
    h = product.forward(x, np.zeros(product.outputs))                      # (N, C*M, P, Q)
    mixture = kernels.current().Convolution(h, layer.params["pointwise_kernel"], (1, 1), (1, 1))

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        layer.grads["pointwise_kernel"], dbias, dh = mixture.backward(in_pieces(dy), True)
        if layer.use_bias:
            layer.grads["bias"] = dbias
        layer.grads["depthwise_kernel"], _, dx = product.backward(dh, x, need_dx)
        return dx
    return mixture.forward(layer.params.get("bias"), channels_last=channels_last), backward


def depthwise_of(layer: DepthwiseConv2D | SeparableConv2D, x: np.ndarray, kernel: np.ndarray
                 ) -> tuple[np.ndarray, Any]:
    """Return images as they are read, channels last in memory, and their depthwise convolution."""
    layer.check(x)
    k, windows = kernels.current(), layer.windows
    dtype = k.common_dtype(x, kernel)
    x = k.images(x, dtype).transpose(0, 3, 1, 2)
    return x, k.Depthwise(x.shape, kernel, dtype, windows.strides, windows.dilation, windows.around(x.shape[2:]))


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


def dense_relu(dense: Dense, relu: ReLU, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply; then bias and ReLU take one pass over the product, in place."""
    dense.check(x)
    k, kernel, bias = kernels.current(), dense.params["kernel"], bias_of(dense, dense.units)
    rows = x.reshape(-1, len(kernel))                               # (N, ..., inputs) -> (N*..., inputs)
    y = k.dense_relu(rows, kernel, bias)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        dz = k.relu_gradient(dy.reshape(y.shape), y)
        dense.grads["kernel"] = k.matmul(rows.T, dz)
        if dense.use_bias:
            dense.grads["bias"] = dz.sum(axis=0)
        return k.matmul(dz, kernel.T).reshape(x.shape) if need_dx else None
    return y.reshape(*x.shape[:-1], dense.units), backward


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
