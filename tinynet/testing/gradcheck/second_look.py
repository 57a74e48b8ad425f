"""A second look, with everything moved a little: it settles what a point on kinks leaves open.

On a kink, backward may return anything between the slopes of the two sides, so that little can be said against it; a
wrong entry among many kinks is lost in their intervals. A function has kinks almost nowhere, though (Rademacher's
theorem), and right beside x its gradient must be the slope again. The gradients there also say what is allowed on the
kink itself: the generalized gradient is the convex hull of the limits of those around it (Clarke 1975). One coordinate
moved by itself does not see all of it: of five equal numbers that are sorted, each may come out in any place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from tinynet.testing.gradcheck.measurement import Measurement
from tinynet.testing.gradcheck.report import TensorReport
from tinynet.testing.gradcheck.sampling import away_from_zero
from tinynet.testing.gradcheck.targets import Gradients, Target

Sample = Callable[[Target, str, np.ndarray, np.ndarray], list[Measurement]]
FRACTION = 2.0 ** -6        # how far numbers are moved, as a fraction of themselves: far beyond the usual step
NEARBY = 2.0 ** -20         # and how far for the limits of gradients, which should not change on the way
SAMPLES = 16                # gradients around x, more if they jump: of ten equal numbers, each is seldom the largest
MAX_SAMPLES = 256
CLOSE = 1e-4                # how far these are from their limit, as a fraction of the largest


def beside_kinks(target: Target, report: TensorReport, sample: Sample, rng: np.random.Generator) -> TensorReport | None:
    """Measure the coordinates that lie on kinks, or were skipped, beside x on both sides; None if there are none.

    `sample` measures the coordinates of the tensor at given flat indices, where the target's tensors are now. Those
    whose gradient appears or vanishes there are measured as well: of equal numbers, another may be the median.
    """
    undecided = [m.where for m in report.measurements if m.kinked or m.verdict == "skipped"]
    if not undecided or report.analytic is None:
        return None
    where = np.concatenate(undecided)
    singles = np.array([m.where[0] for m in report.measurements if m.single], int)
    directions = apart(target, rng)
    looks = []
    for side in (FRACTION, -FRACTION):
        with moved(target, directions, side):
            analytic = gradients_here(target).get(report.name)
            if analytic is not None and analytic.shape == report.shape and np.isfinite(analytic).all():
                flipped = singles[(analytic.flat[singles] != 0) != (report.analytic.flat[singles] != 0)]
                looks.append(TensorReport(report.name, report.shape, report.training, analytic,
                                          sample(target, report.name, analytic, np.union1d(where, flipped))))
    return max(looks, default=None, key=lambda look: sum(map(is_wrong, look.measurements)))


def is_wrong(m: Measurement) -> bool:
    """Return whether a measurement is wrong by slopes alone: no kink leaves a doubt."""
    return m.verdict == "wrong" and not m.kinked


def allow_what_is_right_around(target: Target, report: TensorReport, rng: np.random.Generator) -> None:
    """Give the verdict "on kink" to coordinates where the gradient jumps, and lies between those around.

    The slope along a coordinate need not show the kink: a median of three equal numbers stays where it is when one of
    them is moved.
    """
    singles = [m for m in report.measurements if m.single]
    suspects = np.array([m.verdict == "wrong" and bool(np.isfinite(m.analytic)) for m in singles], bool)
    if not suspects.any():
        return
    assert report.analytic is not None
    at = np.array([m.where[0] for m in singles], int)
    analytic, low, high = report.analytic.flat[at], np.full(at.shape, np.inf), np.full(at.shape, -np.inf)
    jumps = allowed = np.zeros(at.shape, bool)
    largest = 0.0
    for count in range(MAX_SAMPLES):
        if allowed[suspects].all() or (count >= SAMPLES and (jumps[suspects].all() or not jumps.any())):
            break                                                # else other gradients jump, and a suspect's may, too
        with moved(target, apart(target, rng), NEARBY):
            gradient = gradients_here(target).get(report.name)
        if gradient is not None and gradient.shape == report.shape:
            low, high = np.minimum(low, gradient.flat[at]), np.maximum(high, gradient.flat[at])
            largest = np.maximum(largest, np.abs(gradient).max(initial=0))             # NaN stays NaN
            close = CLOSE * largest
            jumps = high - low > 2 * close
            allowed = jumps & (low - close <= analytic) & (analytic <= high + close)
    for m in np.array(singles, object)[suspects & allowed]:
        m.verdict, m.kinked = "on kink", True


def apart(target: Target, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw directions for all tensors, by name, in which no two equal numbers stay equal."""
    return {name: away_from_zero(array.ravel(), rng) * rng.uniform(0.5, 1.5, array.size)
            for name, array in target.tensors.items()}


def gradients_here(target: Target) -> Gradients:
    """Return the gradients at the point where the tensors are; none if forward is not defined there."""
    try:
        with np.errstate(all="ignore"):
            return target.gradients() if np.isfinite(target.outputs()).all() else {}
    except Exception:                                      # x may have a meaning that it loses when it is moved
        return {}


@contextmanager
def moved(target: Target, directions: dict[str, np.ndarray], distance: float) -> Iterator[None]:
    """Move every tensor along its direction; where numbers are 0, `distance` may be in one direction only."""
    try:
        for name, array in target.tensors.items():
            array += distance * directions[name].reshape(array.shape)
        yield
    finally:
        for name, array in target.tensors.items():
            array[...] = target.originals[name]
