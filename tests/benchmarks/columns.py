"""Convolution, ReLU and 2x2 pooling by im2col, two images at a time: the columns never leave the cache.

The rung between im2col of a whole batch and the engine's tiles. What is not a matrix product is compiled by numba; the
products are BLAS's, on one thread. Strides and dilation are 1, the number of images is even, pooling is 2x2.

Shapes: x (N, C, H, W), kernel (F, C, kh, kw), R = C * kh * kw. Of two images: columns (R, 2*P*Q), z (2*P*Q, F).
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from tinynet import kernels
from tinynet.kernels.fast.convolutions import conv_loops

compiled = njit(nogil=True, error_model="numpy")   # plain nested loops: with np.ndindex they take three times as long
IMAGES = 2                          # at a time; one takes a little longer, four no less


def conv2d_relu_max_pool2d(x, kernel, bias, *_):
    """Return y (N, F, P/2, Q/2) and the place of each maximum in its window, -1 where it is cut off by the ReLU."""
    columns, z = scratch(x, kernel)
    flat, grid, weights = as_matrix(columns), as_grid(z, columns), kernel.reshape(len(kernel), -1)      # (F, R)
    N, _, P, Q, F = len(x), *grid.shape
    y = np.empty((N, F, P // 2, Q // 2), x.dtype)
    winner = np.empty((N, P // 2, Q // 2, F), np.int8)
    for n in range(0, N, IMAGES):
        pack(x[n:n + IMAGES], columns)
        np.matmul(flat.T, weights.T, out=z)                                     # (2PQ, R) @ (R, F)
        relu_max(grid, bias, y[n:n + IMAGES], winner[n:n + IMAGES])
    return y, winner


def conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, _strides, _dilation, _pool_size, need_dx):
    """Return dkernel, dbias, and dx if it is needed; the columns are made again."""
    columns, dz = scratch(x, kernel)
    flat, grid, weights = as_matrix(columns), as_grid(dz, columns), kernel.reshape(len(kernel), -1)     # (F, R)
    dweights, dbias, part = np.zeros_like(weights), np.zeros(len(kernel), x.dtype), np.empty_like(weights)
    dx = np.empty_like(x) if need_dx else None
    for n in range(0, len(x), IMAGES):
        to_winners(dy[n:n + IMAGES], winner[n:n + IMAGES], grid, dbias)
        pack(x[n:n + IMAGES], columns)
        np.matmul(dz.T, flat.T, out=part)                                       # (F, 2PQ) @ (2PQ, R)
        dweights += part
        if dx is not None:
            np.matmul(weights.T, dz.T, out=flat)                                # (R, F) @ (F, 2PQ)
            unpack(columns, dx[n:n + IMAGES])
    return dweights.reshape(kernel.shape), dbias, dx


def scratch(x, kernel):
    """Make the arrays that all pairs of images use: columns (C, kh, kw, images, P, Q) and z (images*P*Q, F), zeros."""
    _, C, kh, kw = kernel.shape
    P, Q = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    return np.empty((C, kh, kw, IMAGES, P, Q), x.dtype), np.zeros((IMAGES * P * Q, len(kernel)), x.dtype)


def as_matrix(columns):
    """View columns (C, kh, kw, images, P, Q) as (R, images*P*Q)."""
    return columns.reshape(np.prod(columns.shape[:3]), -1)


def as_grid(z, columns):
    """View z (images*P*Q, F) as (images, P, Q, F)."""
    return z.reshape(*columns.shape[3:], -1)


@compiled
def pack(x, columns):
    """Copy the windows of x (n, C, H, W) into columns (C, kh, kw, n, P, Q)."""
    C, kh, kw, N, P, Q = columns.shape
    for c in range(C):
        for i in range(kh):
            for j in range(kw):
                for n in range(N):
                    for p in range(P):
                        for q in range(Q):
                            columns[c, i, j, n, p, q] = x[n, c, p + i, q + j]


@compiled
def unpack(columns, x):
    """Add columns (C, kh, kw, n, P, Q) back onto the pixels of x (n, C, H, W)."""
    C, kh, kw, N, P, Q = columns.shape
    x[...] = 0
    for c in range(C):
        for i in range(kh):
            for j in range(kw):
                for n in range(N):
                    for p in range(P):
                        for q in range(Q):
                            x[n, c, p + i, q + j] += columns[c, i, j, n, p, q]


@compiled
def relu_max(z, bias, y, winner):
    """Fill y (n, F, P/2, Q/2) and winner (n, P/2, Q/2, F) from z (n, P, Q, F); the first wins a tie."""
    N, F, P, Q = y.shape
    best = np.empty((Q, F), z.dtype)
    for n, p in np.ndindex((N, P)):
        for q in range(Q):
            a, b, c, d = z[n, 2 * p, 2 * q], z[n, 2 * p, 2 * q + 1], z[n, 2 * p + 1, 2 * q], z[n, 2 * p + 1, 2 * q + 1]
            largest, place = best[q], winner[n, p, q]
            for f in range(F):
                value, k = a[f], np.int8(0)
                value, k = (b[f], np.int8(1)) if b[f] > value else (value, k)
                value, k = (c[f], np.int8(2)) if c[f] > value else (value, k)
                value, k = (d[f], np.int8(3)) if d[f] > value else (value, k)
                value += bias[f]
                largest[f], place[f] = (value, k) if value > 0 else (z.dtype.type(0), np.int8(-1))
        for f in range(F):
            for q in range(Q):
                y[n, f, p, q] = best[q, f]


@compiled
def to_winners(dy, winner, dz, dbias):
    """Send dy (n, F, P/2, Q/2) to the winners in dz (n, P, Q, F), 0 to the others; add to dbias (F,) what was sent."""
    N, F, P, Q = dy.shape
    upstream, zero = np.empty((Q, F), dy.dtype), dy.dtype.type(0)
    for n, p in np.ndindex((N, P)):
        for f in range(F):
            for q in range(Q):
                upstream[q, f] = dy[n, f, p, q]
        for q in range(Q):
            sent, place = upstream[q], winner[n, p, q]
            for k in range(4):
                row = dz[n, 2 * p + k // 2, 2 * q + k % 2]
                for f in range(F):
                    row[f] = sent[f] if place[f] == k else zero
            for f in range(F):
                dbias[f] += sent[f] if place[f] >= 0 else zero


class Columns:
    """These functions as the engine's step calls them."""

    def __init__(self, x, kernel, strides, dilation, pool_size, *_):
        self.x, self.kernel = np.ascontiguousarray(x), kernel
        sizes = conv_loops.sizes((len(x), *x.shape[2:], x.shape[1]), kernel.shape, strides, dilation, pool_size,
                                 x.itemsize)
        self.output, self.pooled = sizes.output, sizes.pooled

    def forward(self, bias, _relu, _channels_last):
        y, self.winner = conv2d_relu_max_pool2d(self.x, self.kernel, bias)
        return y

    def backward(self, dy, need_dx):
        dy = np.ascontiguousarray(dy)
        return conv2d_relu_max_pool2d_gradient(dy, self.winner, self.x, self.kernel, (1, 1), (1, 1), (2, 2), need_dx)


@contextmanager
def instead_of_tiles():
    """Let the engine run these functions where it would run its own."""
    fast = import_module(kernels.NAMES["fast"])
    before = fast.pooled_convolution
    try:
        fast.pooled_convolution = Columns
        with threadpool_limits(1):
            yield
    finally:
        fast.pooled_convolution = before
