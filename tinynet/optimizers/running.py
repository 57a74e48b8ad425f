"""Running means, updated in place: of gradients, of their squares, and of the weights themselves."""

from __future__ import annotations

import numpy as np

from tinynet.kernels import buffers


def move(mean: np.ndarray, value: np.ndarray, momentum: float) -> None:
    """Set ``mean = momentum * mean + (1 - momentum) * value``, in place.

    >>> mean = np.array([1.0])
    >>> move(mean, np.array([2.0]), momentum=0.75)
    >>> mean
    array([1.25])
    """
    change = np.subtract(value, mean, out=buffers.empty(mean.shape, mean.dtype))
    change *= 1 - momentum                       # of the difference: where the two are near, no digit is lost
    mean += change
