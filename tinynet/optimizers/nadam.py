"""Nadam: Adam, with Nesterov's look ahead in place of momentum."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config


@elementwise
def nadam(p: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray, m_rate: float, g_rate: float, correction: float,
          share_1: float, share_2: float, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the next p, m and v; g and its square count in them for shares of 1 - beta_1 and 1 - beta_2."""
    m, v = moved(m, g, share_1), moved(v, g * g, share_2)
    return p - (m_rate * m + g_rate * g) / (np.sqrt(v / correction) + epsilon), m, v


class Nadam(Optimizer):
    """Adam, whose mean gradient is taken one step ahead: ``p -= learning_rate * m_hat / (sqrt(v_hat) + epsilon)``.

    ::

        u_t   = beta_1 (1 - 0.96^t / 2)                    momentum, which grows to beta_1
        m     = beta_1 m + (1 - beta_1) g
        v     = beta_2 v + (1 - beta_2) g^2
        m_hat = u_{t+1} m / (1 - u_1 ... u_{t+1}) + (1 - u_t) g / (1 - u_1 ... u_t)
        v_hat = v / (1 - beta_2^t)

    Source: Dozat 2016, algorithm 2; m with a constant beta_1, as in Keras.
    """

    slot_names = ("m", "v")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.check_nonnegative("beta_1", beta_1, 1)
        self.beta_2 = self.check_nonnegative("beta_2", beta_2, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)
        self._products = 0, 1.0                          # t, and u_1 ... u_t: multiplied anew where t is another

    def momentum(self, t: int) -> float:
        """Return u_t."""
        return self.beta_1 * (1 - 0.5 * 0.96 ** t)

    def product(self, t: int) -> float:
        """Return ``u_1 ... u_t``."""
        known, product = self._products if self._products[0] <= t else (0, 1.0)
        for step in range(known + 1, t + 1):
            product *= self.momentum(step)
        self._products = t, product
        return product

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p, m and v in place."""
        t, changing = self.iterations, (p, slots["m"], slots["v"])
        now, ahead, product = self.momentum(t), self.momentum(t + 1), self.product(t)
        m_rate, g_rate = learning_rate * ahead / (1 - product * ahead), learning_rate * (1 - now) / (1 - product)
        nadam(*changing, g, m_rate, g_rate, 1 - self.beta_2 ** t, 1 - self.beta_1, 1 - self.beta_2, self.epsilon,
              out=changing)

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
