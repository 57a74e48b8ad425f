"""Causes that show when dy is changed: every gradient is linear in dy, and many wrong ones are not."""

from __future__ import annotations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import SAME, Evidence


def dy_ignored(e: Evidence) -> str | None:
    """A backward whose result does not depend on its argument."""
    if e.dy is None or not e.analytic.any() or not e.gives(2 * e.dy, e.analytic) or not e.gives(-e.dy, e.analytic):
        return None
    if not e.gives(e.dy * np.linspace(0.5, 1.5, e.dy.size).reshape(e.dy.shape), e.analytic):
        return None
    return "it does not depend on dy: the chain rule's factor, the upstream gradient, is left out."


def normalised(e: Evidence) -> str | None:
    """A gradient divided by its own size, or the signs of dy: twice dy gives the same."""
    if e.dy is None or not e.analytic.any() or not e.gives(2 * e.dy, e.analytic) or not e.gives(-e.dy, -e.analytic):
        return None
    if e.ratio is not None:
        return ("twice dy gives the same gradient, of the right direction: it is normalised, divided by its own length "
                "or largest entry.")
    return "twice dy gives the same gradient: it, or dy, is normalised, or only the sign of dy is used."


def without_dy(e: Evidence) -> str | None:
    """A term that is not multiplied by dy."""
    if e.dy is None or not e.same_shape:
        return None
    offset = e.reran(np.zeros_like(e.dy))
    if offset is None or not np.abs(offset).max(initial=0.0) > SAME * np.abs(e.analytic).max(initial=0.0):
        return None
    unwritten = only_at(offset)
    if unwritten:
        return (f"even for dy = 0 it is not 0 {unwritten}, and elsewhere it is: a loop leaves these entries out, and "
                "they hold what was in memory before (np.empty), or a term of them is not multiplied by dy.")
    right = " Without it, the gradient is right." if e.fits(e.analytic - offset) else ""
    value = e.values.get(e.name)
    if value is not None and value.any():
        factor = float(offset.ravel() @ value.ravel() / (value.ravel() @ value.ravel()))
        if factor and np.allclose(offset, factor * value, rtol=1e-6, atol=0):
            return (f"even for dy = 0 it is {factor:.6g} times {e.name} itself: a penalty that forward does not "
                    f"have.{right}")
    return f"even for dy = 0 it is not 0: a term of it is not multiplied by dy.{right}"


def only_at(offset: np.ndarray) -> str | None:
    """Return along which axis, and at which indices, an array is not 0, if at a few only."""
    for axis, size in enumerate(offset.shape):
        index = np.flatnonzero(offset.any(axis=tuple(k for k in range(offset.ndim) if k != axis)))
        if 0 < len(index) <= size / 2:
            return f"at index {', '.join(map(str, index))} of axis {axis}"
    return None


def clipped(e: Evidence) -> str | None:
    """Right for a small dy."""
    if e.dy is None or e.linear or not e.same_shape:
        return None
    small = e.reran(1e-3 * e.dy)
    if small is None or not e.fits(1e3 * small):
        return None
    return "for a small dy it is right: it is clipped, or what is large in dy is cut off."


def power_of_dy(e: Evidence) -> str | None:
    """A gradient that grows with the square of dy, or does not see its sign."""
    if e.dy is None or e.linear or not e.analytic.any():
        return None
    if e.gives(-e.dy, e.analytic) and e.gives(2 * e.dy, 2 * e.analytic):
        return "the sign of dy is lost: -dy gives the same gradient (an absolute value, or a square and a root)."
    for power in (2, 3):
        if e.gives(2 * e.dy, 2 ** power * e.analytic):
            return f"it is not linear in dy: twice dy gives {2 ** power} times the gradient; dy enters more than once."
    return None


def not_linear(e: Evidence) -> str | None:
    """Any other way in which a gradient is not linear in dy."""
    if e.dy is None or e.linear or e.reran(e.dy) is None or not np.isfinite(e.analytic).all():
        return None
    if e.gives(2 * e.dy, 2 * e.analytic):
        return "it is not linear in dy: for a sum of two dy it is not the sum of the two gradients."
    return ("it is not linear in dy: twice dy does not give twice the gradient. Two gradients are multiplied, or a "
            "parameter is updated before it is used.")
