"""The nonlinearities as functions of an array, under the names that Keras has for them.

Each is computed by the forward of its layer, `tinynet.layers.ReLU` and so on, which has the backward too. As the
activation of a layer, function, name and class are interchangeable: ``Dense(3, activation=relu)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from tinynet import layers
from tinynet.checks import invalid
from tinynet.registry import pick


class ActivationFunction(Protocol):
    """A function of an array that knows its name."""

    activation_name: str

    def __call__(self, x: ArrayLike, /) -> np.ndarray:
        """Return the activation of every number, or, of a softmax, of every row."""


def named(function: Callable[[ArrayLike], np.ndarray]) -> ActivationFunction:
    """Give a function its name, by which layers and `serialize` know it."""
    activation = cast(ActivationFunction, function)
    activation.activation_name = function.__name__
    return activation


def run(layer: layers.Layer, x: ArrayLike) -> np.ndarray:
    """Run a layer on an array of any rank, as a batch of one sample."""
    return layer(np.asarray(x)[None])[0]


@named
def relu(x: ArrayLike) -> np.ndarray:
    """Return ``max(x, 0)``.

    >>> relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return run(layers.ReLU(), x)


@named
def sigmoid(x: ArrayLike) -> np.ndarray:
    """Return ``1 / (1 + e^-x)``.

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return run(layers.Sigmoid(), x)


@named
def tanh(x: ArrayLike) -> np.ndarray:
    """Return the hyperbolic tangent of x.

    >>> tanh([-1000.0, 0.0, 1000.0])
    array([-1.,  0.,  1.])
    """
    return run(layers.Tanh(), x)


@named
def softmax(x: ArrayLike) -> np.ndarray:
    """Return ``e^x_i / sum_j e^x_j`` over the last axis.

    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return run(layers.Softmax(), x)


@named
def linear(x: ArrayLike) -> np.ndarray:
    """Return x unchanged.

    >>> linear([-1.0, 2.0])
    array([-1.,  2.])
    """
    return np.asarray(x)


KNOWN: dict[str, ActivationFunction] = {function.activation_name: function
                                        for function in (relu, sigmoid, tanh, softmax, linear)}


def get(identifier: str | Callable[[ArrayLike], np.ndarray] | None) -> Callable[[ArrayLike], np.ndarray]:
    """Return the function for a name, or a callable as it is; `linear` for None.

    >>> get("relu")([-1.0, 2.0])
    array([0., 2.])
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return pick("activation", identifier, KNOWN)
    if not callable(identifier):
        raise invalid(None, "an activation: a name, or a callable (x)", repr(identifier))
    return identifier


def serialize(activation: ActivationFunction) -> str:
    """Return the name by which `get` finds a function of this module.

    >>> serialize(relu)
    'relu'
    """
    name = getattr(activation, "activation_name", None)
    if name is None:
        raise invalid(None, "a function of tinynet.activations", repr(activation))
    return name
