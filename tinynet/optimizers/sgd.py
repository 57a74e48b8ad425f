"""Stochastic gradient descent: a step against the gradient, with or without momentum."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet.optimizers.base import LearningRate, Optimizer, Options
from tinynet.registry import Config


class SGD(Optimizer):
    """``p -= learning_rate * g``; momentum keeps a velocity, so that steps along steady gradients grow.

    With momentum mu: ``v = mu v - learning_rate * g``, ``p += v``. Nesterov looks ahead: ``p += mu v -
    learning_rate * g`` with the new v (Sutskever et al. 2013).
    """

    slot_names = ("velocity",)
    elementwise = True

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 **kwargs: Unpack[Options]):
        super().__init__(learning_rate, **kwargs)
        self.momentum = self.check_nonnegative("momentum", momentum, 1)
        self.nesterov = bool(nesterov)

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change p and its velocity in place."""
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity -= learning_rate * g
        p += self.momentum * velocity - learning_rate * g if self.nesterov else velocity

    def get_config(self) -> Config:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
