"""Causes that make every entry wrong by the same factor: a sign, a size, a rate, a constant of mathematics."""

from __future__ import annotations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, joined, some_axes

CONSTANTS = {"ln 2": np.log(2), "ln 10": np.log(10), "pi": np.pi, "2 pi": 2 * np.pi, "sqrt(pi)": np.sqrt(np.pi),
             "sqrt(2 pi)": np.sqrt(2 * np.pi), "sqrt(2 / pi)": np.sqrt(2 / np.pi), "sqrt(2)": np.sqrt(2)}


def all_zero(e: Evidence) -> str | None:
    """A gradient of zeros."""
    return (None if e.analytic.any() or not e.analytic.size else
            "all of it is 0: the gradient is never computed, or lost on its way back.")


def all_the_same(e: Evidence) -> str | None:
    """One number everywhere, where the right ones differ."""
    n = e.numeric[e.known]
    if not e.same_shape or e.analytic.size < 3 or np.ptp(e.analytic) > 1e-9 * np.abs(e.analytic).max(initial=0.0):
        return None
    if e.fits(np.full_like(e.analytic, n.mean())) or e.dy is None or not e.linear:
        return None
    what = " It is the sum of the right ones." if abs(n.sum() - e.analytic.flat[0]) <= e.tolerance else ""
    return f"all its entries are the same number: an axis is summed over that must be kept.{what}"


def sign(e: Evidence) -> str | None:
    """The factor -1."""
    return "the sign is wrong: every entry is -1 times what it should be." if e.ratio_is(-1) else None


def batch_size(e: Evidence) -> str | None:
    """The factor N or 1/N."""
    if e.batch_size < 2:
        return None
    if e.ratio_is(e.batch_size):
        return (f"every entry is {e.batch_size} times what it should be, and the batch size is {e.batch_size}: a "
                "division by the batch size is missing (the loss is a mean over the batch).")
    if e.ratio_is(1 / e.batch_size):
        return (f"every entry is 1/{e.batch_size} of what it should be, and the batch size is {e.batch_size}: a mean "
                "where there should be a sum; the upstream gradient is divided by the batch size already.")
    return None


def rate(e: Evidence) -> str | None:
    """The factor 1 - rate or 1/(1 - rate), of dropout and similar layers."""
    for name, p in e.settings.items():
        for factor, text in ((1 - p, f"1 - {name}"), (1 / (1 - p), f"1/(1 - {name})"), (p, name), (1 / p, f"1/{name}")):
            if e.ratio_is(factor):
                return (f"every entry is {text} = {factor:g} times what it should be: backward must scale as forward "
                        "does, once.")
    return None


def forward_scale(e: Evidence) -> str | None:
    """Forward multiplies by a constant (a mean divides by a count), and backward does not, or does it twice."""
    c = e.contributions if e.ratio is not None else None
    if c is None or e.ratio is None or c.largest == 0 or abs(e.ratio - 1) < 1e-4:
        return None
    if rate(e):
        return None                                        # it has a name
    values = np.abs(c.measured[c.there])
    if np.ptp(values) > 1e-6 * c.largest or abs(values[0] - 1) < 1e-6:
        return None                                        # forward has no single scale
    scale, times = float(values[0]), (c.there.sum(axis=1)[c.there.any(axis=1)])
    count = round(1 / scale)
    mean = abs(count * scale - 1) < 1e-6 and count > 1 and times.max() == count
    what = f"forward multiplies by {scale:.6g}"
    claimed = e.ratio * scale
    if mean and claimed > 0 and abs(round(1 / claimed) * claimed - 1) < 1e-6:
        return (f"every contribution is {claimed:.6g} and should be {scale:.6g}: forward takes the mean of "
                f"{count} numbers, and backward must divide by {count}, once.")
    if e.ratio_is(1 / scale):
        return f"every entry is {1 / scale:.6g} times what it should be: {what}, and backward does not."
    if e.ratio_is(scale):
        return f"every entry is {scale:.6g} times what it should be: {what}, and backward does so twice."
    return None


def factor_two(e: Evidence) -> str | None:
    """The 2 in the derivative of a square, or 1/2 in that of a root."""
    if e.ratio_is(2):
        return ("every entry is twice what it should be: one factor of 2 too many, a contribution is added twice, or "
                "the 1/2 from the derivative of a square root is missing.")
    if e.ratio_is(0.5):
        return "every entry is half of what it should be: the 2 from the derivative of a square is missing."
    return None


