"""The lines of ruled and squared paper: straight, thin, and from one edge of the picture to the other."""

from __future__ import annotations

import numpy as np

SLOPES = np.linspace(-0.15, 0.15, 31)                  # rise over run: eight degrees either way
WHOLE, THICK = 0.85, 0.05                              # of the picture: a line's length at least, its width at most
BRIDGE = 7                                             # pixels of a line that ink crosses


def has_lines(mask: np.ndarray) -> bool:
    """Return whether lines go across or down the whole picture, which is not what lies between them."""
    return mask.mean() < 0.5 and bool(across(mask).any() or across(mask.T).any())


def without_lines(mask: np.ndarray) -> np.ndarray:
    """Erase the lines across and down the picture from a mask (H, W), but not where ink crosses them."""
    for _ in range(2):
        lines = across(mask)
        rest = mask & ~lines
        above, below = rest.copy(), rest.copy()
        for k in range(1, BRIDGE + 1):
            above[k:] |= rest[:-k]
            below[:-k] |= rest[k:]
        mask = (rest | lines & wider(above) & wider(below)).T
    return mask


def wider(mask: np.ndarray) -> np.ndarray:
    """Add the neighbours to the left and to the right."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    return padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]


def across(mask: np.ndarray) -> np.ndarray:
    """Return which pixels are on lines from the left to the right edge, of the slope that fills rows best."""
    end = max(1, mask.shape[1] // 30)
    if not (mask[:, :end].any() and mask[:, -end:].any()):
        return np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    slope = max(SLOPES, key=lambda slope: int(np.square(np.bincount(
        rows + len(mask) + shifts(mask.shape[1], -slope)[columns])).sum()))
    best = sheared(mask, slope)
    two = best | np.roll(best, -1, axis=0)             # a thin line changes from row to row where it is rounded
    full = (two.mean(axis=1) > WHOLE) & two[:, :end].any(axis=1) & two[:, -end:].any(axis=1)
    found = np.zeros_like(best)
    for start, end in runs(full):
        if end - start <= max(3, THICK * len(mask)):
            found[max(0, start - 1):end + 2] = True
    return sheared(found, -slope) & mask


def sheared(mask: np.ndarray, slope: float) -> np.ndarray:
    """Move each column down by `slope` times its place: a line of that slope lies along a row."""
    height, width = mask.shape
    rows = np.arange(height)[:, None] + shifts(width, slope)
    inside = (rows >= 0) & (rows < height)
    return np.where(inside, mask[rows.clip(0, height - 1), np.arange(width)], False)


def shifts(width: int, slope: float) -> np.ndarray:
    """Return by how much a line of a slope has risen in each column (W,)."""
    return np.round(slope * (np.arange(width) - width / 2)).astype(int)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """List where runs of True start, and where they end, exclusive.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(start), int(end)) for start, end in steps.reshape(-1, 2)]
