"""Running means, updated in place: of gradients, of their squares, and of the weights themselves."""

from __future__ import annotations

import numpy as np

from tinynet.kernels.elementwise import elementwise


def moved(mean: np.ndarray, value: np.ndarray, share: float) -> np.ndarray:
    """Return a mean, moved towards a value by a share of what they differ: where they are near, no digit is lost."""
    return mean + share * (value - mean)


in_one_pass = elementwise(moved)                 # by itself: `moved` stays plain for the formulas that it is part of


def move(mean: np.ndarray, value: np.ndarray, momentum: float) -> None:
    """Set ``mean = momentum * mean + (1 - momentum) * value``, in place.

    >>> mean = np.array([1.0])
    >>> move(mean, np.array([2.0]), momentum=0.75)
    >>> mean
    array([1.25])
    """
    in_one_pass(mean, value, 1 - momentum, out=mean)
