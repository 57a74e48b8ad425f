"""Adam: momentum, and a step size for each parameter entry."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.kernels import buffers
from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.optimizers.running import move
from tinynet.registry import Config


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
    elementwise = True
    in_one_pass = True

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, amsgrad: bool = False, **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.check_nonnegative("beta_1", beta_1, 1)
        self.beta_2 = self.check_nonnegative("beta_2", beta_2, 1)
        self.epsilon = self.check_nonnegative("epsilon", epsilon)
        self.amsgrad = bool(amsgrad)
        if self.amsgrad:
            self.slot_names = (*self.slot_names, "v_max")

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p, m and v in place."""
        rate = learning_rate * math.sqrt(1 - self.beta_2 ** self.iterations) / (1 - self.beta_1 ** self.iterations)
        if self.amsgrad:
            self.step_by_largest(p, g, slots, rate)
        else:
            kernels.current().adam(p, g, slots["m"], slots["v"], rate, self.beta_1, self.beta_2, self.epsilon)

    def step_by_largest(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], rate: float) -> None:
        """Do so with the largest v so far."""
        m, v, v_max = slots["m"], slots["v"], slots["v_max"]
        step = np.multiply(g, g, out=buffers.empty(p.shape, p.dtype))            # first of it, g^2
        move(m, g, self.beta_1)
        move(v, step, self.beta_2)
        np.maximum(v_max, v, out=v_max)
        np.sqrt(v_max, out=step)
        step += self.epsilon
        np.divide(m, step, out=step)
        step *= rate
        p -= step

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon,
                "amsgrad": self.amsgrad}
