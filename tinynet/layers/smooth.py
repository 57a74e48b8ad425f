"""Smooth nonlinearities, whose slopes have no jumps: sigmoid and tanh, and those that are nearly ReLU far from 0."""

from __future__ import annotations

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.layers.base import Backward, Layer, as_floating


class Sigmoid(Layer):
    """``y = 1 / (1 + e^-x)``, and ``dy/dx = y (1 - y)``."""

    gives_probabilities = "sigmoid"         # so that a binary cross-entropy right after it may work from the logits
    bounded = True                          # so no logits, which are of any size

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        with np.errstate(over="ignore"):                         # infinity is right: 1 / (1 + e^1000) is 0
            y = sigmoid(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return sigmoid_gradient(dy, y)
        return y, backward


@elementwise
def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + e^-x)``."""
    return 1 / (1 + np.exp(-x))


@elementwise
def sigmoid_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    return dy * y * (1 - y)


class Tanh(Layer):
    """``y = tanh(x)``, and ``dy/dx = 1 - y^2``."""

    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        y = tanh(as_floating(x))

        def backward(dy: np.ndarray) -> np.ndarray:
            return tanh_gradient(dy, y)
        return y, backward


@elementwise
def tanh(x: np.ndarray) -> np.ndarray:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


@elementwise
def tanh_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    return dy * (1 - y * y)


class Softplus(Layer):
    """``y = log(1 + e^x)``, a ReLU without a kink; its slope is the sigmoid of x.

    Source: Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing".

    >>> Softplus()(np.array([[-1000.0, 0.0, 1000.0]]))
    array([[0.00000000e+00, 6.93147181e-01, 1.00000000e+03]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore"):                     # as in Sigmoid
                return softplus_gradient(dy, x)
        return softplus(x), backward


@elementwise
def softplus(x: np.ndarray) -> np.ndarray:
    """Return ``log(1 + e^x)``, which is ``x + log(1 + e^-x)``."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@elementwise
def softplus_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    return dy * sigmoid(x)


class Softsign(Layer):
    """``y = x / (1 + |x|)``, and ``dy/dx = 1 / (1 + |x|)^2``: as tanh, but slower to level out."""

    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return softsign_gradient(dy, x)
        return softsign(x), backward


@elementwise
def softsign(x: np.ndarray) -> np.ndarray:
    """Return ``x / (1 + |x|)``."""
    return x / (1 + np.abs(x))


@elementwise
def softsign_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    share = 1 / (1 + np.abs(x))
    return dy * share * share


class SiLU(Layer):
    """``y = x s`` with ``s`` the sigmoid of x, also called swish; ``dy/dx = s + x s (1 - s)``, by the product rule.

    Source: Elfwing, Uchibe and Doya 2018, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning"; Ramachandran, Zoph and Le 2017, "Searching for activation functions".
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore"):                     # as in Sigmoid
                return silu_gradient(dy, x)
        with np.errstate(over="ignore"):
            return silu(x), backward


@elementwise
def silu(x: np.ndarray) -> np.ndarray:
    """Return x times its sigmoid."""
    return x * sigmoid(x)


@elementwise
def silu_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    s = sigmoid(x)
    return dy * (s + x * s * (1 - s))
