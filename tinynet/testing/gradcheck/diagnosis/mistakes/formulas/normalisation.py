"""Causes in the derivative of a normalisation, as of batch, layer and group normalisation.

With the normalised numbers h = (x - mean) / std of a group, and d = dy times the scale that follows, it has three
terms: ``dx = (d - mean(d) - h * mean(d * h)) / std``. In the contributions of single outputs each term is a number, and
can be compared with what it should be, whatever the scale, the std and its epsilon are.

Source: Ioffe and Szegedy 2015, "Batch Normalization", section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, Evidence
from tinynet.testing.gradcheck.diagnosis.words import axes_text, some_axes

FORMULA = "dx = (d - mean(d) - h mean(d h)) / std, with h the normalised x, and d = dy times the scale"
TERMS = ("d, the first", "mean(d), through the mean", "h mean(d h), through the standard deviation")


class Terms(NamedTuple):
    """The factors of the three terms in rows of contributions (rows, 3); h of each row's own entry; the groups."""

    measured: np.ndarray
    claimed: np.ndarray | None
    h: np.ndarray
    groups: list[tuple[np.ndarray, np.ndarray]]


def term_of_formula(e: Evidence) -> str | None:
    """One of the three terms has a wrong factor, or lacks its sum; or the scale is taken out of the sums."""
    c, x = e.contributions, e.values.get(e.name)
    if c is None or x is None or not e.is_input or c.out_shape != c.shape or c.elementwise:
        return None
    for axes in some_axes(x.ndim):
        t = terms(c, x, axes)
        if t is None or not normalises(t):
            continue
        found = out_of_the_sums(c, t) if t.claimed is None else wrong_terms(t)
        return f"forward normalises over {axes_text(axes)}, and {found} In full: {FORMULA}." if found else None
    return None


def terms(c: Contributions, x: np.ndarray, axes: tuple[int, ...]) -> Terms | None:
    """Fit the terms to the contributions, group by group; None if forward does not normalise over these axes."""
    count = int(np.prod([c.shape[axis] for axis in axes]))
    if count < 3:
        return None
    others = [axis for axis in range(x.ndim) if axis not in axes]
    unit = x - x.mean(axis=axes, keepdims=True)
    unit = unit / np.sqrt(np.square(unit).mean(axis=axes, keepdims=True) + 1e-300)
    flat_out, flat_in = (np.ravel_multi_index(tuple(index), c.shape) for index in (c.outputs, c.entries))
    group_of = np.zeros(x.shape, int)
    for axis in others:
        group_of = group_of * x.shape[axis] + np.expand_dims(
            np.arange(x.shape[axis]), tuple(k for k in range(x.ndim) if k != axis))
    groups, fits, bases = [], [], []
    for group in np.unique(group_of):
        columns = np.flatnonzero(group_of.flat[flat_in] == group)
        rows = np.flatnonzero(group_of.flat[flat_out] == group)
        if len(columns) == count and len(rows):
            groups.append((rows, columns))
            outside = np.delete(c.measured[rows], columns, axis=1)
            if np.abs(outside).max(initial=0.0) > 10 * c.equal * c.largest:
                return None
    for matrix in (c.measured, c.claimed):
        found = [fit(matrix[rows][:, columns], flat_out[rows], flat_in[columns], unit.flat[flat_in[columns]],
                     100 * c.equal * c.largest) for rows, columns in groups]
        fits.append(np.concatenate([f for f in found if f is not None]) if groups and all(
            f is not None for f in found) else None)
    bases = [unit.flat[flat_out[rows]] for rows, _ in groups]
    return None if fits[0] is None else Terms(fits[0], fits[1], np.concatenate(bases), groups)


def fit(rows: np.ndarray, own: np.ndarray, entries: np.ndarray, h: np.ndarray, apart: float) -> np.ndarray | None:
    """Return the factors of the own entry, of a constant and of h in each row; None if there is more to it."""
    factors = []
    for row, output in zip(rows, own, strict=True):
        basis = np.stack([entries == output, np.ones(len(h)), h], axis=1).astype(np.float64)
        found = np.linalg.lstsq(basis, row, rcond=None)[0]
        if np.abs(basis @ found - row).max() > apart:
            return None
        factors.append(found)
    return np.array(factors)


