"""RMSprop: a step size for each parameter entry, from the running mean of its squared gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import move
from tinynet.registry import Config


class RMSprop(Optimizer):
    """``p -= learning_rate * g / sqrt(v + epsilon)`` with ``v = rho v + (1 - rho) g^2``, the mean square of g.

    Each entry has a step size of its own, large where gradients have been small. With `momentum` mu the steps add up,
    ``s = mu s + learning_rate * g / sqrt(v + epsilon)`` and ``p -= s``. If `centered`, the square of the mean gradient
    is subtracted from v, which makes it a variance: steps are long where gradients agree (Graves 2013, equations
    38 to 41). Source: Hinton, lecture 6e of "Neural Networks for Machine Learning", 2012; epsilon under the root, as in
    Keras.
    """

    slot_names: tuple[str, ...] = ("square",)
    elementwise = True

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-7, centered: bool = False, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.check_nonnegative("rho", rho, 1)
        self.momentum = self.check_nonnegative("momentum", momentum, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)
        self.centered = bool(centered)
        self.slot_names += ("mean",) * self.centered + ("velocity",) * (self.momentum > 0)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its running arrays in place."""
        square = slots["square"]
        square *= self.rho
        square += (1 - self.rho) * g * g
        if self.centered:
            mean = slots["mean"]
            move(mean, g, self.rho)
            square = np.maximum(square - mean * mean, 0)             # which rounding could make negative
        change = learning_rate * g / np.sqrt(square + self.epsilon)
        if self.momentum > 0:
            velocity = slots["velocity"]
            velocity *= self.momentum
            velocity += change
            change = velocity
        p -= change

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
                "centered": self.centered}
