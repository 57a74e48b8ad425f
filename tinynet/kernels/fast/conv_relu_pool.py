"""A convolution, its ReLU and its max pooling as one step that never leaves the cache.

What a convolution returns is four times the size of what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a row of pooling windows goes through all three at a time.
"""

import math

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import conv, tiles
from tinynet.kernels.fast.loops import channels_first, channels_last, compiled
from tinynet.kernels.fast.threads import spread
from tinynet.kernels.naive import windows as count_windows

MOST_PLACES = 16               # of a pooling window: the loop over them is unrolled


def conv2d_relu_max_pool2d(x, kernel, bias, strides, dilation, pool_size):
    """Convolve, add the bias, cut off below 0 and pool, with windows that do not overlap.

    Returns y (N, F, P, Q) and the place of each winner, (N, P, Q, filters), -1 where the maximum is cut off.
    """
    dtype, samples = conv.common_dtype(x, kernel), conv.group(len(x))
    x, counts = np.ascontiguousarray(x, dtype), count_windows(x.shape[2:], kernel.shape[2:], strides, dilation)
    P, Q = count_windows(counts, pool_size, pool_size)
    weights, biases = conv.as_weights(kernel, dilation, dtype), conv.as_rows(bias.astype(dtype, copy=False))
    y = empty((len(x), len(kernel), P, Q), dtype)
    winner = empty((len(x), P, Q, biases.shape[1]), np.dtype(np.int8))

    def work(start, stop):
        forward(x[start:stop], weights, biases, y[start:stop], winner[start:stop], kernel.shape[2:], strides, dilation,
                *known(pool_size))
    spread(work, len(x), samples, alone=conv.is_small(y.size * math.prod(pool_size), kernel.shape))
    return y, winner


def conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, strides, dilation, pool_size, need_dx):
    """Go back through all of it; returns dkernel, dbias, and dx if it is needed."""
    dtype, samples = conv.common_dtype(dy, kernel), conv.group(len(x))
    x, dy = np.ascontiguousarray(x, dtype), np.ascontiguousarray(dy, dtype)
    dweights = conv.no_weights(kernel.shape, dilation, dtype)
    dbias = np.zeros((conv.GROUPS, dweights.shape[-1]), dtype)
    turned, dx = (conv.as_turned_weights(kernel, dtype), empty(x.shape, dtype)) if need_dx else (None, None)

    def work(start, stop):
        k = start // samples
        backward(dy[start:stop], winner[start:stop], x[start:stop], dweights[k], dbias[k], kernel.shape[2:], strides,
                 dilation, *known(pool_size), turned, None if dx is None else dx[start:stop])
    spread(work, len(x), samples, alone=conv.is_small(dy.size * math.prod(pool_size), kernel.shape))
    return conv.as_kernel(dweights, len(kernel), kernel.shape[2:]), dbias.sum(axis=0)[:len(kernel)], dx


def known(pool_size):
    """Return tuples as long as a pooling window is high and wide: their lengths are known while compiling."""
    return (0,) * pool_size[0], (0,) * pool_size[1]


@compiled
def forward(x, weights, bias, y, winner, kernel_size, strides, dilation, pool_rows, pool_columns):
    """Fill y (n, F, P, Q) and winner (n, P, Q, filters) from x (n, C, H, W)."""
    N, _, P, Q = y.shape
    a, b = len(pool_rows), len(pool_columns)
    image = np.empty((x.shape[2], x.shape[3], x.shape[1]), x.dtype)
    windows = tiles.windows_of(image, kernel_size, strides, dilation)[0][:, :Q * b]
    rows = -(-conv.band(weights, bias, Q * b) // a)
    z, best = np.empty((rows * a, Q * b, bias.shape[1]), x.dtype), np.empty((rows, Q, bias.shape[1]), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        for p0 in range(0, P, rows):
            p1 = min(p0 + rows, P)
            tiles.convolve(windows[p0 * a:p1 * a], weights, bias, z[:(p1 - p0) * a])
            for p in range(p0, p1):
                relu_max(z[(p - p0) * a:], best[p - p0], winner[n, p], pool_rows, pool_columns)
            channels_first(best[:p1 - p0], y[n, :, p0:p1])


@compiled
def relu_max(z, best, winner, pool_rows, pool_columns):
    """Fill best and winner (Q, F) with the largest of max(z, 0) in each pooling window, and its place.

    The winner is -1 where nothing was above 0: no gradient goes back from there.
    """
    Q, F = best.shape
    b = len(pool_columns)
    for q in range(Q):
        for f in range(F):
            largest, place = z[0, q * b, f], winner.dtype.type(0)
            for u in range(len(pool_rows)):
                for v in range(b):
                    value = z[u, q * b + v, f]
                    better = (value > largest) | ((value != value) & (largest == largest))  # a NaN is not lost
                    largest, place = value if better else largest, winner.dtype.type(u * b + v) if better else place
            winner[q, f] = place if largest > 0 else winner.dtype.type(-1)
            best[q, f] = z.dtype.type(0) if largest <= 0 else largest


@compiled
def backward(dy, winner, x, dweights, dbias, kernel_size, strides, dilation, pool_rows, pool_columns, turned, dx):
    """Add to dweights (S, kh, R, filters) and dbias (filters,) what dy (n, F, P, Q) asks of them; fill dx, if given."""
    N, _, P, Q = dy.shape
    _, C, H, W = x.shape
    a = len(pool_rows)
    image = np.empty((H, W, C), x.dtype)
    _, seen = tiles.windows_of(image, kernel_size, strides, dilation)             # (S, kh, R, rows, columns)
    upstream = np.zeros((P, Q, dweights.shape[3]), x.dtype)
    dz = np.zeros((*seen.shape[3:], dweights.shape[3]), x.dtype)                # 0 for windows that pooling leaves out
    dimage = np.empty((H, W, conv.lanes(C, x.itemsize)), x.dtype)
    for n in range(N):
        channels_last(x[n], image)
        channels_last(dy[n], upstream)
        for p in range(P):
            to_winners(upstream[p], winner[n, p], dz[p * a:], dbias, pool_rows, pool_columns)
        tiles.add_kernel_gradient(seen, dz, dweights)
        if dx is not None:
            dimage[...] = 0
            tiles.add_input_gradient(dz, turned, dimage, strides, dilation)
            channels_first(dimage, dx[n])


@compiled
def to_winners(dy, winner, dz, dbias, pool_rows, pool_columns):
    """Send dy (Q, F) to the winners in dz, 0 to the others; add what was sent to dbias (F,)."""
    Q, F = dy.shape
    b = len(pool_columns)
    for q in range(Q):
        for u in range(len(pool_rows)):
            for v in range(b):
                row, place = dz[u, q * b + v], winner.dtype.type(u * b + v)
                for f in range(F):
                    row[f] = dy[q, f] if winner[q, f] == place else dy.dtype.type(0)
        for f in range(F):
            dbias[f] += dy[q, f] if winner[q, f] >= 0 else dy.dtype.type(0)
