"""A product whose left side is mostly zeros, such as the pixels of digits: only the others are multiplied.

Four of five pixels of a batch of MNIST are 0, and so are four of five products with them. Passing them over leaves a
fifth of the work, at little more than a third of the rate: what is wanted lies anywhere, so the rows of the right side
come from a far cache, not from registers. `docs/performance.md` has what it gains.
"""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.loops import compiled
from tinynet.kernels.fast.threads import spread
from tinynet.kernels.fast.tiles import in_rows

MOST = 1 / 4                   # share of other numbers than 0 up to which this is the faster way
LOOKED_AT = 8                  # rows that are looked at to tell
PIECES = 8                     # of the left side: rows differ in their zeros, so more than there are threads


def mostly_zeros(a, b):
    """Tell from a few rows of `a`, as they lie in memory, whether `matmul` is faster here than BLAS."""
    if not in_rows(a, b):
        return False
    rows = a if a.flags.c_contiguous else a.T
    some = np.ascontiguousarray(rows[::-(-len(rows) // LOOKED_AT)])
    return count_others(some.reshape(-1)) <= MOST * some.size


def matmul(a, b):
    """Return a (M, K) times b (K, N), or None where `b` has a NaN or an infinity: 0 times that is not 0."""
    M, K = a.shape
    y, finite = empty((M, b.shape[1]), b.dtype), []

    def work(start, stop):
        multiply(np.ascontiguousarray(a[start:stop]), b, y[start:stop])
        finite.append(all_finite(b[start * K // M:stop * K // M]))
    spread(work, M, -(-M // PIECES))
    return y if all(finite) else None


@compiled
def count_others(x):
    """Count the numbers of x (n,) that are not 0."""
    count = 0
    for k in range(x.size):
        count += x[k] != 0
    return count


@compiled
def all_finite(x):
    """Tell whether x (m, n) is free of NaN and infinity."""
    finite = True
    for m in range(x.shape[0]):
        for n in range(x.shape[1]):
            finite &= np.isfinite(x[m, n])
    return finite


@compiled
def multiply(a, b, y):
    """Fill y (M, N) with what the numbers of a (M, K) that are not 0 make of their rows of b (K, N), four at a time."""
    M, K = a.shape
    others = np.empty(K + 1, np.int64)
    for m in range(M):
        count = 0
        for k in range(K):                                          # without a branch: the next one overwrites a 0
            others[count] = k
            count += a[m, k] != 0
        y[m, :] = 0
        for i in range(0, count - 3, 4):
            k0, k1, k2, k3 = others[i:i + 4]
            add_four(y[m], a[m, k0], b[k0], a[m, k1], b[k1], a[m, k2], b[k2], a[m, k3], b[k3])
        for k in others[count - count % 4:count]:
            add_one(y[m], a[m, k], b[k])


@compiled
def add_four(y, x0, b0, x1, b1, x2, b2, x3, b3):
    """Add four rows (N,), each times its number, to y (N,): y is loaded and stored once for four products."""
    for n in range(y.size):
        y[n] += x0 * b0[n] + x1 * b1[n] + x2 * b2[n] + x3 * b3[n]


@compiled
def add_one(y, x, b):
    """Add a row (N,) times a number to y (N,)."""
    for n in range(y.size):
        y[n] += x * b[n]
