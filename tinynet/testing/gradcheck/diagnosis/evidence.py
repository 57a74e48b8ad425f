"""What is known about a wrong gradient, from which its likely cause is inferred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import EQUAL, Contributions, contributions

CLOSE = 1e-4          # numbers that agree to this fraction of the largest are equal, as far as a cause is concerned
MUCH_CLOSER = 0.05    # a candidate must explain all but this fraction of the error, or it is no explanation
RATIO_CLOSE = 1e-5    # a factor is a known number if it agrees with it to this fraction
EPSILONS = (0.0, 1e-5, 1e-3)      # what forward may add to a variance, before its root
WHOLE = 256           # so many entries of a sample are compared as a whole, at most
SAME = 1e-9           # two results of backward are the same to this fraction of the largest
SINGLE = 1e-5         # and what adds up in float32 to this fraction
INEXACT = 1e-7        # a Jacobian that does not add up to the slopes to this fraction is measured in larger steps


@dataclass
class Evidence:
    """What is known about a wrong gradient.

    Attributes
    ----------
    analytic : the gradient that backward returned or set, perhaps of a wrong shape.
    numeric : the measured one, of the tensor's shape; NaN where it was not measured.
    known : mask of the coordinates that were measured and are no kinks.
    wrong : mask of those among them where the analytic gradient is wrong.
    on_kink : mask of the coordinates that lie on a kink, where any subgradient is right; none if it is wrong beside.
    batch_size : N.
    is_input : whether the tensor is the input.
    dy : the upstream gradient; None for a loss, which has none.
    rerun : ``rerun(dy)`` returns the gradient for another upstream gradient; None if backward fails.
    settings : the layer's attributes between 0 and 1, by name, such as a rate.
    penalty : the gradient of the regularization term of this tensor.
    name : that of the tensor.
    values : the tensors that forward depends on, by name.
    outputs : ``outputs(value)`` returns all outputs (M,) for another value of the tensor.
    derivatives : ``derivatives(entries, coarse)`` measures the derivative of each output by each of these entries,
        given by their flat indices, (M, entries), in larger steps if `coarse`; None if these are too many.
    of : ``of(name, coarse)`` makes the evidence of another tensor's gradient, if that is not large.
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
    name: str = ""
    values: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: Callable[[np.ndarray], np.ndarray] | None = None
    derivatives: Callable[..., np.ndarray | None] | None = None
    of: Callable[[str, bool], Evidence | None] | None = None
    coarse: bool = field(default=False, init=False)        # whether larger steps are the more exact
    inexact: float = field(default=0.0, init=False)        # how far the Jacobian does not add up to the slopes
    rough: float = field(default=0.0, init=False)          # how far it does not in small steps: forward's rounding

    @property
    def same_shape(self) -> bool:
        """Whether the analytic gradient has the shape of the tensor."""
        return self.analytic.shape == self.numeric.shape

    @cached_property
    def size(self) -> float:
        """The largest measured slope."""
        return float(np.abs(self.numeric[self.known]).max(initial=0.0))

    @cached_property
    def error(self) -> float:
        """The largest difference from it."""
        return (float(np.abs(self.analytic - self.numeric)[self.known].max(initial=0.0)) if self.same_shape
                else np.inf)

    @cached_property
    def tolerance(self) -> float:
        """How near a candidate must come to the measured gradient: much nearer than the analytic one is."""
        return float(np.fmin(CLOSE * self.size, MUCH_CLOSER * self.error))

    def fits(self, candidate: np.ndarray, part: np.ndarray | None = None) -> bool:
        """Return whether an array is the measured gradient (where `part` is True), at two coordinates at least."""
        return candidate.shape == self.numeric.shape and self.fits_known(candidate.ravel()[self.known_indices], part)

    def fits_known(self, values: np.ndarray, part: np.ndarray | None = None) -> bool:
        """Return whether an array that has these values (K,) at the known coordinates is the measured gradient."""
        numeric = self.numeric.ravel()[self.known_indices]
        if part is not None:
            inside = part.ravel()[self.known_indices]
            values, numeric = values[inside], numeric[inside]
        return (numeric.size >= min(2, self.numeric.size) and bool(numeric.any())
                and bool((np.abs(values - numeric) <= self.tolerance).all()))

    @cached_property
    def known_indices(self) -> np.ndarray:
        """The flat indices (K,) of the known coordinates: of a large tensor a few, and nothing else is looked at."""
        return np.flatnonzero(self.known)

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
        return self.ratio is not None and abs(self.ratio - expected) <= RATIO_CLOSE * abs(expected)

    @cached_property
    def contributions(self) -> Contributions | None:
        """What each output contributes, measured and claimed, if they clearly differ; None if that cannot be had."""
        return self.compared if self.compared is not None and self.compared.clear else None

    @cached_property
    def compared(self) -> Contributions | None:
        """The same, whether they differ or not."""
        if self.dy is None or self.rerun is None or self.y is None or not self.same_shape or not self.linear:
            return None
        entries = self.entries_to_compare()
        jacobian = self.jacobian                           # which tells how exact it is
        if entries is not None and self.derivatives is not None:
            jacobian = self.derivatives(entries, self.coarse) if self.coarse else self.derivatives(entries)
        if jacobian is None:
            return None
        found = contributions(jacobian, np.flatnonzero(self.known) if entries is None else entries, self.y, self.dy,
                              self.numeric.shape, self.rerun)
        if found is None or not found.largest:
            return None
        found.equal = max(EQUAL, 20 * self.inexact, 20 * self.noise)
        return found

    @cached_property
    def jacobian(self) -> np.ndarray | None:
        """The derivative of each output by each known entry, measured (M, entries known)."""
        if self.derivatives is None or self.dy is None:
            return None
        known = np.flatnonzero(self.known)
        fine = self.derivatives(known)
        if fine is None or not known.size or self.apart(fine) <= INEXACT:
            return fine
        self.rough = self.apart(fine) * float(np.abs(fine).max())
        larger = self.derivatives(known, True)             # forward computes in float32, for one
        self.coarse = larger is not None and self.apart(larger) < self.apart(fine)
        chosen = larger if self.coarse and larger is not None else fine
        self.inexact = self.apart(chosen)
        return chosen

    def apart(self, jacobian: np.ndarray) -> float:
        """Return how far a Jacobian is from adding up to the measured slopes, as a fraction of its largest."""
        assert self.dy is not None
        total = np.abs(self.dy.ravel() @ jacobian - self.numeric[self.known]).max(initial=0.0)
        return float(total / (np.abs(jacobian).max(initial=0.0) + 1e-300))

    def entries_to_compare(self) -> np.ndarray | None:
        """Return the entries of some whole samples of a large input, wrong ones first; None for all that are known.

        Which output reaches which entry shows in a whole sample, and not in a few entries here and there.
        """
        each = int(np.prod(self.numeric.shape[1:]))
        if not self.is_input or self.known.all() or not self.numeric.ndim or each > WHOLE:
            return None
        wrong = self.wrong.reshape(len(self.numeric), -1).any(axis=1)
        samples = np.sort(np.argsort(~wrong, kind="stable")[:max(1, WHOLE // 2 // each)])
        return np.asarray(samples[:, None] * each + np.arange(each)).ravel()

    @cached_property
    def y(self) -> np.ndarray | None:
        """All outputs (M,)."""
        return self.outputs(self.values[self.name]) if self.outputs is not None and self.name in self.values else None

    def reran(self, dy: np.ndarray) -> np.ndarray | None:
        """Return the gradient for another dy; None if there is none of the right shape."""
        gradient = self.rerun(dy) if self.rerun is not None else None
        return None if gradient is None or gradient.shape != self.analytic.shape else gradient

    def gives(self, dy: np.ndarray, expected: np.ndarray) -> bool:
        """Return whether backward makes an expected gradient of another dy."""
        gradient = self.reran(dy)
        scale = np.abs(expected).max(initial=0.0)
        return gradient is not None and bool(np.abs(gradient - expected).max(initial=0.0) <= SAME * scale)

    @cached_property
    def linear(self) -> bool:
        """Whether backward is linear in dy, as every gradient is: twice dy gives twice the gradient, a sum the sum."""
        return self.dy is not None and self.gives(2 * self.dy, 2 * self.analytic) and self.noise <= SINGLE

    @cached_property
    def noise(self) -> float:
        """By how much the gradients of two parts of dy do not add up to that of dy: rounding, if it is small."""
        if self.dy is None or self.dy.size < 2:
            return np.inf if self.dy is None else 0.0      # one number has no parts
        one = np.where(np.arange(self.dy.size).reshape(self.dy.shape) % 2, self.dy, 0)
        first, second = self.reran(one), self.reran(self.dy - one)
        if first is None or second is None:
            return np.inf
        scale = max(np.abs(array).max(initial=0.0) for array in (first, second, self.analytic)) + 1e-300
        apart = float(np.abs(first + second - self.analytic).max(initial=0.0) / scale)
        return apart if apart > SAME else 0.0

    @cached_property
    def of_input(self) -> Evidence | None:
        """The evidence of the input's gradient, where this is a parameter's."""
        return self.of("x", self.coarse) if self.of is not None and not self.is_input and "x" in self.values else None

    @cached_property
    def again(self) -> Evidence | None:
        """The same under another upstream gradient, where a cause that fits by accident fits no longer."""
        if self.dy is None or self.rerun is None or not self.known.any() or self.jacobian is None:
            return None
        rng = np.random.default_rng(1)
        dy = self.dy * rng.uniform(0.5, 1.5, self.dy.shape) * rng.choice([-1.0, 1.0], self.dy.shape)
        analytic = self.rerun(dy)
        if analytic is None:
            return None
        numeric, wrong = np.full(self.numeric.shape, np.nan), np.zeros(self.numeric.shape, bool)
        numeric[self.known] = dy.ravel() @ self.jacobian
        if analytic.shape == numeric.shape:
            apart = np.abs(analytic - numeric)
            wrong = self.known & ~(apart <= 2e-6 * np.abs(numeric) + 1e-7 * np.abs(numeric[self.known]).max())
        again = replace(self, analytic=analytic, numeric=numeric, wrong=wrong, dy=dy)
        again.__dict__.update({name: getattr(self, name) for name in (                     # they do not depend on dy
            "compared", "contributions", "jacobian", "of_input", "y")}, again=None)
        return again
