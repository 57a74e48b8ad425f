"""Causes of precision: a gradient that is computed or kept in fewer digits than its tensor."""

from __future__ import annotations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence

UNITS = 8.0           # a sum of numbers is off by so many units in the last place of its largest term, at most


def lower_precision(e: Evidence) -> str | None:
    """An error of the size of the rounding of float16 or float32, in a gradient that shows that it is one."""
    if not e.same_shape or not e.error > 0 or not np.isfinite(e.analytic).all():
        return None
    terms = e.size if e.jacobian is None or e.dy is None else float(
        (np.abs(e.dy.ravel()) @ np.abs(e.jacobian)).max(initial=0.0))
    for kind, name in ((np.float16, "float16"), (np.float32, "float32")):
        eps = float(np.finfo(kind).eps)
        if not e.error <= UNITS * eps * max(e.size, terms):
            continue
        if e.analytic.dtype == kind:
            return (f"it is returned as {name}, which holds {digits(eps)} digits: an array is made or cast with that "
                    "dtype; use the dtype of x.")
        if kept_in(e.analytic, kind):
            return f"all its numbers are of {name}, which holds {digits(eps)} digits: it was cast to that on its way."
        if 0.02 * eps < e.noise <= UNITS * eps and e.dy is not None and e.gives(2 * e.dy, 2 * e.analytic):
            return (f"it is right up to the rounding of {name}, which holds {digits(eps)} digits: an array on its way "
                    "is of that dtype.")
    return None


def digits(eps: float) -> int:
    """Return how many decimal digits a relative precision is."""
    return int(-np.log10(eps))


def kept_in(array: np.ndarray, kind: type[np.floating]) -> bool:
    """Return whether all numbers are of a lower precision, and not by being short."""
    values = array[array != 0]
    if len(values) < 3 or not (values.astype(kind) == values).all():
        return False
    return not (values.astype(np.float32) * 16 % 1 == 0).all()
