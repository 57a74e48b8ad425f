"""Causes that show in which contributions are there: which output reaches which entry, in forward and in backward."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, axis_name

NO_EFFECT = 1e-7      # what is measured is nothing but rounding, below this fraction of what backward says
DOES_NOT_MATTER = ("all of it should be 0, as no output depends on it: terms that cancel in forward (a bias, and the "
                   "mean that is subtracted later) do not cancel here, or a mask is missing.")
BLOCK_OVERWRITTEN = ("of several windows that hold an entry only the last contributes to it, though it be with zeros: "
                     "= stands where += belongs.")


def coupled(c: Contributions, there: np.ndarray) -> dict[int, bool]:
    """Return for each axis that dy and the tensor share whether different indices along it take part in each other."""
    masks = {axis: c.differ(axis) for axis in range(len(c.shape))}
    return {axis: bool((there & mask).any()) for axis, mask in masks.items() if mask is not None}


def couplings(e: Evidence) -> str | None:
    """Entries that take part in each other in forward and not in backward, or in backward alone."""
    c = e.contributions
    if c is None or not (c.missing.any() or c.extra.any()) or not e.is_input:
        return None
    forward, backward = coupled(c, c.there), coupled(c, c.said)
    lost = tuple(axis for axis in forward if forward[axis] and not backward[axis])
    more = tuple(axis for axis in forward if backward[axis] and not forward[axis])
    if lost and more:
        return (f"different indices along {axes_text(more)} take part in each other, where those along "
                f"{axes_text(lost)} should: a sum or a softmax runs along the wrong axis (keepdims?).")
    if more == (0,):
        sizes = {*c.shape[1:], *c.out_shape[1:]}
        square = (" A sum without keepdims=True does it, too, where the batch is as large as an axis." * (
            c.shape[0] in sizes))
        return f"samples are mixed: one sample's gradient holds terms of the dy of others.{square}"
    if more:
        return f"terms of dy are mixed between different indices along {axes_text(more)}, which forward keeps apart."
    if lost and (c.out_shape == c.shape) and not any(backward.values()):
        return ("only the diagonal of the Jacobian is there, the effect of each entry on its own output: the terms "
                f"between different entries along {axes_text(lost)} are missing.")
    if lost:
        what = " and ".join(axis_name(True, len(c.shape), axis) for axis in lost)
        return (f"only the same {what} takes part: what an entry does to outputs of another index along "
                f"{axes_text(lost)} is missing (carried from step to step, or shared by a sum).")
    return None


def overwritten(e: Evidence) -> str | None:
    """Of several contributions to an entry some are kept, and right; the others are gone."""
    c = e.contributions
    if c is None or not c.missing.any() or (~c.right & ~c.missing)[:, c.complete].any():
        return None
    there, missing = c.there[:, c.complete], c.missing[:, c.complete]
    kept = there & ~missing
    losing = missing.any(axis=0)
    if losing.sum() < 2:
        return None
    if not kept.any(axis=0)[there.any(axis=0)].all():
        return BLOCK_OVERWRITTEN if last_wins(kept, missing) else None
    ends = []
    for axis, index in enumerate(c.outputs):
        for pick, which in ((np.max, "last"), (np.min, "first")):
            if all((index[kept[:, k]] == pick(index[there[:, k]])).all() for k in np.flatnonzero(losing)) and any(
                    np.ptp(index[there[:, k]]) for k in np.flatnonzero(losing)):
                ends.append(f"the {which} along axis {axis}")
    which = f" ({' and '.join(ends)} of dy)" if ends else ""
    return (f"of several contributions to an entry only a part is kept{which}: = stands where += belongs, or x[i] += "
            "with an index that repeats, which adds once; np.add.at adds all.")


def last_wins(kept: np.ndarray, missing: np.ndarray) -> bool:
    """Return whether of the outputs (in order) that some entries depend on, the last are kept and all before lost."""
    both = np.flatnonzero(kept.any(axis=0) & missing.any(axis=0))
    return len(both) > 1 and all(np.flatnonzero(missing[:, k])[-1] < np.flatnonzero(kept[:, k])[0] for k in both)


def lets_through(e: Evidence) -> str | None:
    """Gradient flows where forward lets nothing through."""
    c = e.contributions
    if c is None:
        return flows_at_zeros(e)
    if c.largest <= NO_EFFECT * np.abs(c.claimed).max(initial=0.0) and np.ptp(c.y):
        return DOES_NOT_MATTER
    if not c.extra.any() or c.missing.any():
        return None
    if c.other_value.any():
        ratio = np.divide(*c.pairs(~c.right))
        count = round(1 / ratio[0]) if len(ratio) > 2 and ratio[0] else 0
        if count < 2 or np.abs(count * ratio - 1).max() > 1e-4 or c.right[c.there].any():
            return None
        return (f"gradient flows where forward lets nothing through, and 1/{count} of it where it should flow: an "
                "average in place of a choice, or a mask is missing.")
    dead = c.extra.any(axis=1)
    if not c.there[dead].any() and np.ptp(c.y[dead]) == 0:
        return (f"gradient flows through outputs that are {c.y[dead][0]:.4g} whatever the input: the mask of the "
                "activation (a ReLU, a clipping) is missing.")
    return (f"{int(c.extra.sum())} of {c.extra.size} contributions should be 0 and are not: gradient flows where "
            "forward lets nothing through (a mask or an index is missing).")


def flows_at_zeros(e: Evidence) -> str | None:
    """Every wrong entry should be 0, by its sum alone."""
    if not e.same_shape or not e.wrong.any():
        return None
    if e.size <= NO_EFFECT * e.error:
        return DOES_NOT_MATTER
    if (np.abs(e.numeric[e.wrong]) <= 1e-7 * e.size).all() and e.error > 1e-3 * e.size:
        return (f"{int(e.wrong.sum())} of {int(e.known.sum())} entries should be 0 and are not: gradient flows where "
                "forward let nothing through (a mask is missing).")
    return None


def another_mask(e: Evidence) -> str | None:
    """Gradient flows at other places than in forward."""
    c = e.contributions
    if c is None or not c.extra.any() or not c.missing.any() or c.other_value.any():
        return None
    alive, flows = c.there.any(axis=1), c.said.any(axis=1)
    if not (alive & flows).any() and (c.there.sum(axis=1) > 1).any():
        return ("gradient flows through outputs where forward lets nothing through, and through none of the others: a "
                "mask is turned round (a comparison).")
    if (c.there.sum(axis=1) > 1).any() or (c.said.sum(axis=1) > 1).any():
        return None
    return ("gradient flows at other places than in forward, and not where it should: the mask, the index "
            "or the order of the axes (a reshape) is not that of forward.")


def placed_elsewhere(e: Evidence) -> str | None:
    """The right contributions of every output, at other entries."""
    c = e.contributions
    if c is None or not c.whole or not (c.missing.any() or c.other_value.any()):
        return None
    count = c.there.sum(axis=1)
    rows = np.flatnonzero((count == count.max()) & (count > 1))        # where no window is cut off by the border
    if len(rows) < 2 or c.right[rows].all() or not all(
            same_numbers(c.claimed[row], c.measured[row], c.equal * c.largest) for row in rows):
        return strides(c)
    if (c.there[rows] == c.said[rows]).all():
        if any(all(reversed_within(c, row, axis) for row in rows.tolist()) for axis in (None, *range(len(c.shape)))):
            return ("within each window the numbers are in reverse order: the kernel is flipped (rotated by 180 "
                    "degrees), or it must be.")
        return "each output's contributions are the right numbers in another order: a kernel is transposed."
    return strides(c) or ("each output's contributions are the right numbers at other entries: an index, the padding, "
                          "the stride or the order of the axes (a reshape) is wrong.")


def same_numbers(one: np.ndarray, other: np.ndarray, apart: float) -> bool:
    """Return whether two arrays hold the same numbers in any order."""
    return bool((np.abs(np.sort(one) - np.sort(other)) <= apart).all())


def reversed_within(c: Contributions, row: int, axis: int | None) -> bool:
    """Return whether an output's contributions are in reverse order, within each channel along an axis if there is."""
    channel = np.zeros(c.entries.shape[1]) if axis is None else c.entries[axis]
    return all(np.abs(c.claimed[row, part][::-1] - c.measured[row, part]).max() <= c.equal * c.largest
               for k in np.unique(channel[c.there[row]]) for part in [np.flatnonzero(c.there[row] & (channel == k))])


