"""Adamax: Adam, with the largest gradient in the place of their mean square."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config


@elementwise
def adamax(p: np.ndarray, m: np.ndarray, u: np.ndarray, g: np.ndarray, rate: float, share: float, beta_2: float,
           epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the next p, m and u; g counts in m for a share of 1 - beta_1."""
    m, u = moved(m, g, share), np.maximum(beta_2 * u, np.abs(g))
    return p - rate * (m / (u + epsilon)), m, u


class Adamax(Optimizer):
    """Adam by the largest gradient of late: ``p -= learning_rate / (1 - beta_1^t) * m / (u + epsilon)``.

    ::

        m = beta_1 m + (1 - beta_1) g                      running mean of the gradients, which starts from 0
        u = max(beta_2 u, |g|)                             their largest size, forgotten slowly

    u needs no correction, as the first gradient is the largest so far, and no step is longer than the corrected rate.
    Source: Kingma & Ba 2015, algorithm 2; epsilon as in Keras.
    """

    slot_names = ("m", "u")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.check_nonnegative("beta_1", beta_1, 1)
        self.beta_2 = self.check_nonnegative("beta_2", beta_2, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p, m and u in place."""
        rate, changing = learning_rate / (1 - self.beta_1 ** self.iterations), (p, slots["m"], slots["u"])
        adamax(*changing, g, rate, 1 - self.beta_1, self.beta_2, self.epsilon, out=changing)

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
