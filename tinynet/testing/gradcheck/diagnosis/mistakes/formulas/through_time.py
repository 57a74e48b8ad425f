"""Causes in what a recurrent layer carries back from step to step.

An output of step s depends on the inputs of all steps t up to s. What an input does to the outputs of its own step is
measured apart from what it does to later ones, so that it shows which of them backward gets wrong.

Source: Werbos 1990, "Backpropagation Through Time: What It Does and How to Do It".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, Evidence
from tinynet.testing.gradcheck.diagnosis.mistakes.chain_rule import OF_OUTPUT

STEPS = 1             # the axis of time: (N, T, features)


def lags(c: Contributions) -> np.ndarray | None:
    """Return how many steps each output comes after each entry (M, K); None if forward does not go through time."""
    if len(c.shape) != 3:
        return None
    if len(c.out_shape) == 3 and c.out_shape[STEPS] == c.shape[STEPS]:
        lag = c.outputs[STEPS][:, None] - c.entries[STEPS]
    elif len(c.out_shape) == 2 and c.shape[STEPS] > 1:      # only the last step's output is returned
        lag = np.broadcast_to(c.shape[STEPS] - 1 - c.entries[STEPS], c.there.shape)
    else:
        return None
    return lag if not c.there[lag < 0].any() and c.there[lag == 0].any() and c.there[lag > 0].any() else None


def through_time(e: Evidence) -> str | None:
    """The input's gradient is right within a step, and wrong for what it does to outputs of later steps."""
    c = e.contributions if e.is_input else None
    lag = None if c is None else lags(c)
    if c is None or lag is None or not c.right[lag <= 0].all():
        return None
    later = lag > 0
    if not c.said[later].any():
        return ("nothing comes back through time: it is right for the outputs of the same step, and what an entry does "
                "to those of later steps, through the state, is missing.")
    wrong = np.unique(lag[~c.right])
    kept = wrong.min() - 1
    if kept > 0 and not c.said[lag > kept].any():
        return f"it is truncated: what comes back from more than {kept} {'step' if kept == 1 else 'steps'} is missing."
    return step_back(e, c) or (
        "it is right for the outputs of the same step, and what comes back through time is there, but wrong: the "
        "gradient that is carried from a step to the one before lacks a factor or one of several paths (of the state, "
        "the cell), or its weight is not transposed.")


def step_back(e: Evidence, c: Contributions) -> str | None:
    """Compare one step back with the recurrent weight, its transpose, and with the activation's derivative left out."""
    for name, u in e.values.items():
        if name == e.name or u.ndim != 2 or len(c.out_shape) != 3 or u.shape != (c.out_shape[2],) * 2:
            continue
        pairs = list(steps(c))
        if not pairs:
            continue
        for weight, other in ((u, u.T), (u.T, u)):
            if not all(scaled(measured, weight @ local) is not None for local, measured, _, _ in pairs):
                continue
            if all(same_scale(weight @ local, other @ local, *rows) for local, *rows, _ in pairs):
                return (f"{name} is not transposed, or transposed once too often, on the way back from a step to the "
                        "one before; within a step it is right.")
            for text, (derivative, low, high) in OF_OUTPUT.items():
                if all(low < y.min() and y.max() < high and same_scale(
                        weight @ local, weight @ (local / derivative(y)[:, None]), *rows) for local, *rows, y in pairs):
                    return (f"on the way back from a step to the one before, a factor of {text}, is missing: the "
                            "derivative of the activation at the earlier step.")
    return None


def steps(c: Contributions) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, for pairs of neighbouring steps, what entries of the earlier do to the outputs of both, and these.

    Four arrays: derivatives of the outputs of the earlier step (H, D); of the later, measured and claimed (H, D); and
    the outputs of the earlier (H,).
    """
    for n in range(c.out_shape[0]):
        for t in range(c.out_shape[STEPS] - 1):
            earlier, later = (np.flatnonzero((c.outputs[0] == n) & (c.outputs[STEPS] == s)) for s in (t, t + 1))
            entries = np.flatnonzero((c.entries[0] == n) & (c.entries[STEPS] == t))
            if len(earlier) == len(later) == c.out_shape[2] and len(entries) == c.shape[2]:
                block = np.ix_(later, entries)
                yield c.measured[np.ix_(earlier, entries)], c.measured[block], c.claimed[block], c.y[earlier]


def scaled(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Return the factors that make wanted rows of rows; None if there are none."""
    factors = (rows * wanted).sum(axis=1) / (np.square(wanted).sum(axis=1) + 1e-300)
    fits = np.abs(factors[:, None] * wanted - rows).max() <= 10 * CLOSE * np.abs(rows).max()
    return factors if fits and rows.shape[1] > 1 else None


def same_scale(right: np.ndarray, wrong: np.ndarray, measured: np.ndarray, claimed: np.ndarray) -> bool:
    """Return whether claimed is to wrong as measured is to right, row by row."""
    factors = scaled(measured, right)
    return factors is not None and bool(
        np.abs(factors[:, None] * wrong - claimed).max() <= 10 * CLOSE * np.abs(claimed).max())
