"""What every layer is: parameters, gradients, and a forward that hands out its own backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]
Backward = Callable[..., Any]


class Layer:
    """One differentiable function of an array, and the parameters it has learned.

    A layer of your own needs ``forward``, and ``build`` if it has parameters::

        class Scale(Layer):
            def build(self, input_shape, rng):
                self.params["scale"] = np.ones(input_shape, np.float32)
                return input_shape

            def forward(self, x, training=False):
                scale = self.params["scale"]

                def backward(dy):
                    self.grads["scale"] = (dy * x).sum(axis=0)
                    return dy * scale
                return x * scale, backward

    Parameters
    ----------
    name : what the layer is called in its model; the model counts one out (``dense_1``) if none is given.
    input_shape : shape of one sample, without the batch axis; the first layer of a model wants it.
    trainable : False keeps an optimizer from changing the parameters; gradients are computed all the same.

    Attributes
    ----------
    params, grads : dicts of arrays under the same keys; ``backward`` overwrites ``grads``.
    input_shape, output_shape : shapes of one sample, known once the layer is built.
    differs_in_training : class attribute, True where ``forward(x, training=True)`` is another function.
    """

    differs_in_training = False

    def __init__(self, *, name: str | None = None, input_shape: Iterable[int] | None = None,
                 trainable: bool = True):
        self.name = name
        self.input_shape = None if input_shape is None else as_shape(input_shape, owner=self)
        self.output_shape: Shape | None = None
        self.trainable = trainable
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self._given = name, self.input_shape

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the parameters (float32) for samples of `input_shape`; return the shape of one output."""
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``: ``backward(dy)`` sets ``grads`` and returns d loss / d x."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(x, training=False).")

    def unbuild(self) -> None:
        """Forget the shapes that `build` was given, so that it can be called with others."""
        self.input_shape, self.output_shape = self._given[1], None

    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.forward(x, training)[0]

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is what forward can take."""

    def steps(self, name: str = "") -> list[Step]:
        """List what the layer, called `name`, does as a flat list of steps: itself, unless it is made of others."""
        return [Step(name, self, self.forward)]

    def penalties(self) -> list[tuple[str, Any]]:
        """Pair parameter keys with the regularizers that are to be added to the loss."""
        return []

    def leaves(self) -> list[Layer]:
        """List the layers this one is made of: itself, unless it is a model."""
        return [self]

    def trainable_params(self) -> dict[str, np.ndarray]:
        """Return the parameters that an optimizer may change."""
        return dict(self.params) if self.trainable else {}

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all parameters, in the order of ``params``."""
        return [array.copy() for array in self.params.values()]

    def set_weights(self, weights: Iterable[np.ndarray]) -> None:
        """Overwrite all parameters with arrays of the same shapes, in the order of ``params``."""
        weights = [np.asarray(array) for array in weights]
        shapes = [array.shape for array in self.params.values()]
        self.expect([array.shape for array in weights] == shapes, f"weights of shapes {shapes}",
                    [array.shape for array in weights])
        for array, new in zip(self.params.values(), weights, strict=True):
            array[...] = new

    def count_params(self) -> int:
        """Count the numbers in ``params``."""
        return sum(array.size for array in self.params.values())

    def get_config(self) -> dict[str, Any]:
        name, shape = self._given
        config = {"name": name, "input_shape": shape and list(shape), "trainable": None if self.trainable else False}
        return {key: value for key, value in config.items() if value is not None}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        """Make a layer from what ``get_config`` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{self}, {self.count_params():,} parameters>"

    def __str__(self) -> str:
        return f"{type(self).__name__} '{self.name}'" if self.name else type(self).__name__

    # What errors are made of.

    def expect(self, condition: bool, expected: str, received: object) -> None:
        """Raise this layer's ValueError unless `condition` holds."""
        if not condition:
            raise ValueError(f"{self}: expected {expected}. Received: {received}.")

    def expect_built(self, key: str) -> None:
        """Raise a ValueError that says how to build, unless the parameter `key` exists."""
        if key not in self.params:
            raise ValueError(f"{self}: has no weights yet. Put it into a Sequential whose input shape is known, "
                             f"or call build(input_shape, rng) first.")


class Step(NamedTuple):
    """One entry of a model's flat list: a function ``run(x, training) -> (y, backward)`` and whose it is.

    `name` is that of the layer for its main step, with "/relu" behind it for its activation.
    """

    name: str
    layer: Layer
    run: Callable[..., tuple[np.ndarray, Backward]]


def steps_of(layer: Layer, name: str = "") -> list[Step]:
    """List a layer's steps; a forward that a subclass wrote anew counts for more than the steps it inherited."""
    listed = lists_steps(type(layer))                              # type: ignore[arg-type]
    return layer.steps(name) if listed else [Step(name, layer, layer.forward)]


def within(name: str, part: str) -> str:
    """Return what a part of the layer called `name` is called."""
    return f"{name}/{part}" if name else part


@cache
def lists_steps(cls: type) -> bool:
    """Tell whether a class, or the nearest above it that has ``forward`` or ``steps``, has ``steps``."""
    return "steps" in vars(next(base for base in cls.__mro__ if "steps" in vars(base) or "forward" in vars(base)))


def run_steps(steps: Iterable[Step], x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Run steps one after the other: forwards composed, backwards chained in reverse.

    The backward takes ``need_dx=False`` where nobody asks for the gradient of `x` itself: it then ends at the
    first step that has parameters.
    """
    steps = list(steps)
    backwards: list[Backward] = []
    for step in steps:
        x, backward = step.run(x, training)
        backwards.append(backward)

    def run_back(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        if need_dx:
            for back in reversed(backwards):
                dy = back(dy)
            return dy
        first = next((i for i, step in enumerate(steps) if step.layer.params), len(steps))
        for back in backwards[:first:-1]:
            dy = back(dy)
        for back in backwards[first:first + 1]:
            without_dx(back)(dy)
        return None
    return x, run_back


def without_dx(backward: Backward) -> Backward:
    """Return `backward` told to leave the input gradient out, if it can: ``backward(dy, *, need_dx=True)``."""
    if "need_dx" in (getattr(backward, "__kwdefaults__", None) or ()):
        return lambda dy: backward(dy, need_dx=False)
    return backward


def as_shape(value: Iterable[int] | int, owner: object, what: str = "input_shape") -> Shape:
    """Return `value` as a tuple of positive ints, or raise a ValueError naming `owner`."""
    shape = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(map(is_count, shape)):
        raise ValueError(f"{owner}: expected {what} as positive whole numbers, without the batch axis. "
                         f"Received: {value!r}.")
    return tuple(int(size) for size in shape)


def is_count(value: Any) -> bool:
    """Tell whether a value is a positive whole number."""
    try:
        return int(value) == value and value > 0 and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        return False
