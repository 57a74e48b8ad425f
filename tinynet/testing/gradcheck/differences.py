"""The slope of a function along a line, measured from its values alone, with an estimate of its own error.

Along the line the function is split into its odd and its even part, at distances h/2, h and 2h::

    odd(t)  = (f(t) - f(-t)) / 2          = f' t + f''' t^3 / 6 + ...       holds the slope
    even(t) = (f(t) + f(-t)) / 2 - f(0)   = |t| jump / 2 + f'' t^2 / 2 + ...  holds the kink at 0, if there is one

A kink is a non-differentiable point where the one-sided slopes differ, such as a ReLU's at 0; ``jump`` is the slope
on the right of 0 minus the slope on the left. What lies between the two slopes is a subgradient (in Clarke's sense),
and a backward pass may return any of them. The five-point formula takes the slope from odd(h) and odd(2h), once more
from odd(h/2) and odd(h); their disagreement estimates the error, and Richardson's extrapolation of the two is the
result. The same three points of the even part give the jump, free of the f'' and f'''' terms. Six values of f suffice
for all of it.

Sources: Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids" (the five-point
formula); Richardson 1911 (the extrapolation); Press et al., "Numerical Recipes", section 5.7 (the step); Clarke 1975,
"Generalized gradients and applications" (the subgradients).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

STEPS = [2.0 ** -k for k in (8, 12, 16, 20, 24, 28)]     # powers of 2: adding them to a number rounds little
ROUNDING = 50.0        # how many units in the last place a value may be off: a generous bound, for sums of many terms
MIN_JUMP = 1e-6        # a jump below this fraction of the steepest slope is within the formula's error, no kink
ACCURATE = 1e-8        # a slope known to this fraction of its size needs no smaller step
ACCEPTABLE = 1e-5      # and one not known to this fraction at any step has not converged


@dataclass(frozen=True)
class Slope:
    """A measured slope of ``upstream . f`` along a line.

    Attributes
    ----------
    value : the slope; on a kink, the middle of the interval of subgradients.
    half_width : 0, or on a kink half the width of that interval.
    error : estimate of the truncation error: by how much two steps disagree.
    rounding : bound of the rounding error.
    step : the h of the five-point formula.
    size : sum of the absolute slopes of all outputs: what `value` would be if nothing cancelled.
    kind : ``"smooth"``, ``"kink"`` or ``"not converged"``.
    """

    value: float
    half_width: float
    error: float
    rounding: float
    step: float
    size: float
    kind: str

    @property
    def uncertainty(self) -> float:
        """How far a right analytic slope may be from `value` (on a kink: from the interval) by measurement error."""
        return 10 * self.error + self.rounding

    def nearest(self, analytic: float) -> float:
        """Return the slope, or on a kink the subgradient, that is nearest to an analytic slope."""
        if not self.half_width:
            return self.value
        return float(np.clip(analytic, self.value - self.half_width, self.value + self.half_width))

    def text(self, digits: int) -> str:
        """Format the slope, or on a kink the interval of subgradients."""
        if not self.half_width:
            return f"{self.value:.{digits}g}"
        return f"{self.value - self.half_width:.{digits}g}..{self.value + self.half_width:.{digits}g}"


def slope(f: Callable[[float], np.ndarray], upstream: np.ndarray, *, scale: float = 1.0, rounding_scale: float = 0.0,
          eps: float = 2.0 ** -52) -> Slope:
    """Measure the slope of ``upstream . f(t)`` at t = 0.

    Near a kink, or where the function bends strongly, the step is made smaller until neither shows. A kink
    that shows at two steps in the same way lies at 0 itself: there every output may have any slope between those
    of its own two sides. The bound comes from the outputs one by one, because their sum may hide the kink:
    ``relu(t) - relu(-t)`` is t, with slope 1 on both sides, yet right backward passes with ReLU'(0) = 0 return 0.

    Parameters
    ----------
    f : returns all outputs (M,) at a distance t along the line, in a new array.
    upstream : the weight of each output (M,).
    scale : multiplies the steps.
    rounding_scale : size of the numbers that f adds up internally, if larger than its outputs.
    eps : the relative precision that f computes with.

    >>> f = lambda t: np.array([np.sin(t)])
    >>> measured = slope(f, np.array([2.0]))
    >>> round(measured.value, 9), measured.error < 1e-8, measured.kind
    (2.0, True, 'smooth')
    >>> relu = lambda t: np.array([max(t, 0.0)])
    >>> measured = slope(relu, np.array([2.0]))
    >>> measured.value - measured.half_width, measured.value + measured.half_width, measured.kind
    (0.0, 2.0, 'kink')
    """
    y0 = f(0.0)
    tries: list[Slope] = []
    for h in STEPS:
        with np.errstate(invalid="ignore", over="ignore"):
            current = _stencil(f, y0, upstream, h * scale, rounding_scale, eps)
        if current.kind == "smooth" and current.error <= ACCURATE * current.size + current.rounding:
            return current
        if current.kind == "kink" and tries and tries[-1].kind == "kink":
            change = abs(current.value - tries[-1].value) + abs(current.half_width - tries[-1].half_width)
            if change <= 1e-3 * current.half_width + current.rounding:
                return replace(current, error=change)
        tries.append(current)
    best = min(tries, key=lambda s: s.error + s.rounding if s.kind == "smooth" else np.inf)
    if best.kind == "smooth" and best.error <= ACCEPTABLE * best.size + best.rounding:
        return best
    return replace(best, kind="not converged")


def _stencil(f: Callable[[float], np.ndarray], y0: np.ndarray, upstream: np.ndarray, h: float,
             rounding_scale: float, eps: float) -> Slope:
    """Take the six values around 0, and compute slope and jump of each output from them."""
    sides = np.array([f(t) for t in (h / 2, h, 2 * h, -h / 2, -h, -2 * h)])
    changed = (sides != y0).any(axis=0)                                # often few outputs: work on with these alone
    unseen = float(np.linalg.norm((upstream * y0)[~changed]))          # their changes may be too small to be seen
    above, below = sides[:3, changed] - y0[changed], sides[3:, changed] - y0[changed]
    values, upstream = np.abs(y0[changed]) + np.abs(above[1]), upstream[changed]
    odd, even = (above - below) / 2, (above + below) / 2               # (3, M): at h/2, h, 2h

    coarse = (8 * odd[1] - odd[2]) / (6 * h)
    fine = (8 * odd[0] - odd[1]) / (3 * h)
    each = fine + (fine - coarse) / 15                                 # (M,)
    jump = (64 * even[0] - 20 * even[1] + even[2]) / (7 * h)           # (M,)

    value, error = float(upstream @ each), abs(float(upstream @ (fine - coarse)))
    doubt = ROUNDING * eps / h
    rounding = doubt * max(float(np.linalg.norm(upstream * values)), rounding_scale) + 4 * eps / h * unseen
    kinked = (np.abs(jump) > MIN_JUMP * np.abs(each).max(initial=0)
              + doubt * max(values.max(initial=0), rounding_scale))
    half_width = float(np.abs(upstream * jump)[kinked].sum()) / 2
    kind = "kink" if half_width else "smooth"
    if not np.isfinite([value, error, half_width, rounding]).all():
        kind = "not converged"
    return Slope(value, half_width, error, rounding, h, float(np.abs(upstream * each).sum()), kind)
