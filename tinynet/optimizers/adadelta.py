"""Adadelta: steps in the units of the parameter, from the running mean of those before."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config


@elementwise
def adadelta(p: np.ndarray, square: np.ndarray, step_square: np.ndarray, g: np.ndarray, learning_rate: float,
             share: float, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the next p, and the running means of g^2 and d^2, of which the new ones are a share of 1 - rho."""
    square = moved(square, g * g, share)
    d = np.sqrt((step_square + epsilon) / (square + epsilon)) * g
    return p - learning_rate * d, square, moved(step_square, d * d, share)


class Adadelta(Optimizer):
    """``p -= learning_rate * d`` with ``d = sqrt(s + epsilon) / sqrt(v + epsilon) * g``.

    v is the running mean of ``g^2``, as in RMSprop, and s that of ``d^2``: a step is as long as those before have been,
    so that the rate has no unit. In the paper it is 1, and 0.001 in Keras. Source: Zeiler 2012, algorithm 1.
    """

    slot_names = ("square", "step_square")

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.95, epsilon: float = 1e-7,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.check_nonnegative("rho", rho, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its running means in place."""
        changing = p, slots["square"], slots["step_square"]
        adadelta(*changing, g, learning_rate, 1 - self.rho, self.epsilon, out=changing)

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