def strides(c: Contributions) -> str | None:
    """Name the step with which the windows of outputs move along an axis, if it is another one in backward."""
    for axis in range(1, min(len(c.shape), len(c.out_shape))):
        steps = [step_of(c, there, axis) for there in (c.there, c.said)]
        if None not in steps and steps[0] != steps[1]:
            return (f"windows move along axis {axis} by {steps[0]} in forward, and by {steps[1]} in backward: the "
                    "stride is ignored, or applied twice.")
    return None


def step_of(c: Contributions, there: np.ndarray, axis: int) -> int | None:
    """Return by how much the first entry of a window moves along an axis from output to output; None if unsteady."""
    rows = there.any(axis=1)
    first = np.array([c.entries[axis][row].min() for row in there[rows]])
    index = c.outputs[axis][rows]
    starts = [np.unique(first[index == k]) for k in np.unique(index)]
    moves = [int(b[0] - a[0]) for a, b in pairwise(starts)]
    steady = len(moves) > 1 and len(set(moves)) == 1 and all(len(s) == 1 for s in starts)
    return moves[0] if steady and moves[0] > 0 else None


def summed_over_wrong_axes(e: Evidence) -> str | None:
    """A parameter with one axis that collects dy along an axis that is not its own."""
    c = e.contributions
    if c is None or sum(n > 1 for n in c.shape) != 1 or not c.missing.any():
        return None
    own = c.entries[[n > 1 for n in c.shape].index(True)]

    def follows(there: np.ndarray) -> list[int]:
        return [axis for axis, n in enumerate(c.out_shape) if n == max(c.shape)
                and not (there & (c.outputs[axis][:, None] != own)).any()]
    right, wrong = follows(c.there), follows(c.said)
    if not right or not wrong or right == wrong:
        return None
    return (f"it collects dy by the index along axis {wrong[0]}, where it should by that along axis {right[0]}: it is "
            "summed over the wrong axes.")


