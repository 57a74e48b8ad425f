"""Causes of a gradient of the wrong shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.mistakes.factors import batch_size, constant_factor
from tinynet.testing.gradcheck.diagnosis.words import axes_text, some_axes


def empty_slice(e: Evidence) -> str | None:
    """No numbers at all: ``x[p:-p]`` with p = 0."""
    if e.analytic.size or not e.numeric.size:
        return None
    shape, wanted = e.analytic.shape, e.numeric.shape
    empty = tuple(axis for axis, n in enumerate(shape) if n == 0)
    whole = tuple(axis for axis, (n, m) in enumerate(zip(shape, wanted, strict=False)) if n > m)
    if len(shape) == len(wanted) and whole:
        return (f"it is empty, of shape {shape}: {axes_text(empty)} cropped, where {axes_text(whole)} should be; "
                "the slices are those of other axes.")
    return (f"it is empty, of shape {shape}: a slice of {axes_text(empty)} holds nothing, as [p:-p] with p = 0, or one "
            "that begins where it ends; write [p:p + size].")


def keepdims(e: Evidence) -> str | None:
    """Axes of length 1 too many or too few, or an array (N,) broadcast against (N, 1)."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if e.same_shape:
        return None
    if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        other = replace(e, analytic=e.analytic.reshape(wanted))
        axes = f"axes of length 1 are not: its shape is {shape}, expected {wanted}; see keepdims in its sum"
        if e.fits(other.analytic):
            return f"the numbers are right, but {axes}."
        factor = batch_size(other) or constant_factor(other)
        if factor:
            return f"the numbers are right up to a factor, and {axes}. Besides, {factor}"
    for axis in range(len(shape)):
        if len(shape) == len(wanted) and wanted[axis] == 1 and shape[axis] in np.delete(shape, axis):
            against = next(k for k, n in enumerate(shape) if k != axis and n == shape[axis])
            diagonal = np.diagonal(e.analytic, axis1=axis, axis2=against)
            if len(shape) == 2:
                diagonal = np.moveaxis(np.expand_dims(diagonal, -1), (-2, -1), (against, axis))
            if e.fits(diagonal):
                return (f"an array of shape ({shape[axis]},) was broadcast against ({shape[axis]}, 1): its diagonal is "
                        "right. The sum needs keepdims=True.")
    summed = e.analytic.ndim == len(wanted) and e.fits(e.analytic.mean(
        axis=tuple(k for k, n in enumerate(wanted) if n == 1 and shape[k] > 1), keepdims=True))
    if summed and np.ptp(e.analytic, axis=tuple(k for k, n in enumerate(wanted) if n == 1)).max() == 0:
        return (f"the numbers are right, but repeated along axes of length 1: its shape is {shape}, expected "
                f"{wanted}; it was summed without keepdims=True, and then broadcast.")
    return None


def not_cropped(e: Evidence) -> str | None:
    """The gradient of the padded input, or a crop on one side only."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if len(shape) != len(wanted) or e.same_shape or any(n < m for n, m in zip(shape, wanted, strict=True)):
        return None
    spare = [n - m for n, m in zip(shape, wanted, strict=True)]
    if np.prod([n + 1 for n in spare]) > 100:
        return None
    for starts in sorted(np.ndindex(*(n + 1 for n in spare)), key=lambda s: s != tuple(n // 2 for n in spare)):
        if not e.fits(e.analytic[tuple(slice(start, start + m) for start, m in zip(starts, wanted, strict=True))]):
            continue
        if all(2 * start == n for start, n in zip(starts, spare, strict=True)):
            return "the padding is not cropped: it is right once what was padded is cut off on every side."
        parts = [f"axis {axis} begins at {start} and ends {n - start} before its end"
                 for axis, (start, n) in enumerate(zip(starts, spare, strict=True)) if n]
        return (f"its shape is {shape}, expected {wanted}: it is right once {' and '.join(parts)}; see how it is "
                "cropped.")
    return None


def too_short(e: Evidence) -> str | None:
    """What no window reaches is left out of the shape, where it should be 0."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if len(shape) != len(wanted) or e.same_shape or any(n > m for n, m in zip(shape, wanted, strict=True)):
        return None
    if not e.fits(np.pad(e.analytic, [(0, m - n) for n, m in zip(shape, wanted, strict=True)])):
        return None
    return (f"its shape is {shape}, expected {wanted}: what forward does not use at the end of an axis is left out, "
            "where its gradient is 0; make it in the shape of the tensor.")


def summed_over_another_axis(e: Evidence) -> str | None:
    """A parameter with one axis that has the size of another axis of dy, and follows its index."""
    shape, wanted = ([n for n in array.shape if n > 1] for array in (e.analytic, e.numeric))
    if e.dy is None or e.same_shape or len(shape) != 1 or len(wanted) != 1 or shape == wanted:
        return None
    for axis, n in enumerate(e.dy.shape):
        if n != shape[0]:
            continue
        dy = e.dy.copy()
        dy[(slice(None),) * axis + (0,)] *= 2
        other = e.reran(dy)
        changed = [] if other is None else np.flatnonzero(other.ravel() != e.analytic.ravel()).tolist()
        if changed == [0]:
            right = [k for k, m in enumerate(e.dy.shape) if m == wanted[0]]
            where = f"axis {right[0]} of dy" if right else "another"
            return (f"it has a number for each index of axis {axis} of dy, where it should have one for each of "
                    f"{where}: it is summed over the wrong axes.")
    return None


def shape_of_dy(e: Evidence) -> str | None:
    """The right numbers in an array of the output's shape, which is 0 elsewhere."""
    shape, wanted = e.analytic.shape, e.numeric.shape
    if e.dy is None or e.same_shape or shape != e.dy.shape or len(shape) != len(wanted):
        return None
    inside = tuple(map(slice, wanted))
    if any(n < m for n, m in zip(shape, wanted, strict=True)) or not e.fits(e.analytic[inside]):
        return None
    if np.count_nonzero(e.analytic) > np.count_nonzero(e.analytic[inside]):
        return None
    return (f"its shape is that of dy, {shape}, and where the tensor ends it is 0: an array is made in the shape of "
            "the output, where it should be in that of the tensor.")


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
