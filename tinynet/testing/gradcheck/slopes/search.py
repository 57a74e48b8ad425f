"""The slope at the step that is best for it, whatever its size: searched from far too large to far too small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tinynet.testing.gradcheck.slopes.differences import ACCEPTABLE, STEPS, central, change, same_kink, stencil
from tinynet.testing.gradcheck.slopes.line import Line, Slope, norm

LARGEST, SMALLEST = 4.0, 2.0 ** -60    # the steps that `search` halves its way through
SEEN = 1e-3            # a slope times its step is no measurement if it is less sure than this fraction of the outputs
SURE = 1e-3            # a slope not known to this fraction of itself is measured with a better step
MARGIN = 5.0           # estimates beyond a larger multiple of the rounding error do not converge
COARSEST = 2.0 ** -8   # a forward whose noise is a larger fraction of its outputs jumps: no floating-point format does
FALLS = 0.9            # a remainder that falls by this with every halving of the step falls to 0
GROWS = 1.25           # and a slope that grows by this with every halving is not the slope at 0 yet


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
        if levels and level.kind == levels[-1].kind == "kink" and same_kink(level, levels[-1]):
            both = [replace(one, error=change(level, levels[-1])) for one in (levels[-1], level)]
            kink = min([kink, *both] if kink else both, key=lambda k: k.uncertainty)
        elif kink and change(level, kink) > level.uncertainty + kink.uncertainty:
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
    seen = max(best.size, typical, SEEN * norm(line.upstream * line.y0) / scale)
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
    return not 0 < h < best.step or agree(best, central(line, h))


def agree(one: Slope, other: Slope) -> bool:
    """Return whether two slopes are the same, as far as they are known."""
    return abs(one.value - other.value) <= one.uncertainty + other.uncertainty


def _levels(line: Line, scale: float) -> Iterator[Slope]:
    """Yield the slope at one step after another, each half of the last; two new values of f each."""
    h = LARGEST * max(scale, 1.0)
    pairs = [line.pair(2 * h), line.pair(h)]
    moved, largest = np.zeros(line.y0.shape, bool), h
    while h >= SMALLEST * scale:
        pairs.append(line.pair(h / 2))
        yield stencil(line, h, pairs[::-1], moved, largest)
        del pairs[0]
        h /= 2


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
