"""Optimizer: what all of them share, from the learning rate to the arrays kept for each parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypedDict

import numpy as np

from tinynet import schedules
from tinynet.checks import check_nonnegative, invalid
from tinynet.kernels import buffers
from tinynet.registry import Config, Identifier, resolve, to_config

LearningRate = float | Callable[[int], float] | Identifier     # a number, or a schedule


class Options(TypedDict, total=False):
    """The keyword arguments that every optimizer takes, see `Optimizer`."""

    clipnorm: float | None


class Optimizer:
    """Base of all: a subclass defines ``step``, and names the running arrays it keeps for each parameter.

    Parameters
    ----------
    learning_rate : a number, or a schedule: a function of the number of updates made so far.
    clipnorm : a gradient whose norm is larger is scaled down to this norm, each parameter's by itself.

    Attributes
    ----------
    iterations : updates made so far.
    slots : ``{parameter: {slot: array}}``, the running arrays kept for each parameter.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: LearningRate = 0.001, *, clipnorm: float | None = None):
        self.learning_rate: float | Callable[[int], float] = resolve("schedule", learning_rate, schedules.KNOWN)
        if not callable(self.learning_rate):
            self.learning_rate = self.check_nonnegative("learning_rate", self.learning_rate)
        self.clipnorm = clipnorm if clipnorm is None else self.check_nonnegative("clipnorm", clipnorm)
        self.iterations = 0
        self.slots: dict[str, dict[str, np.ndarray]] = {}
        self._owner: object = None

    def check_nonnegative(self, what: str, value: object, below: float = math.inf) -> float:
        """Return a setting as a float, at least 0 and less than `below`, or raise a ValueError."""
        return check_nonnegative(type(self).__name__, what, value, below)

    def belong_to(self, owner: object) -> None:
        """Become the optimizer of a model, given by an object that stands for it.

        Raises a ValueError if it has trained another: `slots` and `iterations` are that one's.
        """
        if self.slots and self._owner is not owner:
            name = type(self).__name__
            raise invalid(name, "an optimizer of this model alone", f"one that has trained another (updates so "
                          f"far: {self.iterations}), whose running arrays it keeps. Make one for each: {name}(...)")
        self._owner = owner

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
        """Return the gradient, scaled down where its norm exceeds `clipnorm`."""
        if self.clipnorm is None:
            return g
        norm = float(np.linalg.norm(g.astype(np.float64)))            # squares must not overflow
        return g * (self.clipnorm / norm) if norm > self.clipnorm else g

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change the parameter `p` and its `slots` in place, from its gradient `g`."""
        raise NotImplementedError

    def get_config(self) -> Config:
        """Return the arguments that make this optimizer again, without what it has accumulated."""
        rate = self.learning_rate
        return {"learning_rate": to_config(rate) if callable(rate) else rate, "clipnorm": self.clipnorm}
