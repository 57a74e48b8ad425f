"""Causes that make every entry wrong in the same way: a wrong factor, a missing sum or transpose."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, permutations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence

# The shape is wrong.

def not_summed(e: Evidence) -> str | None:
    """The gradient of a broadcast parameter must be summed over the axes it was broadcast along."""
    for axes in some_axes(0 if e.same_shape else e.analytic.ndim):
        for keepdims in (False, True):
            if e.fits(e.analytic.sum(axis=axes, keepdims=keepdims)):
                return (f"the sum is missing: it is right once summed over {axes_text(axes)}. What forward broadcasts, "
                        "backward sums.")
    return None


def transposed(e: Evidence) -> str | None:
    """The right numbers with their axes in another order."""
    for order in permutations(range(e.analytic.ndim)):
        if order != tuple(range(e.analytic.ndim)) and e.fits(e.analytic.transpose(order)):
            how = "transposed" if e.analytic.ndim == 2 else f"the right one with its axes in the order {order}"
            return f"it is {how}: the factors of the product are in the wrong order, or one is not transposed."
    return None


def reshaped(e: Evidence) -> str | None:
    """The right numbers in another shape."""
    if e.analytic.size == e.numeric.size and not e.same_shape and e.fits(e.analytic.reshape(e.numeric.shape)):
        return f"the numbers are right, but their shape is not: reshape it to {e.numeric.shape}."
    return None


# A factor is wrong everywhere.

def all_zero(e: Evidence) -> str | None:
    """A gradient of zeros."""
    return None if e.analytic.any() else "all of it is 0: the gradient is never computed, or lost on its way back."


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


def factor_two(e: Evidence) -> str | None:
    """The 2 in the derivative of a square."""
    if e.ratio_is(2):
        return "every entry is twice what it should be: one factor of 2 too many, or a contribution is added twice."
    if e.ratio_is(0.5):
        return "every entry is half of what it should be: the 2 from the derivative of a square is missing."
    return None


def number_of_positions(e: Evidence) -> str | None:
    """The factor H, W, H W, or its reciprocal: a mean over axes of dy instead of a sum, or a sum instead of a mean."""
    shape = () if e.dy is None else e.dy.shape
    for axes in some_axes(len(shape)):
        count, along = int(np.prod([shape[axis] for axis in axes])), axes_text(axes)
        if count > 1 and e.ratio_is(1 / count):
            return f"every entry is 1/{count} of what it should be: a mean over {along} of dy, not a sum."
        if count > 1 and e.ratio_is(count):
            return f"every entry is {count} times what it should be: a sum over {along} of dy, not a mean."
    return None


def dy_ignored(e: Evidence) -> str | None:
    """A backward whose result does not depend on its argument."""
    if e.rerun is None or e.dy is None or not e.same_shape:
        return None
    other = e.rerun(2 * e.dy)
    if other is not None and np.array_equal(other, e.analytic):
        return "it does not depend on dy: the chain rule's factor, the upstream gradient, is left out."
    return None


def dy_passed_through(e: Evidence) -> str | None:
    """An input gradient that is dy unchanged."""
    if e.is_input and e.dy is not None and e.same_shape and np.array_equal(e.analytic.ravel(), e.dy.ravel()):
        return "it is dy itself: it is not multiplied by the layer's own derivative."
    return None


def penalty(e: Evidence) -> str | None:
    """A regularizer's gradient left out, doubled, halved or subtracted."""
    if e.penalty is None or not e.same_shape or not e.penalty.any():
        return None
    for times, text in ((1, "is left out, or it is half of what it should be"), (2, "has the wrong sign"),
                        (-1, "is added twice"), (-0.5, "is twice what it should be")):
        if e.fits(e.analytic + times * e.penalty):
            return f"the gradient of its regularizer {text}."
    return None


def constant_factor(e: Evidence) -> str | None:
    """Any other factor, the same everywhere."""
    if e.ratio is None or abs(e.ratio - 1) < 1e-5:
        return None
    return f"every entry is {e.ratio:.6g} times what it should be."


def axes_text(axes: tuple[int, ...]) -> str:
    """Return axes in words.

    >>> axes_text((0, 2))
    'axes 0 and 2'
    """
    return f"axis {axes[0]}" if len(axes) == 1 else "axes " + " and ".join(map(str, axes))


def some_axes(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield every choice of one axis, of two, ..., of all."""
    return chain.from_iterable(combinations(range(ndim), count) for count in range(1, ndim + 1))
