"""A convolution, its ReLU and its max pooling as one step that never leaves the cache.

What a convolution returns is four times the size of what 2x2 pooling leaves of it, and writing it to memory and
reading it again takes longer than computing it. Here a few samples at a time go through all three. Windows of the
image are laid out as rows, channels last, which makes them copies of whole stretches of the image; and in the order
of pooling, so that its maximum is over neighbouring rows, all filters at once.
"""

import math

import numpy as np

from tinynet.kernels import loops
from tinynet.kernels.memory import empty
from tinynet.kernels.naive import windows
from tinynet.kernels.threads import scratch, spread

GROUPS = 8                     # parts of a batch, each adding up gradients of its own, whatever the number of threads
BLOCK_BYTES = 1 << 20          # rows and products of one block of samples: half of a common core's L2 cache
SHORT_RUN = 16                 # neighbouring numbers below which a copy is slow: see `Lowering`
VECTOR = 8                     # filters are made a multiple of this many, so that no loop over them has a remainder
FEW_FILTERS = 32               # up to so many, copying a large window takes as long as the product with it
LONG_RUN, SMALL_KERNEL = 32, 1 << 16      # neighbouring numbers, and bytes of a kernel: see `from_winners`


class Lowering:
    """A convolution as a product of rows with a matrix: the matrix, and which windows of the image are the rows.

    A kernel (F, C, kh, kw) becomes a matrix (kh*kw*C, F): rows of the image, the numbers of a window, times this.

    Where the stretches to be copied are short, as kw*C = 5 is for a gray image, or filters few and windows large,
    copying takes longer than the product. Then all places of a pooling window share one row, the larger window
    that they see together, and each has columns of its own, the kernel shifted to it among zeros: 1.4 times the
    arithmetic (5x5, 2x2), a third of the copying, and two thirds of the time.

    Filters of zeros fill up the last vector: 15 filters take 15 us for a sample's product, 16 take 9.
    """

    def __init__(self, kernel, strides, pool_size, dtype, finite):
        F, C, kh, kw = kernel.shape
        seen = math.prod((a - 1) * s + k for a, s, k in zip(pool_size, strides, (kh, kw), strict=True))
        limit = 4 if kw * C < SHORT_RUN else 1.5 if F <= FEW_FILTERS else 0  # times the arithmetic, worth the copies
        shared = pool_size if finite and seen <= limit * kh * kw else (1, 1)     # places with one row
        self.kernel, self.kernel_strides, self.filters = kernel, strides, -(-F // VECTOR) * VECTOR
        self.window = (shared[0] - 1) * strides[0] + kh, (shared[1] - 1) * strides[1] + kw
        self.strides = shared[0] * strides[0], shared[1] * strides[1]        # from row to row
        self.pool_size = pool_size[0] // shared[0], pool_size[1] // shared[1]    # rows to a pooling window
        self.places = math.prod(pool_size)
        self.shape = (*self.window, C, *shared, self.filters)
        self.weights = np.zeros((self.window[0] * self.window[1] * C, math.prod(shared) * self.filters), dtype)
        for part in self.parts(self.weights):
            part[...] = kernel.transpose(2, 3, 1, 0)                         # (F, C, kh, kw) -> (kh, kw, C, F)

    def parts(self, weights):
        """List the parts (kh, kw, C, F) of a matrix like `weights` where the kernel lies: one for each shared place."""
        wide, (F, _, kh, kw), (s, t) = weights.reshape(self.shape), self.kernel.shape, self.kernel_strides
        return [wide[u * s:u * s + kh, v * t:v * t + kw, :, u, v, :F] for u, v in np.ndindex(self.shape[3:5])]

    def kernel_gradient(self, dweights):
        """Return the gradient of the matrix as that of the kernel (F, C, kh, kw): it was used at each place."""
        return np.ascontiguousarray(sum(self.parts(dweights)).transpose(3, 2, 0, 1))

    def rows(self, x, p0, p1, Q):
        """Return the windows of x (n, C, H, W) in pooling rows p0 to p1 as rows (n*(p1-p0)*Q*rows a window, R)."""
        n, C, H, W = x.shape
        image = scratch("image", (n, H, W, C), x.dtype)
        if p0 == 0:                                                          # the bands that follow find it there
            loops.swap(x.reshape(n, C, H * W), image.reshape(n, H * W, C))
        rows = scratch("rows", (n, p1 - p0, Q, *self.pool_size, *self.window, C), x.dtype)
        loops.pooled_im2row(self.band(image, p0), rows, self.strides, loops.known(self.window[1] * C))
        return rows.reshape(-1, len(self.weights))

    def add_rows(self, rows, image, p0, p1, Q):
        """Add rows back onto the pixels of an image (n, H, W, C) that they were copied from."""
        n, _, _, C = image.shape
        loops.pooled_row2im(rows.reshape(n, p1 - p0, Q, *self.pool_size, *self.window, C),
                            self.band(image, p0), self.strides)

    def band(self, image, p0):
        """See an image (n, H, W, C) from where pooling row p0 begins."""
        return image[:, p0 * self.pool_size[0] * self.strides[0]:]

    def blocks(self, N, P, Q):
        """Cut N samples, P pooling rows each, into blocks (n0, n1, p0, p1) that fit the cache: samples, or bands."""
        row_bytes = Q * math.prod(self.pool_size) * sum(self.weights.shape) * self.weights.itemsize
        fit = max(1, BLOCK_BYTES // row_bytes)
        samples, band = max(1, fit // P), min(P, fit)
        for n0 in range(0, N, samples):
            for p0 in range(0, P, band):
                yield n0, min(n0 + samples, N), p0, min(p0 + band, P)


def conv2d_relu_max_pool2d(x, kernel, bias, strides, pool_size):
    """Convolve, add the bias, cut off below 0 and pool, with windows that do not overlap.

    Returns y (N, F, P, Q) and the place of each winner, (N, P*Q, filters), -1 where the maximum is cut off.
    """
    dtype = np.result_type(x, kernel)
    x, (N, F, places) = np.ascontiguousarray(x, dtype), (len(x), len(kernel), math.prod(pool_size))
    P, Q = windows(windows(x.shape[2:], kernel.shape[2:], strides, (1, 1)), pool_size, pool_size)
    low = Lowering(kernel, strides, pool_size, dtype, finite(x))
    biases = np.zeros(low.filters, dtype)
    biases[:F] = bias
    y = empty((N, F, P, Q), dtype)
    winner = empty((N, P * Q, low.filters), np.dtype(np.int8 if places < 128 else np.int32))

    def work(start, stop):
        pooled, winners = y[start:stop].reshape(-1, F, P * Q), winner[start:stop]
        for n0, n1, p0, p1 in low.blocks(stop - start, P, Q):
            where = slice(p0 * Q, p1 * Q)
            rows = low.rows(x[start + n0:start + n1], p0, p1, Q)
            z = scratch("z", (len(rows), low.weights.shape[1]), dtype)
            np.matmul(rows, low.weights, out=z)                              # (n*M.., R) @ (R, columns)
            best = scratch("best", (n1 - n0, (p1 - p0) * Q, low.filters), dtype)
            loops.bias_relu_max(z.reshape(*best.shape[:2], places, low.filters), biases, best, winners[n0:n1, where],
                                loops.known(places))
            loops.swap(best, pooled[n0:n1, :, where])
    spread(work, N, group(N))
    return y, winner


def conv2d_relu_max_pool2d_gradient(dy, winner, x, kernel, strides, pool_size, need_dx):
    """Go back through all of it; returns dkernel, dbias, and dx if it is needed."""
    dtype = np.result_type(dy, kernel)
    x, dy, samples = np.ascontiguousarray(x, dtype), np.ascontiguousarray(dy, dtype), group(len(x))
    ordinary = finite(x) and finite(kernel) and finite(dy)
    long = kernel.shape[3] * kernel.shape[1] >= LONG_RUN and kernel.size * dtype.itemsize <= SMALL_KERNEL
    back = from_winners if need_dx and long and ordinary else from_all
    low = Lowering(kernel, strides, pool_size, dtype, ordinary and back is from_all)
    dweights, dbias = np.zeros((GROUPS, *low.weights.shape), dtype), np.zeros((GROUPS, low.filters), dtype)
    dx = empty(x.shape, dtype) if need_dx else None

    def work(start, stop):
        back(dy[start:stop], winner[start:stop], x[start:stop], low,
             dweights[start // samples], dbias[start // samples], None if dx is None else dx[start:stop])
    spread(work, len(x), samples)
    return low.kernel_gradient(dweights.sum(axis=0)), dbias.sum(axis=0)[:len(kernel)], dx


def from_all(dy, winner, x, low, dweights, dbias, dx):
    """Send dy to the winners and zeros to the others, and go back by products of whole matrices, block by block."""
    (N, F, P, Q), (_, C, H, W) = dy.shape, x.shape
    for n0, n1, p0, p1 in low.blocks(N, P, Q):
        where, n, M = slice(p0 * Q, p1 * Q), n1 - n0, (p1 - p0) * Q
        upstream = scratch("best", (n, M, low.filters), x.dtype)
        dz = scratch("z", (n, M, low.places, low.filters), x.dtype)
        loops.swap(dy.reshape(N, F, P * Q)[n0:n1, :, where], upstream)
        loops.bias_relu_max_gradient(upstream, winner[n0:n1, where], dz, dbias)
        rows, dz = low.rows(x[n0:n1], p0, p1, Q), dz.reshape(-1, low.weights.shape[1])
        dweights += np.matmul(rows.T, dz, out=scratch("dweights", dweights.shape, x.dtype))
        if dx is not None:
            np.matmul(dz, low.weights.T, out=rows)                           # the rows themselves are used up
            image = scratch("dimage", (n, H, W, C), x.dtype)
            if p0 == 0:
                image[...] = 0
            low.add_rows(rows, image, p0, p1, Q)
            if p1 == P:
                loops.swap(image.reshape(n, H * W, C), dx[n0:n1].reshape(n, C, H * W))


def from_winners(dy, winner, x, low, dweights, dbias, dx):
    """Go back from the winners alone: with 2x2 pooling three quarters of the convolution's gradient are zeros.

    Two sums for each winner, of its window into the kernel's gradient and of the kernel into the image's: half of
    the time of `from_all`, as long as lines of the kernel are long, it stays in the cache with its gradient, and
    the image's gradient is wanted too.
    """
    (N, F, P, Q), (_, C, H, W), dtype, filters = dy.shape, x.shape, x.dtype, low.filters
    kernels = np.ascontiguousarray(low.weights.T).reshape(filters, *low.window, C)
    dkernels, upstream = np.zeros_like(kernels), scratch("best", (N, P * Q, filters), dtype)
    image, dimage = scratch("image", (N, H * W, C), dtype), scratch("dimage", (N, H * W, C), dtype)
    loops.swap(x.reshape(N, C, H * W), image)
    loops.swap(dy.reshape(N, F, P * Q), upstream)
    dimage[...] = 0
    loops.winners_gradient(upstream.reshape(N, P, Q, -1), winner.reshape(N, P, Q, -1), image.reshape(N, H, W, C),
                           kernels, dkernels, dbias, dimage.reshape(N, H, W, C), low.strides, low.pool_size)
    dweights += dkernels.reshape(filters, -1).T
    loops.swap(dimage, dx.reshape(N, C, H * W))


def finite(x):
    """Tell whether all numbers are finite (and not so large that their squares are not).

    Only then does a product with 0 that is added or left out change nothing; and anything else is to come out just
    where it comes out of the three steps.
    """
    return bool(np.isfinite(np.vdot(x, x)))


def group(N):
    """Say how many samples of a batch go to one thread at a time: the batch in `GROUPS` parts."""
    return max(1, -(-N // GROUPS))