def between_indices(e: Evidence) -> str | None:
    """Right for the own index along an axis, or from the first index, and wrong for all else: what is carried."""
    c = e.contributions
    if c is None or c.right.all() or len(c.out_shape) != 3:           # (N, T, features); an image has no steps
        return None
    for axis in range(1, len(c.out_shape)):
        differ = c.differ(axis) if e.is_input else None
        if differ is not None and (c.there & differ).any() and c.right[~differ].all() and (~c.right[differ]).any():
            return (f"it is right within the same index along axis {axis}, and wrong from one index to another: what "
                    "is carried from step to step is wrong (a recurrent weight, untransposed or left out).")
        if not any(v.ndim == 3 and v.shape[axis] == c.out_shape[axis] for v in e.values.values()):
            continue                                       # the outputs alone are so many: no steps
        index = c.outputs[axis]
        alive = [k for k in range(c.out_shape[axis]) if c.there[index == k].any()]
        wrong = np.array([(~c.right[index == k]).any() for k in alive])
        if wrong.sum() > 1 and not wrong[0] and (np.diff(wrong.astype(int)) >= 0).all():
            return (f"what comes from the first outputs along axis {axis} is right, and from all later ones wrong: "
                    "what is carried from step to step is missing or wrong, or the steps are not added up (= for +=).")
    return None


def weight_untransposed(e: Evidence) -> str | None:
    """A square weight, used as it is where its transpose belongs, or the other way round."""
    c = e.contributions
    if c is None or len(c.shape) < 2 or c.right.all() or not (e.is_input or c.shape[:-1] == c.out_shape[:-1]):
        return None
    for name, w in e.values.items():
        if name == e.name or w.ndim != 2 or w.shape != (*c.out_shape[-1:], *c.shape[-1:]) or w.shape[0] != w.shape[1]:
            continue
        where = c.there & c.said
        a, b = w[c.outputs[-1][:, None], c.entries[-1]], w.T[c.outputs[-1][:, None], c.entries[-1]]
        for one, other in ((a, b), (b, a)):
            if proportional(c.claimed, one, where) and proportional(c.measured, other, where):
                return f"{name} is not transposed where it must be, or transposed where it must not be."
    return None


def proportional(rows: np.ndarray, wanted: np.ndarray, where: np.ndarray) -> bool:
    """Return whether each row is a multiple of a wanted row, where a mask is True, and some have several entries."""
    ratio = np.where(where, rows / wanted, np.nan)
    several = where.sum(axis=1) > 1
    if not several.any():
        return False
    ratio = ratio[several]
    return bool((np.nanmax(ratio, axis=1) - np.nanmin(ratio, axis=1) <= 1e-4 * np.nanmax(np.abs(ratio), axis=1)).all())
