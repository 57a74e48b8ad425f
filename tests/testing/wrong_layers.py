"""Layers whose backward is wrong in a known way: right ones, spoiled."""

from tinynet.layers import Layer


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


def at(place, factor):
    """Return a function that multiplies the entries at `place` of an array."""
    def multiplied(g):
        g = g.copy()
        g[place] *= factor
        return g
    return multiplied
