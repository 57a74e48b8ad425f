"""Causes in which dy is read in another order, or in part: what is made of one output belongs to another."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence


def reordered(e: Evidence) -> str | None:
    """What backward makes of each number of dy is right for another one: its axes are mixed up before a reshape."""
    c = e.contributions
    if c is None or c.right.all() or len(c.out_shape) < 2 or len(c.out_shape) > 4:
        return None
    chosen = np.ravel_multi_index(tuple(c.outputs), c.out_shape)
    first = int(np.argmax((~c.right).sum(axis=1)))         # a row that is wrong, to rule out most orders by
    index, orders = np.arange(len(c.jacobian)).reshape(c.out_shape), list(permutations(range(len(c.out_shape))))
    scaled = parallel(c.claimed, c.measured)

    def same(claimed: np.ndarray, other: np.ndarray) -> bool:
        return agrees(c, claimed, other) or (not scaled and parallel(claimed, other))
    ravelled = {order: index.transpose(order).ravel() for order in orders}
    for wanted, used in [(wanted, used) for used in orders for wanted in orders if wanted != used]:
        instead = np.empty(len(c.jacobian), int)
        instead[ravelled[used]] = ravelled[wanted]
        if np.array_equal(instead, np.arange(len(instead))):
            continue
        if not same(c.claimed[first:first + 1], c.jacobian[instead[chosen[first:first + 1]]]):
            continue
        if same(c.claimed, c.jacobian[instead[chosen]]):
            return (f"dy is read in another order than it was written: its axes are put in the order {used} before a "
                    f"reshape, where {wanted} would be right; a transpose is missing, or of the wrong axes.")
    return None


def exchanged(e: Evidence) -> str | None:
    """What is made of each number of dy is right for another one, in whatever order."""
    c = e.contributions
    if c is None or c.right.all() or (c.there.sum(axis=1) < 2).any():
        return None
    wrong = np.flatnonzero((~c.right).any(axis=1))
    place = [int(np.argmin(np.abs(c.jacobian - c.claimed[row]).max(axis=1))) for row in wrong]
    if len(wrong) < 3 or len(set(place)) < len(wrong) or not agrees(c, c.claimed[wrong], c.jacobian[place]):
        return None
    one = tuple(c.outputs[:, wrong[0]].tolist())
    other = tuple(int(i) for i in np.unravel_index(place[0], c.out_shape))
    return (f"what is made of dy[{', '.join(map(str, one))}] is right for dy[{', '.join(map(str, other))}], and so on: "
            "an index of dy, or the order of its axes, is wrong.")


def parallel(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether each row is a positive multiple of another: an activation's derivative may differ from it."""
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    if one.shape[1] < 3 or not all(length.all() for length in lengths):
        return False
    return bool(np.abs(one / lengths[0][:, None] - other / lengths[1][:, None]).max() <= 1e-5)


def agrees(c: Contributions, one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether contributions are equal."""
    return bool((np.abs(one - other) <= c.equal * c.largest).all())


def left_out(e: Evidence) -> str | None:
    """Some indices of dy take no part, and what is made of all others is right."""
    c = e.contributions
    if c is None:
        return None
    alive = c.there.any(axis=1)
    lost = np.asarray(alive & c.missing.any(axis=1))
    if not lost.any() or (c.said[lost]).any() or not c.right[~lost].all() or not np.any(alive & ~lost):
        return None
    gone = [np.setdiff1d(index[alive], index[alive & ~lost]) for index in c.outputs]
    inside = np.any([np.isin(index, g) for index, g in zip(c.outputs, gone, strict=True)], axis=0)
    if not (lost == (alive & inside)).all():
        return None
    which = " and at index ".join(f"{', '.join(map(str, g[:6]))} of axis {k}" for k, g in enumerate(gone) if len(g))
    return (f"dy at index {which} takes no part in it, and all else is right: a loop begins too late or ends too "
            "early, or a slice leaves it out.")


def left_out_of_windows(e: Evidence) -> str | None:
    """The same place of every window is left out, and what comes through all others is right."""
    c = e.contributions
    if c is None or not e.is_input or not c.missing.any() or not (c.right | c.missing).all():
        return None
    count = c.there.sum(axis=1)
    rows = np.flatnonzero((count == count.max()) & (count > 1))         # where no window is cut off by the border
    for axis in range(1, len(c.shape)):
        start = np.array([c.entries[axis][c.there[row]].min() for row in rows])
        place = c.entries[axis] - start[:, None]
        gone = np.unique(place[c.missing[rows]])
        if 0 < len(gone) < len(np.unique(place[c.there[rows]])) and (
                c.missing[rows] == (c.there[rows] & np.isin(place, gone))).all():
            return (f"what comes through place {', '.join(map(str, gone))} of each window along axis {axis} is "
                    "missing, and all else is right: a loop over the window begins too late or ends too early.")
    return None


def plain_sum(e: Evidence) -> str | None:
    """The sum of dy itself, for a parameter whose contributions are not all 1."""
    c = e.contributions
    if c is None or e.is_input or c.right.all() or not c.said.any():
        return None
    own = [axis for axis, n in enumerate(c.shape) if n > 1]
    if len(own) != 1 or not np.isin(np.round(c.claimed, 9), (0.0, 1.0)).all():
        return None
    for axis, n in enumerate(c.out_shape):
        if n == c.shape[own[0]] and (c.said == (c.outputs[axis][:, None] == c.entries[own[0]])).all():
            return (f"it is the sum of dy itself over all axes but {axis}: the derivative of what comes after {e.name} "
                    "in forward, an activation or a scale, is left out.")
    return None


def sum_of_dx(e: Evidence) -> str | None:
    """The sum of the input's gradient in place of that of dy: a variable overwritten."""
    c, other = e.contributions, e.of_input
    theirs = None if other is None else other.compared
    if c is None or other is None or theirs is None or c.right.all() or len(c.y) != len(theirs.y):
        return None
    if theirs.claimed.shape[1] != len(c.jacobian) or not np.array_equal(c.outputs, theirs.outputs):
        return None                                        # dx must have the size of dy to stand in its place
    if not agrees(c, theirs.claimed @ c.jacobian, c.claimed):
        return None
    return (f"it is made from the gradient of {other.name}, where it should be from the upstream gradient dy: a "
            "variable is overwritten before it is used.")


def counted_once(e: Evidence) -> str | None:
    """Contributions that are a half, a third of what they should be, as an index that repeats counts once."""
    c = e.contributions
    if c is None or e.is_input or not c.other_value.any() or c.missing.any() or c.extra.any():
        return None
    ratio = np.divide(*c.pairs(~c.right)[::-1])
    whole = np.round(ratio)
    if (whole < 2).any() or np.abs(ratio - whole).max() > 1e-4 or not c.right[c.there].any():
        return None
    return (f"some contributions count once where they should count {int(whole[0])} times: an index that repeats in "
            "x[i] += ... adds once; np.add.at adds all.")
