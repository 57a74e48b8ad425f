"""The engine: the idea of im2col, compiled by numba, cut into pieces that fit the cache, on all cores.

Besides the functions that every kernel set has, there are some that do the work of several steps at once, which
`tinynet.steps.fused` puts in their place.
"""

import numpy as np

from tinynet.kernels import im2col
from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import loops, sparse, tiles
from tinynet.kernels.fast.conv import conv2d, conv2d_input_gradient, conv2d_kernel_gradient  # noqa: F401
from tinynet.kernels.fast.conv_relu_pool import MOST_PLACES, conv2d_relu_max_pool2d, conv2d_relu_max_pool2d_gradient  # noqa: F401
from tinynet.kernels.fast.threads import SMALL, one_blas_thread, spread
from tinynet.kernels.naive import windows

fuses = True                   # has functions for several steps at once

TINY_PRODUCT = 8_000           # multiply-adds up to which BLAS takes one thread of its own accord
NARROW = 256                   # columns up to which tiles are faster than BLAS, which copies its matrices first
SMALL_UPDATE = 100_000         # numbers below which one thread passes over them all
PIECE_BYTES = 1 << 20          # the columns of one piece of a batch: half of a common core's L2 cache


def matmul(a, b):
    """Multiply (M, K) by (K, N): past many zeros, by tiles or by BLAS, half of the product on each core."""
    M, N, operations = a.shape[0], b.shape[1], a.size * b.shape[1]
    small = operations < SMALL
    if not small and sparse.mostly_zeros(a, b) and (y := sparse.matmul(a, b)) is not None:
        return y
    if (small or N <= NARROW) and tiles.can_multiply(a, b):
        y, multiply = empty((M, N), b.dtype), tiles.multiply if M > 1 else tiles.multiply_row
        spread(lambda start, stop: multiply(a[start:stop], b, y[start:stop]), M, M if small else -(-M // 2))
        return y
    if operations <= TINY_PRODUCT:
        return a @ b
    if small:
        with one_blas_thread:
            return a @ b
    y = empty((M, N), np.result_type(a, b))
    if M >= N:
        def work(start, stop):
            np.matmul(a[start:stop], b, out=y[start:stop])
    else:
        def work(start, stop):
            np.matmul(a, b[:, start:stop], out=y[:, start:stop])
    with one_blas_thread:
        spread(work, max(M, N), -(-max(M, N) // 2))
    return y


def max_pool2d(x, pool_size, strides):
    """Compare row by row, without a branch, so that the compiler can do several windows at once."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *windows(x.shape[2:], pool_size, strides)), x.dtype)
    argmax = np.empty(y.shape, np.int32)
    spread(lambda start, stop: loops.max_pool(x[start:stop], y[start:stop], argmax[start:stop], pool_size, strides),
           len(x), piece(x, x[:1].size))
    return y, argmax


def max_pool2d_gradient(dy, argmax, input_size, pool_size, strides):
    """Send each upstream gradient to the pixel that won."""
    dy = np.ascontiguousarray(dy)
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    spread(lambda start, stop: loops.max_unpool(dy[start:stop], argmax[start:stop], dx[start:stop], pool_size, strides),
           len(dx), piece(dx, dx[:1].size))
    return dx


def sum_pool2d(x, pool_size, strides):
    """Add up each window."""
    x = np.ascontiguousarray(x)
    y = np.zeros((*x.shape[:2], *windows(x.shape[2:], pool_size, strides)), x.dtype)
    spread(lambda start, stop: loops.sum_pool(x[start:stop], y[start:stop], pool_size, strides),
           len(x), piece(x, x[:1].size))
    return y


def sum_pool2d_gradient(dy, input_size, pool_size, strides):
    """Send each upstream gradient to every pixel of its window."""
    dy = np.ascontiguousarray(dy)
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    spread(lambda start, stop: loops.sum_unpool(dy[start:stop], dx[start:stop], pool_size, strides),
           len(dx), piece(dx, dx[:1].size))
    return dx


def adam(p, g, m, v, rate, beta_1, beta_2, epsilon):
    """Update p, m and v in one pass over memory instead of NumPy's eleven."""
    if not all(array.flags.c_contiguous for array in (p, m, v)):        # laid out by somebody else: cannot be flat
        im2col.adam(p, g, m, v, rate, beta_1, beta_2, epsilon)
        return
    p, g, m, v = (np.ascontiguousarray(array, p.dtype).reshape(-1) for array in (p, g, m, v))
    spread(lambda start, stop: loops.adam(p[start:stop], g[start:stop], m[start:stop], v[start:stop],
                                          rate, beta_1, beta_2, epsilon), p.size, half(p.size))


def keep(x, key, threshold, scale):
    """Multiply in one pass by the scale or by 0, as `splitmix.random_bits` say."""
    x, scale = np.ascontiguousarray(x), x.dtype.type(scale)
    y = empty(x.shape, x.dtype)
    flat = x.reshape(-1), y.reshape(-1)
    spread(lambda start, stop: loops.keep(flat[0][start:stop], key, start, threshold, scale, flat[1][start:stop]),
           x.size, -(-half(x.size) // 4) * 4)                           # four numbers to a random word
    return y


def dense_relu(x, kernel, bias):
    """Multiply (N, I) by (I, U), add the bias and cut off below 0 in one pass."""
    y = matmul(x, kernel)
    loops.bias_relu(y, bias)
    return y


def relu_gradient(dy, y):
    """Let the upstream gradient through where y is above 0."""
    dy, y = np.ascontiguousarray(dy), np.ascontiguousarray(y)
    dz = empty(y.shape, y.dtype)
    loops.relu_gradient(dy.reshape(-1), y.reshape(-1), dz.reshape(-1))
    return dz


def half(numbers):
    """Say how many numbers to take at a time: half of them, or all if waking a second thread costs more."""
    return max(SMALL_UPDATE, -(-numbers // 2))


def piece(x, numbers):
    """Say how many samples to take at a time, where one needs `numbers` numbers of room like those of `x`."""
    return max(1, min(-(-len(x) // 4), PIECE_BYTES // max(1, numbers * x.itemsize)))
