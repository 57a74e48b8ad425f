"""Learning rates that change as training goes on: functions of the number of updates made so far.

>>> ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)(200)
0.025
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from tinynet.checks import check_int, check_nonnegative, check_number, check_positive, invalid
from tinynet.registry import Configured, pick


class Schedule(Configured):
    """Base of all: subclasses define ``__call__(step)``, with step counted from 0."""

    def __call__(self, step: int) -> float:
        """Return the learning rate of the update number `step`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step).")


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


class InverseTimeDecay(Schedule):
    """``initial / (1 + decay_rate * step / decay_steps)``; a staircase rounds the fraction down."""

    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(own, "decay_steps", decay_steps)
        self.decay_rate = check_nonnegative(own, "decay_rate", decay_rate)
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        fraction = step / self.decay_steps
        passed = math.floor(fraction) if self.staircase else fraction
        return self.initial_learning_rate / (1 + self.decay_rate * passed)


class PolynomialDecay(Schedule):
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, and constant from `decay_steps` on.

    A power of 1 is a line. With `cycle`, `decay_steps` is prolonged to its next multiple instead: at each the rate
    jumps up again, less high each time.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(own, "decay_steps", decay_steps)
        self.end_learning_rate = check_nonnegative(own, "end_learning_rate", end_learning_rate)
        self.power, self.cycle = check_positive(own, "power", power), bool(cycle)

    def __call__(self, step: int) -> float:
        cycles = max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1
        left = 1 - min(1, step / (self.decay_steps * cycles))
        return (self.initial_learning_rate - self.end_learning_rate) * left ** self.power + self.end_learning_rate


class CosineDecay(Schedule):
    """Half a cosine from the initial rate down to ``alpha`` times it at `decay_steps`, and constant from there.

    With a `warmup_target`, the rate first rises to that, in a line of `warmup_steps`, and the cosine begins there and
    then. Source: Loshchilov & Hutter 2017, equation 5; a warm-up spares the first weights large steps along gradients
    that mean little yet (Goyal et al. 2017, section 2.2).
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0, *,
                 warmup_target: float | None = None, warmup_steps: int = 0):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(own, "decay_steps", decay_steps)
        self.alpha = check_nonnegative(own, "alpha", alpha)
        self.warmup_target = None if warmup_target is None else check_nonnegative(own, "warmup_target", warmup_target)
        self.warmup_steps = check_nonnegative(own, "warmup_steps", warmup_steps)

    def __call__(self, step: int) -> float:
        peak, decayed = self.initial_learning_rate, float(step)
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return line(peak, self.warmup_target, step / self.warmup_steps)
            peak, decayed = self.warmup_target, step - self.warmup_steps
        cosine = (1 + math.cos(math.pi * min(decayed, self.decay_steps) / self.decay_steps)) / 2
        return peak * ((1 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(Schedule):
    """Cosines one after the other, each `t_mul` times as long as the one before, and `m_mul` times as high.

    The first falls from the initial rate to ``alpha`` times it in `first_decay_steps`; then the rate jumps up again.
    Source: Loshchilov & Hutter 2017, equation 5 (SGDR).
    """

    def __init__(self, initial_learning_rate: float, first_decay_steps: int, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0):
        own = type(self).__name__
        self.initial_learning_rate = check_nonnegative(own, "initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = check_positive(own, "first_decay_steps", first_decay_steps)
        self.t_mul, self.m_mul = check_number(own, "t_mul", t_mul, 1), check_nonnegative(own, "m_mul", m_mul)
        self.alpha = check_nonnegative(own, "alpha", alpha)

    def __call__(self, step: int) -> float:
        restarts, steps, into = 0, self.first_decay_steps, float(step)
        if self.t_mul == 1:
            restarts, into = int(into // steps), into % steps
        while into >= steps:
            restarts, into, steps = restarts + 1, into - steps, steps * self.t_mul
        cosine = (1 + math.cos(math.pi * into / steps)) / 2
        return self.initial_learning_rate * ((1 - self.alpha) * self.m_mul ** restarts * cosine + self.alpha)


class OneCycle(Schedule):
    """Up to the largest rate and down to nearly nothing, once in a training.

    From ``max / div_factor`` up to `max_learning_rate`, for the part `pct_start` of all steps; then down to
    ``max / div_factor / final_div_factor``, and constant from there. The large rates in the middle can be larger than
    any that a whole training could bear. Source: Smith & Topin 2018; the settings are those of PyTorch's OneCycleLR.

    Parameters
    ----------
    max_learning_rate : the largest rate.
    total_steps : updates of the whole training: epochs times batches.
    pct_start : which part of them rises, from 0 to 1.
    anneal_strategy : ``"cos"``, half cosines, or ``"linear"``, lines.
    div_factor, final_div_factor : how much smaller the first rate is than the largest, and the last than the first.

    >>> schedule = OneCycle(0.1, total_steps=11, pct_start=6 / 11, anneal_strategy="linear")
    >>> [round(schedule(step), 4) for step in (0, 5, 10, 99)]
    [0.004, 0.1, 0.0, 0.0]
    """

    def __init__(self, max_learning_rate: float, total_steps: int, pct_start: float = 0.3,
                 anneal_strategy: str = "cos", div_factor: float = 25.0, final_div_factor: float = 1e4):
        own = type(self).__name__
        self.max_learning_rate = check_nonnegative(own, "max_learning_rate", max_learning_rate)
        self.total_steps = check_int(total_steps, f"{own}: total_steps", 2)
        self.pct_start = check_nonnegative(own, "pct_start", pct_start, 1)
        self.anneal_strategy = anneal_strategy
        pick("anneal_strategy", anneal_strategy, WAYS)
        self.div_factor = check_positive(own, "div_factor", div_factor)
        self.final_div_factor = check_positive(own, "final_div_factor", final_div_factor)

    def __call__(self, step: int) -> float:
        way, first, last = WAYS[self.anneal_strategy], self.max_learning_rate / self.div_factor, self.total_steps - 1
        top = self.pct_start * self.total_steps - 1
        if step <= top and top > 0:
            return way(first, self.max_learning_rate, step / top)
        return way(self.max_learning_rate, first / self.final_div_factor, min(1, (step - top) / (last - top)))


class PiecewiseConstantDecay(Schedule):
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]):
        if len(values) != len(boundaries) + 1 or sorted(boundaries) != list(boundaries):
            raise invalid("PiecewiseConstantDecay", "rising boundaries and one value more than them",
                          f"boundaries {boundaries!r}, values {values!r}")
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step: int) -> float:
        return self.values[bisect.bisect_left(self.boundaries, step)]


# From one rate to another, at a fraction of the way.

def line(start: float, end: float, fraction: float) -> float:
    """Return the rate on a line."""
    return start + (end - start) * fraction


def half_cosine(start: float, end: float, fraction: float) -> float:
    """Return the rate on half a cosine, which begins and ends level."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


WAYS = {"cos": half_cosine, "linear": line}
KNOWN: dict[str, type] = {cls.__name__: cls for cls in (
    ExponentialDecay, InverseTimeDecay, PolynomialDecay, CosineDecay, CosineDecayRestarts, PiecewiseConstantDecay,
    OneCycle)}
