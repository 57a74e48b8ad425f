"""Arrays in memory that earlier arrays have let go of.

A fresh array of a megabyte costs more than filling it: the system hands its memory out page by page, each when it
is first written, zeroed, and takes it back when the array goes. A training step makes the same dozen large arrays
every time; in memory that the step before has let go of, they cost nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

SMALL, LARGE = 1 << 16, 1 << 25            # bytes: below, the system is as good; above, nothing is kept
KEPT = 1 << 26                             # bytes that may lie here unused

unused: defaultdict[int, list[np.ndarray]] = defaultdict(list)        # by size


class Room:
    """Memory on loan. An array made of it, and every view of that, holds it; with the last of them it comes back."""

    def __init__(self, memory: np.ndarray):
        self.memory, self.__array_interface__ = memory, memory.__array_interface__

    def __del__(self) -> None:
        if sum(size * len(rooms) for size, rooms in list(unused.items())) + len(self.memory) > KEPT:
            unused.clear()                 # sizes that nobody asks for any more
        unused[len(self.memory)].append(self.memory)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of anything, as ``np.empty`` does, in memory that nobody else holds."""
    size = math.prod(shape) * dtype.itemsize
    if not SMALL <= size <= LARGE:
        return np.empty(shape, dtype)
    rounded = -(-size // SMALL) * SMALL
    try:
        memory = unused[rounded].pop()     # one operation: two threads never get the same
    except IndexError:
        memory = np.empty(rounded, np.uint8)
    return np.asarray(Room(memory))[:size].view(dtype).reshape(shape)
