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

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import numpy as np

from tinynet.testing.gradcheck.slopes.line import ROUNDING, Line, Slope, norm

STEPS = [2.0 ** -k for k in (8, 12, 16, 20, 24, 28)]     # powers of 2: adding them to a number rounds little
FIVE_POINTS = np.array([[0.0, 8, -1], [8, -1, 0]])       # weights of odd(h/2), odd(h), odd(2h): at h, and at h/2
JUMP = np.array([64.0, -20, 1])                          # and of even(h/2), even(h), even(2h)
JUMP_NOISE = 5.0       # and by how much more a jump may be, whose formula weighs values that much more
UNSEEN = 0.08          # the part of their rounding that counts for outputs that do not move at all
MIN_JUMP = 1e-6        # a jump below this fraction of the steepest slope is within the formula's error, no kink
ACCURATE = 1e-8        # a slope known to this fraction of its size needs no smaller step
ACCEPTABLE = 1e-5      # and one not known to this fraction at any step has not converged


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
        if current.kind == "kink" and tries and same_kink(current, tries[-1]):
            return replace(current, error=change(current, tries[-1]))
        tries.append(current)
    best = min(tries, key=lambda s: s.error + s.rounding if s.kind == "smooth" else np.inf)
    converged = best.kind == "smooth" and best.error <= ACCEPTABLE * best.size + best.rounding
    return best if converged else replace(best, kind="not converged")


def at_step(line: Line, h: float) -> Slope:
    """Measure a slope with one step: six values of f."""
    return stencil(line, h, [line.pair(t * h) for t in (0.5, 1, 2)], np.zeros(line.y0.shape, bool), h)


def central(line: Line, h: float) -> Slope:
    """Measure a slope with two values of f, which know of no truncation error: only others tell how large it is."""
    changes = np.array(line.pair(h)) - line.y0
    moved = changes.any(axis=0)
    changes = changes[:, moved]
    each = (changes[0] - changes[1]) / (2 * h)
    return _slope(line, h, each, 0 * each, (changes[0] + changes[1]) / h, changes, moved, h)


def stencil(line: Line, h: float, pairs: list[tuple[np.ndarray, np.ndarray]], moved: np.ndarray,
            largest: float) -> Slope:
    """Compute slope and jump of each output from the outputs at h/2, h, 2h and their negatives.

    The mask of the outputs that are seen to move, here or at a step up to the largest, is brought up to date.
    """
    changes = np.array([above for above, _ in pairs] + [below for _, below in pairs]) - line.y0
    moved |= changes.any(axis=0)
    if not moved.all():                                                # often few do: work on with these alone
        changes = changes[:, moved]
    odd, even = (changes[:3] - changes[3:]) / 2, (changes[:3] + changes[3:]) / 2       # (3, M): at h/2, h, 2h
    coarse, fine = FIVE_POINTS @ odd
    coarse, fine = coarse / (6 * h), fine / (3 * h)                    # (M,)
    return _slope(line, h, fine + (fine - coarse) / 15, fine - coarse, JUMP @ even / (7 * h), changes[1::3], moved,
                  largest)


def _slope(line: Line, h: float, each: np.ndarray, errors: np.ndarray, jump: np.ndarray, changes: np.ndarray,
           moved: np.ndarray, largest: float) -> Slope:
    """Add up what is known of the outputs that move, (M,) each; `changes` (2, M) are theirs on both sides.

    A change of an output that moves, here or at a larger step, and is not seen may be lost in rounding. The others
    have not moved at the largest step: they have no slope but one too small to be seen there.

    Parameters
    ----------
    each, errors, jump : the slopes of these outputs, their truncation errors, and the jumps of the slopes at 0.
    moved, largest : the mask of these among all outputs (all), and the largest step at which they were looked at.
    """
    upstream, doubts, unseen = line.upstream, line.still_doubts, 0.0
    if len(each) < len(moved):
        unseen = norm((upstream * doubts)[~moved]) / largest
        upstream, doubts = upstream[moved], doubts[moved]
    doubts = (doubts + line.relative_doubt * np.abs(changes).max(axis=0)) / h          # on a kink one side may be 0
    internal = ROUNDING * line.eps * line.rounding_scale / h
    value, error, size = float(upstream @ each), abs(float(upstream @ errors)), float(np.abs(upstream) @ np.abs(each))
    rounding = max(norm(upstream * doubts), internal) + UNSEEN * unseen
    kinked = np.abs(jump) > MIN_JUMP * np.abs(each).max(initial=0) + JUMP_NOISE * np.maximum(doubts, internal)
    jump = upstream * jump
    half_width, hidden = 0.0, norm(jump) / 2                           # which may be kinks, lost in noise
    if kinked.any():
        half_width, hidden = float(np.abs(jump[kinked]).sum()) / 2, norm(jump[~kinked]) / 2
    rounding += hidden
    kind = "kink" if half_width else "smooth"
    if not all(map(isfinite, (value, error, half_width, rounding))):
        kind = "not converged"
    return Slope(value, half_width, error, rounding, h, size, kind, hidden)


def same_kink(one: Slope, other: Slope) -> bool:
    """Return whether a kink shows in the same way at two steps."""
    return change(one, other) <= 1e-3 * one.half_width + one.rounding


def change(one: Slope, other: Slope) -> float:
    """Return by how much the slopes on the two sides differ between two steps."""
    return abs(one.value - other.value) + abs(one.half_width - other.half_width)
