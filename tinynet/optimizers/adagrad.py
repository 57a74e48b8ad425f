"""Adagrad: a step size for each parameter entry, from the sum of all its squared gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.registry import Config


@elementwise
def adagrad(p: np.ndarray, accumulator: np.ndarray, g: np.ndarray, learning_rate: float, epsilon: float
            ) -> tuple[np.ndarray, np.ndarray]:
    """Return the next p and sum of squares."""
    accumulator = accumulator + g * g
    return p - learning_rate * g / np.sqrt(accumulator + epsilon), accumulator


class Adagrad(Optimizer):
    """``p -= learning_rate * g / sqrt(a + epsilon)`` with ``a += g^2``, from `initial_accumulator_value` on.

    The sum never forgets, so that steps shrink with the root of their number; entries that seldom have a gradient keep
    large ones. Source: Duchi et al. 2011; epsilon under the root, as in Keras.
    """

    slot_names = ("accumulator",)

    def __init__(self, learning_rate: LearningRate = 0.001, initial_accumulator_value: float = 0.1,
                 epsilon: float = 1e-7, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = self.check_nonnegative("initial_accumulator_value", initial_accumulator_value)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)

    def new_slots(self, p: np.ndarray) -> dict[str, np.ndarray]:
        """Return the sum, as it begins."""
        slots = super().new_slots(p)
        slots["accumulator"] += self.initial_accumulator_value
        return slots

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its sum of squares in place."""
        changing = p, slots["accumulator"]
        adagrad(*changing, g, learning_rate, self.epsilon, out=changing)

    def get_config(self) -> Config:
        return {**super().get_config(), "initial_accumulator_value": self.initial_accumulator_value,
                "epsilon": self.epsilon}
