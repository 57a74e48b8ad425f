"""Causes in the derivative of a softmax that forward ends with: dz = p * (dy - sum(p * dy))."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tinynet.testing.gradcheck.diagnosis.contributions import Contributions
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence

# What may stand in place of the matrix of derivatives, as a function of the outputs.
IN_ITS_PLACE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "its derivative is left out, dy is passed on": lambda p: np.eye(len(p)),
    "the sum is left out, it is p * dy": np.diag,
    "only its diagonal, p (1 - p), is used": lambda p: np.diag(p * (1 - p)),
    "the sum has the wrong sign": lambda p: np.diag(p) + np.outer(p, p),
    "the factor p before the bracket is left out": lambda p: np.eye(len(p)) - np.outer(np.ones(len(p)), p)}
FORMULA = "the derivative of a softmax is p * (dy - sum(p * dy))"


def derivative_of_softmax(e: Evidence) -> str | None:
    """Its sum left out, its sign wrong, its diagonal alone, a factor, or all of it: tested on the contributions.

    For each group of outputs that adds up to 1, ``measured = (diag(p) - p p^T) @ local``, whatever the local
    derivatives are; what stands in place of the matrix, ``claimed = matrix @ local``, is told by undoing it.
    """
    c = e.contributions
    if c is None or c.right.all() or not (c.y > 0).all():
        return None
    for axis in range(len(c.out_shape)):
        groups = list(groups_along(c, axis))
        if not groups or not all(abs(c.y[rows].sum() - 1) < 1e-6 for rows in groups):
            continue
        entries = {}
        for text, matrix in IN_ITS_PLACE.items():
            count = [explains(c, rows, matrix(c.y[rows])) for rows in groups]
            if None not in count:
                entries[text] = sum(filter(None, count))
        if entries:                                        # a constant makes no difference to a softmax
            likeliest = min(entries, key=lambda text: entries[text])
            return f"forward ends with a softmax along axis {axis}: {likeliest}; {FORMULA}."
    return None


def groups_along(c: Contributions, axis: int) -> Iterator[np.ndarray]:
    """Yield the rows of outputs that differ in their index along an axis alone, where all of them were chosen."""
    others = np.delete(c.outputs, axis, axis=0)
    for group in np.unique(others, axis=1).T:
        rows = np.flatnonzero((others == group[:, None]).all(axis=0))
        if len(rows) == c.out_shape[axis] > 1:
            yield rows


def explains(c: Contributions, rows: np.ndarray, matrix: np.ndarray) -> int | None:
    """Return the number of local derivatives that are not 0; None if they do not explain both sorts of contributions.

    The claimed ones are the matrix times them, the measured ones the derivative of the softmax times them.
    """
    p = c.y[rows]
    softmax = np.diag(p) - np.outer(p, p)
    local = np.linalg.lstsq(matrix, c.claimed[rows], rcond=None)[0]
    apart = 1e-4 * c.largest
    elsewhere = ~c.there[rows].any(axis=0)                 # other samples, which a softmax does not mix
    fits = bool(not c.said[rows][:, elsewhere].any() and np.abs(matrix @ local - c.claimed[rows]).max() <= apart
                and np.abs(softmax @ local - c.measured[rows]).max() <= apart)
    return int((np.abs(local) > 1e-6 * np.abs(local).max()).sum()) if fits else None
