"""Fast products: one tile of the result at a time, its sums held in the vector registers, and loops around the tile.

Multiplication is fast where the numbers are in registers. So a few rows of the result, each one or two vectors wide,
stay there while all their products are added up: each vector of ``b`` that is loaded serves all rows, each number of
``a`` a whole vector. ``a`` may be any strided view, so the windows of an image are multiplied without being copied.

A product of matrices and the three convolutions are the same loops around such tiles; only their lengths, and by how
much each loop moves on in memory, differ. These numbers are computed here, in Python; the loops are compiled once for
each dtype (`tinynet.kernels.fast.llvm`).
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np

from tinynet.kernels.fast.llvm.functions import (
    MAX_LOOPS,
    MAX_ROWS,
    MAX_VECTORS,
    SIZES,
    VECTOR_BYTES,
    copy,
    entries,
    multiply,
    pool,
    unpool,
)

__all__ = ["MAX_ROWS", "SIZES", "copy", "entries", "multiply", "pool", "unpool"]                 # for others
COUNTED = -1                                                 # the length of a loop that is told when it runs


class Loop(NamedTuple):
    """A loop around a tile: its length, and by how much each round moves on.

    In `a`, `b`, `start` and `c` by so many bytes; in what is cut into tiles by so many rows `m`, vectors `v`, and
    numbers `k` of the sum.
    """

    length: int
    a: int = 0
    b: int = 0
    start: int = 0
    c: int = 0
    m: int = 0
    v: int = 0
    k: int = 0


class Tile(NamedTuple):
    """What lies inside the loops: c (M, N) = start (M, N) plus the sum over o and k of a[m, o, k] * b[o, k].

    a is (M, O, K), b (O, K, N), N being V vectors; rows of b, start and c are contiguous. The loops cut M into tiles of
    `rows`, V of `vectors`, and K of `depth`.
    """

    rows: int
    M: int
    V: int
    O: int                                                   # noqa: E741
    K: int
    a: tuple[int, int, int]                                  # strides of m, o, k, in bytes
    b: tuple[int, int]                                       # of o, k
    start: int                                               # of m
    c: int                                                   # of m
    vectors: int = MAX_VECTORS
    depth: int = 1 << 62


def tile_loops(tile: Tile, *loops: Loop) -> np.ndarray:
    """Return the numbers of loops, the outermost first, and of the tile inside them, as `multiply` takes them.

    In all rounds of the innermost loop but the first, c stands for start: it may be a loop over parts of a sum.
    """
    around = chain(*[Loop(1)] * (MAX_LOOPS - len(loops)), *loops)
    return np.array([*around, *tile[:5], *tile.a, *tile.b, *tile[7:]], np.int64)


def cut(n: int, size: int) -> int:
    """Return how many pieces of a size n is cut into, the last one perhaps smaller."""
    return -(-n // max(1, size))


def balanced(n: int, most: int) -> int:
    """Return how many of n to take at a time, at most so many, such that pieces are few and about equal."""
    return cut(n, cut(n, most))


def balanced_rows(n: int) -> int:
    """Return how many of n rows to take to a tile."""
    return balanced(n, MAX_ROWS)


def tile_width(itemsize: int) -> int:
    """Return how many numbers wide the widest tile is."""
    return MAX_VECTORS * VECTOR_BYTES // itemsize


def round_up_to_vector(n: int, itemsize: int) -> int:
    """Return the least number of numbers, n or more, that fills whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return -(-n // lanes) * lanes


def suits_tiles(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether tiles can multiply a (M, K) by b (K, N): the rows of `b` must be whole vectors."""
    return b.shape[1] * b.itemsize % VECTOR_BYTES == 0 and suits_compiled_loops(a, b)


def multiplies(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether tiles can multiply a (M, K) by b (K, N), laid out for them."""
    dtype = b.dtype
    return a.dtype == dtype and dtype.char in "fd" and dtype.isnative and a.flags.aligned and b.flags.aligned


def suits_compiled_loops(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether a and b have one dtype, float32 or float64, and are aligned, and the rows of `b` contiguous."""
    dtype, flags = b.dtype, b.flags
    return (a.dtype == dtype and dtype.char in "fd" and dtype.isnative and flags.c_contiguous and flags.aligned
            and a.flags.aligned)
