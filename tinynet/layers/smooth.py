"""Smooth nonlinearities, whose slopes have no jumps: sigmoid and tanh, and those that are nearly ReLU far from 0."""

from __future__ import annotations

import numpy as np

from tinynet.layers.base import Backward, Layer, as_floating


class Sigmoid(Layer):
    """``y = 1 / (1 + e^-x)``, and ``dy/dx = y (1 - y)``."""

    gives_probabilities = "sigmoid"         # so that a binary cross-entropy right after it may work from the logits
    bounded = True                          # so no logits, which are of any size

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        with np.errstate(over="ignore"):                         # infinity is right: 1 / (1 + e^1000) is 0
            y = 1 / (1 + np.exp(-x))

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * y * (1 - y)
        return y, backward


class Tanh(Layer):
    """``y = tanh(x)``, and ``dy/dx = 1 - y^2``."""

    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        y = np.tanh(as_floating(x))

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * (1 - y * y)
        return y, backward


class Softplus(Layer):
    """``y = log(1 + e^x)``, a ReLU without a kink; its slope is the sigmoid of x.

    Source: Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing".

    >>> Softplus()(np.array([[-1000.0, 0.0, 1000.0]]))
    array([[0.00000000e+00, 6.93147181e-01, 1.00000000e+03]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        y = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))      # log(1 + e^x) = x + log(1 + e^-x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * Sigmoid().forward(x)[0]
        return y, backward


class Softsign(Layer):
    """``y = x / (1 + |x|)``, and ``dy/dx = 1 / (1 + |x|)^2``: as tanh, but slower to level out."""

    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        share = 1 / (1 + np.abs(x))

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * share * share
        return x * share, backward


class SiLU(Layer):
    """``y = x s`` with ``s`` the sigmoid of x, also called swish; ``dy/dx = s + x s (1 - s)``, by the product rule.

    Source: Elfwing, Uchibe and Doya 2018, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning"; Ramachandran, Zoph and Le 2017, "Searching for activation functions".
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        s = Sigmoid().forward(x)[0]

        def backward(dy: np.ndarray) -> np.ndarray:
            return dy * (s + x * s * (1 - s))
        return x * s, backward
