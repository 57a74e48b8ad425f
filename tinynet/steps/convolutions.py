"""A convolution and what comes after it, a ReLU, a pooling, a normalisation, in one pass where that is faster.

The numbers stay the same: each computes what its layers would have computed one after the other. What a convolution
returns may lie channels last in memory, where the next step reads it so, though its shape is (N, C, H, W) as ever.
Which of these run, and how their output lies, is decided in `tinynet.steps.plan`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.kernels.streams import launching
from tinynet.layers import BatchNormalization, Conv2D, DepthwiseConv2D, MaxPool2D, ReLU, SeparableConv2D
from tinynet.layers.base import Backward
from tinynet.steps.fused import bias_of
from tinynet.steps.normalized import normalize


@launching
def conv(conv: Conv2D, x: np.ndarray, training: bool = False, channels_last: bool = True
         ) -> tuple[np.ndarray, Backward]:
    """Convolve, with the bias and the padding in the same pass."""
    return convolved(conv, x, channels_last=channels_last)


@launching
def conv_relu(conv: Conv2D, relu: ReLU, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve and rectify a few rows at a time, while they are in the cache."""
    y, conv_backward = convolved(conv, x, relu=True, channels_last=channels_last)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        k = kernels.current()
        dz = k.relu_gradient(k.images(dy, y.dtype), k.images(y, y.dtype))
        return conv_backward(dz.transpose(0, 3, 1, 2), need_dx=need_dx)
    return y, backward


@launching
def conv_relu_pool(conv: Conv2D, relu: ReLU, pool: MaxPool2D, x: np.ndarray, training: bool = False,
                   channels_last: bool = True) -> tuple[np.ndarray, Backward]:
    """Convolve, rectify and pool a few rows at a time, while they are in the cache."""
    return convolved(conv, x, relu=True, pool=pool, channels_last=channels_last)


@launching
def conv_pool(conv: Conv2D, pool: MaxPool2D, x: np.ndarray, training: bool = False, channels_last: bool = True
              ) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, while they are in the cache."""
    return convolved(conv, x, pool=pool, channels_last=channels_last)


@launching
def conv_norm(conv: Conv2D, norm: BatchNormalization, x: np.ndarray, training: bool = False
              ) -> tuple[np.ndarray, Backward]:
    """Convolve, then normalise."""
    return conv_then_norm(conv, norm, x, training)


@launching
def conv_norm_relu(conv: Conv2D, norm: BatchNormalization, relu: ReLU, x: np.ndarray, training: bool = False
                   ) -> tuple[np.ndarray, Backward]:
    """Convolve, then normalise and rectify in one pass."""
    return conv_then_norm(conv, norm, x, training, relu=True)


@launching
def conv_pool_norm(conv: Conv2D, pool: MaxPool2D, norm: BatchNormalization, x: np.ndarray, training: bool = False
                   ) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, then normalise."""
    return conv_then_norm(conv, norm, x, training, pool=pool)


@launching
def conv_pool_norm_relu(conv: Conv2D, pool: MaxPool2D, norm: BatchNormalization, relu: ReLU, x: np.ndarray,
                        training: bool = False) -> tuple[np.ndarray, Backward]:
    """Convolve and pool a few rows at a time, then normalise and rectify in one pass."""
    return conv_then_norm(conv, norm, x, training, relu=True, pool=pool)


def conv_then_norm(conv: Conv2D, norm: BatchNormalization, x: np.ndarray, training: bool, relu: bool = False,
                   pool: MaxPool2D | None = None) -> tuple[np.ndarray, Backward]:
    """Convolve, pool if asked for, normalise, and rectify if asked for."""
    z, conv_backward = convolved(conv, x, pool=pool)
    y, norm_backward = normalize(norm, z, training, relu)
    return y, lambda dy, *, need_dx=True: conv_backward(norm_backward(dy), need_dx=need_dx)


def convolved(conv: Conv2D, x: np.ndarray, relu: bool = False, pool: MaxPool2D | None = None,
              channels_last: bool = True) -> tuple[np.ndarray, Backward]:
    """Return the convolution of x, with what is done in the same pass, and its backward."""
    conv.check(x)
    k, windows, kernel = kernels.current(), conv.windows, conv.params["kernel"]
    strides, dilation, margins = windows.strides, windows.dilation, windows.around(x.shape[2:])
    if pool is None:
        product = k.convolution(x, kernel, strides, dilation, margins)
    else:
        product = k.pooled_convolution(x, kernel, strides, dilation, pool.windows.size, margins, relu)
        if 0 in product.pooled:
            pool.windows.output_size(product.output)                       # the pooling's own error

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        conv.grads["kernel"], dbias, dx = product.backward(dy, need_dx)
        if conv.use_bias:
            conv.grads["bias"] = dbias
        return dx
    return product.forward(conv.params.get("bias"), relu, channels_last), backward


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
    mixture = kernels.current().convolution(h, layer.params["pointwise_kernel"], (1, 1), (1, 1))

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        layer.grads["pointwise_kernel"], dbias, dh = mixture.backward(dy, True)
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
