"""The nonlinearities as functions of an array, under the names that Keras has for them.

Each is computed by the forward of its layer, `tinynet.layers.ReLU` and so on, which has the backward too. As the
activation of a layer, function, name and class are interchangeable: ``Dense(3, activation=relu)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinynet import layers
from tinynet.checks import invalid
from tinynet.registry import pick, spelled

F = TypeVar("F", bound=Callable[..., np.ndarray])


def named(function: F) -> F:
    """Give a function its name, by which layers and `serialize` know it."""
    function.activation_name = function.__name__                  # type: ignore[attr-defined]
    return function


def run(layer: layers.Layer, x: ArrayLike) -> np.ndarray:
    """Run a layer on an array of any rank, as a batch of one sample."""
    return layer(np.asarray(x)[None])[0]


@named
def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
         ) -> np.ndarray:
    """Return ``max(x, 0)``, or what `tinynet.layers.ReLU` makes of x with other settings.

    >>> relu([-1.0, 0.0, 2.0]), relu([-1.0, 0.0, 8.0], 0.5, max_value=6)
    (array([0., 0., 2.]), array([-0.5,  0. ,  6. ]))
    """
    return run(layers.ReLU(max_value, negative_slope, threshold), x)


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
def softmax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """Return ``e^x_i / sum_j e^x_j`` over an axis, the last if not given.

    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return run(layers.Softmax(axis if axis < 0 else axis + 1), x)            # of a batch of one


@named
def elu(x: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """Return x above 0, and ``alpha (e^x - 1)`` elsewhere.

    >>> elu([-1000.0, 0.0, 2.0])
    array([-1.,  0.,  2.])
    """
    return run(layers.ELU(alpha), x)


@named
def selu(x: ArrayLike) -> np.ndarray:
    """Return ``1.0507 x`` above 0, and ``1.0507 * 1.6733 (e^x - 1)`` elsewhere.

    >>> selu([-1000.0, 0.0, 1.0]).round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return run(layers.SELU(), x)


@named
def gelu(x: ArrayLike, approximate: bool = False) -> np.ndarray:
    """Return x times the probability that a standard normal number is below x.

    >>> gelu([-1.0, 0.0, 1.0]).round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    return run(layers.GELU(approximate), x)


@named
def silu(x: ArrayLike) -> np.ndarray:
    """Return x times the sigmoid of x; also called swish.

    >>> silu([-1000.0, 0.0, 1000.0])
    array([  -0.,    0., 1000.])
    """
    return run(layers.SiLU(), x)


swish = silu


@named
def softplus(x: ArrayLike) -> np.ndarray:
    """Return ``log(1 + e^x)``.

    >>> softplus([-1000.0, 0.0, 1000.0]).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+03])
    """
    return run(layers.Softplus(), x)


@named
def softsign(x: ArrayLike) -> np.ndarray:
    """Return ``x / (1 + |x|)``.

    >>> softsign([-1.0, 0.0, 3.0])
    array([-0.5 ,  0.  ,  0.75])
    """
    return run(layers.Softsign(), x)


@named
def hard_sigmoid(x: ArrayLike) -> np.ndarray:
    """Return ``relu6(x + 3) / 6``.

    >>> hard_sigmoid([-4.0, 0.0, 1.5])
    array([0.  , 0.5 , 0.75])
    """
    return run(layers.HardSigmoid(), x)


@named
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> np.ndarray:
    """Return x above 0, and ``negative_slope * x`` elsewhere.

    >>> leaky_relu([-1.0, 0.0, 2.0])
    array([-0.2,  0. ,  2. ])
    """
    return run(layers.LeakyReLU(negative_slope), x)


@named
def relu6(x: ArrayLike) -> np.ndarray:
    """Return ``min(max(x, 0), 6)``.

    >>> relu6([-1.0, 2.0, 8.0])
    array([0., 2., 6.])
    """
    return run(layers.ReLU6(), x)


@named
def linear(x: ArrayLike) -> np.ndarray:
    """Return x unchanged.

    >>> linear([-1.0, 2.0])
    array([-1.,  2.])
    """
    return np.asarray(x)


FUNCTIONS = (relu, sigmoid, tanh, softmax, elu, selu, gelu, silu, softplus, softsign, hard_sigmoid, leaky_relu, relu6,
             linear)
KNOWN: dict[str, Callable[..., np.ndarray]] = {**{function.__name__: function for function in FUNCTIONS}, "swish": silu}


def get(identifier: str | Callable[..., np.ndarray] | None) -> Callable[..., np.ndarray]:
    """Return the function for a name, or a callable as it is; `linear` for None.

    >>> get("relu")([-1.0, 2.0])
    array([0., 2.])
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return pick("activation", spelled(identifier, KNOWN), KNOWN)
    if not callable(identifier):
        raise invalid(None, "an activation: a name, or a callable (x)", repr(identifier))
    return identifier


def serialize(activation: Callable[..., np.ndarray]) -> str:
    """Return the name by which `get` finds a function of this module.

    >>> serialize(relu)
    'relu'
    """
    name = getattr(activation, "activation_name", None)
    if name is None:
        raise invalid(None, "a function of tinynet.activations", repr(activation))
    return name
