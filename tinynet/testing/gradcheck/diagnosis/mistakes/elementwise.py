"""Causes for functions of single numbers, ``y[i] = f(x[i])``: their derivative is known at every x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, Evidence
from tinynet.testing.gradcheck.diagnosis.mistakes.chain_rule import (
    FEW,
    OF_OUTPUT,
    agree,
    of_the_output,
    power_of,
    sided,
)
from tinynet.testing.gradcheck.diagnosis.words import alternatives


class Points(NamedTuple):
    """Flat indices, inputs, outputs, and the derivative as measured and as claimed (n,)."""

    where: np.ndarray
    x: np.ndarray
    y: np.ndarray
    measured: np.ndarray
    claimed: np.ndarray


def points(e: Evidence) -> Points | None:
    """Return a function of single numbers as a list of points; None if it is none."""
    c, x = e.contributions, e.values.get(e.name)
    if c is None or x is None or not c.elementwise or len(c.y) < FEW:
        return None
    rows = np.ravel_multi_index(tuple(c.outputs), c.out_shape)
    columns = np.ravel_multi_index(tuple(c.entries), c.shape)
    _, row, column = np.intersect1d(rows, columns, return_indices=True)
    if len(row) < FEW or c.right[row, column].all():
        return None
    where = columns[column]
    return Points(where, x.ravel()[where], c.y[row], c.measured[row, column], c.claimed[row, column])


def derivative_elsewhere(e: Evidence) -> str | None:
    """The right derivative at the wrong place: at the output, or a formula of the output applied to the input."""
    p, x = points(e), e.values.get(e.name)
    if p is None or x is None or e.outputs is None or e.y is None:
        return None
    h = 1e-3
    at = e.y.reshape(x.shape)
    with np.errstate(all="ignore"):
        near = [e.outputs(at + t) for t in (h, -h, 2 * h, -2 * h)]
        slope = (8 * (near[0] - near[1]) - (near[2] - near[3])) / (12 * h)
        if agree(p.claimed, slope[p.where]):
            return "the derivative is evaluated at the output y, where it should be at the input x."
        for text, (derivative, low, high) in OF_OUTPUT.items():
            inside = low < p.y.min() and p.y.max() < high
            if inside and agree(p.measured, derivative(p.y)) and agree(p.claimed, derivative(p.x)):
                return f"the derivative is {text}, but with the input in place of the output y."
    return None


def in_place_of_derivative(e: Evidence) -> str | None:
    """The output, the input, or the reciprocal, where the derivative belongs."""
    p = points(e)
    if p is None:
        return None
    found, constant = [], p.claimed * p.measured
    if agree(p.claimed, p.y):
        found.append("the output y stands where its derivative should: it is dy times y.")
    if agree(p.claimed, p.x):
        found.append("the input x stands where the derivative should: it is dy times x.")
    if np.ptp(constant) <= CLOSE * np.abs(constant).max() and constant.all() and np.ptp(p.measured) > CLOSE:
        low, high = p.measured.min(), p.measured.max()
        of_two = np.fmin(np.abs(p.measured - low), np.abs(p.measured - high)).max() <= CLOSE * abs(low)
        if of_two and abs(constant[0] - low * high) <= CLOSE * abs(constant[0]):
            return (f"{low:.4g} and {high:.4g}, the slopes of the two sides, are exchanged: a comparison is turned "
                    "round, or two branches are.")
        factor = "" if abs(constant[0] - 1) < CLOSE else f" (times {constant[0]:.4g})"
        found.append(f"it is dy / the derivative{factor}: dy is divided by it, or a fraction is upside down.")
    return alternatives(found) if found else None


def product_rule(e: Evidence) -> str | None:
    """One of the two terms of (x g(x))' = g(x) + x g'(x)."""
    p = points(e)
    if p is None or (p.x == 0).any():
        return None
    first = p.y / p.x
    if agree(p.claimed, first):
        return "y is x times a function g of x; the second term of the product rule, x g'(x), is missing."
    if agree(p.claimed, p.measured - first):
        return "y is x times a function g of x; the first term of the product rule, g(x), is missing."
    terms = np.stack([first, p.measured - first], axis=1)
    times = np.linalg.lstsq(terms, p.claimed, rcond=None)[0]
    wrong = np.flatnonzero(np.abs(times - 1) > CLOSE)
    if len(wrong) != 1 or not agree(p.claimed, terms @ times):
        return None
    k, named = int(wrong[0]), ("first term of the product rule, g(x),", "second term of the product rule, x g'(x),")
    how = "has the wrong sign" if abs(times[k] + 1) < CLOSE else f"is {times[k]:.4g} times what it should be"
    return f"y is x times a function g of x; the {named[k]} {how}."


def factor_of_points(e: Evidence) -> str | None:
    """A factor that is a function of the output or a power of the input."""
    p = points(e)
    if p is None or (p.measured == 0).any() or (p.claimed == 0).any():
        return None
    a = p.claimed / p.measured
    return None if np.ptp(a) <= CLOSE * np.abs(a).max() else (
        of_the_output(a, p.y, p.measured) or power_of(a, p.x, "x") or power_of(a, p.y, "y"))


def one_side(e: Evidence) -> str | None:
    """The right derivative above 0, and a wrong one below, or the other way round."""
    p = points(e)
    if p is None:
        return None
    wrong = np.abs(p.claimed - p.measured) > CLOSE * np.abs(p.measured).max()
    for name, v in (("x", p.x), ("y", p.y)):
        side = sided(np.where(wrong, 0.0, 1.0), v)
        if side is None:
            continue
        claimed, measured = p.claimed[wrong], p.measured[wrong]
        what = ("it is 0 there, and should not be" if not claimed.any() else
                "its sign is wrong there" if np.allclose(claimed, -measured, rtol=CLOSE, atol=0) else
                "it should be 0 there: a mask is missing" if not measured.any() else
                f"there it should be {measured[0]:.4g} dy" if np.ptp(measured) <= CLOSE * np.abs(measured).max() else
                "its formula for that side is wrong")
        sign = "negative" if side == "below 0" else "positive"
        return f"it is wrong where {name} is {sign} only: {what}."
    return None


def dy_passed_through(e: Evidence) -> str | None:
    """An input gradient that is dy unchanged."""
    if e.is_input and e.dy is not None and e.same_shape and np.array_equal(e.analytic.ravel(), e.dy.ravel()):
        return "it is dy itself: it is not multiplied by the layer's own derivative."
    return None
