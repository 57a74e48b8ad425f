"""Flatten and Reshape: the same numbers in another shape; images to vectors, where the dense layers begin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

import numpy as np

from tinynet.checks import is_count, is_int
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape
from tinynet.registry import Config


class Flatten(Layer):
    """Each sample as one row, in row-major order: (N, C, H, W) -> (N, C*H*W). The numbers do not change.

    >>> import numpy as np
    >>> Flatten()(np.zeros((2, 32, 12, 12))).shape
    (2, 4608)
    """

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C*H*W,)."""
        self.input_shape, self.output_shape = input_shape, (math.prod(input_shape),)
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.expect(x.ndim >= 1, "input with a batch axis", x.shape)

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy.reshape(x.shape)
        return x.reshape(len(x), math.prod(x.shape[1:])), backward


class Reshape(Layer):
    """Each sample in another shape, in row-major order: ``(N, ...) -> (N, *target_shape)``. The numbers do not change.

    Parameters
    ----------
    target_shape : of one sample, without the batch axis; one axis may be -1: whatever the others leave.

    >>> import numpy as np
    >>> Reshape((1, 28, -1))(np.zeros((2, 784))).shape
    (2, 1, 28, 28)
    """

    def __init__(self, target_shape: Iterable[int] | int, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        shape = tuple(target_shape) if isinstance(target_shape, Iterable) else (target_shape,)
        valid = all(is_count(size) or (is_int(size, -1) and size == -1) for size in shape) and shape.count(-1) <= 1
        self.expect(valid, "target_shape, positive whole numbers without the batch axis, one of which may be -1",
                    repr(target_shape))
        self.target_shape = tuple(int(size) for size in shape)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the target shape, its -1 worked out."""
        self.input_shape, self.output_shape = input_shape, self.shape_for(input_shape)
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        def backward(dy: np.ndarray) -> np.ndarray:
            return dy.reshape(x.shape)
        return x.reshape(len(x), *self.shape_for(x.shape[1:])), backward

    def shape_for(self, input_shape: Shape) -> Shape:
        """Return the shape of the outputs for samples of `input_shape`, or raise a ValueError if they do not fit it."""
        numbers, others = math.prod(input_shape), math.prod(size for size in self.target_shape if size != -1)
        left, remainder = divmod(numbers, others)
        self.expect(remainder == 0 and (-1 in self.target_shape or left == 1),
                    f"samples that can be reshaped to {self.target_shape}", f"{input_shape}, {numbers} numbers")
        return tuple(left if size == -1 else size for size in self.target_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "target_shape": list(self.target_shape)}
