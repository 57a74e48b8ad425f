"""Causes that leave the numbers right but in another order: a transpose, a reshape, an index that is off."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, some_axes


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
            there = list(np.unravel_index(e.known_indices, e.numeric.shape))
            block, within = np.divmod(there[axis], size // count)
            for order in permutations(range(count)):
                there[axis] = np.array(order)[block] * (size // count) + within
                if order != tuple(range(count)) and e.fits_known(e.analytic[tuple(there)]):
                    return (f"its {count} blocks along axis {axis} are exchanged: they belong in the order {order}. "
                            "Gates, heads or joined arrays are taken apart in one order and put together in another.")
    return None