def constant(e: Evidence) -> str | None:
    """A constant of mathematics: the base of a logarithm, the norm of a Gaussian."""
    for name, value in CONSTANTS.items():
        why = "the base of a logarithm or of a power" if name.startswith("ln") else "a constant of the formula"
        if e.ratio_is(value):
            return f"every entry is {name} = {value:.6g} times what it should be: divide by {name}, {why}."
        if e.ratio_is(1 / value):
            return f"every entry is 1/({name}) of what it should be: a factor of {name} is missing, {why}."
    return None


def number_of_positions(e: Evidence) -> str | None:
    """The factor H, W, H W, or its reciprocal: a mean over axes of dy instead of a sum, or a sum instead of a mean."""
    shape = () if e.dy is None else e.dy.shape
    summed = summed_axes(e)
    found = [(int(np.prod([shape[axis] for axis in axes])), axes) for axes in some_axes(len(shape))
             if summed is None or set(axes) <= set(summed)]
    for factor, text in ((-1, "every entry is 1/{count} of what it should be: a mean over {along} of dy, not a sum."),
                         (1, "every entry is {count} times what it should be: a sum over {along} of dy, not a mean.")):
        fitting = [(count, axes) for count, axes in found if count > 1 and axes != (0,)
                   and e.ratio_is(float(count) ** factor)]
        if fitting:
            return text.format(count=fitting[0][0], along=joined([axes_text(axes) for _, axes in fitting]))
    return None


def number_of_terms(e: Evidence) -> str | None:
    """The factor 1/k, where each entry is a sum of k contributions."""
    c = e.contributions if e.ratio is not None and not e.is_input else None
    if c is None or not c.complete.all():
        return None
    count = int(c.there.sum(axis=0).max(initial=0))
    if count < 3 or not e.ratio_is(1 / count):
        return None
    return f"every entry is 1/{count} of what it should be, a sum of {count} contributions: a mean is taken, not a sum."


def summed_axes(e: Evidence) -> tuple[int, ...] | None:
    """Return the axes of dy that single entries collect contributions along; None if that is not known."""
    c = e.contributions
    if c is None:
        return None
    spread = [[len(np.unique(index[column])) > 1 for column in c.there.T] for index in c.outputs]
    return tuple(axis for axis, wide in enumerate(spread) if any(wide))


def size_of_axis(e: Evidence) -> str | None:
    """The size of axes of the input: the mean of forward."""
    own = e.numeric.shape if e.is_input else ()
    found = []
    for axes in [(axis,) for axis in range(1, len(own))] + [tuple(range(len(own)))] * (len(own) > 1):
        n = int(np.prod([own[axis] for axis in axes]))
        for number, text in ((float(n), f"{n}"), (1 / n, f"1/{n}")):
            if n > 1 and e.ratio_is(number):
                found.append((text, f"{e.name} holds {n} numbers along {axes_text(axes)}"))
    return scales_otherwise(found)


def root_of_size(e: Evidence) -> str | None:
    """The root of the size of an axis: the scale of an attention."""
    c = e.contributions if e.ratio is not None else None
    if c is not None and c.elementwise:
        return None
    found: dict[str, str] = {}
    for name, value in ({e.name: e.numeric} | e.values).items():
        for axis, n in enumerate(value.shape):
            if n > 2 and not (name == e.name and e.is_input and axis == 0 and n == e.batch_size):
                for number, text in ((n ** 0.5, f"sqrt({n})"), (n ** -0.5, f"1/sqrt({n})")):
                    if e.ratio_is(number):
                        found.setdefault(text, f"axis {axis} of {name} has size {n}")
    return scales_otherwise(list(found.items()))


def scales_otherwise(found: list[tuple[str, str]]) -> str | None:
    """Put a factor that is a size into words."""
    if not found:
        return None
    return (f"every entry is {found[0][0]} times what it should be, and {joined([what for _, what in found])}: "
            "backward scales by it otherwise than forward does.")


def constant_factor(e: Evidence) -> str | None:
    """Any other factor, the same everywhere."""
    if e.ratio is None or abs(e.ratio - 1) < 1e-5:
        return None
    return f"every entry is {e.ratio:.6g} times what it should be."


def penalty(e: Evidence) -> str | None:
    """A regularizer's gradient left out, doubled, halved or subtracted."""
    if e.penalty is None or not e.same_shape or not e.penalty.any():
        return None
    for times, text in ((1, "is left out, or it is half of what it should be"), (2, "has the wrong sign"),
                        (-1, "is added twice"), (-0.5, "is twice what it should be")):
        if e.fits(e.analytic + times * e.penalty):
            return f"the gradient of its regularizer {text}."
    return None
