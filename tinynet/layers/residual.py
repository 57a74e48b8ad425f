"""Residual: x + f(x), so that what f learns is only what is to change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

import numpy as np

from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.layers.stack import Stack


class Residual(Stack):
    """``y = x + f(x)``, where f is a list of layers, one after the other, whose output has the shape of their input.

    x goes two ways, so that both ways' gradients add up: ``dx = dy + df``, where df is what the layers make of dy. The
    first term passes through any number of such blocks as it is, whatever f is.

    Keras has no such layer: there the functional API adds two tensors, which a `Sequential` has no way to do.
    Source: He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", equation 1.

    Parameters
    ----------
    layers : f, in order. Convolutions with ``padding="same"`` keep the size of images, and the last one's filters must
        be as many as x has channels.

    Attributes
    ----------
    params, grads, state : those of the layers, under names such as ``conv2d_1/kernel``.

    >>> import numpy as np
    >>> from tinynet.layers import Dense
    >>> block = Residual([Dense(2, kernel_initializer="ones")])
    >>> block.build((2,), np.random.default_rng(0))
    (2,)
    >>> block(np.array([[1.0, 2.0]]))
    array([[4., 5.]])
    """

    def __init__(self, layers: Iterable[Layer], **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        for layer in self._listed(layers):
            self._expect_new(layer)
            self._append(layer, self._name_for(layer))
        self.expect(bool(self.layers), "one or more layers", "none")
        self.input_shape = self.input_shape or self.layers[0].input_shape

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Build the layers; return the shape, which they must keep."""
        shape = self._build_layers(input_shape, rng)
        if shape != input_shape:
            self.unbuild()
            self.expect(False, 'layers that keep the shape, as their output is added to x. Of images, padding="same" '
                               f"keeps the size, and a last Conv2D({input_shape[0]}, 1) makes the channels as many",
                        f"samples {input_shape}, made {shape}")
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        f, backwards = as_floating(x), []
        for forward in self.forwards():
            f, backward_of_layer = forward(f, training)
            backwards.append(backward_of_layer)

        def backward(dy: np.ndarray) -> np.ndarray:
            df = dy
            for backward_of_layer in reversed(backwards):
                df = backward_of_layer(df)
            return dy + df
        return x + f, backward
