"""The engine: the idea of im2col, compiled by numba, cut into pieces that fit the cache, on all cores."""

import numpy as np
from numba import njit

from tinynet.kernels.naive import windows
from tinynet.kernels.threads import spread

# nogil: the threads of `spread` really run side by side. No fastmath: NaN and infinity mean what they mean.
compiled = njit(nogil=True, cache=True, error_model="numpy")

SMALL_PRODUCT = 2_000_000      # multiply-adds below which waking a second thread costs more than it saves
PIECE_BYTES = 1 << 20          # the columns of one piece of a batch: half of a common core's L2 cache


def matmul(a, b):
    """Multiply (M, K) by (K, N), half of the rows on each core."""
    M, N = a.shape[0], b.shape[1]
    if M * a.shape[1] * N < SMALL_PRODUCT:
        return a @ b
    y = np.empty((M, N), np.result_type(a, b))
    spread(lambda start, stop: np.matmul(a[start:stop], b, out=y[start:stop]), M, -(-M // 2))
    return y


def conv2d(x, kernel, strides, dilation):
    """Columns of a few samples at a time, multiplied while they are in the cache."""
    dtype = np.result_type(x, kernel)
    x, (F, C, kh, kw) = np.ascontiguousarray(x, dtype), kernel.shape
    P, Q = windows(x.shape[2:], (kh, kw), strides, dilation)
    kernel = np.ascontiguousarray(kernel, dtype).reshape(F, C * kh * kw)
    y = np.empty((len(x), F, P, Q), dtype)

    def work(start, stop):
        columns = np.empty((stop - start, C, kh, kw, P, Q), dtype)
        im2col(x[start:stop], columns, strides, dilation)
        np.matmul(kernel, as_matrices(columns), out=y[start:stop].reshape(stop - start, F, P * Q))
    spread(work, len(x), piece(x, C * kh * kw * P * Q))
    return y


def conv2d_kernel_gradient(x, dy, kernel_size, strides, dilation):
    """Sum dy @ columns.T over each piece of the batch, then over the pieces, always in the same order."""
    dtype = np.result_type(x, dy)
    x, (N, F, P, Q), (kh, kw) = np.ascontiguousarray(x, dtype), dy.shape, kernel_size
    C = x.shape[1]
    dy = np.ascontiguousarray(dy, dtype).reshape(N, F, P * Q)
    samples = piece(x, C * kh * kw * P * Q)
    partial = np.zeros((-(-N // samples), F, C * kh * kw), dtype)

    def work(start, stop):
        columns = np.empty((stop - start, C, kh, kw, P, Q), dtype)
        im2col(x[start:stop], columns, strides, dilation)
        np.matmul(dy[start:stop], as_matrices(columns).swapaxes(1, 2)).sum(axis=0, out=partial[start // samples])
    spread(work, N, samples)
    return partial.sum(axis=0).reshape(F, C, kh, kw)


def conv2d_input_gradient(dy, kernel, input_size, strides, dilation):
    """Columns of gradients, kernel.T @ dy, added back onto the image while they are in the cache."""
    dtype = np.result_type(dy, kernel)
    (N, F, P, Q), (_, C, kh, kw) = dy.shape, kernel.shape
    dy = np.ascontiguousarray(dy, dtype).reshape(N, F, P * Q)
    kernel = kernel.astype(dtype, copy=False).reshape(F, C * kh * kw)
    dx = np.zeros((N, C, *input_size), dtype)

    def work(start, stop):
        dcolumns = np.matmul(kernel.T, dy[start:stop]).reshape(stop - start, C, kh, kw, P, Q)
        col2im(dcolumns, dx[start:stop], strides, dilation)
    spread(work, N, piece(dx, C * kh * kw * P * Q))
    return dx


def max_pool2d(x, pool_size, strides):
    """Compare row by row, without a branch, so that the compiler can do several windows at once."""
    x = np.ascontiguousarray(x)
    y = np.empty((*x.shape[:2], *windows(x.shape[2:], pool_size, strides)), x.dtype)
    argmax = np.empty(y.shape, np.int32)
    spread(lambda start, stop: max_pool(x[start:stop], y[start:stop], argmax[start:stop], pool_size, strides),
           len(x), piece(x, x[:1].size))
    return y, argmax


def max_pool2d_gradient(dy, argmax, input_size, pool_size, strides):
    """Send each upstream gradient to the pixel that won."""
    dy = np.ascontiguousarray(dy)
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    spread(lambda start, stop: max_unpool(dy[start:stop], argmax[start:stop], dx[start:stop], pool_size, strides),
           len(dx), piece(dx, dx[:1].size))
    return dx


def sum_pool2d(x, pool_size, strides):
    """Add up each window."""
    x = np.ascontiguousarray(x)
    y = np.zeros((*x.shape[:2], *windows(x.shape[2:], pool_size, strides)), x.dtype)
    spread(lambda start, stop: sum_pool(x[start:stop], y[start:stop], pool_size, strides),
           len(x), piece(x, x[:1].size))
    return y


def sum_pool2d_gradient(dy, input_size, pool_size, strides):
    """Send each upstream gradient to every pixel of its window."""
    dy = np.ascontiguousarray(dy)
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    spread(lambda start, stop: sum_unpool(dy[start:stop], dx[start:stop], pool_size, strides),
           len(dx), piece(dx, dx[:1].size))
    return dx


def piece(x, numbers):
    """Say how many samples to take at a time, where one needs `numbers` numbers of room like those of `x`."""
    return max(1, min(-(-len(x) // 4), PIECE_BYTES // max(1, numbers * x.itemsize)))


def as_matrices(columns):
    """See columns (n, C, kh, kw, P, Q) as n matrices (C*kh*kw, P*Q)."""
    n, C, kh, kw, P, Q = columns.shape
    return columns.reshape(n, C * kh * kw, P * Q)


# What follows is compiled: each function works through the samples it is given, and writes to its second array.

@compiled
def im2col(x, columns, strides, dilation):
    """Copy the windows of x (n, C, H, W) into columns (n, C, kh, kw, P, Q)."""
    N, C, kh, kw, P, Q = columns.shape
    for n, c, i, j in np.ndindex((N, C, kh, kw)):
        for p in range(P):
            row, left = p * strides[0] + i * dilation[0], j * dilation[1]
            if strides[1] == 1:
                columns[n, c, i, j, p, :] = x[n, c, row, left:left + Q]
            else:
                for q in range(Q):
                    columns[n, c, i, j, p, q] = x[n, c, row, q * strides[1] + left]


@compiled
def col2im(columns, x, strides, dilation):
    """Add columns (n, C, kh, kw, P, Q) back onto the pixels of x (n, C, H, W)."""
    N, C, kh, kw, P, Q = columns.shape
    for n, c, i, j in np.ndindex((N, C, kh, kw)):
        for p in range(P):
            row, left = p * strides[0] + i * dilation[0], j * dilation[1]
            if strides[1] == 1:
                x[n, c, row, left:left + Q] += columns[n, c, i, j, p, :]
            else:
                for q in range(Q):
                    x[n, c, row, q * strides[1] + left] += columns[n, c, i, j, p, q]


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
