"""What is known about a wrong gradient, from which its likely cause is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

CLOSE = 1e-4          # two numbers are the same for a cause if they agree to this fraction of the largest


@dataclass
class Evidence:
    """What is known about a wrong gradient.

    Attributes
    ----------
    analytic : the gradient that backward claims, perhaps of a wrong shape.
    numeric : the measured one, of the tensor's shape; NaN where it was not measured.
    known : mask of the coordinates that were measured and have one slope.
    wrong : mask of those among them where the claim is wrong.
    on_kink : mask of the coordinates that lie on a kink, so that more than one slope is right.
    batch_size : N.
    is_input : whether the tensor is the input.
    dy : the upstream gradient, where the target is a layer.
    rerun : ``rerun(dy)`` returns what backward claims for another upstream gradient, where the target is a layer.
    settings : numbers between 0 and 1 that the layer holds, by name, such as a rate.
    penalty : the gradient of what a regularizer adds to the loss for this tensor.
    """

    analytic: np.ndarray
    numeric: np.ndarray
    known: np.ndarray
    wrong: np.ndarray
    on_kink: np.ndarray
    batch_size: int = 1
    is_input: bool = False
    dy: np.ndarray | None = None
    rerun: Callable[[np.ndarray], np.ndarray | None] | None = None
    settings: dict[str, float] = field(default_factory=dict)
    penalty: np.ndarray | None = None

    @property
    def same_shape(self) -> bool:
        """Whether the claimed gradient has the shape of the tensor."""
        return self.analytic.shape == self.numeric.shape

    @cached_property
    def size(self) -> float:
        """The largest measured slope."""
        return float(np.abs(self.numeric[self.known]).max(initial=0.0))

    @cached_property
    def closeness(self) -> float:
        """How near a candidate must come to be the measured gradient: much nearer than the claim itself."""
        off = np.abs(self.analytic - self.numeric)[self.known].max(initial=0.0) if self.same_shape else np.inf
        return float(np.fmin(CLOSE * self.size, 0.05 * off))

    def fits(self, candidate: np.ndarray, part: np.ndarray | None = None) -> bool:
        """Say whether an array is the measured gradient (where `part` holds), at two measured places at least."""
        known = self.known if part is None else self.known & part
        return (candidate.shape == self.numeric.shape and int(known.sum()) >= min(2, self.numeric.size)
                and bool(self.numeric[known].any())
                and bool((np.abs(candidate - self.numeric)[known] <= self.closeness).all()))

    @cached_property
    def ratio(self) -> float | None:
        """The one number that the claim is of the measured gradient everywhere; None if there is none."""
        if not self.same_shape:
            return None
        a, n = self.analytic[self.known], self.numeric[self.known]
        if not a.any() or not n.any() or not np.isfinite(a).all():
            return None
        ratio = float(a @ n / (n @ n))
        return ratio if np.abs(a - ratio * n).max() <= abs(ratio) * self.closeness else None

    def ratio_is(self, expected: float) -> bool:
        """Say whether the claim is `expected` times the measured gradient."""
        return self.ratio is not None and abs(self.ratio - expected) <= CLOSE * abs(expected)
