"""The slope of a function along a line, measured from its values alone, with an estimate of its own error.

Along the line the function is split into its odd and its even part, at distances h/2, h and 2h::

    odd(t)  = (f(t) - f(-t)) / 2          = f' t + f''' t^3 / 6 + ...       holds the slope
    even(t) = (f(t) + f(-t)) / 2 - f(0)   = |t| jump / 2 + f'' t^2 / 2 + ...  holds the kink at 0, if there is one

A kink is a non-differentiable point where the one-sided slopes differ, such as a ReLU's at 0; ``jump`` is the slope
on the right of 0 minus the slope on the left. What lies between the two slopes is a subgradient (in Clarke's sense),
and a backward pass may return any of them. The five-point formula takes the slope from odd(h) and odd(2h), once more
from odd(h/2) and odd(h); their disagreement estimates the truncation error, and Richardson's extrapolation of the two
is the result. The same three points of the even part give the jump, free of the f'' and f'''' terms. Six values of f
suffice for all of it.

The step decides. The truncation error falls with it, the rounding error, noise / h, grows as it falls. `slope` takes
a step that suits most functions, and smaller ones near a kink. `search` halves the step from far too large to far too
small, and keeps the step with the smallest sum of both errors: that of 1/x at 1e-8 is tiny, that of a forward that
computes in float32 is large. Where the slopes still move towards an expected value as the step falls, that trend
decides, and not the number at any one step: this is the Taylor test. The remainder f(h) - f(0) - h g is of first
order in h if g is wrong, and of a higher order if g is right.

Sources: Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids" (the five-point
formula); Richardson 1911 (the extrapolation); Press et al., "Numerical Recipes", section 5.7 (the step); Farrell et
al. 2013, "Automated derivation of the adjoint of high-level transient finite element programs" (the Taylor test);
Clarke 1975, "Generalized gradients and applications" (the subgradients).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

STEPS = [2.0 ** -k for k in (8, 12, 16, 20, 24, 28)]     # powers of 2: adding them to a number rounds little
LARGEST, SMALLEST = 4.0, 2.0 ** -60                      # and those that `search` halves its way through
ROUNDING = 50.0        # how many units in the last place a value may be off, if its noise is not known
NOISE = 12.0           # how many standard deviations of its noise a slope times its step may be off: 6 of its own
JUMP_NOISE = 5.0       # and by how much more a jump may be, whose formula weighs values that much more
UNSEEN = 0.08          # the part of their rounding that counts for outputs that do not move at all
MIN_JUMP = 1e-6        # a jump below this fraction of the steepest slope is within the formula's error, no kink
ACCURATE = 1e-8        # a slope known to this fraction of its size needs no smaller step
ACCEPTABLE = 1e-5      # and one not known to this fraction at any step has not converged
SEEN = 1e-3            # a slope times its step is no measurement if it is less sure than this fraction of the outputs
SURE = 1e-3            # a slope not known to this fraction of itself is measured with a better step
MARGIN = 5.0           # estimates beyond a larger multiple of the rounding error do not converge
COARSEST = 2.0 ** -8   # a forward whose noise is a larger fraction of its outputs jumps: no floating-point format does
FALLS = 0.9            # a remainder that falls by this with every halving of the step falls to 0
GROWS = 1.25           # and a slope that grows by this with every halving is not the slope at 0 yet


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


@dataclass(frozen=True)
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
    """

    f: Callable[[float], np.ndarray]
    upstream: np.ndarray
    y0: np.ndarray
    noise: np.ndarray | None = None
    rounding_scale: float = 0.0
    eps: float = 2.0 ** -52

    def pair(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs at t and at -t."""
        return self.f(t), self.f(-t)

    def of(self, outputs: np.ndarray) -> Line:
        """Return the line of some of the outputs alone."""
        return replace(self, f=lambda t: self.f(t)[outputs], upstream=self.upstream[outputs], y0=self.y0[outputs],
                       noise=None if self.noise is None else self.noise[outputs])

    @property
    def precision(self) -> float:
        """The noise of the outputs as a fraction of their size; 0 if it is not known."""
        if self.noise is None:
            return 0.0
        return float(np.linalg.norm(self.noise)) / max(float(np.linalg.norm(self.y0)), 1e-300)

    def doubts(self, changes: np.ndarray) -> np.ndarray:
        """Return by how much each output may be off (M,), where it changes by `changes` >= 0 along the line."""
        if self.noise is None:
            return ROUNDING * self.eps * (np.abs(self.y0) + changes)
        relative = min(max(self.eps, self.precision), 1e-3)
        return NOISE * (np.maximum(self.noise, relative * np.abs(self.y0)) + relative * changes)


def slope(f: Callable[[float], np.ndarray], upstream: np.ndarray, *, scale: float = 1.0, rounding_scale: float = 0.0,
          eps: float = 2.0 ** -52) -> Slope:
    """Measure the slope of ``upstream . f(t)`` at t = 0.

    Parameters
    ----------
    f, upstream, rounding_scale, eps : see `Line`.
    scale : multiplies the steps.

    >>> f = lambda t: np.array([np.sin(t)])
    >>> measured = slope(f, np.array([2.0]))
    >>> round(measured.value, 9), measured.error < 1e-8, measured.kind
    (2.0, True, 'smooth')
    >>> relu = lambda t: np.array([max(t, 0.0)])
    >>> measured = slope(relu, np.array([2.0]))
    >>> measured.value - measured.half_width, measured.value + measured.half_width, measured.kind
    (0.0, 2.0, 'kink')
    """
    return first_look(Line(f, upstream, f(0.0), rounding_scale=rounding_scale, eps=eps), scale)


def first_look(line: Line, scale: float) -> Slope:
    """Measure a slope with the step that suits most functions, or with smaller ones near a kink or a sharp bend.

    A kink that shows at two steps in the same way lies at 0 itself: there every output may have any slope between
    those of its own two sides. The bound comes from the outputs one by one, because their sum may hide the kink:
    ``relu(t) - relu(-t)`` is t, with slope 1 on both sides, yet right backward passes with ReLU'(0) = 0 return 0.
    """
    tries: list[Slope] = []
    for h in STEPS:
        current = at_step(line, h * scale)
        if current.kind == "smooth" and current.error <= ACCURATE * current.size + current.rounding:
            return current
        if current.kind == "kink" and tries and _same_kink(current, tries[-1]):
            return replace(current, error=_change(current, tries[-1]))
        tries.append(current)
    best = min(tries, key=lambda s: s.error + s.rounding if s.kind == "smooth" else np.inf)
    return best if _converged(best, best.size) else replace(best, kind="not converged")


def at_step(line: Line, h: float) -> Slope:
    """Measure a slope with one step: six values of f."""
    return _stencil(line, h, [line.pair(t * h) for t in (0.5, 1, 2)], np.zeros(line.y0.shape, bool), h)


def search(line: Line, scale: float, *, expected: float = 0.0, typical: float = 0.0) -> Slope:
    """Measure a slope with the step that is best for it, whatever its size.

    Parameters
    ----------
    scale : multiplies the steps.
    expected : a slope towards which those measured may move as the step falls.
    typical : size of the slopes beside this one: what is small beside them need not be known to all its digits.
    """
    levels: list[Slope] = []
    kink: Slope | None = None
    for level in _levels(line, scale):
        if levels and level.kind == levels[-1].kind == "smooth":       # an estimate is trusted if the next one agrees
            levels[-1] = replace(levels[-1], error=max(levels[-1].error, abs(level.value - levels[-1].value)))
        if levels and level.kind == levels[-1].kind == "kink" and _same_kink(level, levels[-1]):
            both = [replace(one, error=_change(level, levels[-1])) for one in (levels[-1], level)]
            kink = min([kink, *both] if kink else both, key=lambda k: k.uncertainty)
        elif kink and _change(level, kink) > level.uncertainty + kink.uncertainty:
            kink = None                                                # it lies beside 0, within the last step
        best = _best(levels, typical)
        levels.append(level)
        if level.step <= STEPS[0] * scale and (level.rounding >= best.uncertainty and holds(best, line, typical)
                                               if best else kink and level.rounding >= 1e-4 * kink.half_width):
            break
    if best is None or (kink and best.uncertainty > kink.half_width > kink.uncertainty):   # it is lost in noise
        return kink or replace(levels[-1], kind="not converged")
    kind = "lost" if line.precision <= COARSEST and _bounded(levels, best) else "not converged"
    if best.uncertainty < abs(best.value - expected) and (followed := _followed(levels, best)) is not best:
        best, kind = followed, "not converged"
    away = abs(best.value - expected)
    if best.uncertainty < away < 100 * best.error and _falls(levels[:-1], expected):
        return replace(levels[-2], error=abs(levels[-2].value - expected), kind="smooth")
    seen = max(best.size, typical, SEEN * float(np.linalg.norm(line.upstream * line.y0)) / scale)
    return best if best.uncertainty <= seen or best.value == expected else replace(best, kind=kind)


def _best(levels: list[Slope], typical: float) -> Slope | None:
    """Return the slope with the least uncertainty, from the smallest step up to where slopes no longer converge.

    At steps that are too large they may agree with one another and yet be wrong: those of a sine, at whole periods.
    """
    best = None
    for level in reversed(levels):
        if level.kind != "smooth" or level.error > ACCEPTABLE * max(level.size, typical) + MARGIN * level.rounding:
            break
        if best and abs(level.value - best.value) > level.uncertainty + best.uncertainty:
            break
        if not best or level.uncertainty < best.uncertainty:
            best = level
    return best


def holds(best: Slope, line: Line, typical: float) -> bool:
    """Return whether a slope is the same at a far smaller step, where rounding still leaves it three digits.

    A step may happen to be a whole number of periods, or reach over a bend.
    """
    h = best.step * best.rounding / (SURE * max(best.size, typical, 1e-300))
    if not 0 < h < best.step:
        return True
    there = at_step(line, h)
    return abs(there.value - best.value) <= there.uncertainty + best.uncertainty


def _levels(line: Line, scale: float) -> Iterator[Slope]:
    """Yield the slope at one step after another, each half of the last; two new values of f each."""
    h = LARGEST * max(scale, 1.0)
    pairs = [line.pair(2 * h), line.pair(h)]
    moved, largest = np.zeros(line.y0.shape, bool), h
    while h >= SMALLEST * scale:
        pairs.append(line.pair(h / 2))
        yield _stencil(line, h, pairs[::-1], moved, largest)
        del pairs[0]
        h /= 2


def _same_kink(one: Slope, other: Slope) -> bool:
    return _change(one, other) <= 1e-3 * one.half_width + one.rounding


def _change(one: Slope, other: Slope) -> float:
    return abs(one.value - other.value) + abs(one.half_width - other.half_width)


def _converged(slope: Slope, size: float) -> bool:
    return slope.kind == "smooth" and slope.error <= ACCEPTABLE * size + slope.rounding


def _falls(levels: list[Slope], expected: float) -> bool:
    """Return whether the slopes move towards the expected one with every halving of the step, until it is noise.

    Then the remainder falls faster than in first order, at any of the steps.
    """
    away = [abs(level.value - expected) for level in levels if abs(level.value - expected) > 4 * level.rounding][-8:]
    return len(away) == 8 and all(after <= FALLS * before for before, after in pairwise(away))


def _bounded(levels: list[Slope], best: Slope) -> bool:
    """Return whether the slope at the next larger step is no larger than the best may be: at a jump it is."""
    larger = [level for level in levels if level.step > best.step][-1:]
    return all(abs(level.value) + level.half_width <= abs(best.value) + best.uncertainty for level in larger)


def _followed(levels: list[Slope], best: Slope) -> Slope:
    """Return the slope at a smaller step, down to which slopes keep growing, if they do so with four halvings.

    The outputs move within the smallest steps, and no further: on a plateau that ends close to 0, or after a jump,
    the slope shrinks as the step grows, down to nothing beside others, and agrees with itself to that.
    """
    smaller = [best, *(level for level in levels if level.step < best.step)]
    grown = 0
    for level, after in pairwise(smaller):
        if after.kind != "smooth" or not after.value * level.value > 0 or abs(after.value) < GROWS * abs(level.value):
            break
        grown += 1
    return smaller[grown] if grown >= 4 else best


def _stencil(line: Line, h: float, pairs: list[tuple[np.ndarray, np.ndarray]], moved: np.ndarray,
             largest: float) -> Slope:
    """Compute slope and jump of each output from the outputs at h/2, h, 2h and their negatives.

    The mask of the outputs that are seen to move, here or at a larger step, is brought up to date: a change of theirs
    that is not seen may be lost in rounding. The others have not moved at the largest step: they have no slope but one
    too small to be seen there.
    """
    with np.errstate(all="ignore"):
        sides = np.array([above for above, _ in pairs] + [below for _, below in pairs])
        moved |= (sides != line.y0).any(axis=0)                        # often few outputs: work on with these alone
        upstream = line.upstream[moved]
        above, below = sides[:3, moved] - line.y0[moved], sides[3:, moved] - line.y0[moved]
        odd, even = (above - below) / 2, (above + below) / 2           # (3, M): at h/2, h, 2h

        coarse = (8 * odd[1] - odd[2]) / (6 * h)
        fine = (8 * odd[0] - odd[1]) / (3 * h)
        each = fine + (fine - coarse) / 15                             # (M,)
        jump = (64 * even[0] - 20 * even[1] + even[2]) / (7 * h)       # (M,)

        value, error = float(upstream @ each), abs(float(upstream @ (fine - coarse)))
        changes = np.zeros(len(line.y0))
        changes[moved] = np.maximum(np.abs(above[1]), np.abs(below[1]))    # on a kink one of them may be 0
        doubts = line.doubts(changes) / h
        unseen = float(np.linalg.norm((line.upstream * doubts)[~moved])) * h / largest
        internal = ROUNDING * line.eps * line.rounding_scale / h
        least = MIN_JUMP * np.abs(each).max(initial=0) + JUMP_NOISE * np.maximum(doubts[moved], internal)
        kinked = np.abs(jump) > least
        half_width = float(np.abs(upstream * jump)[kinked].sum()) / 2
        hidden = float(np.linalg.norm((upstream * jump)[~kinked])) / 2            # which may be kinks, lost in noise
        rounding = max(float(np.linalg.norm(upstream * doubts[moved])), internal) + UNSEEN * unseen + hidden
        size = float(np.abs(upstream * each).sum())
    kind = "kink" if half_width else "smooth"
    if not np.isfinite([value, error, half_width, rounding]).all():
        kind = "not converged"
    return Slope(value, half_width, error, rounding, h, size, kind, hidden)
