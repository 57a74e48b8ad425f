"""Which slopes of a tensor are measured: all of a small one; of a large one random directions that cover it.

A large tensor is split at random into groups, and each group is perturbed as one, along a direction of random signs
and sizes. Every coordinate is in a group, and two errors cancel only by a coincidence of real numbers, so one wrong
entry anywhere shows as soon as it exceeds the noise of its group. The group is then halved until the entry is found.
A sample of single coordinates is measured as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from tinynet.testing.gradcheck.aligned import GROUP_RTOL, Cells, in_proportion
from tinynet.testing.gradcheck.measurement import Measurement
from tinynet.testing.gradcheck.precision import computational_noise, rounding_of_gradient
from tinynet.testing.gradcheck.slopes.differences import first_look
from tinynet.testing.gradcheck.slopes.line import NOISE, Line, Slope, norm
from tinynet.testing.gradcheck.slopes.search import SURE, holds, search
from tinynet.testing.gradcheck.slopes.shortcuts import Shortcuts
from tinynet.testing.gradcheck.targets import Target, random_upstream

EPS = 4 * 2.0 ** -52   # rounding of a gradient, as a fraction of the numbers that it is a sum of
MAX_SUSPECTS = 4      # cells of a group that are looked at one by one
COARSE = 1e-9         # relative noise of a forward that computes in float32 or float16


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
        self.target, self.name, self.tensor, self.rng, self.rtol = target, name, target.tensors[name], rng, rtol
        self.gradient = np.asarray(gradient, np.float64).ravel()
        self.typical = float(np.abs(self.gradient[np.isfinite(self.gradient)]).max(initial=0))
        self.y0 = target.outputs()
        self.scales = scales_of(self.tensor).ravel()
        self.here = Line(lambda t: self.y0, target.upstream, self.y0, self.measure_noise(), target.rounding_scale,
                         target.eps)
        self.precision = self.here.precision
        self.shortcuts = Shortcuts(self.precision > COARSE, rtol)

    def measure_noise(self) -> np.ndarray:
        """Measure how precisely each output (M,) is computed, as a function of this tensor."""
        everything = np.arange(self.tensor.size)
        random = random_upstream(everything.shape, self.rng)
        noise = computational_noise(self.line(everything, random * self.tensor.ravel()))
        if not noise.any():                                # numbers so small that the outputs do not move with them
            noise = computational_noise(self.line(everything, random))
        return np.minimum(noise, np.abs(self.y0).max(initial=0))

    def sample(self, every: int, directions: int, among: np.ndarray | None = None) -> list[Measurement]:
        """Measure the tensor: each coordinate if there are at most `every`, groups of them otherwise.

        `among` are the flat indices of the coordinates to measure, all if None.
        """
        everything = among is None
        among = np.arange(self.tensor.size) if among is None else among
        done = ([self.measure(among[i:i + 1]) for i in range(len(among))] if len(among) <= every
                else self.sample_large(among, every, directions))
        if everything and self.precision > COARSE and self.is_coarse(done, SURE):
            done += self.wrong_in_proportion()
        return done + self.ties(done)

    def is_coarse(self, done: list[Measurement], rtol: float) -> bool:
        """Return whether some slopes are less sure than a fraction of the usual size of the gradient's entries."""
        usual = float(np.linalg.norm(self.gradient)) / np.sqrt(max(len(self.gradient), 1))
        return bool(np.isfinite(usual)) and any(m.measured.uncertainty > rtol * usual for m in done)

    def sample_large(self, among: np.ndarray, every: int, directions: int) -> list[Measurement]:
        """Measure groups of coordinates, and some single ones."""
        n = len(among)
        directions = min(directions, n)
        order = self.rng.permutation(among)
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
        if self.is_coarse(done, self.rtol) and self.cells.count > 1:
            done += self.wrong_in_cells(order, directions)
        suspects = [m for m in done if m.verdict == "wrong" and not m.kinked]
        if suspects and not any(m.single for m in suspects):
            done.append(entry := self.track_down(max(suspects, key=lambda m: m.excess).where))
            if entry.verdict == "right":                   # many small errors, each within its own tolerance
                for m in suspects:
                    m.verdict = "right"
        if any(m.verdict == "wrong" for m in suspects):    # more single entries, from which to infer the likely cause
            done += [self.measure(order[i:i + 1]) for i in range(directions, min(n, every))]
        return done

    @cached_property
    def cells(self) -> Cells:
        """The tensor and the outputs, cut along the axes that go together."""
        return Cells(self.target, self.name, self.rng)

    def wrong_in_cells(self, order: np.ndarray, directions: int) -> list[Measurement]:
        """Return the first wrong entry that shows in its cell, if any does: groups may be too coarse to show it."""
        for group in np.array_split(order, min(directions, -(-len(order) // self.cells.count))):
            direction = random_upstream(group.shape, self.rng) * self.scales[group]
            parts = np.zeros(self.tensor.size)
            parts[group] = self.gradient[group] * direction
            for cell in self.cells.suspicious(self.along(group, direction), parts)[:MAX_SUSPECTS]:
                entry = self.track_down(group[self.cells.of_entries[group] == cell],
                                        np.flatnonzero(self.cells.of_outputs == cell))
                if entry.verdict == "wrong":
                    return [entry]
        return []

    def wrong_in_proportion(self) -> list[Measurement]:
        """Return the first group that is wrong along a line on which a maximum or a ReLU meets no kink, if any is.

        Where forward computes coarsely, numbers closer to a kink than its rounding cannot be measured one by one.
        """
        for direction in in_proportion(self.tensor.ravel()):
            parts = self.gradient * direction
            cells = self.cells.suspicious(self.along(np.arange(len(parts)), direction), parts)[:MAX_SUSPECTS]
            for cell in cells:
                where = np.flatnonzero(self.cells.of_entries == cell)
                seen = np.flatnonzero(self.cells.of_outputs == cell)
                group = self.measure(where, direction[where], seen=seen)
                sizes = np.linalg.norm(parts[where]) + np.linalg.norm((self.target.upstream * self.y0)[seen])
                rounding = NOISE * self.precision * float(sizes)           # of a backward as coarse as forward
                group = replace(group, tolerance=group.tolerance + rounding)
                if group.verdict == "wrong" and not group.kinked:
                    return [group]
        return []

    def ties(self, done: list[Measurement]) -> list[Measurement]:
        """Perturb the coordinates that lie on kinks all together.

        Each of two equal maxima may get the whole gradient, but not both: only the slope along the tie, where they
        stay equal, shows it.
        """
        kinks = sorted({int(m.where[0]) for m in done if m.single and m.measured.kind == "kink"})
        if len(kinks) < 2:
            return []
        together = self.measure(np.array(kinks), np.ones(len(kinks)))
        rounding = EPS * self.typical * len(kinks)         # of the gradients, which are sums of larger numbers
        return [replace(together, kinked=True, tolerance=together.tolerance + rounding)]

    def track_down(self, where: np.ndarray, seen: np.ndarray | None = None) -> Measurement:
        """Halve a wrong group until the entry with the largest excess is isolated; return it."""
        while len(where) > 1:
            where = max((self.measure(half, confirm=False, seen=seen) for half in np.array_split(where, 2)),
                        key=lambda m: m.excess).where
        return self.measure(where, seen=seen)

    def measure(self, where: np.ndarray, direction: np.ndarray | None = None, *, confirm: bool = True,
                seen: np.ndarray | None = None) -> Measurement:
        """Measure one coordinate, or the slope along a direction in several, a random one if none is given.

        What a first look leaves open is searched for the best step; so is what it finds wrong, if that is to be
        confirmed. `seen` are the outputs that can depend on it, all if None.
        """
        n = len(where)
        if direction is None:
            direction = np.ones(1) if n == 1 else random_upstream(where.shape, self.rng)
        line = self.along(where, direction) if seen is None else self.along(where, direction).of(seen)
        parts, scale = self.gradient[where] * direction, float(self.scales[where].max())
        expected, typical = float(parts.sum()), self.typical if n == 1 else norm(parts)
        if seen is None and (quick := self.shortcuts.slope(line, scale, n, expected, typical)):
            found = self.compare(where, direction, quick)
            if found.verdict == "right":
                return found
        found = self.compare(where, direction, first_look(line, scale / np.sqrt(n)))
        settled = ("right", "on kink") if confirm else ("right", "on kink", "wrong")
        uncertainty, size = found.measured.uncertainty, found.magnitude
        known = uncertainty <= SURE * size and (found.kinked or uncertainty <= self.rtol * typical)
        if found.verdict in settled and (known or not size):           # or nothing moves, and no gradient says so
            return found
        if known and not found.kinked and holds(found.measured, line, typical):
            return found
        if n > 1 and seen is None and self.cells.count > 1:            # which show more than a group does
            return found
        measured = search(line, scale, expected=expected, typical=typical)
        if seen is None:
            self.shortcuts.learn(measured, scale, n)
        return self.compare(where, direction, measured)

    def compare(self, where: np.ndarray, direction: np.ndarray, measured: Slope) -> Measurement:
        """Put the analytic slope along a direction beside the measured one.

        Where that is 0, a right backward pass returns what is left of numbers that cancel: the rounding of its sums.
        How large it is can be seen from the outputs, and if that does not do, is measured.
        """
        parts = self.gradient[where] * direction
        allowed = (self.rtol * (abs(measured.value) + measured.half_width) if len(where) == 1
                   else GROUP_RTOL * norm(parts))
        if abs(measured.value) <= measured.uncertainty:
            allowed += EPS * norm(self.target.upstream * self.y0) * norm(direction / self.scales[where])
        found = Measurement(where, direction, float(parts.sum()), measured, measured.uncertainty + allowed)
        if found.verdict == "wrong" and abs(measured.value) <= measured.uncertainty:
            found = replace(found, rounding=NOISE * norm(direction * self.rounding[where]))
        return found

    @cached_property
    def rounding(self) -> np.ndarray:
        """The standard deviation of the rounding errors of each entry of the gradient, (size,)."""
        return rounding_of_gradient(self.target, self.name, self.gradient)

    def along(self, where: np.ndarray, direction: np.ndarray) -> Line:
        """Return the outputs along a direction in some coordinates, with what is known of them."""
        return self.here.turned(self.line(where, direction))

    def line(self, where: np.ndarray, direction: np.ndarray) -> Callable[[float], np.ndarray]:
        """Return all outputs as a function of the distance along a direction; NaN where forward refuses its input."""
        flat = self.tensor.reshape(-1)                     # a view: the tensors of a target are contiguous
        at: np.ndarray | int = where if len(where) > 1 else int(where[0])    # a plain index is far cheaper
        before, by = flat[where], direction
        if len(where) == 1:
            before, by = before[0], by[0]

        def outputs(t: float) -> np.ndarray:
            if t == 0:
                return self.y0
            try:
                flat[at] = before + t * by
                return self.target.outputs_like(self.y0)
            finally:
                flat[at] = before
        return outputs


def scales_of(tensor: np.ndarray) -> np.ndarray:
    """Return the size of the numbers of a tensor, each by itself, for steps: those near 0 are moved as others are."""
    usual = float(np.sqrt(np.mean(np.square(tensor)))) if tensor.size else 0.0
    return np.maximum(np.abs(tensor), min(usual, 1.0) or 1.0)


def away_from_zero(numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return directions that make the numbers (n,) larger or smaller by fractions of themselves.

    Where they are 0, there are no fractions, but numbers as large as the others: of the sign of all others if they
    have one, so that a logarithm stays defined.
    """
    signs = rng.choice([-1.0, 1.0], numbers.shape)
    zero = numbers == 0
    if not zero.any():
        return numbers * signs
    nonzero = numbers[~zero]
    usual = float(np.median(np.abs(nonzero))) if nonzero.size else 1.0
    if nonzero.size and (nonzero > 0).all():
        return np.where(zero, usual, numbers * signs)
    if nonzero.size and (nonzero < 0).all():
        return np.where(zero, -usual, numbers * signs)
    return np.where(zero, usual * signs, numbers * signs)
