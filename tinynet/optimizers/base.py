"""Optimizer: what all of them share, from the learning rate to the arrays kept for each parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynet import schedules
from tinynet.kernels import buffers
from tinynet.registry import resolve, to_config


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
                slots = self.slots[name] = {slot: buffers.zeros(p.shape, p.dtype) for slot in self.slot_names}
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
