"""What runs in place of a model's steps, where the kernel set can do several of them in one go.

A model is a flat list of steps, and this is the one place that decides what is done differently for speed. The
numbers stay the same: a fused step computes what its steps would have computed one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinynet import kernels
from tinynet.layers import Conv2D, Dense, Dropout, MaxPool2D, ReLU
from tinynet.layers.base import Layer, Step


def fuse(steps: list[Step]) -> list[Step]:
    """Return the steps, runs of them replaced by a fused one wherever a pattern fits."""
    if not getattr(kernels.current(), "fuses", False):
        return steps
    kinds, fused, at = [type(step.layer) for step in steps], [], 0
    while at < len(steps):
        step, (pattern, make) = steps[at], PATTERNS.get(kinds[at], NONE)
        end, run = at + len(pattern), None
        if kinds[at:end] == pattern:                                   # exactly these: a subclass may differ
            run = make(*[step.layer for step in steps[at:end]])
        fused.append(Step(step.name, step.layer, run) if run else step)
        at = end if run else at + 1
    return fused


def conv_relu_pool(conv: Conv2D, relu: ReLU, pool: MaxPool2D) -> Callable | None:
    """Return a convolution, ReLU and max pooling as one, if the pooling windows neither overlap nor are padded."""
    side_by_side = pool.windows.padding == "valid" and pool.windows.size == pool.windows.strides
    if not side_by_side or math.prod(pool.windows.size) > kernels.current().MAX_POOL_PIXELS:
        return None

    def run(x: np.ndarray, training: bool = False):
        conv.check(x)
        k, windows, image = kernels.current(), conv.windows, x.shape[2:]
        pool.windows.output_size(windows.output_size(image))
        moves = windows.strides, windows.dilation, pool.windows.size
        kernel, bias = weights_of(conv, conv.filters)
        x = windows.pad(x, 0)
        y, winner = k.conv2d_relu_max_pool2d(x, kernel, bias, *moves)

        def backward(dy, *, need_dx=True):
            conv.grads["kernel"], dbias, dx = k.conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, *moves, need_dx)
            if conv.use_bias:
                conv.grads["bias"] = dbias
            return windows.crop(dx, image) if need_dx else None
        return y, backward
    return run


def dense_relu(dense: Dense, relu: ReLU) -> Callable:
    """Return a dense layer and its ReLU as one: bias and ReLU take one pass over the product, in place."""
    def run(x: np.ndarray, training: bool = False):
        dense.check(x)
        k, (kernel, bias) = kernels.current(), weights_of(dense, dense.units)
        rows = x.reshape(-1, len(kernel))                           # (N, ..., inputs) -> (N*..., inputs)
        y = k.dense_relu(rows, kernel, bias)

        def backward(dy, *, need_dx=True):
            dz = k.relu_gradient(dy.reshape(y.shape), y)
            dense.grads["kernel"] = k.matmul(rows.T, dz)
            if dense.use_bias:
                dense.grads["bias"] = dz.sum(axis=0)
            return k.matmul(dz, kernel.T).reshape(x.shape) if need_dx else None
        return y.reshape(*x.shape[:-1], dense.units), backward
    return run


def dropout(layer: Dropout) -> Callable:
    """Return dropout without a mask: its random bits are made anew on the way back, each way in one pass."""
    def run(x: np.ndarray, training: bool = False):
        if not training or layer.rate == 0:
            return layer.forward(x, training)
        dropped, drawn = kernels.current().dropout, layer.draw(x)
        return dropped(x, *drawn), lambda dy: dropped(dy, *drawn)
    return run


def weights_of(layer: Layer, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's kernel and its bias, zeros if it has none."""
    kernel, bias = layer.params["kernel"], layer.params.get("bias")
    return kernel, np.zeros(outputs, kernel.dtype) if bias is None else bias


PATTERNS: dict[type[Layer], tuple[list[type[Layer]], Callable[..., Callable | None]]] = {
    Conv2D: ([Conv2D, ReLU, MaxPool2D], conv_relu_pool),
    Dense: ([Dense, ReLU], dense_relu),
    Dropout: ([Dropout], dropout),
}                              # by the layer that the steps begin with
NONE: tuple[list, Callable] = [], lambda: None                         # fits everywhere, and replaces nothing
