"""What is known about a wrong gradient, from which its likely cause is inferred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

CLOSE = 1e-4          # numbers that agree to this fraction of the largest are equal, as far as a cause is concerned
MUCH_CLOSER = 0.05    # a candidate must explain all but this fraction of the error, or it is no explanation


@dataclass
class Evidence:
    """What is known about a wrong gradient.

    Attributes
    ----------
    analytic : the gradient that backward returned or set, perhaps of a wrong shape.
    numeric : the measured one, of the tensor's shape; NaN where it was not measured.
    known : mask of the coordinates that were measured and are no kinks.
    wrong : mask of those among them where the analytic gradient is wrong.
    on_kink : mask of the coordinates that lie on a kink, where any subgradient is right.
    batch_size : N.
    is_input : whether the tensor is the input.
    dy : the upstream gradient, where the target is a layer.
    rerun : ``rerun(dy)`` returns the gradient for another upstream gradient, where the target is a layer.
    settings : the layer's attributes between 0 and 1, by name, such as a rate.
    penalty : the gradient of the regularization term of this tensor.
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
        """Whether the analytic gradient has the shape of the tensor."""
        return self.analytic.shape == self.numeric.shape

    @cached_property
    def size(self) -> float:
        """The largest measured slope."""
        return float(np.abs(self.numeric[self.known]).max(initial=0.0))

    @cached_property
    def tolerance(self) -> float:
        """How near a candidate must come to the measured gradient: much nearer than the analytic one is."""
        error = np.abs(self.analytic - self.numeric)[self.known].max(initial=0.0) if self.same_shape else np.inf
        return float(np.fmin(CLOSE * self.size, MUCH_CLOSER * error))

    def fits(self, candidate: np.ndarray, part: np.ndarray | None = None) -> bool:
        """Return whether an array is the measured gradient (where `part` is True), at two coordinates at least."""
        known = self.known if part is None else self.known & part
        return (candidate.shape == self.numeric.shape and int(known.sum()) >= min(2, self.numeric.size)
                and bool(self.numeric[known].any())
                and bool((np.abs(candidate - self.numeric)[known] <= self.tolerance).all()))

    @cached_property
    def ratio(self) -> float | None:
        """The factor between the analytic and the measured gradient, if it is the same everywhere, else None."""
        if not self.same_shape:
            return None
        a, n = self.analytic[self.known], self.numeric[self.known]
        if not a.any() or not n.any() or not np.isfinite(a).all():
            return None
        ratio = float(a @ n / (n @ n))                     # least squares
        return ratio if np.abs(a - ratio * n).max() <= abs(ratio) * self.tolerance else None

    def ratio_is(self, expected: float) -> bool:
        """Return whether the analytic gradient is `expected` times the measured one."""
        return self.ratio is not None and abs(self.ratio - expected) <= CLOSE * abs(expected)
