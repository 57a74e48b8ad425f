"""The engine: the idea of im2col, compiled by numba, cut into pieces that fit the cache, on all cores.

Besides the functions that every kernel set has, there are some that do the work of several steps at once, which
`tinynet.fusing` puts in their place.
"""

import math

import numpy as np

from tinynet.kernels import im2col, loops
from tinynet.kernels.naive import windows
from tinynet.kernels.threads import one_blas_thread, scratch, spread

SMALL_PRODUCT = 2_000_000      # multiply-adds below which waking a second thread costs more than it saves
SMALL_UPDATE = 100_000         # parameters below which one thread updates them all
GROUPS = 8                     # pieces a batch is cut into where each adds up gradients of its own
PIECE_BYTES = 1 << 20          # the columns of one piece of a batch: half of a common core's L2 cache


def matmul(a, b):
    """Multiply (M, K) by (K, N), half of the rows on each core."""
    M, N = a.shape[0], b.shape[1]
    if M * a.shape[1] * N < SMALL_PRODUCT:
        with one_blas_thread:
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
        loops.im2col(x[start:stop], columns, strides, dilation)
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
        loops.im2col(x[start:stop], columns, strides, dilation)
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
        loops.col2im(dcolumns, dx[start:stop], strides, dilation)
    spread(work, N, piece(dx, C * kh * kw * P * Q))
    return dx


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
                                          rate, beta_1, beta_2, epsilon), p.size, max(SMALL_UPDATE, -(-p.size // 2)))


def conv2d_relu_max_pool2d(x, kernel, bias, strides, dilation, pool_size):
    """Convolve, add the bias, cut off below 0 and pool, with windows that do not overlap.

    What the convolution returns is four times the size of what is left of it in the end (for 2x2 windows), and
    writing it to memory and reading it again takes longer than computing it: here it never leaves the cache.
    Windows are laid out as rows, channels last, which makes them copies of whole stretches of the image; and in
    the order of pooling, so that its maximum is over neighbouring rows, all filters at once.

    Returns y (N, F, P, Q) and the place of each winner, (N, P*Q, F), -1 where the maximum is cut off.
    """
    dtype = np.result_type(x, kernel)
    x, (F, C, kh, kw) = np.ascontiguousarray(x, dtype), kernel.shape
    P, Q = windows(windows(x.shape[2:], (kh, kw), strides, dilation), pool_size, pool_size)
    weights = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0), dtype).reshape(kh * kw * C, F)
    y, places = np.empty((len(x), F, P, Q), dtype), math.prod(pool_size)
    winner = np.empty((len(x), P * Q, F), np.int8 if places < 128 else np.int32)
    bias = np.asarray(bias, dtype)

    def work(start, stop):
        for n0, n1, p0, p1 in blocks(start, stop, P, Q * places * (len(weights) + F) * dtype.itemsize):
            n, M = n1 - n0, (p1 - p0) * Q
            rows = pooled_rows(x[n0:n1], (kh, kw), strides, dilation, pool_size, (p0, p1, Q))
            z = scratch("z", (n, M * places, F), dtype)
            np.matmul(rows, weights, out=z)                                  # (n, M*places, R) @ (R, F)
            best = scratch("best", (n, M, F), dtype)
            loops.bias_relu_max(z.reshape(n, M, places, F), bias, best, winner[n0:n1, p0 * Q:p1 * Q],
                                loops.known(places))
            loops.swap(best, y.reshape(len(x), F, P * Q)[n0:n1, :, p0 * Q:p1 * Q])
    spread(work, len(x), group(len(x)))
    return y, winner


def conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, strides, dilation, pool_size, need_dx):
    """Go back through all of it, block by block; returns dkernel, dbias, and dx if it is needed."""
    dtype = np.result_type(dy, kernel)
    x, (N, F, P, Q) = np.ascontiguousarray(x, dtype), dy.shape
    dy = np.ascontiguousarray(dy, dtype).reshape(N, F, P * Q)
    (C, kh, kw), places = kernel.shape[1:], math.prod(pool_size)
    weights = np.ascontiguousarray(kernel.transpose(0, 2, 3, 1), dtype).reshape(F, kh * kw * C)
    samples = group(N)
    dweights, dbias = np.zeros((GROUPS, kh * kw * C, F), dtype), np.zeros((GROUPS, F), dtype)
    dx = np.empty(x.shape if need_dx else 0, dtype)

    def work(start, stop):
        for n0, n1, p0, p1 in blocks(start, stop, P, Q * places * (kh * kw * C + F) * dtype.itemsize):
            n, M = n1 - n0, (p1 - p0) * Q
            upstream, dz = scratch("best", (n, M, F), dtype), scratch("z", (n, M, places, F), dtype)
            loops.swap(dy[n0:n1, :, p0 * Q:p1 * Q], upstream)
            loops.bias_relu_max_gradient(upstream, winner[n0:n1, p0 * Q:p1 * Q], dz, dbias[start // samples])
            dz = dz.reshape(n, M * places, F)
            rows = pooled_rows(x[n0:n1], (kh, kw), strides, dilation, pool_size, (p0, p1, Q))
            for sample in range(n):
                dweights[start // samples] += rows[sample].T @ dz[sample]      # (R, M*places) @ (M*places, F)
            if need_dx:
                np.matmul(dz, weights, out=rows)                             # the rows themselves are used up
                image = scratch("dimage", (n, *x.shape[2:], C), dtype)
                if p0 == 0:
                    image[...] = 0
                loops.pooled_row2im(rows.reshape(n, p1 - p0, Q, *pool_size, kh, kw, C),
                                    image[:, p0 * pool_size[0] * strides[0]:], strides, dilation)
                if p1 == P:
                    loops.swap(image.reshape(n, -1, C), dx[n0:n1].reshape(n, C, -1))
    spread(work, N, samples)
    dkernel = dweights.sum(axis=0).reshape(kh, kw, C, F).transpose(3, 2, 0, 1)
    return np.ascontiguousarray(dkernel), dbias.sum(axis=0), dx if need_dx else None


def group(N):
    """Say how many samples of a batch go to one thread at a time: the batch in `GROUPS` parts."""
    return max(1, -(-N // GROUPS))


def blocks(start, stop, P, row_bytes):
    """Cut samples, P pooling rows each, into blocks (n0, n1, p0, p1) that fit the cache: samples, or rows of one."""
    fit = max(1, PIECE_BYTES // row_bytes)
    samples, band = max(1, fit // P), min(P, fit)
    for n0 in range(start, stop, samples):
        for p0 in range(0, P, band):
            yield n0, min(n0 + samples, stop), p0, min(p0 + band, P)


def pooled_rows(x, window, strides, dilation, pool_size, band):
    """Return the windows that end up in the pooling rows p0 to p1 as rows: (n, (p1-p0)*Q*places, kh*kw*C)."""
    (n, C, H, W), (p0, p1, Q) = x.shape, band
    image = scratch("image", (n, H, W, C), x.dtype)
    if p0 == 0:                                                              # the bands that follow find it there
        loops.swap(x.reshape(n, C, H * W), image.reshape(n, H * W, C))
    rows = scratch("rows", (n, p1 - p0, Q, *pool_size, *window, C), x.dtype)
    loops.pooled_im2row(image[:, p0 * pool_size[0] * strides[0]:], rows, strides, dilation,
                        loops.known(window[1] * C if dilation[1] == 1 else C))
    return rows.reshape(n, -1, window[0] * window[1] * C)


def piece(x, numbers):
    """Say how many samples to take at a time, where one needs `numbers` numbers of room like those of `x`."""
    return max(1, min(-(-len(x) // 4), PIECE_BYTES // max(1, numbers * x.itemsize)))


def as_matrices(columns):
    """See columns (n, C, kh, kw, P, Q) as n matrices (C*kh*kw, P*Q)."""
    n, C, kh, kw, P, Q = columns.shape
    return columns.reshape(n, C * kh * kw, P * Q)
