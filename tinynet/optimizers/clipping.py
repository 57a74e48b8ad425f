"""Gradients that are too large, cut: each entry by itself, each parameter's by its length, or all by theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tinynet.kernels import buffers
from tinynet.kernels.elementwise import elementwise, square

Gradients = Mapping[str, np.ndarray]


def by_value(grads: Gradients, largest: float) -> Gradients:
    """Return gradients whose entries are at most `largest`, of either sign: the direction changes."""
    return {name: cut(g, largest) for name, g in grads.items()}


@elementwise
def cut(g: np.ndarray, largest: float) -> np.ndarray:
    """Return the entries, or the nearest ones of that size."""
    return np.clip(g, -largest, largest)


def by_norm(grads: Gradients, largest: float) -> Gradients:
    """Return gradients, each scaled down where its own norm exceeds `largest`: the directions of single ones stay."""
    return {name: scaled(g, norm(g), largest) for name, g in grads.items()}


def by_global_norm(grads: Gradients, largest: float) -> Gradients:
    """Return gradients, all scaled by one factor where their norm, taken as one vector, exceeds `largest`.

    The direction of the step stays. Source: Pascanu et al. 2013, algorithm 1.
    """
    length = math.hypot(*(norm(g) for g in grads.values()))
    return {name: scaled(g, length, largest) for name, g in grads.items()}


def scaled(g: np.ndarray, length: float, largest: float) -> np.ndarray:
    """Return a gradient scaled as its `length` is to `largest`, if it is longer."""
    return np.multiply(g, largest / length, out=buffers.empty(g.shape, g.dtype)) if length > largest else g


def norm(g: np.ndarray) -> float:
    """Return the root of the sum of all squares."""
    return math.sqrt(square.sum(g))
