"""A measured slope, and the line that it is measured along."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from math import sqrt

import numpy as np

ROUNDING = 50.0        # how many units in the last place a value may be off, if its noise is not known
NOISE = 12.0           # how many standard deviations of its noise a slope times its step may be off: 6 of its own


@dataclass(frozen=True)
class Slope:
    """A measured slope of ``upstream . f`` along a line.

    Attributes
    ----------
    value : the slope; on a kink, the middle of the interval of subgradients.
    half_width : 0, or on a kink half the width of that interval.
    error : estimate of the truncation error: by how much two steps disagree.
    rounding : bound of the rounding error, kinks that may be lost in it included.
    step : the h of the five-point formula.
    size : sum of the absolute slopes of all outputs: what `value` would be if nothing cancelled.
    kind : ``"smooth"``, ``"kink"``, ``"not converged"``, or ``"lost"`` if rounding leaves nothing of it.
    hidden : the part of `rounding` that such kinks may have. Of kinks beside 0 it is too small, by less than `error`.
    """

    value: float
    half_width: float
    error: float
    rounding: float
    step: float
    size: float
    kind: str
    hidden: float = 0.0

    @property
    def uncertainty(self) -> float:
        """How far a right analytic slope may be from `value` (on a kink: from the interval) by measurement error."""
        noise = self.rounding - self.hidden
        return self.rounding + max(10 * (self.error - noise), self.error if self.hidden > noise / 2 else 0.0)

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


@dataclass
class Line:
    """A function along a line, and what is known of its values.

    Attributes
    ----------
    f : returns all outputs (M,) at a distance t along the line, in a new array.
    upstream : the weight of each output (M,).
    y0 : the outputs at 0.
    noise : the standard deviation of the rounding errors of each output (M,); None if it is not known.
    rounding_scale : size of the numbers that f adds up internally, if larger than its outputs.
    eps : the relative precision that f computes with at best.
    precision : the noise of the outputs as a fraction of their size; 0 if it is not known.
    still_doubts : by how much each output may be off (M,) where it does not change along the line.
    relative_doubt : by how much more, as a fraction of its change.
    """

    f: Callable[[float], np.ndarray]
    upstream: np.ndarray
    y0: np.ndarray
    noise: np.ndarray | None = None
    rounding_scale: float = 0.0
    eps: float = 2.0 ** -52

    def __post_init__(self) -> None:
        if self.noise is None:
            self.precision, self.relative_doubt = 0.0, ROUNDING * self.eps
            self.still_doubts = self.relative_doubt * np.abs(self.y0)
        else:
            self.precision = norm(self.noise) / max(norm(self.y0), 1e-300)
            self.relative_doubt = NOISE * min(max(self.eps, self.precision), 1e-3)
            self.still_doubts = np.maximum(NOISE * self.noise, self.relative_doubt * np.abs(self.y0))

    def pair(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs at t and at -t."""
        return self.f(t), self.f(-t)

    def turned(self, f: Callable[[float], np.ndarray]) -> Line:
        """Return another line from the same point; what has been worked out of the outputs there is kept."""
        other = copy(self)
        other.f = f
        return other

    def of(self, outputs: np.ndarray) -> Line:
        """Return the line of some of the outputs alone."""
        return Line(lambda t: self.f(t)[outputs], self.upstream[outputs], self.y0[outputs],
                    None if self.noise is None else self.noise[outputs], self.rounding_scale, self.eps)

    def doubts(self, changes: np.ndarray) -> np.ndarray:
        """Return by how much each output may be off (M,), where it changes by `changes` >= 0 along the line."""
        return self.still_doubts + self.relative_doubt * changes


def norm(vector: np.ndarray) -> float:
    """Return the Euclidean norm of a vector, which NumPy's own takes twice as long for."""
    return sqrt(float(vector @ vector))
