"""A function of one's own as an activation or a layer: it brings its backward, as a layer's forward does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, Unpack

import numpy as np

from tinynet.checks import invalid
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating, described
from tinynet.registry import Config, pick

Function = Callable[[np.ndarray], tuple[np.ndarray, Backward]]       # f(x) -> (y, backward)


class Lambda(Layer):
    """A function of one's own as a layer: ``f(x)`` returns ``(y, backward)``, ``backward(dy)`` returns dx.

    y has a sample for each of x, in a shape of its own. The function is called when the layer is built, on one sample,
    and so tells that shape. Files and configs have its name; `load_model` finds it in ``custom_objects={"f": f}``.

    Parameters
    ----------
    function : one without parameters; what learns is a `Layer` of its own.

    >>> squared = Lambda(lambda x: (x * x, lambda dy: 2 * x * dy))
    >>> y, backward = squared.forward(np.array([[3.0, -1.0]]))
    >>> y, backward(np.ones((1, 2)))
    (array([[9., 1.]]), array([[ 6., -2.]]))
    """

    def __init__(self, function: Function, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.expect(callable(function), "a function that returns (y, backward)", repr(function))
        self.function = function

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape of what the function makes of one sample."""
        with np.errstate(all="ignore"):
            y, _ = self.forward(np.full((1, *input_shape), 0.5, np.float32))
        self.input_shape, self.output_shape = input_shape, y.shape[1:]
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return what the function returns."""
        x = as_floating(x)
        returned = self.function(x)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])
                and self.fits(np.shape(returned[0]), x.shape)):
            raise self.refusal(f"{self.function!r}, which returned {described(returned)}")
        return returned

    def fits(self, shape: Shape, given: Shape) -> bool:
        """Return whether y may have this shape: it has a sample for each of x."""
        return shape[:1] == given[:1]

    def refusal(self, received: str) -> ValueError:
        """Return the error about a function that does not do it."""
        return invalid(self, "a function that returns (y, backward) and so brings its slope, y with a sample for each "
                             "of x, such as lambda x: (x / 255, lambda dy: dy / 255)", received)

    def get_config(self) -> Config:
        """Return the function by its name."""
        return {**super().get_config(), "function": {"class": name_of(self.function), "config": {}}}

    @classmethod
    def from_config(cls, config: Config, custom_layers: Mapping[str, Function] | None = None) -> Self:
        """Make it from what `get_config` returned, with the function that is under its name in `custom_layers`."""
        function = pick("function", config["function"]["class"], custom_layers or {})
        return cls(**{**config, "function": function})


class OwnFunction(Lambda):
    """What ``activation=f`` makes of a function: one whose y has the shape of x.

    It is called once when the layer is made, on a single number, so that one without a backward is told at once.

    >>> from tinynet.layers import Activation
    >>> def sine(x):
    ...     return np.sin(x), lambda dy: dy * np.cos(x)
    >>> Activation(sine)(np.array([[0.0, np.pi / 2]]))
    array([[0., 1.]])
    """

    def __init__(self, function: Function):
        super().__init__(function)
        self.class_name = name_of(function)
        with np.errstate(all="ignore"):                             # half is no number that it must be defined for
            self.forward(np.full((1, 1, 1, 1), 0.5, np.float32))

    def fits(self, shape: Shape, given: Shape) -> bool:
        """Return whether y has the shape of x."""
        return shape == given

    def refusal(self, received: str) -> ValueError:
        """Return the error about a function that is no activation."""
        return invalid(None, "an activation: a name or a layer, such as LeakyReLU(0.1); or a function that returns "
                             "(y, backward) and so brings its slope, such as def sine(x): return np.sin(x), "
                             "lambda dy: dy * np.cos(x)", received)

    def get_config(self) -> Config:
        """Return nothing: the function is known by its name alone."""
        return {}

    def __str__(self) -> str:
        return self.class_name


def name_of(function: Function) -> str:
    """Return the name by which files and configs have a function."""
    return getattr(function, "__name__", type(function).__name__)
