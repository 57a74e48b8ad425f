"""Causes inferred from where a gradient is wrong: at kinks, borders, in some channels, for all samples but the last."""

from __future__ import annotations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, Evidence
from tinynet.testing.gradcheck.diagnosis.words import axis_name, plural


def kink(e: Evidence) -> str | None:
    """Right wherever forward is differentiable; wrong at kinks, where left and right slope differ."""
    if e.wrong.any() or not e.on_kink.any():
        return None
    return ("it is wrong on kinks only (a ReLU at 0, a tie of a maximum): there it must be the slope of one side, or "
            "lie between the two; of several equal maxima only one may take the gradient.")


def not_finite(e: Evidence) -> str | None:
    """NaN or infinity."""
    bad = int((~np.isfinite(e.analytic)).sum())
    return None if not bad else (f"{bad} of {e.analytic.size} entries are NaN or infinite: a division by 0, a "
                                 "logarithm of 0, or an overflow in backward.")


def part_of_it(e: Evidence) -> str | None:
    """A gradient that is right for some samples, or rows, and 0 for the others."""
    if not e.same_shape:
        return None
    nonzero = e.analytic != 0
    wrong = e.wrong & (np.abs(e.analytic - e.numeric) > CLOSE * e.size)
    if not (wrong & ~nonzero).any() or (wrong & nonzero).any() or not nonzero.any():
        return None
    for axis, size in enumerate(e.numeric.shape):
        filled = nonzero.any(axis=tuple(k for k in range(nonzero.ndim) if k != axis))
        if 0 < filled.sum() < size and not wrong.compress(filled, axis).any():
            name = plural(axis_name(e.is_input, e.numeric.ndim, axis))
            which = f"{name} {', '.join(map(str, np.flatnonzero(filled)[:6]))}"
            why = ("a loop begins too late or ends too early, or each iteration begins with a new array of zeros"
                   if np.abs(np.diff(filled.astype(int))).sum() < 2 else
                   "a loop over each window ends too early, or an index or a mask leaves them out")
            return f"it is right for the {which}, and 0 for the others: {why}."
    return None


def part_of_dy(e: Evidence) -> str | None:
    """A gradient made from only one sample, row or column of dy: the others are overwritten, or not visited."""
    if e.rerun is None or e.dy is None or not e.same_shape:
        return None
    for axis, size in enumerate(e.dy.shape):
        for index, which in ((size - 1, "last"), (0, "first")):
            if size < 2:
                continue
            only = np.zeros_like(e.dy)
            part = tuple(slice(None) if k != axis else index for k in range(e.dy.ndim))
            only[part] = e.dy[part]
            gradient = e.rerun(only)
            if gradient is not None and gradient.any() and np.allclose(gradient, e.analytic, rtol=1e-9, atol=0):
                name = axis_name(True, e.dy.ndim, axis)
                how = ("the others are overwritten (an assignment = stands where the loop should add with +=), or a "
                       "loop leaves them out or reads this one alone" if which == "last" else
                       "the sum over the others is missing")
                return f"only the {which} {name} of dy contributes to it: {how}."
    return None


def small_everywhere(e: Evidence) -> str | None:
    """Errors of less than a thousandth, of several entries: no mask or factor, but a constant, or rounding."""
    if not e.same_shape or e.wrong.sum() < 2 or e.known.sum() < 4 or not 0 < e.error < 1e-3 * e.size:
        return None
    return (f"it is off by {100 * e.error / e.size:.2g} % of its largest entry at most: an epsilon that backward adds "
            "elsewhere than forward (inside a root, or outside), a rounded constant, or numbers in lower precision.")


def one_entry(e: Evidence) -> str | None:
    """A single coordinate."""
    if not e.same_shape or e.wrong.sum() != 1 or e.known.sum() < 4:
        return None
    index = [int(i) for i in np.argwhere(e.wrong)[0]]
    return f"only one entry is wrong, {index}; the others are right: a special case, or an index that is off."


def some_slices(e: Evidence) -> str | None:
    """Some channels, samples or units are wrong, and all others right."""
    if not e.same_shape or e.known.sum() < 4:
        return None
    for axis, size in enumerate(e.numeric.shape):
        others = tuple(k for k in range(e.numeric.ndim) if k != axis)
        wrong, known = e.wrong.any(axis=others), (e.known & (e.numeric != 0)).any(axis=others)     # 0 says nothing
        enough = e.known.sum() >= 2 * size                 # a sample of a large tensor says little about its slices
        mostly = e.wrong.sum() >= 0.5 * e.known.compress(wrong, axis).sum()
        if enough and mostly and 0 < wrong.sum() <= known.sum() / 2:
            return (f"it is wrong for {axis_name(e.is_input, e.numeric.ndim, axis)} "
                    f"{', '.join(map(str, np.flatnonzero(wrong)[:6]))} only, and right for the others.")
    block = np.flatnonzero(e.wrong)
    if e.numeric.ndim == 1 and 2 <= len(block) == np.ptp(block) + 1 <= (e.known & (e.numeric != 0)).sum() / 2:
        return f"it is wrong from index {block[0]} to {block[-1]} only, and right for the others."
    return None


def borders(e: Evidence) -> str | None:
    """Rows and columns at the edge of an image are wrong, the interior is right."""
    if not e.same_shape or e.numeric.ndim < 3 or min(e.numeric.shape[-2:]) < 3:
        return None
    for width in (1, 2, 3):
        inside = (..., slice(width, -width), slice(width, -width))
        if min(e.numeric.shape[-2:]) < 2 * width + 2:      # one row, or one column, is no interior to compare with
            return None
        if e.known[inside].sum() >= 4 and not e.wrong[inside].any():
            return (f"it is wrong at the borders only, at most {width} {'pixel' if width == 1 else 'pixels'} from the "
                    "edge: the padding is cropped wrongly, or the last windows are left out.")
    return None


def part_is_zero(e: Evidence) -> str | None:
    """Every wrong entry is 0: its contributions are lost."""
    if e.same_shape and e.wrong.any() and not e.analytic[e.wrong].any():
        if block := block_of(e.wrong, e.known):
            return f"it is 0 at {block}, and right elsewhere: this block is never written."
        return (f"{int(e.wrong.sum())} of {int(e.known.sum())} entries are 0 where they should not be: their "
                "contributions are lost (an assignment instead of a sum, or a mask that excludes too much).")
    return None


def block_of(wrong: np.ndarray, known: np.ndarray) -> str | None:
    """Return which indices along which axes all wrong entries have, if no other entries have them."""
    along = [np.flatnonzero(wrong.any(axis=tuple(k for k in range(wrong.ndim) if k != axis)))
             for axis in range(wrong.ndim)]
    if wrong[np.ix_(*along)].sum() < known[np.ix_(*along)].sum() or wrong.ndim < 2:
        return None
    parts = [f"{', '.join(map(str, index))} of axis {axis}" for axis, index in enumerate(along)
             if len(index) < wrong.shape[axis] and len(index) <= 8]
    return "index " + " and index ".join(parts) if len(parts) > 1 else None
