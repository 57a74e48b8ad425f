"""Limits that weights are kept within: each is a function of an array, applied after every update of a training.

Of which numbers a norm is taken, `axis` says, in the axes that a kernel has here::

    layer                                          kernel                       of each unit or filter
    Dense                                          (in, out)                    axis=0, the default
    Conv2D                                         (filters, C, rows, columns)  axis=[1, 2, 3]
    DepthwiseConv2D                                (multiplier, C, rows, cols)  axis=[2, 3]
    Conv2DTranspose                                (C, filters, rows, columns)  axis=[0, 2, 3]

>>> import numpy as np
>>> get(MaxNorm(1.0))(np.array([[3.0, 0.3], [4.0, 0.4]])).round(3)         # columns of norms 5 and 0.5
array([[0.6, 0.3],
       [0.8, 0.4]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinynet.checks import check_axes, check_nonnegative, check_number, invalid
from tinynet.registry import Configured, Identifier, resolve

ConstraintLike = Callable[[np.ndarray], np.ndarray]                    # w -> what is to take its place
AxisLike = int | Sequence[int]
EPSILON = 1e-7                                                         # added to norms that are divided by, as in Keras


class Constraint(Configured):
    """Base of constraints: ``constraint(w)`` returns an array of the shape of w, and leaves w as it is."""

    def __call__(self, w: np.ndarray) -> np.ndarray:
        """Return w, within its limits."""
        return w


class NonNeg(Constraint):
    """``max(w, 0)``: no weight is negative."""

    def __call__(self, w: np.ndarray) -> np.ndarray:
        """Return w, 0 where it was negative."""
        return np.maximum(w, 0)


class OfNorm(Constraint):
    """Base of those that scale weights to another norm, ``w * wanted(norm) / (norm + 1e-7)``, ``sqrt(sum(w^2))``.

    Parameters
    ----------
    axis : the axis, or axes, that a norm sums over; each place along the others has a norm of its own.
    """

    def __init__(self, axis: AxisLike = 0):
        axes = check_axes(type(self).__name__, axis)
        self.axis = axes[0] if len(axes) == 1 else list(axes)

    def wanted(self, norms: np.ndarray) -> np.ndarray:
        """Return the norms that weights of these norms are to have."""
        raise NotImplementedError(f"{type(self).__name__} must define wanted(norms).")

    def __call__(self, w: np.ndarray) -> np.ndarray:
        """Return w, scaled."""
        axes = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        norms = np.sqrt(np.square(w).sum(axis=axes, keepdims=True))
        return w * (self.wanted(norms) / (norms + EPSILON))


class MaxNorm(OfNorm):
    """No norm is larger than `max_value`; smaller ones stay.

    Source: Srivastava et al. 2014, "Dropout", section 5.1, for the weights into each unit.

    Parameters
    ----------
    max_value : the largest norm.
    axis : see `OfNorm`.
    """

    def __init__(self, max_value: float = 2, axis: AxisLike = 0):
        super().__init__(axis)
        self.max_value = check_nonnegative("MaxNorm", "max_value", max_value)

    def wanted(self, norms: np.ndarray) -> np.ndarray:
        """Return the norms, cut to the largest."""
        return np.minimum(norms, self.max_value)


class UnitNorm(OfNorm):
    """Every norm is 1."""

    def wanted(self, norms: np.ndarray) -> np.ndarray:
        """Return ones."""
        return np.ones_like(norms)


class MinMaxNorm(OfNorm):
    """Every norm is between two values, or on the way: ``rate * cut(norm) + (1 - rate) * norm``.

    Parameters
    ----------
    min_value, max_value : the smallest and the largest norm.
    rate : how much of the way each update goes, from 0 to 1.
    axis : see `OfNorm`.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: AxisLike = 0):
        super().__init__(axis)
        self.min_value = check_nonnegative("MinMaxNorm", "min_value", min_value)
        self.max_value = check_number("MinMaxNorm", "max_value", max_value, least=self.min_value)
        self.rate = check_nonnegative("MinMaxNorm", "rate", rate)
        if self.rate > 1:
            raise invalid("MinMaxNorm", "rate from 0 to 1", rate)

    def wanted(self, norms: np.ndarray) -> np.ndarray:
        """Return the norms, cut as far as the rate says."""
        return self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm            # Keras's other names
KNOWN: dict[str, type] = {"max_norm": MaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm, "min_max_norm": MinMaxNorm}


def get(identifier: Identifier | ConstraintLike | None) -> ConstraintLike | None:
    """Return a constraint for a name, a config or a function ``w -> w``; None for None."""
    constraint: ConstraintLike | None = resolve("constraint", identifier, KNOWN)
    if constraint is not None and not callable(constraint):
        raise invalid(None, "a constraint: 'max_norm', 'non_neg', 'unit_norm', 'min_max_norm', or a function of an "
                      "array", repr(identifier))
    return constraint
