"""How gradients change parameters, in order of increasing complexity: SGD, RMSprop, Adam.

Throughout: p a parameter, g its gradient, t the number of updates including this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynet import kernels, schedules
from tinynet.kernels import memory
from tinynet.registry import resolve, to_config
from tinynet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

__all__ = ["SGD", "Adam", "CosineDecay", "ExponentialDecay", "Optimizer", "PiecewiseConstantDecay", "RMSprop", "get"]


class Optimizer:
    """Base of all: a subclass defines ``step``, and names the running arrays it keeps for each parameter.

    Parameters
    ----------
    learning_rate : a number, or a schedule: a function of the number of updates made so far.
    clipnorm : a gradient whose norm is larger is scaled down to it, each parameter's by itself.

    Attributes
    ----------
    iterations : updates made so far.
    slots : for each parameter's name, its running arrays by theirs.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float | Callable[[int], float] = 0.001, *, clipnorm: float | None = None):
        self.learning_rate = resolve("schedule", learning_rate, schedules.KNOWN)
        if not callable(self.learning_rate):
            self.learning_rate = self.number("learning_rate", self.learning_rate)
        self.clipnorm = clipnorm if clipnorm is None else self.number("clipnorm", clipnorm)
        self.iterations = 0
        self.slots: dict[str, dict[str, np.ndarray]] = {}

    def number(self, what: str, value: Any, below: float = math.inf) -> float:
        """Return a setting as a float, at least 0 and less than `below`, or raise a ValueError."""
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < below:
            raise ValueError(f"{type(self).__name__}: expected {what}, a number at least 0 and below {below}. "
                             f"Received: {value!r}.")
        return float(value)

    def current_learning_rate(self) -> float:
        """Return the learning rate of the next update."""
        rate = self.learning_rate
        return float(rate(self.iterations)) if callable(rate) else rate

    def update(self, params: Mapping[str, np.ndarray], grads: Mapping[str, np.ndarray]) -> None:
        """Make one update: change every array of `params` in place, each by the gradient of its name."""
        rate = self.current_learning_rate()
        self.iterations += 1                                # once for all parameters
        for name, p in params.items():
            slots = self.slots.get(name)
            if slots is None or any(slot.shape != p.shape for slot in slots.values()):
                slots = self.slots[name] = {slot: memory.zeros(p.shape, p.dtype) for slot in self.slot_names}
            self.step(p, self.clipped(grads[name]), slots, rate)

    def clipped(self, g: np.ndarray) -> np.ndarray:
        """Return the gradient, no longer than `clipnorm`."""
        if self.clipnorm is None:
            return g
        norm = float(np.linalg.norm(g.astype(np.float64)))            # squares must not overflow
        return g * (self.clipnorm / norm) if norm > self.clipnorm else g

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change the parameter `p` and its `slots` in place, from its gradient `g`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again, without what it has accumulated."""
        rate = self.learning_rate
        return {"learning_rate": to_config(rate) if callable(rate) else rate, "clipnorm": self.clipnorm}


class SGD(Optimizer):
    """``p -= learning_rate * g``; momentum keeps a velocity, so that steady gradients gather speed.

    With momentum mu: ``v = mu v - learning_rate * g``, ``p += v``. Nesterov looks ahead: ``p += mu v -
    learning_rate * g`` with the new v (Sutskever et al. 2013).
    """

    slot_names = ("velocity",)

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.momentum = self.number("momentum", momentum, 1)
        self.nesterov = bool(nesterov)

    def step(self, p, g, slots, learning_rate):
        """Change p and its velocity in place."""
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity -= learning_rate * g
        p += self.momentum * velocity - learning_rate * g if self.nesterov else velocity

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """``p -= learning_rate * g / sqrt(v + epsilon)`` with ``v = rho v + (1 - rho) g^2``, the mean square of g.

    Each number has a step of its own, large where gradients have been small. Source: Hinton, lecture 6e of
    "Neural Networks for Machine Learning", 2012; epsilon under the root, as in Keras.
    """

    slot_names = ("square",)

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.9, epsilon: float = 1e-7, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.rho = self.number("rho", rho, 1)
        self.epsilon = self.number("epsilon", epsilon)

    def step(self, p, g, slots, learning_rate):
        """Change p and its mean square in place."""
        square = slots["square"]
        square *= self.rho
        square += (1 - self.rho) * g * g
        p -= learning_rate * g / np.sqrt(square + self.epsilon)

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Adam(Optimizer):
    """Momentum and a step size for each number: ``p -= rate_t * m / (sqrt(v) + epsilon)``.

    ::

        m = beta_1 m + (1 - beta_1) g                      running mean of the gradients
        v = beta_2 v + (1 - beta_2) g^2                    running mean of their squares
        rate_t = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)     as m and v start from 0, too small at first

    Source: Kingma & Ba 2015, algorithm 1 in the order of the remark at the end of section 2, where epsilon is
    called epsilon hat; Keras computes it so, PyTorch adds its epsilon after the correction.
    """

    slot_names = ("m", "v")

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = self.number("beta_1", beta_1, 1)
        self.beta_2 = self.number("beta_2", beta_2, 1)
        self.epsilon = self.number("epsilon", epsilon)

    def step(self, p, g, slots, learning_rate):
        """Change p, m and v in place."""
        rate = learning_rate * math.sqrt(1 - self.beta_2 ** self.iterations) / (1 - self.beta_1 ** self.iterations)
        kernels.current().adam(p, g, slots["m"], slots["v"], rate, self.beta_1, self.beta_2, self.epsilon)

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


KNOWN: dict[str, type] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}


def get(identifier: Any) -> Optimizer:
    """Return an optimizer for a name, a config, a class or an object; upper case is as good as lower."""
    name = identifier.lower() if isinstance(identifier, str) else identifier
    optimizer = resolve("optimizer", name, KNOWN)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"Expected an optimizer: a name or an Optimizer. Received: {identifier!r}.")
    return optimizer
