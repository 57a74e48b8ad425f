"""The inner loops of the fast kernels, compiled by numba when first called, and kept compiled on disk.

Each works through the samples it is given and writes into arrays it is handed. A loop that is to be turned into
vector instructions runs over whole rows of arrays, and chooses between values instead of branching.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import config as numba_config
from numba import njit

from tinynet.kernels.splitmix import FACTORS, GAMMA, SHIFTS

config: Any = numba_config
KERNELS = Path(__file__).resolve().parents[1]
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(KERNELS.rglob("*.py")))).hexdigest()


def compiled(function: Any, inline: Any = "never") -> Any:
    """Compile a function with numba when it is first called, and keep it on disk as long as no kernel changes.

    numba compiles the functions that are called into the one that calls them, but looks at the file of that one alone
    to see whether what it kept is old. So what is kept is stamped with all files of `tinynet.kernels`.
    """
    # nogil: the threads of `spread` really run side by side. No fastmath: NaN and infinity mean what they mean.
    made = njit(nogil=True, cache=True, error_model="numpy", inline=inline)(function)
    if hasattr(made, "_cache"):                             # not where numba is told not to compile
        made._cache._cache_file._source_stamp = SOURCES
    return made


def inlined(function: Any) -> Any:
    """Compile a function as a part of those that call it, not by itself too: a first start is 1.3 s of 13 shorter."""
    return compiled(function, inline="always")


@compiled
def max_pool(x, y, argmax, pool_size, strides):
    """Fill y and argmax (n, C, P, Q) with each window's largest number and its place; the first wins a tie."""
    N, C, P, Q = y.shape
    for n, c, p in np.ndindex((N, C, P)):
        best, winner = y[n, c, p], argmax[n, c, p]
        for i in range(pool_size[0]):
            row = x[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                place = i * pool_size[1] + j
                for q in range(Q):
                    value, so_far = row[q * strides[1] + j], best[q]
                    # the second case is a NaN, which compares as not larger and must not be lost
                    better = (place == 0) | (value > so_far) | ((value != value) & (so_far == so_far))
                    best[q] = value if better else so_far
                    winner[q] = place if better else winner[q]


@compiled
def max_unpool(dy, argmax, dx, pool_size, strides):
    """Add dy (n, C, P, Q) onto the winners in dx (n, C, H, W)."""
    N, C, P, Q = dy.shape
    for n, c, p, q in np.ndindex((N, C, P, Q)):
        place = argmax[n, c, p, q]
        i = place // pool_size[1]
        dx[n, c, p * strides[0] + i, q * strides[1] + place - i * pool_size[1]] += dy[n, c, p, q]


@compiled
def sum_pool(x, y, pool_size, strides):
    """Add each window of x (n, C, H, W) into y (n, C, P, Q)."""
    N, C, P, Q = y.shape
    for n, c, p in np.ndindex((N, C, P)):
        total = y[n, c, p]
        for i in range(pool_size[0]):
            row = x[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    total[q] += row[q * strides[1] + j]


@compiled
def sum_unpool(dy, dx, pool_size, strides):
    """Add dy (n, C, P, Q) onto every pixel of its window in dx (n, C, H, W)."""
    N, C, P, Q = dy.shape
    for n, c, p in np.ndindex((N, C, P)):
        for i in range(pool_size[0]):
            row = dx[n, c, p * strides[0] + i]
            for j in range(pool_size[1]):
                for q in range(Q):
                    row[q * strides[1] + j] += dy[n, c, p, q]


@compiled
def channels_last(x, y):
    """Copy x (C, H, W) to y (H, W, C); channels that y has more stay as they are."""
    for c in range(x.shape[0]):
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                y[h, w, c] = x[c, h, w]


@compiled
def channels_first(x, y):
    """Copy x (H, W, C) to y (C, H, W); channels that x has more are left out."""
    for c in range(y.shape[0]):
        for h in range(y.shape[1]):
            for w in range(y.shape[2]):
                y[c, h, w] = x[h, w, c]


@compiled
def keep(x, key, start, threshold, scale, y):
    """Fill y with x * scale where the random bits from `start` on reach the threshold, and with x * 0 elsewhere."""
    words = np.empty(256, np.uint64)                                      # that stay in the nearest cache
    bits = words.view(np.uint16)
    for begin in range(0, x.size, bits.size):
        random_words(key, (start + begin) // 4, words)
        some, kept = x[begin:begin + bits.size], y[begin:begin + bits.size]
        for k in range(some.size):
            kept[k] = some[k] * (scale if bits[k] >= threshold else x.dtype.type(0))


@compiled
def random_words(key, start, words):
    """Fill words with those of SplitMix64 from number `start` on: see `splitmix.random_bits`."""
    for i in range(words.size):
        z = key + GAMMA * np.uint64(start + i + 1)
        z = (z ^ (z >> SHIFTS[0])) * FACTORS[0]
        z = (z ^ (z >> SHIFTS[1])) * FACTORS[1]
        words[i] = z ^ (z >> SHIFTS[2])


@compiled
def bias_relu(y, bias):
    """Add the bias (U,) to y (N, U) and cut off below 0, in place."""
    for n in range(y.shape[0]):
        row = y[n]
        for u in range(row.size):
            value = row[u] + bias[u]
            row[u] = y.dtype.type(0) if value <= 0 else value                 # a NaN stays


@compiled
def relu_gradient(dy, y, dz):
    """Fill dz with dy where y, the output of a ReLU, is above 0, and with 0 elsewhere."""
    for k in range(y.size):
        dz[k] = dy[k] if y[k] > 0 else y.dtype.type(0)


@compiled
def adam(p, g, m, v, rate, beta_1, beta_2, epsilon):
    """Update p, m and v, flat, in one pass over memory."""
    keep, keep_square, eps = p.dtype.type(1 - beta_1), p.dtype.type(1 - beta_2), p.dtype.type(epsilon)
    step = p.dtype.type(rate)
    for k in range(p.size):
        m[k] += keep * (g[k] - m[k])
        v[k] += keep_square * (g[k] * g[k] - v[k])
        p[k] -= step * m[k] / (np.sqrt(v[k]) + eps)
