"""Which slopes of a tensor are measured: all of a small one; of a large one random directions that cover it.

A large tensor is split at random into groups, and each group is perturbed as one, along a direction of random signs
and sizes. Every coordinate is in a group, and two errors cancel only by a coincidence of real numbers, so one wrong
entry anywhere shows as soon as it exceeds the noise of its group. The group is then halved until the entry is found.
A sample of single coordinates is measured as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tinynet.testing.gradcheck.differences import Slope, slope
from tinynet.testing.gradcheck.targets import Target, random_upstream

GROUP_RTOL = 1e-9     # a group whose slope deviates by this fraction of its gradient's norm is searched


@dataclass
class Measurement:
    """One slope of a tensor, analytic and measured.

    Attributes
    ----------
    where : flat indices (k,) of the coordinates perturbed together.
    direction : by how much each is perturbed (k,); (1.0,) for a single one.
    analytic : the slope according to the gradient that backward returned.
    measured : the slope as measured.
    tolerance : how far the two may lie apart.
    verdict : ``"right"``, ``"wrong"``, ``"on kink"`` (a subgradient, so right) or ``"skipped"``.
    kinked : whether a kink lies there, or coordinates are perturbed together that lie on one each.
    decided_by_layers : whether only a check of a model layer by layer could decide it.
    """

    where: np.ndarray
    direction: np.ndarray
    analytic: float
    measured: Slope
    tolerance: float
    verdict: str = ""
    kinked: bool = False
    decided_by_layers: bool = False

    def __post_init__(self) -> None:
        self.kinked |= self.measured.kind == "kink"
        if self.measured.kind == "not converged":
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
        """How far the analytic slope lies from the measured one, or on a kink from the interval of subgradients."""
        if self.decided_by_layers:
            return 0.0
        apart = abs(self.analytic - self.measured.value) - self.measured.half_width
        return np.inf if np.isnan(apart) else max(0.0, apart)

    @property
    def magnitude(self) -> float:
        """The larger of the analytic and the measured slope."""
        return max(abs(self.analytic), abs(self.measured.value) + self.measured.half_width)

    @property
    def excess(self) -> float:
        """The deviation in units of the tolerance."""
        if not self.tolerance:
            return np.inf if self.deviation else 0.0
        return self.deviation / self.tolerance


class Sampler:
    """Measures slopes of one tensor of a target.

    Parameters
    ----------
    target, name : what is checked, and which tensor of it.
    gradient : the analytic gradient, of the tensor's shape.
    rng : draws the groups and the directions.
    rtol : how far a single entry may be off, as a fraction of itself.
    """

    def __init__(self, target: Target, name: str, gradient: np.ndarray, rng: np.random.Generator, rtol: float):
        self.target, self.tensor, self.rng, self.rtol = target, target.tensors[name], rng, rtol
        self.gradient = np.asarray(gradient, np.float64).ravel()
        self.y0 = target.outputs()
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
        budget = 4 * directions                            # for splitting groups with kinks, which may be everywhere
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
        if any(m.verdict == "wrong" for m in suspects):    # more single entries, from which to infer the likely cause
            done += [self.measure(order[i:i + 1]) for i in range(directions, min(n, every))]
        return done

    def ties(self, done: list[Measurement]) -> list[Measurement]:
        """Perturb the coordinates that lie on kinks all together.

        Each of two equal maxima may get the whole gradient, but not both: only the slope along the tie, where they
        stay equal, shows it.
        """
        kinks = sorted({int(m.where[0]) for m in done if m.single and m.measured.kind == "kink"})
        if len(kinks) < 2:
            return []
        return [replace(self.measure(np.array(kinks), np.ones(len(kinks))), kinked=True)]

    def track_down(self, group: Measurement) -> Measurement:
        """Halve a wrong group until the entry with the largest excess is isolated; return it."""
        while not group.single:
            group = max((self.measure(half) for half in np.array_split(group.where, 2)), key=lambda m: m.excess)
        return group

    def measure(self, where: np.ndarray, direction: np.ndarray | None = None) -> Measurement:
        """Measure one coordinate, or the slope along a direction in several, a random one if none is given."""
        single = len(where) == 1
        if direction is None:
            direction = np.ones(1) if single else random_upstream(where.shape, self.rng)
        measured = slope(self.line(where, direction), self.target.upstream, rounding_scale=self.target.rounding_scale,
                         eps=self.target.eps, scale=self.scale / np.sqrt(len(where)))
        parts = self.gradient[where] * direction
        allowed = (self.rtol * (abs(measured.value) + measured.half_width) if single
                   else GROUP_RTOL * float(np.linalg.norm(parts)))
        return Measurement(where, direction, float(parts.sum()), measured, measured.uncertainty + allowed)

    def line(self, where: np.ndarray, direction: np.ndarray) -> Callable[[float], np.ndarray]:
        """Return all outputs as a function of the distance along a direction."""
        flat = self.tensor.reshape(-1)                     # a view: the tensors of a target are contiguous
        before = flat[where].copy()

        def outputs(t: float) -> np.ndarray:
            if t == 0:
                return self.y0
            try:
                flat[where] = before + t * direction
                return self.target.outputs()
            finally:
                flat[where] = before
        return outputs
