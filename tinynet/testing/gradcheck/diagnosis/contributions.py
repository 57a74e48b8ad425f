"""What each output contributes to a gradient: measured from forward alone, beside what backward makes of it.

A gradient is a sum over the outputs, ``dy[o] * d y[o] / d x[i]``. The derivatives are measured by moving one entry i
and looking at every output; those that backward claims are its results for a dy that is 0 but for one output. Where
the two differ says more about a mistake than their sums do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

ENOUGH = 96           # so many outputs are asked for their contributions, at most
EQUAL = 1e-6          # two contributions are equal to this fraction of the largest, unless they are less exact
NOTHING = 1e-7        # and none, below this fraction


@dataclass
class Contributions:
    """The contributions of some outputs to some entries of a tensor.

    Attributes
    ----------
    measured : the derivative of each output by each entry (M, K).
    claimed : what backward says of it (M, K).
    outputs : index of each output along each axis of dy (axes of dy, M).
    entries : index of each entry along each axis of the tensor (axes, K).
    complete : mask of the entries (K,) that depend on no other outputs.
    y : the outputs' own values (M,).
    out_shape, shape : of dy, and of the tensor.
    jacobian : the derivative of every output by each entry (all outputs, K).
    equal : two contributions are equal, as far as a cause is concerned, to this fraction of the largest.
    """

    measured: np.ndarray
    claimed: np.ndarray
    outputs: np.ndarray
    entries: np.ndarray
    complete: np.ndarray
    y: np.ndarray
    out_shape: tuple[int, ...]
    shape: tuple[int, ...]
    jacobian: np.ndarray
    equal: float = EQUAL

    @cached_property
    def largest(self) -> float:
        """The largest measured contribution."""
        return float(np.abs(self.measured).max(initial=0.0))

    @cached_property
    def clear(self) -> bool:
        """Whether an error is much larger than what passes for equal, so that it can be told from it."""
        return bool(np.abs(self.claimed - self.measured).max(initial=0.0) > 20 * self.equal * self.largest)

    @property
    def nothing(self) -> float:
        """What is at most this is no contribution."""
        return max(NOTHING, self.equal if self.equal > EQUAL else 0.0) * self.largest

    @cached_property
    def right(self) -> np.ndarray:
        """Mask of the contributions that agree (M, K)."""
        return np.asarray(np.abs(self.claimed - self.measured) <= self.equal * self.largest)

    @cached_property
    def there(self) -> np.ndarray:
        """Mask of the measured contributions that are not 0 (M, K)."""
        return np.asarray(np.abs(self.measured) > self.nothing)

    @cached_property
    def said(self) -> np.ndarray:
        """Mask of the claimed contributions that are not 0 (M, K)."""
        return np.asarray(np.abs(self.claimed) > self.nothing)

    @cached_property
    def missing(self) -> np.ndarray:
        """Mask of the contributions that backward leaves out altogether (M, K)."""
        return np.asarray(~self.right & ~self.said)

    @cached_property
    def extra(self) -> np.ndarray:
        """Mask of the contributions that there should not be at all (M, K)."""
        return np.asarray(~self.right & ~self.there)

    @cached_property
    def other_value(self) -> np.ndarray:
        """Mask of the contributions that are there, but not as claimed (M, K)."""
        return np.asarray(~self.right & self.there & self.said)

    @cached_property
    def elementwise(self) -> bool:
        """Whether each output depends on one entry, that of the same index, and on nothing else of the tensor."""
        if self.out_shape != self.shape or not self.shape:
            return False
        same = np.ravel_multi_index(tuple(self.outputs), self.out_shape)[:, None] == np.ravel_multi_index(
            tuple(self.entries), self.shape)
        return bool(same.any()) and not (self.there | self.said)[~same].any()

    @property
    def whole(self) -> bool:
        """Whether the entries are all of the tensor, or of some of its samples."""
        return self.entries.shape[1] == len(np.unique(self.entries[:1])) * int(np.prod(self.shape[1:]))

    def differ(self, axis: int) -> np.ndarray | None:
        """Return where output and entry differ in their index along an axis (M, K); None if their sizes do."""
        if axis >= len(self.out_shape) or axis >= len(self.shape) or self.out_shape[axis] != self.shape[axis]:
            return None
        return np.asarray(self.outputs[axis][:, None] != self.entries[axis])

    def pairs(self, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return claimed and measured where a mask is True, and neither is negligible."""
        where = where & self.there & self.said
        return self.claimed[where], self.measured[where]


def choose_outputs(there: np.ndarray) -> np.ndarray:
    """Choose outputs (in order), at most `ENOUGH`: all, or all of those that some entries depend on, and others.

    Parameters
    ----------
    there : which output depends on which entry (M, K).
    """
    rng, m = np.random.default_rng(0), len(there)
    if m <= ENOUGH:
        return np.arange(m)
    chosen = np.zeros(m, bool)
    for column in there.T[rng.permutation(there.shape[1])]:
        if (chosen | column).sum() <= ENOUGH * 3 // 4:
            chosen |= column
    others = rng.permutation(np.flatnonzero(~chosen))[:ENOUGH - int(chosen.sum())]
    chosen[others] = True
    return np.flatnonzero(chosen)


def contributions(jacobian: np.ndarray, entries: np.ndarray, y: np.ndarray, dy: np.ndarray, shape: tuple[int, ...],
                  rerun: Callable[[np.ndarray], np.ndarray | None]) -> Contributions | None:
    """Ask backward for the contributions of single outputs; None if it fails, or the shapes do not fit.

    Parameters
    ----------
    jacobian : the measured derivatives of all outputs by some entries (M, K).
    entries : flat indices of these entries (K,).
    y : all outputs (M,).
    dy : the upstream gradient, whose values are passed one at a time, so that a clipped one behaves as it did.
    shape : of the tensor.
    rerun : runs backward on another dy.
    """
    there = np.abs(jacobian) > NOTHING * np.abs(jacobian).max(initial=0.0)
    chosen, claimed = choose_outputs(there), []
    for output in chosen:
        one = np.zeros_like(dy)
        one.flat[output] = dy.flat[output]
        gradient = rerun(one)
        if gradient is None or gradient.shape != shape or not np.isfinite(gradient).all():
            return None
        claimed.append(gradient.ravel()[entries] / dy.flat[output])
    unseen = np.delete(there, chosen, axis=0).any(axis=0)
    return Contributions(jacobian[chosen], np.array(claimed).reshape(len(chosen), len(entries)),
                         indices(chosen, dy.shape), indices(entries, shape), ~unseen, y[chosen], dy.shape, shape,
                         jacobian)


def indices(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return flat indices (n,) as indices along each axis (axes, n)."""
    return np.array(np.unravel_index(flat, shape)) if shape else np.zeros((0, len(flat)), int)
