"""RMSprop: a step size for each parameter entry, from the running mean of its squared gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.registry import Config


class RMSprop(Optimizer):
    """``p -= learning_rate * g / sqrt(v + epsilon)`` with ``v = rho v + (1 - rho) g^2``, the mean square of g.

    Each entry has a step size of its own, large where gradients have been small. Source: Hinton, lecture 6e of
    "Neural Networks for Machine Learning", 2012; epsilon under the root, as in Keras.
    """

    slot_names = ("square",)

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.9, epsilon: float = 1e-7,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.check_nonnegative("rho", rho, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its mean square in place."""
        square = slots["square"]
        square *= self.rho
        square += (1 - self.rho) * g * g
        p -= learning_rate * g / np.sqrt(square + self.epsilon)

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
