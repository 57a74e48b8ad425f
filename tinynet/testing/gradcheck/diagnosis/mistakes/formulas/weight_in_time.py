"""Causes in the parameters of a recurrent layer: each step adds its share to their gradients.

The gradient of a weight W that multiplies the inputs x[t] is ``sum over t of x[t]^T dz[t]``. From a gradient made of
one output, and x, the dz of each step can be told, if there are no more steps than features; those of backward are
compared with the measured ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import CLOSE, Evidence
from tinynet.testing.gradcheck.diagnosis.mistakes import chain_rule
from tinynet.testing.gradcheck.diagnosis.mistakes.formulas.through_time import STEPS, through_time

WRONG = ("the share of each output's own step is right, and those of the steps before it are wrong: the gradient that "
         "is carried back from step to step lacks a factor or one of several paths (of the state, the cell), or its "
         "weight is not transposed.")


def shares(e: Evidence) -> tuple[np.ndarray, np.ndarray] | None:
    """Return dz of each step (M, T, H), as measured and as claimed; None if they cannot be told."""
    c, x = e.contributions, e.values.get("x")
    if c is None or x is None or x.ndim != 3 or len(c.shape) != 2 or c.entries.shape[1] != np.prod(c.shape):
        return None
    steps, features = x.shape[1:]
    if steps > features or len(c.out_shape) not in (2, 3) or c.out_shape[0] != len(x) or (
            len(c.out_shape) == 3 and c.out_shape[STEPS] != steps):
        return None
    apart = max(1e-4, 5 * e.inexact)
    for measured, claimed in weights_of_x(c, features):
        found = [dz_of(rows, x[c.outputs[0]], apart * c.largest) for rows in (measured, claimed)]
        if found[0] is not None and found[1] is not None and (
                steps < features or is_causal(c, found[0], 10 * apart)):
            return found[0], found[1]
    return None


def weights_of_x(c: Contributions, features: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what may be the part of a weight that multiplies x (M, features, H); there may be others around it."""
    matrices = [matrix.reshape(-1, *c.shape) for matrix in (c.measured, c.claimed)]
    for swap in (False, True):
        measured, claimed = (matrix.swapaxes(1, 2) if swap else matrix for matrix in matrices)
        for first in range(measured.shape[1] - features + 1):
            part = slice(first, first + features)
            yield measured[:, part], claimed[:, part]


def dz_of(gradients: np.ndarray, x: np.ndarray, apart: float) -> np.ndarray | None:
    """Return dz (M, T, H) of gradients (M, D, H) that are sums of x[t]^T dz[t], x (M, T, D); None if they are not."""
    dz = np.array([np.linalg.lstsq(own.T, gradient, rcond=None)[0] for own, gradient in zip(x, gradients, strict=True)])
    return dz if np.abs(np.einsum("mtd,mth->mdh", x, dz) - gradients).max() <= apart else None


def lag_of(c: Contributions, steps: int) -> np.ndarray:
    """Return how many steps each output comes after each step (M, T)."""
    last = c.outputs[STEPS] if len(c.out_shape) == 3 else np.full(len(c.y), steps - 1)
    return np.asarray(last[:, None] - np.arange(steps))


def is_causal(c: Contributions, dz: np.ndarray, apart: float) -> bool:
    """Return whether no output depends on later steps; with as many steps as features any numbers have a dz."""
    later = dz[lag_of(c, dz.shape[1]) < 0]
    return bool(later.size and np.abs(later).max() <= apart * np.abs(dz).max())


def step_of_weight(e: Evidence) -> str | None:
    """A step is left out, or what comes back through time is missing, cut off or wrong; why, if another shows it."""
    found = shares_that_are_wrong(e)
    return as_another(e) or found if found == WRONG else found


def shares_that_are_wrong(e: Evidence) -> str | None:
    """Say which steps' shares are wrong in the gradient of a weight that multiplies the input."""
    found = shares(e) if not e.is_input else None
    if found is None or e.contributions is None:
        return None
    measured, claimed = found
    apart = max(10 * CLOSE, 50 * e.inexact) * np.abs(measured).max()
    right = (np.abs(claimed - measured) <= apart).all(axis=2)           # (M, T)
    there, said = (np.abs(array).max(axis=2) > apart for array in found)
    lag = lag_of(e.contributions, measured.shape[1])
    if right.all() or not said.any() or not right[lag < 0].all():
        return None
    wrong = np.flatnonzero((~right).any(axis=0))
    if len(wrong) < right.shape[1] and not said[:, wrong].any() and right[lag > 0].any():
        return (f"the share of step {', '.join(map(str, wrong))} is missing, and those of all other steps are right: "
                "the loop over the steps begins too late or ends too early, or = stands where += belongs.")
    if not right[lag == 0].all() or not there[lag > 0].any():
        return None
    if not said[lag > 0].any():
        return ("nothing comes back through time: the share of each output's own step is right, and those of the steps "
                "before it are missing.")
    kept = int(lag[~right].min()) - 1
    if kept > 0 and not said[lag > kept].any():
        return f"it is truncated: what comes back from more than {kept} {'step' if kept == 1 else 'steps'} is missing."
    return WRONG


def as_another(e: Evidence) -> str | None:
    """A parameter that is wrong for outputs for which the input or a weight is wrong, too, through time."""
    c, x = e.contributions, e.values.get("x")
    if c is None or x is None or x.ndim != 3 or e.is_input:
        return None
    for other in others(e):
        theirs = other.contributions
        why = None if theirs is None else (
            through_time(other) or shares_that_are_wrong(other) or chain_rule.factor_of_step(other))
        if theirs is None or why is None:
            continue
        ours, wrong = outputs(c, ~c.right), outputs(theirs, ~theirs.right)
        more = ours & outputs(theirs, np.ones_like(theirs.right)) - wrong
        if ours and len(more) <= (0.2 * len(ours) if e.inexact else 0):
            return f"it is wrong for the same outputs as {other.name}, and may be for the same reason: {why}"
    return None


def others(e: Evidence) -> Iterator[Evidence]:
    """Yield what is known about the input, and about weights that multiply it."""
    if e.of_input is not None:
        yield e.of_input
    for name, value in e.values.items():
        if name not in (e.name, "x") and value.ndim == 2 and e.of is not None and (
                other := e.of(name, e.coarse)) is not None:
            yield other


def outputs(c: Contributions, where: np.ndarray) -> set[int]:
    """Return the flat indices of the outputs that have a contribution where a mask (M, K) is True."""
    index = np.ravel_multi_index(tuple(c.outputs[:, where.any(axis=1)]), c.out_shape) if c.out_shape else 0
    return set(np.atleast_1d(index).tolist()) if where.any() else set()
