"""Layers as a reader writes them, for the tests of everything that works on any layer."""

import numpy as np

from tinynet.layers import Layer


class Scale(Layer):
    """``y = scale * x``, a learned factor for every element: nothing but what a layer needs."""

    def build(self, input_shape, rng):
        self.params["scale"] = rng.normal(1, 0.1, input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0)
            return dy * scale
        return x * scale, backward


class Times(Layer):
    """``y = factor * x``, and no get_config: what a reader forgets."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def forward(self, x, training=False):
        return x * self.factor, lambda dy: dy * self.factor
