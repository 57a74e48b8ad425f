"""Several layers' forwards and backwards in one pass, where the fast kernels have a function for it.

The numbers stay the same: each computes what its layers would have computed one after the other. Which of them run is
decided in `tinynet.steps.plan`.
"""

from __future__ import annotations

import numpy as np

from tinynet import kernels
from tinynet.layers import Conv2D, Dense, Dropout, MaxPool2D, ReLU
from tinynet.layers.base import Backward, Layer, as_floating


def conv_relu_pool(conv: Conv2D, relu: ReLU, pool: MaxPool2D, x: np.ndarray, training: bool = False
                   ) -> tuple[np.ndarray, Backward]:
    """Convolve, rectify and pool a few rows at a time, while they are in the cache."""
    conv.check(x)
    k, windows, image = kernels.current(), conv.windows, x.shape[2:]
    pool.windows.output_size(windows.output_size(image))
    geometry = windows.strides, windows.dilation, pool.windows.size
    kernel, bias = weights_of(conv, conv.filters)
    x = windows.pad(x, 0)
    y, winner = k.conv2d_relu_max_pool2d(x, kernel, bias, *geometry)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        conv.grads["kernel"], dbias, dx = k.conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, *geometry, need_dx)
        if conv.use_bias:
            conv.grads["bias"] = dbias
        return windows.crop(dx, image) if need_dx else None
    return y, backward


def dense_relu(dense: Dense, relu: ReLU, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Multiply; then bias and ReLU take one pass over the product, in place."""
    dense.check(x)
    k, (kernel, bias) = kernels.current(), weights_of(dense, dense.units)
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


def weights_of(layer: Layer, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's kernel and its bias, zeros if it has none."""
    kernel, bias = layer.params["kernel"], layer.params.get("bias")
    return kernel, np.zeros(outputs, kernel.dtype) if bias is None else bias
