"""RMSprop: a step size for each parameter entry, from the running mean of its squared gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config

Arrays = tuple[np.ndarray, ...]


def mean_square(square: np.ndarray, g: np.ndarray, rho: float, share: float) -> np.ndarray:
    """Return the next running mean of g^2, of which the new one is a share of 1 - rho."""
    return rho * square + share * g * g


def change(g: np.ndarray, square: np.ndarray, learning_rate: float, epsilon: float) -> np.ndarray:
    """Return what p changes by."""
    return learning_rate * g / np.sqrt(square + epsilon)


def centered_change(g: np.ndarray, square: np.ndarray, mean: np.ndarray, learning_rate: float, epsilon: float
                    ) -> np.ndarray:
    """Return what p changes by, with the variance of g, which rounding could make negative."""
    return change(g, np.maximum(square - mean * mean, 0), learning_rate, epsilon)


@elementwise
def rmsprop(p: np.ndarray, square: np.ndarray, g: np.ndarray, learning_rate: float, rho: float, share: float,
            epsilon: float) -> Arrays:
    """Return the next p and mean square."""
    square = mean_square(square, g, rho, share)
    return p - change(g, square, learning_rate, epsilon), square


@elementwise
def with_momentum(p: np.ndarray, square: np.ndarray, velocity: np.ndarray, g: np.ndarray, learning_rate: float,
                  rho: float, share: float, epsilon: float, momentum: float) -> Arrays:
    """Return the next p, mean square and velocity."""
    square = mean_square(square, g, rho, share)
    velocity = momentum * velocity + change(g, square, learning_rate, epsilon)
    return p - velocity, square, velocity


@elementwise
def centered(p: np.ndarray, square: np.ndarray, mean: np.ndarray, g: np.ndarray, learning_rate: float, rho: float,
             share: float, epsilon: float) -> Arrays:
    """Return the next p, mean square and mean."""
    square, mean = mean_square(square, g, rho, share), moved(mean, g, share)
    return p - centered_change(g, square, mean, learning_rate, epsilon), square, mean


@elementwise
def centered_with_momentum(p: np.ndarray, square: np.ndarray, mean: np.ndarray, velocity: np.ndarray, g: np.ndarray,
                           learning_rate: float, rho: float, share: float, epsilon: float, momentum: float) -> Arrays:
    """Return the next p, mean square, mean and velocity."""
    square, mean = mean_square(square, g, rho, share), moved(mean, g, share)
    velocity = momentum * velocity + centered_change(g, square, mean, learning_rate, epsilon)
    return p - velocity, square, mean, velocity


class RMSprop(Optimizer):
    """``p -= learning_rate * g / sqrt(v + epsilon)`` with ``v = rho v + (1 - rho) g^2``, the mean square of g.

    Each entry has a step size of its own, large where gradients have been small. With `momentum` mu the steps add up,
    ``s = mu s + learning_rate * g / sqrt(v + epsilon)`` and ``p -= s``. If `centered`, the square of the mean gradient
    is subtracted from v, which makes it a variance: steps are long where gradients agree (Graves 2013, equations
    38 to 41). Source: Hinton, lecture 6e of "Neural Networks for Machine Learning", 2012; epsilon under the root, as in
    Keras.
    """

    slot_names: tuple[str, ...] = ("square",)

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-7, centered: bool = False, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.check_nonnegative("rho", rho, 1)
        self.momentum = self.check_nonnegative("momentum", momentum, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)
        self.centered = bool(centered)
        self.slot_names += self.running[1:]

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the running arrays that the settings need."""
        return "square", *("mean",) * self.centered, *("velocity",) * (self.momentum > 0)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its running arrays in place."""
        changing = p, *(slots[name] for name in self.running)
        settings = [learning_rate, self.rho, 1 - self.rho, self.epsilon]
        if self.momentum > 0:
            formula = centered_with_momentum if self.centered else with_momentum
            settings.append(self.momentum)
        else:
            formula = centered if self.centered else rmsprop
        formula(*changing, g, *settings, out=changing)

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
                "centered": self.centered}
