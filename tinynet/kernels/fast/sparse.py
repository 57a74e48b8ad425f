"""Products of a matrix that is mostly zeros, such as the pixels of digits: only the nonzeros are multiplied.

Four of five pixels of a batch of MNIST are 0, and so are four of five products with them. Skipping them leaves a fifth
of the work, at a third of BLAS's rate or less: the rows of the right side that are needed are anywhere, so they come
from L3, not from registers. `docs/performance.md` has the gain.
"""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled, unmarked
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import clear, part
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.fast.tiles import suits_compiled_loops

SAMPLED_ROWS = 8               # whose nonzeros are counted to estimate the density
NUM_CHUNKS = 8                 # of the left side: more than threads, as its rows differ in their nonzeros


def mostly_zeros(a: np.ndarray, b: np.ndarray, most: float) -> bool:
    """Return whether `matmul` takes a and b, and a share of `most` of a is not 0, judged by a few rows, as they lie."""
    if not suits_compiled_loops(a, b):
        return False
    rows = a if a.flags.c_contiguous else a.T
    sample = rows[::-(-len(rows) // SAMPLED_ROWS)]
    return int(np.count_nonzero(sample != 0)) <= most * sample.size       # of booleans: it is slow with numbers


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return a (M, K) times b (K, N), or None where `b` has a NaN or an infinity: 0 times that is not 0.

    Each chunk of `a` also checks its share of the rows of `b`, so that the check is parallel too.
    """
    M, N = len(a), b.shape[1]
    y, infinite = empty((M, N), b.dtype), np.zeros(1, bool)
    lying, strides = (a.T, (1, M)) if a.flags.f_contiguous else (np.ascontiguousarray(a), (len(b), 1))
    for_chunks(multiply_and_check, M, -(-M // NUM_CHUNKS), unmarked(lying.reshape(-1)), *strides, unmarked(b), y,
               infinite)
    return None if infinite[0] else y


@compiled
def all_finite(x: np.ndarray) -> bool:
    """Return whether x (m, n) is free of NaN and infinity; without stopping at the first, to be vectorised."""
    finite = True
    for m in range(x.shape[0]):
        for n in range(x.shape[1]):
            finite &= np.isfinite(x[m, n])
    return finite


@chunked
def multiply_and_check(start: int, stop: int, a: np.ndarray, of_row: int, of_column: int, b: np.ndarray, y: np.ndarray,
                       infinite: np.ndarray) -> None:
    """Fill some rows of y (M, N); note in infinite (1,) whether a share of b (K, N) has a NaN or an infinity.

    The left side's numbers are in a (M * K,) as they lie in memory, so far from one row, and column, to the next.
    """
    M, K = len(y), len(b)
    multiply(part(a, start * of_row, a.size), of_row, of_column, b, y[start:stop])
    if not all_finite(b[start * K // M:stop * K // M]):
        infinite[0] = True


@compiled
def multiply(a: np.ndarray, of_row: int, of_column: int, b: np.ndarray, y: np.ndarray) -> None:
    """Fill y (M, N) with the nonzeros of the left side times their rows of b (K, N), four at a time."""
    (M, _), K = y.shape, len(b)
    nonzeros = np.empty(K + 1, np.int64)                            # where they are in a row, counted in its columns
    for m in range(M):
        row, count = part(a, m * of_row, a.size), 0
        for k in range(K):                                          # no branch: the next column overwrites a zero's
            nonzeros[count] = k
            count += row[k * of_column] != 0
        clear(y, m)
        for i in range(0, count - 3, 4):
            k0, k1, k2, k3 = nonzeros[i:i + 4]
            add_four_rows(y[m], row[k0 * of_column], b[k0], row[k1 * of_column], b[k1], row[k2 * of_column], b[k2],
                          row[k3 * of_column], b[k3])
        for k in nonzeros[count - count % 4:count]:
            add_row(y[m], row[k * of_column], b[k])


@compiled
def add_four_rows(y: np.ndarray, x0: float, b0: np.ndarray, x1: float, b1: np.ndarray,
                  x2: float, b2: np.ndarray, x3: float, b3: np.ndarray) -> None:
    """Add four rows (N,), each times its number, to y (N,): y is loaded and stored once for four products."""
    for n in range(y.size):
        y[n] += x0 * b0[n] + x1 * b1[n] + x2 * b2[n] + x3 * b3[n]


@compiled
def add_row(y: np.ndarray, x: float, b: np.ndarray) -> None:
    """Add a row (N,) times a number to y (N,)."""
    for n in range(y.size):
        y[n] += x * b[n]
