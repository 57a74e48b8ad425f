"""Which part of a batch the arrays of a thread are, where several threads or processes share it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """A part of a batch: the place of its first sample, how many it has, and how sums over all parts are made.

    ``add_up(sums)`` waits for the sums of the other parts, and returns, to each, those of the whole batch.
    """

    first: int
    samples: int
    add_up: Callable[[np.ndarray], np.ndarray]


part: ContextVar[Part | None] = ContextVar("the part of a batch that is computed here, if not all", default=None)


def place(samples: int) -> int:
    """Return the place in the batch of the first of so many samples: 0, unless they are those of a part."""
    here = part.get()
    return here.first if here is not None and here.samples == samples else 0


def of_all_parts(sums: np.ndarray) -> np.ndarray:
    """Return the sums of the whole batch, given those of a part, or of all of it."""
    here = part.get()
    return sums if here is None else here.add_up(sums)
