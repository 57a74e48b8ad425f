"""Adadelta: steps in the units of the parameter, from the running mean of those before."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import move
from tinynet.registry import Config


class Adadelta(Optimizer):
    """``p -= learning_rate * d`` with ``d = sqrt(s + epsilon) / sqrt(v + epsilon) * g``.

    v is the running mean of ``g^2``, as in RMSprop, and s that of ``d^2``: a step is as long as those before have been,
    so that the rate has no unit. In the paper it is 1, and 0.001 in Keras. Source: Zeiler 2012, algorithm 1.
    """

    slot_names = ("square", "step_square")
    elementwise = True

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.95, epsilon: float = 1e-7,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.check_nonnegative("rho", rho, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its running means in place."""
        move(slots["square"], g * g, self.rho)
        step = np.sqrt((slots["step_square"] + self.epsilon) / (slots["square"] + self.epsilon))
        step *= g
        move(slots["step_square"], step * step, self.rho)
        step *= learning_rate
        p -= step

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
