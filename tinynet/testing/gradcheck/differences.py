"""The slope of a function along a line, measured from its values alone, with an estimate of its own error.

Along the line the function is split into its odd and its even part, at distances h/2, h and 2h::

    odd(t)  = (f(t) - f(-t)) / 2          = f' t + f''' t^3 / 6 + ...       holds the slope
    even(t) = (f(t) + f(-t)) / 2 - f(0)   = |t| jump / 2 + f'' t^2 / 2 + ...  holds the kink at 0, if there is one

where ``jump`` is the slope on the right of 0 less the slope on the left. The five-point formula takes the slope
from odd(h) and odd(2h), once more from odd(h/2) and odd(h); their disagreement estimates the error, and Richardson's
extrapolation of the two is the result. The same three points of the even part give the jump, free of the f'' and
f'''' terms. Six values of f do for all of it.

Sources: Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids" (the five-point
formula); Richardson 1911 (the extrapolation); Press et al., "Numerical Recipes", section 5.7 (the step).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

STEPS = [2.0 ** -k for k in (8, 12, 16, 20, 24, 28)]     # powers of 2: adding them to a number rounds little
ROUNDING = 50.0        # how many units in the last place a value may be off, with room to spare
TOO_SMALL = 1e-6       # a jump below this fraction of the steepest slope is none
GOOD = 1e-8            # a slope known to this fraction of its size needs no smaller step
GOOD_ENOUGH = 1e-5     # and one not known to this fraction at any step is not known


@dataclass(frozen=True)
class Slope:
    """A measured slope of ``upstream . f`` along a line.

    Attributes
    ----------
    value : the slope; on a kink, the middle between the two sides.
    spread : 0, or on a kink how far from the middle a rightful slope may lie.
    error : estimate of the error that the step makes: by how much two steps disagree.
    rounding : bound of the error that rounding makes.
    step : the h of the five-point formula.
    size : sum of the absolute slopes of all outputs: what `value` would be if nothing cancelled.
    kind : ``"smooth"``, ``"kink"`` or ``"unsettled"``.
    """

    value: float
    spread: float
    error: float
    rounding: float
    step: float
    size: float
    kind: str

    @property
    def uncertainty(self) -> float:
        """What a right analytic slope may be away from `value` (on a kink: from the interval) by measuring alone."""
        return 10 * self.error + self.rounding

    def nearest(self, claim: float) -> float:
        """Return the rightful slope that is nearest to a claimed one."""
        return float(np.clip(claim, self.value - self.spread, self.value + self.spread)) if self.spread else self.value

    def text(self, digits: int) -> str:
        """Write the slope, or on a kink the interval of the rightful ones."""
        if not self.spread:
            return f"{self.value:.{digits}g}"
        return f"{self.value - self.spread:.{digits}g}..{self.value + self.spread:.{digits}g}"


def slope(f: Callable[[float], np.ndarray], upstream: np.ndarray, *, scale: float = 1.0, unit: float = 0.0,
          digits: float = 2.0 ** -52) -> Slope:
    """Measure the slope of ``upstream . f(t)`` at t = 0.

    Where a kink is near, or the function bends strongly, the step is made smaller until neither is seen. A kink
    that is seen at two steps in the same way lies at 0 itself: there every output may have any slope between those
    of its own two sides. The bound comes from the outputs one by one, because their sum may hide the kink:
    ``relu(t) - relu(-t)`` is t, with slope 1 on both sides, yet right backward passes with ReLU'(0) = 0 return 0.

    Parameters
    ----------
    f : returns all outputs (M,) at a distance t along the line, in a new array.
    upstream : the weight of each output (M,).
    scale : multiplies the steps.
    unit : size of the numbers that f adds up inside, if that is more than its outputs.
    digits : the relative precision that f computes with.

    >>> f = lambda t: np.array([np.sin(t)])
    >>> measured = slope(f, np.array([2.0]))
    >>> round(measured.value, 9), measured.error < 1e-8, measured.kind
    (2.0, True, 'smooth')
    >>> relu = lambda t: np.array([max(t, 0.0)])
    >>> measured = slope(relu, np.array([2.0]))
    >>> measured.value - measured.spread, measured.value + measured.spread, measured.kind
    (0.0, 2.0, 'kink')
    """
    here = f(0.0)
    tries: list[Slope] = []
    for h in STEPS:
        with np.errstate(invalid="ignore", over="ignore"):
            now = _stencil(f, here, upstream, h * scale, unit, digits)
        if now.kind == "smooth" and now.error <= GOOD * now.size + now.rounding:
            return now
        if now.kind == "kink" and tries and tries[-1].kind == "kink":
            change = abs(now.value - tries[-1].value) + abs(now.spread - tries[-1].spread)
            if change <= 1e-3 * now.spread + now.rounding:
                return replace(now, error=change)
        tries.append(now)
    best = min(tries, key=lambda s: s.error + s.rounding if s.kind == "smooth" else np.inf)
    if best.kind == "smooth" and best.error <= GOOD_ENOUGH * best.size + best.rounding:
        return best
    return replace(best, kind="unsettled")


def _stencil(f: Callable[[float], np.ndarray], here: np.ndarray, upstream: np.ndarray, h: float,
             unit: float, digits: float) -> Slope:
    """Take the six values around 0, and read slope and jump of each output off them."""
    sides = np.array([f(t) for t in (h / 2, h, 2 * h, -h / 2, -h, -2 * h)])
    moved = (sides != here).any(axis=0)                                # often few of them: work on with these alone
    lost = float(np.linalg.norm((upstream * here)[~moved]))            # moves that are too small to be seen
    above, below = sides[:3, moved] - here[moved], sides[3:, moved] - here[moved]
    values, upstream = np.abs(here[moved]) + np.abs(above[1]), upstream[moved]
    odd, even = (above - below) / 2, (above + below) / 2               # (3, M): at h/2, h, 2h

    coarse = (8 * odd[1] - odd[2]) / (6 * h)
    fine = (8 * odd[0] - odd[1]) / (3 * h)
    each = fine + (fine - coarse) / 15                                 # (M,)
    jump = (64 * even[0] - 20 * even[1] + even[2]) / (7 * h)           # (M,)

    value, error = float(upstream @ each), abs(float(upstream @ (fine - coarse)))
    doubt = ROUNDING * digits / h
    rounding = doubt * max(float(np.linalg.norm(upstream * values)), unit) + 4 * digits / h * lost
    kinked = np.abs(jump) > TOO_SMALL * np.abs(each).max(initial=0) + doubt * max(values.max(initial=0), unit)
    spread = float(np.abs(upstream * jump)[kinked].sum()) / 2
    kind = "kink" if spread else "smooth"
    if not np.isfinite([value, error, spread, rounding]).all():
        kind = "unsettled"
    return Slope(value, spread, error, rounding, h, float(np.abs(upstream * each).sum()), kind)
