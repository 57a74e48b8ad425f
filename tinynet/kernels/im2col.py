"""The idea: lay every window out as a column, and convolution becomes one matrix product. NumPy only.

With R = C * kh * kw rows (one for each weight of a kernel) and one column for each output pixel::

    forward            y       (F, P*Q)  =  kernel (F, R)    @  columns (R, P*Q)        for every sample
    kernel gradient    dkernel (F, R)    =  dy     (F, P*Q)  @  columns.T (P*Q, R)      summed over samples
    input gradient     dcolumns (R, P*Q) =  kernel.T (R, F)  @  dy (F, P*Q)             then col2im

Each gradient is the forward's product with one factor moved to the other side, hence transposed.
"""

import numpy as np

from tinynet.kernels.naive import windows


def matmul(a, b):
    """Multiply (M, K) by (K, N)."""
    return a @ b


def im2col(x, window, strides, dilation):
    """Copy the windows of `x` into columns: (N, C, H, W) -> (N, C*kh*kw, P*Q)."""
    N, C = x.shape[:2]
    P, Q = windows(x.shape[2:], window, strides, dilation)
    columns = np.empty((N, C, *window, P, Q), x.dtype)
    for i, j in np.ndindex(*window):
        columns[:, :, i, j] = x[:, :, *seen_by(i, j, (P, Q), strides, dilation)]
    return columns.reshape(N, C * window[0] * window[1], P * Q)


def col2im(columns, shape, window, strides, dilation):
    """Add columns back onto the pixels they were copied from: (N, C*kh*kw, P*Q) -> `shape` (N, C, H, W)."""
    N, C, H, W = shape
    P, Q = windows((H, W), window, strides, dilation)
    columns = columns.reshape(N, C, *window, P, Q)
    x = np.zeros(shape, columns.dtype)
    for i, j in np.ndindex(*window):
        x[:, :, *seen_by(i, j, (P, Q), strides, dilation)] += columns[:, :, i, j]  # adds: windows overlap
    return x


def seen_by(i, j, counts, strides, dilation=(1, 1)):
    """Slice out the pixels that place (i, j) of the window meets as it slides: a (P, Q) grid of them."""
    return tuple(slice(k * d, k * d + (count - 1) * s + 1, s)
                 for k, d, count, s in zip((i, j), dilation, counts, strides, strict=True))


def conv2d(x, kernel, strides, dilation):
    """Multiply the kernels, one a row, by the columns."""
    F, _, kh, kw = kernel.shape
    columns = im2col(x, (kh, kw), strides, dilation)              # (N, R, P*Q)
    y = kernel.reshape(F, columns.shape[1]) @ columns             # (F, R) @ (N, R, P*Q) -> (N, F, P*Q)
    return y.reshape(len(x), F, *windows(x.shape[2:], (kh, kw), strides, dilation))


def conv2d_kernel_gradient(x, dy, kernel_size, strides, dilation):
    """Multiply the upstream gradient by the columns, transposed; sum over the samples."""
    N, F, P, Q = dy.shape
    columns = im2col(x, kernel_size, strides, dilation)           # (N, R, P*Q)
    dkernel = dy.reshape(N, F, P * Q) @ columns.swapaxes(1, 2)    # (N, F, P*Q) @ (N, P*Q, R) -> (N, F, R)
    return dkernel.sum(axis=0).reshape(F, x.shape[1], *kernel_size)


def conv2d_input_gradient(dy, kernel, input_size, strides, dilation):
    """Multiply the kernels, transposed, by the upstream gradient; add the columns back onto the image."""
    N, F, P, Q = dy.shape
    _, C, kh, kw = kernel.shape
    dcolumns = kernel.reshape(F, C * kh * kw).T @ dy.reshape(N, F, P * Q)   # (R, F) @ (N, F, P*Q) -> (N, R, P*Q)
    return col2im(dcolumns, (N, C, *input_size), (kh, kw), strides, dilation)


def max_pool2d(x, pool_size, strides):
    """Stack what each place of the window sees, and take the maximum over the places."""
    counts = windows(x.shape[2:], pool_size, strides)
    places = np.stack([x[:, :, *seen_by(i, j, counts, strides)] for i, j in np.ndindex(*pool_size)])
    return places.max(axis=0), places.argmax(axis=0).astype(np.int32)      # (kh*kw, N, C, P, Q) -> (N, C, P, Q)


def max_pool2d_gradient(dy, argmax, input_size, pool_size, strides):
    """Give each place of the window the upstream gradients of the windows it won."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for place, (i, j) in enumerate(np.ndindex(*pool_size)):
        dx[:, :, *seen_by(i, j, dy.shape[2:], strides)] += np.where(argmax == place, dy, 0)
    return dx


def sum_pool2d(x, pool_size, strides):
    """Add up what each place of the window sees."""
    counts = windows(x.shape[2:], pool_size, strides)
    return sum(x[:, :, *seen_by(i, j, counts, strides)] for i, j in np.ndindex(*pool_size))


def sum_pool2d_gradient(dy, input_size, pool_size, strides):
    """Give each place of the window all upstream gradients."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for i, j in np.ndindex(*pool_size):
        dx[:, :, *seen_by(i, j, dy.shape[2:], strides)] += dy
    return dx


def adam(p, g, m, v, rate, beta_1, beta_2, epsilon):
    """Update a parameter, the running mean of its gradient and that of its square, array by array."""
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (g * g - v)
    p -= rate * m / (np.sqrt(v) + epsilon)
