"""Which slopes of a tensor are measured: all of a small one; of a large one directions that leave nothing out.

A large tensor is dealt at random into groups, and each group is moved as one, along a direction of random signs
and sizes. No coordinate is in no group, and no two errors can cancel but by a coincidence of real numbers, so one
wrong entry anywhere shows as soon as it stands out of the noise of its group. The group is then halved until the
entry is found. A sample of single coordinates is measured besides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinynet.testing.gradcheck.differences import Slope, slope
from tinynet.testing.gradcheck.targets import Subject, random_upstream

SCREEN = 1e-9         # a group whose gradient is off by this fraction of its norm is looked into


@dataclass
class Measurement:
    """One slope of a tensor, claimed and measured.

    Attributes
    ----------
    where : flat indices (k,) of the coordinates moved together.
    direction : by how much each is moved (k,); (1.0,) for a single one.
    analytic : what the gradient says the slope is.
    measured : what it is.
    tolerance : how far the two may lie apart.
    verdict : ``"right"``, ``"wrong"``, ``"on kink"`` (right, as far as a kink allows to say) or ``"skipped"``.
    kinked : whether a kink lies there, or coordinates are moved together that lie on one each.
    settled_by_parts : whether it could only be settled by taking a model apart.
    """

    where: np.ndarray
    direction: np.ndarray
    analytic: float
    measured: Slope
    tolerance: float
    verdict: str = ""
    kinked: bool = False
    settled_by_parts: bool = False

    def __post_init__(self) -> None:
        self.kinked |= self.measured.kind == "kink"
        if self.measured.kind == "unsettled":
            self.verdict = "skipped"
        elif self.excess > 1:
            self.verdict = "wrong"
        else:
            self.verdict = "on kink" if self.measured.kind == "kink" else "right"

    @property
    def single(self) -> bool:
        """Whether this is one coordinate."""
        return len(self.where) == 1

    @property
    def deviation(self) -> float:
        """How far the analytic slope lies from the measured one, or on a kink from the interval of rightful ones."""
        if self.settled_by_parts:
            return 0.0
        apart = abs(self.analytic - self.measured.value) - self.measured.spread
        return np.inf if np.isnan(apart) else max(0.0, apart)

    @property
    def magnitude(self) -> float:
        """The larger of the analytic and the measured slope."""
        return max(abs(self.analytic), abs(self.measured.value) + self.measured.spread)

    @property
    def excess(self) -> float:
        """The deviation in units of the tolerance."""
        if not self.tolerance:
            return np.inf if self.deviation else 0.0
        return self.deviation / self.tolerance


class Sampler:
    """Measures slopes of one tensor of a subject.

    Parameters
    ----------
    subject, name : whose tensor.
    gradient : what its backward claims, of the tensor's shape.
    rng : deals the groups, draws the directions.
    rtol : how far a single entry may be off, as a fraction of itself.
    """

    def __init__(self, subject: Subject, name: str, gradient: np.ndarray, rng: np.random.Generator, rtol: float):
        self.subject, self.tensor, self.rng, self.rtol = subject, subject.tensors[name], rng, rtol
        self.gradient = np.asarray(gradient, np.float64).ravel()
        self.here = subject.outputs()
        self.scale = max(1.0, float(np.sqrt(np.mean(np.square(self.tensor))))) if self.tensor.size else 1.0

    def sample(self, every: int, directions: int) -> list[Measurement]:
        """Measure the tensor: each coordinate if there are at most `every`, groups of them otherwise."""
        n = self.tensor.size
        done = [self.measure(np.array([i])) for i in range(n)] if n <= every else self.sample_large(every, directions)
        return done + self.ties(done)

    def sample_large(self, every: int, directions: int) -> list[Measurement]:
        """Measure groups of coordinates, and some single ones."""
        n = self.tensor.size
        directions = min(directions, n)
        order = self.rng.permutation(n)
        done = [self.measure(order[i:i + 1]) for i in range(directions)]
        queue = [self.measure(group) for group in np.array_split(order, directions)]
        budget = 4 * directions                            # for looking into groups that hold a kink
        while queue:
            group = queue.pop()
            if group.verdict in ("on kink", "skipped") and not group.single and budget > 0:
                budget -= 2
                queue += [self.measure(half) for half in np.array_split(group.where, 2)]
            else:
                done.append(group)
        suspects = [m for m in done if m.verdict == "wrong" and not m.kinked]
        if suspects and not any(m.single for m in suspects):
            done.append(entry := self.track_down(max(suspects, key=lambda m: m.excess)))
            if entry.verdict == "right":                   # many small errors, each within its own tolerance
                for m in suspects:
                    m.verdict = "right"
        if any(m.verdict == "wrong" for m in suspects):    # more single entries, to tell the likely cause from
            done += [self.measure(order[i:i + 1]) for i in range(directions, min(n, every))]
        return done

    def ties(self, done: list[Measurement]) -> list[Measurement]:
        """Move the coordinates that lie on kinks all together.

        Each of two equal maxima may claim the whole gradient for itself, but not both: only the slope along the tie
        tells, where they stay equal.
        """
        kinks = sorted({int(m.where[0]) for m in done if m.single and m.measured.kind == "kink"})
        if len(kinks) < 2:
            return []
        return [replace(self.measure(np.array(kinks), np.ones(len(kinks))), kinked=True)]

    def track_down(self, group: Measurement) -> Measurement:
        """Halve a wrong group until the entry that is most wrong stands alone; return it."""
        while not group.single:
            group = max((self.measure(half) for half in np.array_split(group.where, 2)), key=lambda m: m.excess)
        return group

    def measure(self, where: np.ndarray, direction: np.ndarray | None = None) -> Measurement:
        """Measure one coordinate, or the slope along a direction in several, a random one if none is given."""
        single = len(where) == 1
        if direction is None:
            direction = np.ones(1) if single else random_upstream(where.shape, self.rng)
        measured = slope(self.line(where, direction), self.subject.upstream, unit=self.subject.unit,
                         digits=self.subject.digits, scale=self.scale / np.sqrt(len(where)))
        parts = self.gradient[where] * direction
        allowed = (self.rtol * (abs(measured.value) + measured.spread) if single
                   else SCREEN * float(np.linalg.norm(parts)))
        return Measurement(where, direction, float(parts.sum()), measured, measured.uncertainty + allowed)

    def line(self, where: np.ndarray, direction: np.ndarray):
        """Return all outputs as a function of the distance along a direction."""
        flat = self.tensor.reshape(-1)                     # a view: the tensors of a subject are contiguous
        before = flat[where].copy()

        def outputs(t: float) -> np.ndarray:
            if t == 0:
                return self.here
            try:
                flat[where] = before + t * direction
                return self.subject.outputs()
            finally:
                flat[where] = before
        return outputs
