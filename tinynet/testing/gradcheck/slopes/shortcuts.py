"""Slopes from few values of f, where these are as good as many: on a straight line, and with a step known already.

Most layers are linear in most of their tensors. Where the values at a distance of h on both sides lie on the line of
the analytic slope, up to rounding, nothing is left for smaller steps to show: two values are enough. A shortcut can
only find a slope right; what does not agree is measured in full.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tinynet.testing.gradcheck.slopes.differences import ACCURATE, STEPS, at_step, central
from tinynet.testing.gradcheck.slopes.line import Line, Slope
from tinynet.testing.gradcheck.slopes.search import LARGEST, SURE, agree

AS_SURE = 3.0         # a slope may be less sure, by this factor, than its neighbour's, for which a step was searched
NEARLY_SURE = 0.03    # if it is no less sure than this fraction of itself, as it is in float16
BY_CHANCE = 1e-4      # slopes known to this fraction of themselves are not the expected one at two steps by chance
NEARER = 3 / 16       # the second of these, as a fraction of the first: whole periods of one are none of the other
WIDTH = 15 / 16       # of the usual step, for two values alone: numbers that are rounded to fractions of 2 move oddly
PATIENCE = 2          # so many lines may turn out not to be straight, and as many more as `GAIN` says for each that is
GAIN = 2              # the values that a straight line saves, in units of what is lost on another


@dataclass(frozen=True)
class KnownStep:
    """The step that was searched for a coordinate or a group, which suits others: eight values in place of forty.

    Attributes
    ----------
    relative_step : in units of the coordinate's scale.
    relative_uncertainty : of the slope found with it, as a fraction of its size.
    """

    relative_step: float
    relative_uncertainty: float

    def slope(self, line: Line, scale: float) -> Slope | None:
        """Measure with this step; None where another one may be better, or a far smaller one does not agree."""
        near = at_step(line, self.relative_step * scale)
        if near.kind != "smooth" or near.uncertainty > self.sure * near.size:
            return None
        far = central(line, self.relative_step * scale / 8)
        return near if agree(near, far) else None

    @property
    def sure(self) -> float:
        """How sure a slope must be, as a fraction of its size."""
        return min(AS_SURE * self.relative_uncertainty, NEARLY_SURE)


class Shortcuts:
    """What the slopes measured so far teach about the next ones of a tensor.

    Parameters
    ----------
    coarse : whether forward computes in less than float64.
    rtol : how far a single entry may be off, as a fraction of the largest.
    """

    def __init__(self, coarse: bool, rtol: float):
        self.coarse, self.rtol = coarse, rtol
        self.known: dict[int, KnownStep] = {}              # by about how many coordinates move together
        self.bent: Counter[bool] = Counter()               # lines that were not straight, of groups or single ones

    def slope(self, line: Line, scale: float, n: int, expected: float, typical: float) -> Slope | None:
        """Measure the slope along a line on which n coordinates move; None where few values do not settle it."""
        known = self.known.get(n.bit_length())
        if self.bent[n > 1] < PATIENCE:
            found = self.on_line(line, scale, n, expected, typical)
            self.bent[n > 1] -= GAIN if found else -1
            if found:
                return found
        return known.slope(line, scale) if known else None

    def on_line(self, line: Line, scale: float, n: int, expected: float, typical: float) -> Slope | None:
        """Measure the slope where the line is straight, and as expected.

        In float64 two values at the usual step tell nothing by chance. In less, the largest step is the best for a
        straight line, as nothing but rounding is in its way; two values that are nearer must say the same.
        """
        known = self.known.get(n.bit_length())
        if not known and not self.coarse:
            found = straight(line, WIDTH * STEPS[0] * scale / n ** 0.5, expected)
            still = found and not found.size and not expected          # nothing moves, and no gradient says so
            enough = found and found.uncertainty <= min(
                ACCURATE * found.size, self.rtol * typical, SURE * abs(found.value))
            return found if still or enough else None
        h, sure = (known.relative_step * scale, known.sure) if known else (LARGEST * max(scale, 1.0), BY_CHANCE)
        found = straight(line, h, expected)
        enough = found and 0 < found.uncertainty <= min(sure, BY_CHANCE) * found.size and straight(
            line, NEARER * h, expected)
        return found if enough else None

    def learn(self, measured: Slope, scale: float, n: int) -> None:
        """Remember the step that was searched for a slope."""
        if measured.kind == "smooth" and 0 < measured.uncertainty <= NEARLY_SURE * measured.size:
            self.known[n.bit_length()] = KnownStep(measured.step / scale, measured.uncertainty / measured.size)


def straight(line: Line, h: float, expected: float) -> Slope | None:
    """Measure a slope with two values of f if these lie on the line of the expected slope, else return None.

    Neither may be off by more than rounding; output by output, in what bends. The remainder of the Taylor test is 0.
    """
    found = central(line, h)
    return found if found.kind == "smooth" and abs(found.value - expected) <= found.rounding else None
