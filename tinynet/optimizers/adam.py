"""Adam: momentum, and a step size for each parameter entry."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.kernels.elementwise import elementwise
from tinynet.kernels.streams import launching
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import moved
from tinynet.registry import Config


@elementwise
def amsgrad(p: np.ndarray, m: np.ndarray, v: np.ndarray, v_max: np.ndarray, g: np.ndarray, rate: float,
            share_1: float, share_2: float, epsilon: float) -> tuple[np.ndarray, ...]:
    """Return the next p, m, v and largest v so far; g and its square count for shares of 1 - beta_1 and 1 - beta_2."""
    m, v = moved(m, g, share_1), moved(v, g * g, share_2)
    v_max = np.maximum(v_max, v)
    return p - rate * (m / (np.sqrt(v_max) + epsilon)), m, v, v_max


class Adam(Optimizer):
    """Momentum and a step size for each entry: ``p -= rate_t * m / (sqrt(v) + epsilon)``.

    ::

        m = beta_1 m + (1 - beta_1) g                      running mean of the gradients
        v = beta_2 v + (1 - beta_2) g^2                    running mean of their squares
        rate_t = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)     corrects m and v, which start from 0

    Source: Kingma & Ba 2015, algorithm 1 in the order of the remark at the end of section 2, where epsilon is
    called epsilon hat; Keras computes it so, PyTorch adds its epsilon after the correction.

    With `amsgrad`, the largest v so far takes its place in the step, so that no entry's steps grow again. Source:
    Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.
    """

    slot_names: tuple[str, ...] = ("m", "v")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, amsgrad: bool = False, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.check_nonnegative("beta_1", beta_1, 1)
        self.beta_2 = self.check_nonnegative("beta_2", beta_2, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)
        self.amsgrad = bool(amsgrad)
        if self.amsgrad:
            self.slot_names = (*self.slot_names, "v_max")

    @launching
    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p, m and v in place."""
        rate = learning_rate * math.sqrt(1 - self.beta_2 ** self.iterations) / (1 - self.beta_1 ** self.iterations)
        if self.amsgrad:
            changing = p, slots["m"], slots["v"], slots["v_max"]
            amsgrad(*changing, g, rate, 1 - self.beta_1, 1 - self.beta_2, self.epsilon, out=changing)
        else:
            kernels.current().adam(p, g, slots["m"], slots["v"], rate, self.beta_1, self.beta_2, self.epsilon)

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon,
                "amsgrad": self.amsgrad}
