"""A function of one's own as an activation: it brings its backward, as a layer's forward does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.checks import invalid
from tinynet.layers.base import Backward, Layer, as_floating, described
from tinynet.registry import Config

Function = Callable[[np.ndarray], tuple[np.ndarray, Backward]]       # f(x) -> (y, backward)


class OwnFunction(Layer):
    """What ``activation=f`` makes of a function: ``f(x)`` returns ``(y, backward)``, ``backward(dy)`` returns dx.

    It is called once when the layer is made, on a single number, so that one without a backward is told at once.
    Files and configs have the function's name; `load_model` finds it in ``custom_objects={"f": f}``.

    >>> from tinynet.layers import Activation
    >>> def sine(x):
    ...     return np.sin(x), lambda dy: dy * np.cos(x)
    >>> Activation(sine)(np.array([[0.0, np.pi / 2]]))
    array([[0., 1.]])
    """

    def __init__(self, function: Function):
        super().__init__()
        self.function = function
        self.class_name = getattr(function, "__name__", type(function).__name__)
        with np.errstate(all="ignore"):                             # half is no number that it must be defined for
            self.forward(np.full((1, 1, 1, 1), 0.5, np.float32))

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return what the function returns."""
        x = as_floating(x)
        returned = self.function(x)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])
                and np.shape(returned[0]) == x.shape):
            raise invalid(None, "an activation: a name or a layer, such as LeakyReLU(0.1); or a function that returns "
                                "(y, backward) and so brings its slope, such as def sine(x): return np.sin(x), "
                                "lambda dy: dy * np.cos(x)", f"{self.function!r}, which returned {described(returned)}")
        return returned

    def get_config(self) -> Config:
        """Return nothing: the function is known by its name alone."""
        return {}

    def __str__(self) -> str:
        return self.class_name
