"""How precisely a forward computes, measured from its values: it may cast to float32 inside and say nothing of it.

A smooth function on evenly spaced points so close together that it is a straight line between them has differences
of the fourth order that are 0. What is left of them is the computational noise of the function: rounding, of its
result or of anything inside. Points that are too close see none of it, where float32 numbers do not move at all; so
the distance grows until the noise does no longer.

Sources: Hamming 1962, "Numerical Methods for Scientists and Engineers", chapter 1 (the difference table); Moré & Wild
2011, "Estimating computational noise" (its scaling, and the rule for the distance).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

DISTANCES = [2.0 ** -k for k in (49, 44, 36, 28, 24, 20, 16, 12, 9, 6)]    # relative
POINTS = 9
ORDER = 4
SCALING = 70.0        # the variance of fourth differences of independent numbers, in units of theirs: 8! / 4!^2
GROWTH = 1.5          # noise that grows by less than this from one distance to the next, in size and in the number of
                      # outputs that show it, has been seen in full


def computational_noise(f: Callable[[float], np.ndarray]) -> np.ndarray:
    """Measure the standard deviation of the rounding errors of each output (M,).

    Parameters
    ----------
    f : returns all outputs (M,) at a distance t > 0 along a line; t is relative to the size of what is moved. It is
        not asked for t <= 0, so that a kink at 0 is not taken for noise.

    >>> exact = lambda t: np.array([np.tanh(1 + t)])
    >>> rounded = lambda t: np.tanh(np.array([1 + t], np.float32)).astype(np.float64)
    >>> bool(computational_noise(exact)[0] < 1e-15), bool(1e-9 < computational_noise(rounded)[0] < 1e-7)
    (True, True)
    """
    noise = _fourth_differences(f, DISTANCES[0])
    for distance in DISTANCES[1:]:
        further = _fourth_differences(f, distance)
        seen = np.count_nonzero(noise)
        if (seen and np.count_nonzero(further) <= GROWTH * seen
                and np.linalg.norm(further) <= GROWTH * np.linalg.norm(noise)):
            return np.maximum(noise, further)
        noise = further
    return noise


def _fourth_differences(f: Callable[[float], np.ndarray], distance: float) -> np.ndarray:
    """Return the scaled root mean square of the fourth differences of each output (M,); 0 where it is not finite."""
    with np.errstate(all="ignore"):
        values = np.array([f((1 + k) * distance) for k in range(POINTS)])           # (POINTS, M)
        noise = np.sqrt(np.mean(np.diff(values, ORDER, axis=0) ** 2, axis=0) / SCALING)
    return np.where(np.isfinite(noise), noise, 0.0)
