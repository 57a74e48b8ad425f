"""Stochastic gradient descent: a step against the gradient, with or without momentum; Lion, by the sign of it."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config


def next_velocity(velocity: np.ndarray, g: np.ndarray, learning_rate: float, momentum: float) -> np.ndarray:
    """Return what is left of a velocity, and a step against the gradient."""
    return momentum * velocity - learning_rate * g


@elementwise
def sgd(p: np.ndarray, velocity: np.ndarray, g: np.ndarray, learning_rate: float, momentum: float
        ) -> tuple[np.ndarray, np.ndarray]:
    """Return the next p and velocity."""
    velocity = next_velocity(velocity, g, learning_rate, momentum)
    return p + velocity, velocity


@elementwise
def nesterov(p: np.ndarray, velocity: np.ndarray, g: np.ndarray, learning_rate: float, momentum: float
             ) -> tuple[np.ndarray, np.ndarray]:
    """Return the next p and velocity; p moves by the velocity after it, if the gradient stays."""
    velocity = next_velocity(velocity, g, learning_rate, momentum)
    return p + next_velocity(velocity, g, learning_rate, momentum), velocity


class SGD(Optimizer):
    """``p -= learning_rate * g``; momentum keeps a velocity, so that steps along steady gradients grow.

    With momentum mu: ``v = mu v - learning_rate * g``, ``p += v``. Nesterov looks ahead: ``p += mu v -
    learning_rate * g`` with the new v (Sutskever et al. 2013).
    """

    slot_names = ("velocity",)

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.momentum = self.check_nonnegative("momentum", momentum, 1)
        self.nesterov = bool(nesterov)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its velocity in place."""
        velocity, formula = slots["velocity"], nesterov if self.nesterov else sgd
        formula(p, velocity, g, learning_rate, self.momentum, out=(p, velocity))

    def get_config(self) -> Config:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


@elementwise
def lion(p: np.ndarray, m: np.ndarray, g: np.ndarray, learning_rate: float, share: float, kept_share: float
         ) -> tuple[np.ndarray, np.ndarray]:
    """Return the next p and m; the shares are what g counts for in the step, and in the mean."""
    return p - learning_rate * np.sign(moved(m, g, share)), moved(m, g, kept_share)


class Lion(Optimizer):
    """``p -= learning_rate * sign(beta_1 m + (1 - beta_1) g)``, then ``m = beta_2 m + (1 - beta_2) g``.

    Every entry makes a step of the same length, as far as the rate says; so rates are a third to a tenth of Adam's. The
    gradient counts for more in the step than in the mean that is kept. Found by a search among programs. Source: Chen
    et al. 2023, "Symbolic discovery of optimization algorithms", program 1.
    """

    slot_names = ("m",)

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.check_nonnegative("beta_1", beta_1, 1)
        self.beta_2 = self.check_nonnegative("beta_2", beta_2, 1)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and m in place."""
        m = slots["m"]
        lion(p, m, g, learning_rate, 1 - self.beta_1, 1 - self.beta_2, out=(p, m))

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