def normalises(t: Terms) -> bool:
    """Return whether the measured terms are those of a normalisation, up to the factor of the last one."""
    first, mean, through_std = t.measured.T
    n = len(t.groups[0][1])
    last = through_std / (first * t.h)
    return bool(np.abs(first).min() > 0 and np.abs(mean * n / first + 1).max() < 1e-3
                and last.max() < 0 and np.ptp(last[np.abs(t.h) > 0.1]) < 0.1 * np.abs(last).max())


def wrong_terms(t: Terms) -> str | None:
    """Say which of the terms is wrong, and how."""
    assert t.claimed is not None
    wrong = np.abs(t.claimed - t.measured) > 1e-3 * np.abs(t.measured).max(axis=0) * (1 + 0 * t.h[:, None])
    bad = wrong.any(axis=0)
    if bad.sum() == 2 and bad[0]:
        more, absent = t.claimed[:, 0] - t.measured[:, 0], int(np.flatnonzero(bad)[1])
        own = t.measured[:, 1] if absent == 1 else t.measured[:, 2] * t.h
        if np.abs(t.claimed[:, absent]).max() < 1e-3 * np.abs(t.measured[:, absent]).max() and (
                proportional(more, own) is not None):
            return f"the term of {TERMS[absent]}, is not summed: it holds each entry's own part alone."
    if not bad.any() or bad.all():
        return None
    said = [f"{TERMS[k]}, {how(t.claimed[:, k], t.measured[:, k])}" for k in np.flatnonzero(bad)]
    return f"the term of {'; that of '.join(said)}."


def how(claimed: np.ndarray, measured: np.ndarray) -> str:
    """Put into words how a term is wrong."""
    factor = proportional(claimed, measured)
    if factor is None:
        return "is wrong"
    if abs(factor) < 1e-3:
        return "is missing"
    if abs(factor + 1) < 1e-3:
        return "has the wrong sign"
    return f"is {factor:.4g} times what it should be"


def proportional(claimed: np.ndarray, measured: np.ndarray) -> float | None:
    """Return the factor between two arrays, None if there is none."""
    factor = float(claimed @ measured / (measured @ measured + 1e-300))
    return factor if np.abs(claimed - factor * measured).max() <= 1e-3 * np.abs(measured).max() else None


def out_of_the_sums(c: Contributions, t: Terms) -> str | None:
    """Check whether the scale multiplies the sums, where it belongs inside them."""
    start = 0
    for rows, columns in t.groups:
        size = len(rows)
        if size != len(columns):
            return None
        scale = t.measured[start:start + size, 0]
        start += size
        block = c.measured[np.ix_(rows, columns)] / scale[:, None] * scale
        if np.abs(c.claimed[np.ix_(rows, columns)] - block).max() > CLOSE * c.largest:
            return None
    return "the scale (gamma) is taken out of the sums: dy must be multiplied by it before they are formed."


def training_formula(e: Evidence) -> str | None:
    """The formula of training, where forward uses a mean and a deviation that do not depend on x."""
    c, x = e.contributions, e.values.get(e.name)
    if c is None or x is None or not e.is_input or c.out_shape != c.shape or not c.extra.any() or (
            c.there.sum(axis=1) > 1).any():
        return None
    for axes in some_axes(x.ndim):
        count = int(np.prod([x.shape[axis] for axis in axes]))
        columns = [np.flatnonzero((c.outputs[:, o, None] == c.entries)[
            [axis for axis in range(x.ndim) if axis not in axes]].all(axis=0)) for o in range(c.outputs.shape[1])]
        if count < 4 or any(len(column) != count for column in columns):
            continue
        flat_out, flat_in = (np.ravel_multi_index(tuple(index), c.shape) for index in (c.outputs, c.entries))
        fits = [fit(c.claimed[o:o + 1, k], flat_out[o:o + 1], flat_in[k], x.flat[flat_in[k]], CLOSE * c.largest)
                for o, k in enumerate(columns)]
        inside = np.zeros(c.extra.shape, bool)
        for o, column in enumerate(columns):
            inside[o, column] = True
        factors = np.array([f[0] for f in fits if f is not None])
        if len(factors) == len(fits) and (np.abs(factors) > CLOSE * c.largest).all() and (c.said == inside).all():
            return (f"it has the terms of a mean and a standard deviation over {axes_text(axes)} that depend on x, as "
                    "in training; here forward uses fixed ones: its derivative is the scale / std alone.")
    return None
