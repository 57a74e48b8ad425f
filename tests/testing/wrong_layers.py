"""Layers to test the checks with: a correct one to break, and correct ones whose backward is spoiled in a known way."""

import numpy as np

from tinynet.layers import Layer


class Scale(Layer):
    """A correct layer: every number of a sample times a learned one. Tests derive wrong ones from it."""

    def build(self, input_shape, rng):
        self.params["scale"] = rng.uniform(0.5, 1.5, input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0)
            return dy * scale
        return x * scale, backward


class Spoiled(Layer):
    """A layer whose backward returns and sets what `spoil` makes of the right gradients.

    `spoil` is called with the dict of all of them, input included, as ``spoil(gradients, dy, x)``, and changes it.
    """

    def __init__(self, inner, spoil):
        super().__init__()
        self.inner, self.spoil = inner, spoil
        self.params, self.differs_in_training = inner.params, inner.differs_in_training
        for key, value in vars(inner).items():
            if isinstance(value, float):
                setattr(self, key, value)

    def build(self, input_shape, rng):
        return self.inner.build(input_shape, rng)

    def forward(self, x, training=False):
        y, backward = self.inner.forward(x, training)

        def spoiled(dy):
            gradients = {"x": backward(dy), **self.inner.grads}
            self.spoil(gradients, dy, x)
            dx = gradients.pop("x")
            self.grads = gradients
            return dx
        return y, spoiled


def change(name, function):
    """Return a `spoil` that replaces one gradient g by ``function(g)``."""
    def spoil(gradients, dy, x):
        gradients[name] = function(gradients[name])
    return spoil


def times(name, factor):
    """Return a `spoil` that multiplies one gradient."""
    return change(name, lambda g: factor * g)


def at(index, factor):
    """Return a function that multiplies the entries at `index` of an array."""
    def multiplied(g):
        g = g.copy()
        g[index] *= factor
        return g
    return multiplied


class Written:
    """A layer made of ``function(x, params)``, which returns y and a function from dy to the gradients by name."""

    def __init__(self, function, params):
        self.function, self.params, self.grads = function, {k: array.copy() for k, array in params.items()}, {}

    def forward(self, x, training=False):
        y, backward = self.function(x, self.params)

        def run(dy):
            self.grads = backward(dy)
            return self.grads.pop("x")
        return y, run
