"""SplitMix64, a counter-based generator: any of its random numbers can be computed without those before it.

NumPy's generators compute each number from the one before: in order, by one thread, stored for as long as they are
needed. Here word i is a hash of ``key + (i + 1) * GAMMA``: each thread computes the words of its own chunk, and
computes them again for the gradient.

Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA; the constants are those of
Vigna's splitmix64.c.
"""

import math

import numpy as np

from tinynet.kernels.part import place

GAMMA = np.uint64(0x9E3779B97F4A7C15)                               # 2^64 divided by the golden ratio, made odd
NUMBERS_PER_WORD = 4                                                # of 16 bits
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def random_bits(key: np.uint64, *shape: int) -> np.ndarray:
    """Return 16 random bits for each number of a shape (uint16), four to a word; the same for the same key.

    Those of a sample depend on its place in the batch, and on no other sample.

    >>> random_bits(np.uint64(1234567), 4).view(np.uint64)
    array([6457827717110365317], dtype=uint64)
    """
    n, first = math.prod(shape), place(shape[0]) * math.prod(shape[1:])
    skipped = first % NUMBERS_PER_WORD
    return words(key, -(-(skipped + n) // NUMBERS_PER_WORD), first // NUMBERS_PER_WORD).view(np.uint16)[
        skipped:skipped + n].reshape(shape)


def uniform(key: np.uint64, shape: tuple[int, ...]) -> np.ndarray:
    """Return float64 numbers from 0 to below 1: those of a sample depend on its place in the batch, and on no other.

    >>> uniform(np.uint64(1234567), (2, 3)).round(3).tolist()
    [[0.35, 0.174, 0.532], [0.249, 0.89, 0.423]]
    """
    first = place(shape[0]) * math.prod(shape[1:])
    return (words(key, math.prod(shape), first) >> np.uint64(11)).reshape(shape) * 2.0 ** -53


def words(key: np.uint64, n: int, first: int = 0) -> np.ndarray:
    """Return n random words of 64 bits, from word `first` on."""
    z = key + GAMMA * np.arange(first + 1, first + n + 1, dtype=np.uint64)
    z = (z ^ (z >> SHIFTS[0])) * FACTORS[0]
    z = (z ^ (z >> SHIFTS[1])) * FACTORS[1]
    return z ^ (z >> SHIFTS[2])
