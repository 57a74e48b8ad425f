"""Penalties that are added to the loss to keep weights small: a value, and its gradient.

>>> import numpy as np
>>> get("l2").value(np.array([3.0, -4.0]))
0.25
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol

import numpy as np

from tinynet.checks import check_nonnegative, invalid
from tinynet.kernels.elementwise import elementwise, square
from tinynet.registry import Configured, Identifier, resolve


class RegularizerLike(Protocol):
    """What layers take for a regularizer, whatever it derives from."""

    def value(self, w: np.ndarray, /) -> float:
        """Return the penalty, a number."""

    def gradient(self, w: np.ndarray, /) -> np.ndarray:
        """Return d value / d w, of the shape of w."""


class Regularizer(Configured):
    """The sum of ``l1 * |w|`` and ``l2 * w^2`` over all weights w."""

    l1: float = 0.0
    l2: float = 0.0

    def value(self, w: np.ndarray) -> float:
        """Return the penalty, a number."""
        return (self.l1 * size.sum(w) if self.l1 else 0.0) + (self.l2 * square.sum(w) if self.l2 else 0.0)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return d value / d w, of the shape of w; the slope of ``|w|`` at 0 is taken as 0."""
        return slope(w, self.l1, self.l2)


@elementwise
def size(w: np.ndarray) -> np.ndarray:
    """Return |w|."""
    return np.abs(w)


@elementwise
def slope(w: np.ndarray, l1: float, l2: float) -> np.ndarray:
    """Return d (l1 |w| + l2 w^2) / d w."""
    return l1 * np.sign(w) + 2 * l2 * w


class L1(Regularizer):
    """Penalise ``l1 * sum(|w|)``: drives weights to exactly 0."""

    def __init__(self, l1: float = 0.01):
        self.l1 = check_nonnegative("L1", "l1", l1)


class L2(Regularizer):
    """Penalise ``l2 * sum(w^2)``: shrinks each weight in proportion."""

    def __init__(self, l2: float = 0.01):
        self.l2 = check_nonnegative("L2", "l2", l2)


class L1L2(Regularizer):
    """Both at once."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1, self.l2 = check_nonnegative("L1L2", "l1", l1), check_nonnegative("L1L2", "l2", l2)


_counted: ContextVar[list[float] | None] = ContextVar("penalties on outputs, where a loss is computed", default=None)


@contextlib.contextmanager
def counting_activity(penalties: list[float] | None) -> Iterator[None]:
    """Let penalties on outputs count inside the block: forwards append their values, backwards add their gradients.

    With None they do not count, as outside of all blocks.
    """
    token = _counted.set(penalties)
    try:
        yield
    finally:
        _counted.reset(token)


def counted_activity() -> list[float] | None:
    """Return the penalties on outputs that were counted so far; None where they are not."""
    return _counted.get()


l1, l2, l1_l2 = L1, L2, L1L2                                  # Keras's other names
KNOWN: dict[str, type] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(identifier: Identifier | RegularizerLike | None) -> RegularizerLike | None:
    """Return a regularizer for a name, a config or an object; None for None."""
    regularizer: RegularizerLike | None = resolve("regularizer", identifier, KNOWN)
    if regularizer is not None and not (hasattr(regularizer, "value") and hasattr(regularizer, "gradient")):
        raise invalid(None, "a regularizer: 'l1', 'l2', or an object with value(w) and gradient(w)", repr(identifier))
    return regularizer
