"""Flatten: images to vectors, where the convolutions end and the dense layers begin."""

from __future__ import annotations

import math

import numpy as np

from tinynet.layers.base import Backward, Layer, Shape


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
