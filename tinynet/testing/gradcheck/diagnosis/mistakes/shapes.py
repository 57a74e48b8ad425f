"""Causes that leave the numbers right but in another shape or order, or without a sum."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, some_axes

# The shape is wrong.

def empty_slice(e: Evidence) -> str | None:
    """No numbers at all: ``x[p:-p]`` with p = 0."""
    if e.analytic.size or not e.numeric.size:
        return None
    return (f"it is empty, of shape {e.analytic.shape}: a slice like [p:-p] holds nothing if p is 0; write "
            "[p:p + size].")


def keepdims(e: Evidence) -> str | None:
    """Axes of length 1 too many or too few, or an array (N,) broadcast against (N, 1)."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if e.same_shape:
        return None
    if [n for n in shape if n != 1] == [n for n in wanted if n != 1] and e.fits(e.analytic.reshape(wanted)):
        return (f"the numbers are right, but axes of length 1 are not: its shape is {shape}, expected {wanted}; see "
                "keepdims in its sum.")
    for axis in range(len(shape)):
        if len(shape) == len(wanted) and wanted[axis] == 1 and shape[axis] in np.delete(shape, axis):
            other = next(k for k, n in enumerate(shape) if k != axis and n == shape[axis])
            diagonal = np.diagonal(e.analytic, axis1=axis, axis2=other)
            lines = np.moveaxis(np.expand_dims(diagonal, -1), (-2, -1), (other, axis)) if len(shape) == 2 else diagonal
            if e.fits(np.asarray(lines)):
                return (f"an array of shape ({shape[axis]},) was broadcast against ({shape[axis]}, 1): its diagonal is "
                        "right. The sum needs keepdims=True.")
    summed = e.analytic.ndim == len(wanted) and e.fits(e.analytic.mean(
        axis=tuple(k for k, n in enumerate(wanted) if n == 1 and shape[k] > 1), keepdims=True))
    if summed and np.ptp(e.analytic, axis=tuple(k for k, n in enumerate(wanted) if n == 1)).max() == 0:
        return (f"the numbers are right, but repeated along axes of length 1: its shape is {shape}, expected "
                f"{wanted}; it was summed without keepdims=True, and then broadcast.")
    return None


def not_cropped(e: Evidence) -> str | None:
    """The gradient of the padded input."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if len(shape) != len(wanted) or e.same_shape or any(n < m or (n - m) % 2 for n, m in zip(shape, wanted,
                                                                                            strict=True)):
        return None
    inside = tuple(slice((n - m) // 2, (n + m) // 2) for n, m in zip(shape, wanted, strict=True))
    if e.fits(e.analytic[inside]):
        return "the padding is not cropped: it is right once what was padded is cut off on every side."
    return None


def not_summed(e: Evidence) -> str | None:
    """The gradient of a broadcast parameter must be summed over the axes it was broadcast along."""
    for axes in some_axes(0 if e.same_shape else e.analytic.ndim):
        if all(e.analytic.shape[axis] == 1 for axis in axes):
            continue
        for keep in (False, True):
            if e.fits(e.analytic.sum(axis=axes, keepdims=keep)):
                return (f"the sum is missing: it is right once summed over {axes_text(axes)}. What forward broadcasts, "
                        "backward sums.")
    return None


def reshaped(e: Evidence) -> str | None:
    """The right numbers in another shape, or scrambled by a reshape in place of a transpose."""
    if e.analytic.size != e.numeric.size:
        return None
    if not e.same_shape:
        fits = e.fits(e.analytic.reshape(e.numeric.shape))
        return (f"the numbers are right, but their shape is not: reshape it to {e.numeric.shape}." if fits else None)
    for order in permutations(range(e.numeric.ndim)):
        other = tuple(e.numeric.shape[axis] for axis in order)
        if other != e.numeric.shape and e.fits(e.analytic.reshape(other).transpose(np.argsort(order))):
            return (f"the numbers are in another order: a reshape from {other} to {e.numeric.shape} where axes must be "
                    "exchanged; use a transpose.")
    return None


# The order is wrong.

def transposed(e: Evidence) -> str | None:
    """The right numbers with their axes in another order."""
    for order in permutations(range(e.analytic.ndim)):
        if order != tuple(range(e.analytic.ndim)) and e.fits(e.analytic.transpose(order)):
            how = "transposed" if e.analytic.ndim == 2 else f"the right one with its axes in the order {order}"
            return f"it is {how}: the factors of the product are in the wrong order, or one is not transposed."
    return None


def flipped(e: Evidence) -> str | None:
    """The right numbers in reverse order."""
    ndim = e.analytic.ndim
    for axes in some_axes(ndim):
        if e.fits(np.flip(e.analytic, axes)):
            how = "rotated by 180 degrees" if axes == (ndim - 2, ndim - 1) else f"reversed along {axes_text(axes)}"
            return f"it is {how}: convolution and cross-correlation are mixed up, or an index runs backwards."
    return None


def shifted(e: Evidence) -> str | None:
    """The right numbers, some indices further, along one axis or along the rows and columns of an image."""
    ndim = e.numeric.ndim if e.same_shape else 0
    for axes in [(axis,) for axis in range(ndim)] + [(ndim - 2, ndim - 1)] * (ndim > 2):
        for offset in (1, -1, 2, -2, 3, -3):
            inside = np.zeros(e.numeric.shape, bool)
            part = tuple(slice(None) if axis not in axes else slice(offset, None) if offset > 0 else slice(offset)
                         for axis in range(ndim))
            inside[part] = True
            enough = all(e.numeric.shape[axis] > 2 * abs(offset) for axis in axes)
            if enough and (e.wrong & inside).any() and e.fits(np.roll(e.analytic, (offset,) * len(axes), axes), inside):
                how = {1: "one", 2: "two", 3: "three"}[abs(offset)]
                return f"it is shifted by {how} along {axes_text(axes)}: an index or the padding is off by {how}."
    return None


def blocks(e: Evidence) -> str | None:
    """Halves, thirds or quarters along an axis in another order, such as the gates of an LSTM."""
    for axis, size in enumerate(e.numeric.shape if e.same_shape else ()):
        for count in (2, 3, 4):
            if size % count or size == count:
                continue
            parts = np.split(e.analytic, count, axis)
            for order in permutations(range(count)):
                if order != tuple(range(count)) and e.fits(np.concatenate([parts[k] for k in order], axis)):
                    return (f"its {count} blocks along axis {axis} are exchanged: they belong in the order {order}. "
                            "Gates, heads or joined arrays are taken apart in one order and put together in another.")
    return None
