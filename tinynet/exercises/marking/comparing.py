"""Whether two outputs are the same numbers, where they first differ, and a map of where they do."""

from __future__ import annotations

import numpy as np

from tinynet.exercises.exercise import Task

Index = tuple[int, ...]
WIDEST, HIGHEST = 40, 20                         # of a map, in entries


def wrong_entries(task: Task, yours: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return which entries differ, for arrays of one shape."""
    y, r = np.asarray(yours, np.float64), np.asarray(right, np.float64)
    finite = np.abs(r[np.isfinite(r)])
    off = task.tolerance * finite.max(initial=0.0) + task.floor
    return ~np.isclose(y, r, rtol=0, atol=off, equal_nan=True)


def same(task: Task, yours: np.ndarray, right: np.ndarray) -> bool:
    """Whether an output has the right shape and the right numbers."""
    return yours.shape == right.shape and not wrong_entries(task, yours, right).any()


def first_wrong(task: Task, yours: np.ndarray, right: np.ndarray) -> Index:
    """Return the index of the first entry that differs."""
    return tuple(int(k) for k in np.argwhere(wrong_entries(task, yours, right))[0])


def picture(wrong: np.ndarray) -> str:
    """Draw which entries are wrong, of the slice over the last two axes that has the first one.

    Nothing is drawn where a picture says no more than the first wrong entry, or does not fit.

    >>> print(picture(np.array([[False, False, True], [False, False, True]])))
    . . x
    . . x
    """
    if wrong.ndim < 2 or wrong.size < 4:
        return ""
    before = tuple(np.argwhere(wrong)[0])[:-2]
    grid = wrong[before]
    if grid.shape[0] > HIGHEST or grid.shape[1] > WIDEST or grid.all():
        return ""
    return "\n".join(" ".join("x" if cell else "." for cell in row) for row in grid)
