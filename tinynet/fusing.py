"""What runs in place of a model's steps, where the kernel set can do several of them in one go.

A model is a flat list of steps, and this is the one place that decides what is done differently for speed. The
numbers stay the same: a fused step computes what its steps would have computed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet import kernels
from tinynet.layers import Conv2D, MaxPool2D, ReLU
from tinynet.layers.base import Layer, Step


def fuse(steps: list[Step]) -> list[Step]:
    """Return the steps, runs of them replaced by a fused one wherever a pattern fits."""
    fused: list[Step] = []
    while steps:
        for types, make in PATTERNS.items():
            layers = [step.layer for step in steps[:len(types)]]
            if tuple(map(type, layers)) == types and (run := make(*layers)):      # exactly these: a subclass may differ
                fused.append(steps[0]._replace(run=run))
                steps = steps[len(types):]
                break
        else:
            fused.append(steps[0])
            steps = steps[1:]
    return fused


def conv_relu_pool(conv: Conv2D, relu: ReLU, pool: MaxPool2D) -> Callable | None:
    """Return a convolution, ReLU and max pooling as one, if the pooling windows neither overlap nor are padded."""
    if not hasattr(kernels.current(), "conv2d_relu_max_pool2d"):
        return None
    if pool.windows.padding != "valid" or pool.windows.size != pool.windows.strides:
        return None

    def run(x: np.ndarray, training: bool = False):
        conv.check(x)
        k, windows, image = kernels.current(), conv.windows, x.shape[2:]
        pool.windows.output_size(windows.output_size(image))
        moves = windows.strides, windows.dilation, pool.windows.size
        kernel = conv.params["kernel"]
        bias = conv.params.get("bias", np.zeros(len(kernel), kernel.dtype))
        x = windows.pad(x, 0)
        y, winner = k.conv2d_relu_max_pool2d(x, kernel, bias, *moves)

        def backward(dy, *, need_dx=True):
            conv.grads["kernel"], dbias, dx = k.conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, *moves, need_dx)
            if conv.use_bias:
                conv.grads["bias"] = dbias
            return windows.crop(dx, image) if need_dx else None
        return y, backward
    return run


PATTERNS: dict[tuple[type[Layer], ...], Callable[..., Callable | None]] = {
    (Conv2D, ReLU, MaxPool2D): conv_relu_pool,
}
