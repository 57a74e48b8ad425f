"""The parts of the ink: what is connected, and what belongs together."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

COMPARABLE, GAP = 0.4, 0.06                            # of the height of the tallest part


class Part(NamedTuple):
    """A connected piece of ink: the labels of all (H, W), its own, its first and last row and column, its pixels."""

    labels: np.ndarray
    label: int
    top: int
    bottom: int
    left: int
    right: int
    area: int

    @property
    def mask(self) -> np.ndarray:
        """Which pixels (H, W) are of this piece."""
        return self.labels == self.label


def parts_of(mask: np.ndarray) -> list[Part]:
    """List the connected pieces of a mask (H, W), neighbours at corners included, the largest first."""
    labels, places = labelled(mask), np.nonzero(mask)
    names, which, areas = np.unique(labels[mask], return_inverse=True, return_counts=True)
    box = []
    for at in places:
        first, last = np.full(len(names), mask.size), np.zeros(len(names), int)
        np.minimum.at(first, which, at)
        np.maximum.at(last, which, at)
        box += [first.tolist(), last.tolist()]
    found = [Part(labels, *numbers) for numbers in zip(names.tolist(), *box, areas.tolist(), strict=True)]
    return sorted(found, key=lambda part: -part.area)


def labelled(mask: np.ndarray) -> np.ndarray:
    """Number the connected pieces: each pixel of a piece has the number of its first pixel, all others -1.

    >>> labelled(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], bool))
    array([[ 0, -1,  0],
           [-1,  0, -1],
           [-1, -1, -1],
           [ 9,  9, -1]])
    """
    found = runs_of(mask)                              # of all rows, in order: (row, first, end)
    first = list(range(len(found)))                    # of each run: one of its piece that stands before it, or itself

    def piece(run: int) -> int:
        while first[run] != run:
            run = first[run]
        return run
    above = 0
    for run, (row, start, end) in enumerate(found):
        while (found[above][0], found[above][2]) < (row - 1, start):          # to the left of what this one can touch
            above += 1
        touching = above
        while found[touching][0] == row - 1 and found[touching][1] <= end:
            one, other = sorted((piece(touching), piece(run)))
            first[other] = one
            touching += 1
    labels = np.full(mask.shape, -1)
    for run, (row, start, end) in enumerate(found):
        labels[row, start:end] = found[piece(run)][0] * mask.shape[1] + found[piece(run)][1]
    return labels


def runs_of(mask: np.ndarray) -> list[tuple[int, int, int]]:
    """List the runs of a mask's rows: (row, first column, the column after the last)."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return list(zip(rows.tolist(), starts.tolist(), np.nonzero(edges == -1)[1].tolist(), strict=True))


def grown(mask: np.ndarray) -> np.ndarray:
    """Add to a mask (H, W) all pixels beside it, those at corners too."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def box_of(parts: list[Part]) -> tuple[int, int, int, int]:
    """Return the first and the last row, and the first and the last column, of several parts."""
    return (min(part.top for part in parts), max(part.bottom for part in parts),
            min(part.left for part in parts), max(part.right for part in parts))


def expect_one(parts: list[Part]) -> None:
    """Raise a ValueError if parts lie side by side, or one above the other, and are of about the same height.

    The strokes of one digit overlap, or one of them is small: the bar of a 5, the open top of a 4.
    """
    tallest = max(part.bottom - part.top for part in parts)
    large = [part for part in parts if part.bottom - part.top >= COMPARABLE * tallest]
    for part, other in combinations(large, 2):
        gap = max(part.left - other.right, other.left - part.right, part.top - other.bottom, other.top - part.bottom)
        if gap > GAP * tallest:
            raise ValueError("There are two things in the picture, or more, and only one digit can be read at a time: "
                             "cut out one, with some paper around it.")
