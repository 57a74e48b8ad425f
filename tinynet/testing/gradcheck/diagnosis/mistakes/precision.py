"""Causes of precision: a gradient that is computed or kept in fewer digits than its tensor."""

from __future__ import annotations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence

SOME = 8              # entries are measured once more, at most
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
        c = e.contributions
        if c is not None and c.elementwise and kept_in(c.claimed, kind):
            return f"it is dy times numbers of {name}, which holds {digits(eps)} digits: the derivative is cast to it."
        if 0.02 * eps < e.noise <= UNITS * eps and e.dy is not None and e.gives(2 * e.dy, 2 * e.analytic):
            return (f"it is right up to the rounding of {name}, which holds {digits(eps)} digits: an array on its way "
                    "is of that dtype.")
    return None


def rounded_forward(e: Evidence) -> str | None:
    """An error of the size of forward's own rounding, which is larger than that of float64."""
    if e.jacobian is None or not e.same_shape or not (0 < e.error <= e.rough or right_in_large_steps(e)):
        return None
    return ("it is right up to the rounding of forward, which is larger than that of float64: an array inside it is of "
            "float32, or the digits of a difference are lost; slopes cannot be measured more exactly.")


def right_in_large_steps(e: Evidence) -> bool:
    """Return whether forward does not see the smallest steps, and in large ones the slopes are as backward says."""
    value = e.values.get(e.name)
    if value is None or e.outputs is None or e.y is None or e.dy is None or not e.wrong.any():
        return False
    if not np.array_equal(e.outputs(value * (1 + 1e-10)), e.y):
        return False
    for entry in np.flatnonzero(e.wrong)[:SOME]:
        h = np.zeros(value.size)
        h[entry] = 1e-2 * max(1.0, abs(value.flat[entry]))
        step = h.reshape(value.shape)
        change = (e.outputs(value + step) - e.outputs(value - step)) / (2 * h[entry])
        if abs(e.dy.ravel() @ change - e.analytic.flat[entry]) > 1e-3 * (np.abs(e.dy.ravel()) @ np.abs(change)):
            return False
    return True


def digits(eps: float) -> int:
    """Return how many decimal digits a relative precision is."""
    return int(-np.log10(eps))


def kept_in(array: np.ndarray, kind: type[np.floating]) -> bool:
    """Return whether all numbers are of a lower precision, and not by being short."""
    values = array[array != 0]
    if len(values) < 3 or not np.allclose(values.astype(kind), values, rtol=1e-14, atol=0):
        return False
    return not (values.astype(np.float32) * 16 % 1 == 0).all()
