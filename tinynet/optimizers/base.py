"""Optimizer: what all of them share, from the learning rate to the arrays kept for each parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from tinynet import schedules
from tinynet.checks import check_int, check_nonnegative, invalid
from tinynet.kernels import buffers
from tinynet.kernels.elementwise import elementwise
from tinynet.optimizers import clipping
from tinynet.optimizers.clipping import Gradients
from tinynet.optimizers.running import move
from tinynet.registry import Config, Identifier, lacking, refuse_unknown, resolve, to_config

LearningRate = float | Callable[[int], float] | Identifier     # a number, or a schedule
AVERAGE = "average"                                        # the slot of a parameter's running mean


class OtherOptions(TypedDict, total=False):
    """The keyword arguments that every optimizer takes, see `Optimizer`, but for weight decay."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None


class Options(OtherOptions, total=False):
    """All of them."""

    weight_decay: float | None


@elementwise
def decayed(p: np.ndarray, kept: float) -> np.ndarray:
    """Return what is kept of a parameter."""
    return p * kept


def check_shapes(params: Mapping[str, np.ndarray], grads: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless each parameter has a gradient, of its shape: compiled loops would read beside others.
    """
    for name, p in params.items():
        g = grads.get(name)
        if not isinstance(g, (np.ndarray, np.generic)) or g.shape != p.shape:
            layer, _, key = name.rpartition("/")
            raise invalid(layer or None, f"backward to set grads[{key!r}], an array of the parameter's shape {p.shape}",
                          "none" if g is None else f"shape {np.shape(g)}")


class Optimizer:
    """Base of all: a subclass defines ``step``, and names the running arrays it keeps for each parameter.

    Parameters
    ----------
    learning_rate : a number, or a schedule: a function of the number of updates made so far.
    weight_decay : each update begins with ``p -= learning_rate * weight_decay * p``; None: no decay.
    clipnorm : a gradient whose norm is larger is scaled down to this norm, each parameter's by itself.
    clipvalue : each entry of a gradient is cut to this size. At most one of the three may be given.
    global_clipnorm : all gradients are scaled by one factor where their norm, taken as one vector, is larger.
    use_ema : whether to keep a running mean of each parameter, and to put it in the parameter's place when `fit` ends:
        ``average = ema_momentum * average + (1 - ema_momentum) * p``, which begins as p after the first update. It is
        less noisy than p, as if the learning rate had been lowered. Until then p itself is trained and evaluated.
    ema_momentum : from 0 to 1.
    ema_overwrite_frequency : updates after which the running means take the parameters' place in between, too.

    Attributes
    ----------
    iterations : updates made so far.
    slots : ``{parameter: {slot: array}}``, the running arrays kept for each parameter.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: LearningRate = 0.001, *, weight_decay: float | None = None,
                 clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None,
                 use_ema: bool = False, ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 **unknown: object):
        refuse_unknown(type(self), unknown)
        self.learning_rate: float | Callable[[int], float] = resolve("schedule", learning_rate, schedules.KNOWN)
        if not callable(self.learning_rate):
            self.learning_rate = self.check_nonnegative("learning_rate", self.learning_rate)
        self.weight_decay = self.check_optional("weight_decay", weight_decay)
        self.clipnorm = self.check_optional("clipnorm", clipnorm)
        self.clipvalue = self.check_optional("clipvalue", clipvalue)
        self.global_clipnorm = self.check_optional("global_clipnorm", global_clipnorm)
        if [self.clipnorm, self.clipvalue, self.global_clipnorm].count(None) < 2:
            raise invalid(type(self).__name__, "at most one of clipnorm, clipvalue and global_clipnorm",
                          f"{clipnorm}, {clipvalue} and {global_clipnorm}")
        self.use_ema = bool(use_ema)
        self.ema_momentum = self.check_nonnegative("ema_momentum", ema_momentum, math.nextafter(1, 2))
        self.ema_overwrite_frequency = ema_overwrite_frequency if ema_overwrite_frequency is None else check_int(
            ema_overwrite_frequency, f"{type(self).__name__}: ema_overwrite_frequency")
        if self.use_ema:
            self.slot_names = (*self.slot_names, AVERAGE)
        self.iterations = 0
        self.slots: dict[str, dict[str, np.ndarray]] = {}
        self._owner: object = None

    if not TYPE_CHECKING:                                     # for which any name would be an attribute
        def __getattr__(self, name: str) -> Any:
            """Say what a constructor has left out."""
            raise lacking(self, name, "slots")

    def check_nonnegative(self, what: str, value: object, below: float = math.inf) -> float:
        """Return a setting as a float, at least 0 and less than `below`, or raise a ValueError."""
        return check_nonnegative(type(self).__name__, what, value, below)

    def check_optional(self, what: str, value: object) -> float | None:
        """Return a setting as a float, at least 0, or None for None, or raise a ValueError."""
        return None if value is None else self.check_nonnegative(what, value)

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
        check_shapes(params, grads)
        rate = self.current_learning_rate()
        self.iterations += 1                                # once for all parameters
        clipped = self.clipped({name: grads[name] for name in params})
        for name, p in params.items():
            slots = self.slots.get(name)
            if slots is None or any(slot.shape != p.shape for slot in slots.values()):
                slots = self.slots[name] = self.new_slots(p)
            self.change(p, clipped[name], slots, rate)
            if self.use_ema and AVERAGE not in slots:
                slots[AVERAGE] = p.copy()
        if self.ema_overwrite_frequency is not None and self.iterations % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values(params)

    @property
    def launches(self) -> bool:
        """Whether the next update touches arrays by loops alone, so that they may be launched: `step` is marked so, and
        no running mean begins or takes a parameter's place.
        """
        slots = self.slots.values()
        goes_on = not self.use_ema or (bool(slots) and all(AVERAGE in each for each in slots))
        return getattr(type(self).step, "launches", False) and goes_on and self.ema_overwrite_frequency is None

    def change(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], rate: float) -> None:
        """Update one parameter: decay, step, and move the running mean, all in place."""
        if self.weight_decay is not None:
            decayed(p, 1 - rate * self.weight_decay, out=p)
        self.step(p, g, slots, rate)
        if AVERAGE in slots:
            move(slots[AVERAGE], p, self.ema_momentum)

    def clipped(self, grads: Gradients) -> Gradients:
        """Return the gradients, cut as the settings say; those handed in stay as they are."""
        if self.clipnorm is not None:
            return clipping.by_norm(grads, self.clipnorm)
        if self.clipvalue is not None:
            return clipping.by_value(grads, self.clipvalue)
        return grads if self.global_clipnorm is None else clipping.by_global_norm(grads, self.global_clipnorm)

    def new_slots(self, p: np.ndarray) -> dict[str, np.ndarray]:
        """Return the running arrays of a parameter, as they begin; the running mean begins after the first update."""
        return {slot: buffers.zeros(p.shape, p.dtype) for slot in self.slot_names if slot != AVERAGE}

    def finalize_variable_values(self, params: Mapping[str, np.ndarray]) -> None:
        """Put the running means in the place of the parameters, if ``use_ema``; `fit` does so when it ends."""
        for name, p in params.items():
            average = self.slots.get(name, {}).get(AVERAGE)
            if average is not None and average.shape == p.shape:
                p[...] = average

    def step(self, p: np.ndarray, g: np.ndarray, slots: dict[str, np.ndarray], learning_rate: float) -> None:
        """Change the parameter `p` and its `slots` in place, from its gradient `g`."""
        raise NotImplementedError(f"{type(self).__name__} must define step(p, g, slots, learning_rate).")

    def get_config(self) -> Config:
        """Return the arguments that make this optimizer again, without what it has accumulated."""
        rate = self.learning_rate
        return {"learning_rate": to_config(rate) if callable(rate) else rate,
                **{name: getattr(self, name) for name in Options.__annotations__}}
