"""Many slopes from one direction: where an axis of a tensor goes with an axis of the output.

Samples go with samples, the units of a kernel with units, and in an elementwise function every number with its own.
Then one perturbation of a whole tensor shows a slope for each index of such axes, in the outputs with that index, and
the rounding errors of all the others do not hide it: in a tensor of a million numbers, computed in float16, one
that is wrong by a tenth is lost in their sum. The Jacobian is sparse, and this is a colouring of its columns.

Which axes go together is asked of backward: of an upstream gradient that is 0 at some indices, nothing may flow to
the others. If that itself is wrong, the slopes of all outputs show it.

Sources: Curtis, Powell & Reid 1974, "On the estimation of sparse Jacobian matrices".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tinynet.testing.gradcheck.slopes.line import Line
from tinynet.testing.gradcheck.targets import Target

MIN_SIZE = 8                                        # of an axis that is worth the trouble
STEPS = [2.0 ** -k for k in range(-5, 9)]           # relative; large ones are for forwards that compute coarsely
MAX_BEND = 0.1                                      # more, as a fraction of the slope, may be a kink
GROUP_RTOL = 1e-9     # a group whose slope deviates by this fraction of its gradient's size is searched


class Cells:
    """A tensor and the outputs, cut into cells along the axes that go together.

    Attributes
    ----------
    count : number of cells; 1 if no axes go together.
    of_entries, of_outputs : the cell of each number of the tensor (n,), and of each output (M,).
    """

    def __init__(self, target: Target, name: str, rng: np.random.Generator):
        shape = target.tensors[name].shape
        pairs = list(aligned_axes(target, name, rng)) if target.dy is not None else []
        sizes = tuple(shape[a] for a, _ in pairs)
        self.count = int(np.prod(sizes))
        self.of_entries = cell_numbers(shape, [a for a, _ in pairs], sizes)
        outputs = target.upstream if target.dy is None else target.dy
        self.of_outputs = cell_numbers(outputs.shape, [b for _, b in pairs], sizes)

    def suspicious(self, line: Line, parts: np.ndarray) -> np.ndarray:
        """Return the cells whose analytic slopes, the sums of `parts` (n,) along the line, are not the measured ones.

        At each step the slope of every cell is measured; for each the step with the least uncertainty counts. How far
        the next smaller step disagrees is part of that: a step may reach over a kink.
        """
        analytic = np.bincount(self.of_entries, parts, self.count)
        deviation, best = np.zeros(self.count), np.full(self.count, np.inf)
        pairs = [line.pair(t * STEPS[0]) for t in (2, 1)]
        last: tuple[np.ndarray, ...] | None = None
        for step in STEPS:
            pairs.append(line.pair(step / 2))
            value, error, rounding = self.slopes(line, pairs[::-1], step)
            if last is not None:
                error_before = np.maximum(last[1], np.abs(last[0] - value))
                uncertainty = 10 * np.maximum(error_before - rounding, 0) + last[2]
                better = uncertainty < best                              # not where it is NaN
                best = np.where(better, uncertainty, best)
                deviation = np.where(better, np.abs(analytic - last[0]), deviation)
            last = value, error, rounding
            del pairs[0]
        return np.flatnonzero(deviation > best + GROUP_RTOL * np.abs(analytic))

    def slopes(self, line: Line, pairs: list[tuple[np.ndarray, np.ndarray]], h: float
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return slope, truncation and rounding error of each cell, from the outputs at h/2, h, 2h and their negatives.

        A kink between these points counts as an error.
        """
        with np.errstate(all="ignore"):
            odd = [(above - below) / 2 for above, below in pairs]
            even = (pairs[1][0] + pairs[1][1]) / 2 - line.y0
            coarse, fine = (8 * odd[1] - odd[2]) / (6 * h), (8 * odd[0] - odd[1]) / (3 * h)          # (M,)
            bend = np.abs(even) / h                                      # half a jump, if it is one
            kinks = self.total(np.abs(line.upstream) * np.where(bend > MAX_BEND * np.abs(fine), bend, 0))
            error = np.abs(self.total(line.upstream * (fine - coarse))) + kinks
            rounding = np.sqrt(self.total((line.upstream * line.doubts(odd[1]) / h) ** 2))
            return self.total(line.upstream * fine), error, rounding

    def total(self, outputs: np.ndarray) -> np.ndarray:
        """Add up numbers of the outputs (M,), cell by cell."""
        return np.bincount(self.of_outputs, outputs, self.count)


def in_proportion(numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Yield directions along which the order of numbers (n,), and their signs, stay for a long way.

    All grow by the same fraction, which leaves every ReLU and maximum the same number, or by the same amount.
    """
    yield numbers.copy()
    yield np.full(numbers.shape, float(np.sqrt(np.mean(np.square(numbers)))) or 1.0)


def aligned_axes(target: Target, name: str, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield (a, b) where axis a of a tensor goes with axis b of the output, each axis once."""
    assert target.dy is not None
    shape, free = target.tensors[name].shape, set(range(target.dy.ndim))
    for a, b in product(range(len(shape)), range(target.dy.ndim)):
        if b not in free or shape[a] != target.dy.shape[b] or shape[a] < MIN_SIZE:
            continue
        chosen = rng.permutation(shape[a]) < shape[a] // 2               # a mask of half of the indices
        gradient = target.gradients(np.where(along(chosen, b, target.dy.ndim), target.dy, 0)).get(name)
        if gradient is not None and gradient.shape == shape and not gradient[
                np.broadcast_to(along(~chosen, a, len(shape)), shape)].any() and gradient.any():
            free.remove(b)
            yield a, b


def along(mask: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """Return a mask of the indices of one axis, to be broadcast over the others."""
    return mask.reshape([-1 if k == axis else 1 for k in range(ndim)])


def cell_numbers(shape: tuple[int, ...], axes: list[int], sizes: tuple[int, ...]) -> np.ndarray:
    """Return the cell of each number of an array, flat: its indices along some axes as one number."""
    if not axes:
        return np.zeros(int(np.prod(shape)), int)
    indices = [along(np.arange(shape[axis]), axis, len(shape)) for axis in axes]
    return np.broadcast_to(np.ravel_multi_index(np.broadcast_arrays(*indices), sizes), shape).ravel()
