"""How precisely a forward computes, measured from its values: it may cast to float32 inside and say nothing of it. And
how precisely its backward does, where nothing but rounding is left of a gradient.

A smooth function on evenly spaced points so close together that it is a straight line between them has differences
of the fourth order that are 0. What is left of them is the computational noise of the function: rounding, of its
result or of anything inside. Points that are too close see little of it: float32 numbers do not move there at all, or
one of many makes a single step, of the size of its rounding unit. Points too far apart see the bends of the function
instead. So the distance grows, until most of the outputs that move at all do so from point to point and their noise
grows no longer. Bends are told from noise: their differences grow with the fourth power of the distance, and
neighbouring ones have the same sign, where those of noise alternate.

Sources: Hamming 1962, "Numerical Methods for Scientists and Engineers", chapter 1 (the difference table); Moré & Wild
2011, "Estimating computational noise" (its scaling, and the rules for the distance).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.testing.gradcheck.targets import Target

DISTANCES = [2.0 ** -k for k in (49, 46, 43, 36, 23, 21, 16, 11, 9, 6)]   # relative: where float64, 32 and 16 step
POINTS = 9
ORDER = 4
SCALING = 70.0        # the variance of fourth differences of independent numbers, in units of theirs: 8! / 4!^2
GROWTH = 1.5          # noise that grows by less than this from one distance to the next has been seen in full
BENDS = 16.0          # more than the square root of the distances' ratio: no noise grows so fast, where they are near
OFTEN = 4             # an output that moves between so many of the points moves by more than single steps
UNIFORM = 12 ** -0.5  # the standard deviation of a rounding error, in rounding units
MOST = 2 / 3          # of the outputs that move
MOVES, MOVE = 6, 2.0 ** -34            # gradients whose rounding errors are compared, and by how much numbers differ


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
    noise = np.zeros(0)
    for distance in DISTANCES:
        with np.errstate(all="ignore"):
            some = {k: f(k * distance) for k in (1, 5, POINTS)}
            if distance > DISTANCES[-1] and np.array_equal(some[1], some[5]) and np.array_equal(some[1], some[POINTS]):
                continue                                               # nothing moves: float32 does not yet
            values = np.array([some[k] if k in some else f(k * distance) for k in range(1, POINTS + 1)])  # (POINTS, M)
            fourth = np.diff(values, ORDER, axis=0)
            size = np.sqrt(np.mean(fourth ** 2, axis=0) / SCALING)
            bends = (fourth[1:] * fourth[:-1]).sum(axis=0) > 0
            steps = np.abs(np.diff(values, axis=0))
            unit = np.min(steps, axis=0, where=steps > 0, initial=np.inf)
        if not noise.size:
            noise, full, often = np.zeros_like(size), np.zeros(size.shape, bool), np.zeros(size.shape, bool)
        finite = np.isfinite(size)
        moves = np.count_nonzero(steps, axis=0)
        now = finite & (moves >= OFTEN) & ~full
        size = np.where(noise > 0, size, np.minimum(size, BENDS * unit))
        bent = now & (bends | (size > BENDS * noise)) & (noise > 0)
        full |= bent | (now & often & (size <= GROWTH * noise))
        noise = np.where(now & ~bent, np.maximum(noise, size), noise)
        noise = np.where(finite & (moves > 0) & (moves < OFTEN) & ~full, np.maximum(noise, UNIFORM * unit), noise)
        often |= now
        if noise.any() and np.count_nonzero(full) >= MOST * np.count_nonzero(noise):
            break
    return noise


def rounding_of_gradient(target: Target, name: str, gradient: np.ndarray) -> np.ndarray:
    """Measure the standard deviation of the rounding errors of each entry of a tensor's gradient, (size,).

    They are others when all numbers are larger by less than a billionth, and little else is: equal ones stay equal, and
    zeros zero. The bias before a batch normalisation has no slope at all, and its gradient is nothing but such errors,
    of sums over the whole batch.
    """
    moved = [gradient_of_all_times(1 + k * MOVE, target, name) for k in range(1, 1 + MOVES)]
    return np.nan_to_num(np.std([gradient, *(g for g in moved if g is not None and g.shape == gradient.shape)], axis=0))


def gradient_of_all_times(factor: float, target: Target, name: str) -> np.ndarray | None:
    """Return a gradient, flat, where all numbers are so many times as large; None where forward refuses them."""
    tensors, dy = target.tensors.values(), target.dy
    before = [tensor.copy() for tensor in tensors]
    try:
        for tensor in tensors:
            tensor *= factor
        return np.asarray(target.gradients(None if dy is None else factor * dy)[name], np.float64).ravel()
    except Exception:                                          # they are outside the function's domain
        return None
    finally:
        for tensor, numbers in zip(tensors, before, strict=True):
            tensor[...] = numbers
