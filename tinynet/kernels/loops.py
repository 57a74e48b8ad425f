"""The inner loops of the fast kernels, compiled by numba when first called, and kept compiled on disk.

Each works through the samples it is given and writes into arrays it is handed. A loop that is to be turned into
vector instructions runs over whole rows of arrays, and chooses between values instead of branching.
"""

import numpy as np
from numba import njit

# nogil: the threads of `spread` really run side by side. No fastmath: NaN and infinity mean what they mean.
compiled = njit(nogil=True, cache=True, error_model="numpy")


def known(size):
    """Return a tuple as long as a small size, an empty one for a large size.

    The length of a tuple is part of its type, so a loop over it is compiled for that length and unrolled: copying
    the five numbers of a row of a 5x5 window takes a quarter of the time.
    """
    return (0,) * (size if size <= 16 else 0)


@compiled
def im2col(x, columns, strides, dilation):
    """Copy the windows of x (n, C, H, W) into columns (n, C, kh, kw, P, Q)."""
    N, C, kh, kw, P, Q = columns.shape
    for n, c, i, j in np.ndindex((N, C, kh, kw)):
        image, column, top, left = x[n, c], columns[n, c, i, j], i * dilation[0], j * dilation[1]
        if strides[1] == 1:                       # known while compiling: neighbours stay neighbours
            for p in range(P):
                for q in range(Q):
                    column[p, q] = image[p * strides[0] + top, q + left]
        else:
            for p in range(P):
                for q in range(Q):
                    column[p, q] = image[p * strides[0] + top, q * strides[1] + left]


@compiled
def col2im(columns, x, strides, dilation):
    """Add columns (n, C, kh, kw, P, Q) back onto the pixels of x (n, C, H, W)."""
    N, C, kh, kw, P, Q = columns.shape
    for n, c, i, j in np.ndindex((N, C, kh, kw)):
        image, column, top, left = x[n, c], columns[n, c, i, j], i * dilation[0], j * dilation[1]
        if strides[1] == 1:
            for p in range(P):
                for q in range(Q):
                    image[p * strides[0] + top, q + left] += column[p, q]
        else:
            for p in range(P):
                for q in range(Q):
                    image[p * strides[0] + top, q * strides[1] + left] += column[p, q]


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
def swap(x, y):
    """Write x (n, A, B) into y (n, B, A): channels first to channels last, and back; filters added to either stay."""
    N, A, B = x.shape[0], min(x.shape[1], y.shape[2]), min(x.shape[2], y.shape[1])
    for n in range(N):
        source, target = x[n], y[n]
        for a in range(A):
            for b in range(B):
                target[b, a] = source[a, b]


@compiled
def pooled_im2row(x, rows, strides, known_run):
    """Copy windows of images x (n, H, W, C) into rows (n, P, Q, a, b, kh, kw, C), in the order of pooling.

    (p, q) counts pooling windows, (u, v) places in one: together they are the convolution's output (p a + u, q b + v).
    A line of a window, kw*C numbers, is a run of neighbours in the image too; `known_run`: its length, see `known`.
    """
    N, P, Q, a, b, kh, kw, C = rows.shape
    run = len(known_run) if len(known_run) > 0 else kw * C
    images, runs = x.reshape(N, x.shape[1], -1), rows.reshape(N, P, Q, a, b, kh, run)
    for n, p, q in np.ndindex((N, P, Q)):
        for u in range(a):
            for v in range(b):
                row, left = runs[n, p, q, u, v], (q * b + v) * strides[1] * C
                for i in range(kh):
                    line = images[n, (p * a + u) * strides[0] + i]
                    for k in range(run):
                        row[i, k] = line[left + k]


@compiled
def pooled_row2im(rows, x, strides):
    """Add rows (n, P, Q, a, b, kh, kw, C) back onto the pixels of x (n, H, W, C) that `pooled_im2row` copied."""
    N, P, Q, a, b, kh, kw, C = rows.shape
    images, runs = x.reshape(N, x.shape[1], -1), rows.reshape(N, P, Q, a, b, kh, kw * C)
    for n, p, q in np.ndindex((N, P, Q)):
        for u in range(a):
            for v in range(b):
                row, left = runs[n, p, q, u, v], (q * b + v) * strides[1] * C
                for i in range(kh):
                    line = images[n, (p * a + u) * strides[0] + i]
                    for k in range(kw * C):
                        line[left + k] += row[i, k]


@compiled
def winners_gradient(dy, winner, x, kernels, dkernels, dbias, dx, strides, pool_size):
    """Add what each of dy (n, P, Q, F) sends back through its winner, to dkernels, dbias and dx.

    Images x and dx are (n, H, W, C), kernels (F, kh, kw, C): a line of a kernel lies like a line of a window.
    """
    N, P, Q, F = dy.shape
    _, kh, kw, C = kernels.shape
    images, dimages = x.reshape(N, x.shape[1], -1), dx.reshape(N, x.shape[1], -1)
    lines, dlines = kernels.reshape(F, kh, kw * C), dkernels.reshape(F, kh, kw * C)
    for n, p, q, f in np.ndindex((N, P, Q, F)):
        place, g = winner[n, p, q, f], dy[n, p, q, f]
        if place >= 0:
            u = place // pool_size[1]
            top, left = p * pool_size[0] + u, q * pool_size[1] + place - u * pool_size[1]
            seen = slice(left * strides[1] * C, left * strides[1] * C + kw * C)
            for i in range(kh):
                line, dline = images[n, top * strides[0] + i, seen], dimages[n, top * strides[0] + i, seen]
                kernel, dkernel = lines[f, i], dlines[f, i]
                for k in range(kw * C):                       # two loops: one over four arrays is not vectorised
                    dkernel[k] += g * line[k]
                for k in range(kw * C):
                    dline[k] += g * kernel[k]
            dbias[f] += g


@compiled
def bias_relu_max(z, bias, y, winner, known_places):
    """Fill y and winner (n, M, F) with the largest of max(z + bias, 0), z (n, M, places, F), and its place.

    The winner is -1 where nothing was above 0: no gradient goes back from there.
    """
    N, M, places, F = z.shape
    places = len(known_places) if len(known_places) > 0 else places
    for n, m in np.ndindex((N, M)):
        best, winners, candidates = y[n, m], winner[n, m], z[n, m]
        for f in range(F):
            largest, place = candidates[0, f] + bias[f], winner.dtype.type(0)
            for k in range(1, places):
                value = candidates[k, f] + bias[f]
                better = (value > largest) | ((value != value) & (largest == largest))      # a NaN is not lost
                largest, place = value if better else largest, winner.dtype.type(k) if better else place
            winners[f] = place if largest > 0 else winner.dtype.type(-1)
            best[f] = z.dtype.type(0) if largest <= 0 else largest


@compiled
def bias_relu_max_gradient(dy, winner, dz, dbias):
    """Send dy (n, M, F) to the winners in dz (n, M, places, F), 0 to the others; add what was sent to dbias (F,)."""
    N, M, places, F = dz.shape
    for n, m in np.ndindex((N, M)):
        g, place = dy[n, m], winner[n, m]
        for k in range(places):
            row = dz[n, m, k]
            for f in range(F):
                row[f] = g[f] if place[f] == k else 0
        for f in range(F):
            dbias[f] += g[f] if place[f] >= 0 else 0


@compiled
def keep(x, bits, threshold, scale, y):
    """Fill y with x * scale where the random bits reach the threshold, and with x * 0 elsewhere."""
    for k in range(x.size):
        y[k] = x[k] * (scale if bits[k] >= threshold else x.dtype.type(0))


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
