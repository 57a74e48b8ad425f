"""Learning rates that change as training goes on: functions of the number of updates made so far.

>>> ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)(200)
0.025
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from tinynet.checks import check_nonnegative, check_positive, invalid
from tinynet.registry import Configured


class Schedule(Configured):
    """Base of all: subclasses define ``__call__(step)``, with step counted from 0."""

    def __call__(self, step: int) -> float:
        """Return the learning rate of the update number `step`."""
        raise NotImplementedError


class ExponentialDecay(Schedule):
    """``initial * decay_rate ** (step / decay_steps)``; a staircase rounds the exponent down."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(own, "decay_steps", decay_steps)
        self.decay_rate = check_nonnegative(own, "decay_rate", decay_rate)
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        exponent = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(exponent) if self.staircase else exponent)


class CosineDecay(Schedule):
    """Half a cosine from the initial rate down to ``alpha`` times it at `decay_steps`, and constant from there."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(own, "decay_steps", decay_steps)
        self.alpha = check_nonnegative(own, "alpha", alpha)

    def __call__(self, step: int) -> float:
        cosine = (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps)) / 2
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


class PiecewiseConstantDecay(Schedule):
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]):
        if len(values) != len(boundaries) + 1 or sorted(boundaries) != list(boundaries):
            raise invalid("PiecewiseConstantDecay", "rising boundaries and one value more than them",
                          f"boundaries {boundaries!r}, values {values!r}")
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step: int) -> float:
        return self.values[bisect.bisect_left(self.boundaries, step)]


KNOWN: dict[str, type] = {cls.__name__: cls for cls in (ExponentialDecay, CosineDecay, PiecewiseConstantDecay)}
