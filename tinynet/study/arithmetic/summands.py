"""Sums of many summands: the largest are shown, the others added up."""

from __future__ import annotations

import numpy as np


def largest(summands: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the summands of the largest magnitude, at most `count`, in decreasing order.

    >>> largest(np.array([0.5, -2.0, 1.0]), 2).tolist()
    [1, 2]
    """
    return np.argsort(-np.abs(summands), kind="stable")[:count]


def sum_of_others(summands: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """Return the sum of the summands that are not shown, under a name for them; empty if all of them are 0.

    >>> sum_of_others(np.array([5.0, 0.0, 1.0, 2.0]), np.array([0]))
    {'the other 2 that are not 0': 3.0}
    """
    others = np.delete(summands, shown)
    return {f"the other {np.count_nonzero(others)} that are not 0": float(others.sum())} if others.any() else {}
