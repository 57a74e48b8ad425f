"""The idea: lay every window out as a column, and convolution becomes one matrix product. NumPy only.

With R = C * kh * kw rows (one for each weight of a kernel) and one column for each output pixel::

    forward            y       (F, P*Q)  =  kernel (F, R)    @  columns (R, P*Q)        for every sample
    kernel gradient    dkernel (F, R)    =  dy     (F, P*Q)  @  columns.T (P*Q, R)      summed over samples
    input gradient     dcolumns (R, P*Q) =  kernel.T (R, F)  @  dy (F, P*Q)             then col2im

Each gradient is the forward's product with one factor moved to the other side, hence transposed.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from tinynet.kernels.elementwise import computed, summed
from tinynet.kernels.geometry import Pair, output_size


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N)."""
    return a @ b


def im2col(x: np.ndarray, window: Pair, strides: Pair, dilation: Pair) -> np.ndarray:
    """Copy the windows of `x` into columns: (N, C, H, W) -> (N, C*kh*kw, P*Q)."""
    N, C = x.shape[:2]
    P, Q = output_size(x.shape[2:], window, strides, dilation)
    columns = np.empty((N, C, *window, P, Q), x.dtype)
    for i, j in np.ndindex(*window):
        columns[:, :, i, j] = x[:, :, *tap_slices(i, j, (P, Q), strides, dilation)]
    return columns.reshape(N, C * window[0] * window[1], P * Q)


def col2im(columns: np.ndarray, shape: tuple[int, int, int, int], window: Pair, strides: Pair,
           dilation: Pair) -> np.ndarray:
    """Add columns back onto the pixels they were copied from: (N, C*kh*kw, P*Q) -> `shape` (N, C, H, W)."""
    N, C, H, W = shape
    P, Q = output_size((H, W), window, strides, dilation)
    columns = columns.reshape(N, C, *window, P, Q)
    x = np.zeros(shape, columns.dtype)
    for i, j in np.ndindex(*window):
        x[:, :, *tap_slices(i, j, (P, Q), strides, dilation)] += columns[:, :, i, j]  # adds: windows overlap
    return x


def tap_slices(i: int, j: int, counts: Pair, strides: Pair, dilation: Pair = (1, 1)) -> tuple[slice, ...]:
    """Return slices for the pixels that place (i, j) of the window meets as it slides: a (P, Q) grid of them."""
    return tuple(slice(k * d, k * d + (count - 1) * s + 1, s)
                 for k, d, count, s in zip((i, j), dilation, counts, strides, strict=True))


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Multiply the kernels, one a row, by the columns."""
    F, _, kh, kw = kernel.shape
    columns = im2col(x, (kh, kw), strides, dilation)              # (N, R, P*Q)
    y = kernel.reshape(F, columns.shape[1]) @ columns             # (F, R) @ (N, R, P*Q) -> (N, F, P*Q)
    return y.reshape(len(x), F, *output_size(x.shape[2:], (kh, kw), strides, dilation))


def conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                           dilation: Pair) -> np.ndarray:
    """Multiply the upstream gradient by the columns, transposed; sum over the samples."""
    N, F, P, Q = dy.shape
    columns = im2col(x, kernel_size, strides, dilation)           # (N, R, P*Q)
    dkernel = dy.reshape(N, F, P * Q) @ columns.swapaxes(1, 2)    # (N, F, P*Q) @ (N, P*Q, R) -> (N, F, R)
    return dkernel.sum(axis=0).reshape(F, x.shape[1], *kernel_size)


def conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                          dilation: Pair) -> np.ndarray:
    """Multiply the kernels, transposed, by the upstream gradient; add the columns back onto the image."""
    N, F, P, Q = dy.shape
    _, C, kh, kw = kernel.shape
    dcolumns = kernel.reshape(F, C * kh * kw).T @ dy.reshape(N, F, P * Q)   # (R, F) @ (N, F, P*Q) -> (N, R, P*Q)
    return col2im(dcolumns, (N, C, *input_size), (kh, kw), strides, dilation)


def depthwise_conv2d(x: np.ndarray, kernel: np.ndarray, strides: Pair, dilation: Pair) -> np.ndarray:
    """Add up what each place of the window sees, times its weight: no sum over channels makes it a matrix product."""
    M, C, kh, kw = kernel.shape
    P, Q = output_size(x.shape[2:], (kh, kw), strides, dilation)
    y = np.zeros((len(x), C, M, P, Q), np.result_type(x, kernel))
    for i, j in np.ndindex(kh, kw):
        seen = x[:, :, None, *tap_slices(i, j, (P, Q), strides, dilation)]      # (N, C, 1, P, Q)
        y += seen * kernel[:, :, i, j].T[:, :, None, None]                      # times (C, M, 1, 1)
    return y.reshape(len(x), C * M, P, Q)


def depthwise_conv2d_kernel_gradient(x: np.ndarray, dy: np.ndarray, kernel_size: Pair, strides: Pair,
                                     dilation: Pair) -> np.ndarray:
    """Multiply what each place of the window sees by the upstream gradients; sum over samples and places."""
    (N, CM, P, Q), C = dy.shape, x.shape[1]
    dy = dy.reshape(N, C, CM // C, P, Q)
    dkernel = np.empty((CM // C, C, *kernel_size), np.result_type(x, dy))
    for i, j in np.ndindex(*kernel_size):
        seen = x[:, :, *tap_slices(i, j, (P, Q), strides, dilation)]
        dkernel[:, :, i, j] = np.einsum("ncpq,ncmpq->mc", seen, dy)
    return dkernel


def depthwise_conv2d_input_gradient(dy: np.ndarray, kernel: np.ndarray, input_size: Pair, strides: Pair,
                                    dilation: Pair) -> np.ndarray:
    """Add the upstream gradients, times the weight of each place of the window, onto the pixels it saw."""
    (N, _, P, Q), (M, C, kh, kw) = dy.shape, kernel.shape
    dy = dy.reshape(N, C, M, P, Q)
    dx = np.zeros((N, C, *input_size), np.result_type(dy, kernel))
    for i, j in np.ndindex(kh, kw):
        dx[:, :, *tap_slices(i, j, (P, Q), strides, dilation)] += np.einsum("ncmpq,mc->ncpq", dy, kernel[:, :, i, j])
    return dx


def max_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Stack what each place of the window sees, and take the maximum over the places."""
    counts = output_size(x.shape[2:], pool_size, strides)
    places = np.stack([x[:, :, *tap_slices(i, j, counts, strides)] for i, j in np.ndindex(*pool_size)])
    return places.max(axis=0), places.argmax(axis=0).astype(np.int32)      # (kh*kw, N, C, P, Q) -> (N, C, P, Q)


def max_pool2d_gradient(dy: np.ndarray, argmax: np.ndarray, input_size: Pair, pool_size: Pair,
                        strides: Pair) -> np.ndarray:
    """Give each place of the window the upstream gradients of the windows it won."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for place, (i, j) in enumerate(np.ndindex(*pool_size)):
        dx[:, :, *tap_slices(i, j, dy.shape[2:], strides)] += np.where(argmax == place, dy, 0)
    return dx


def sum_pool2d(x: np.ndarray, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Add up what each place of the window sees."""
    counts = output_size(x.shape[2:], pool_size, strides)
    y = np.zeros((*x.shape[:2], *counts), x.dtype)
    for i, j in np.ndindex(*pool_size):
        y += x[:, :, *tap_slices(i, j, counts, strides)]
    return y


def sum_pool2d_gradient(dy: np.ndarray, input_size: Pair, pool_size: Pair, strides: Pair) -> np.ndarray:
    """Give each place of the window all upstream gradients."""
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    for i, j in np.ndindex(*pool_size):
        dx[:, :, *tap_slices(i, j, dy.shape[2:], strides)] += dy
    return dx


def bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Add up the four pixels around each place, one of the four for all images at a time."""
    padded = np.pad(x, [(0, 0), (0, 0), (1, 2), (1, 2)])                    # of the zeros around, those that are met
    y = np.zeros((*x.shape[:2], *rows.shape[1:]), x.dtype)
    for pixels, weight in neighbours(rows, columns, x.shape[2:]):
        y += weight[:, None] * padded[pixels].transpose(0, 3, 1, 2)         # (N, P, Q, C) -> (N, C, P, Q)
    return y


def bilinear_gradient(dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, input_size: Pair) -> np.ndarray:
    """Add each upstream gradient to the four pixels, where several may meet."""
    H, W = input_size
    padded = np.zeros((*dy.shape[:2], H + 3, W + 3), dy.dtype)
    for pixels, weight in neighbours(rows, columns, input_size):
        np.add.at(padded, pixels, (weight[:, None] * dy).transpose(0, 2, 3, 1))
    return padded[:, :, 1:-2, 1:-2]


def neighbours(rows: np.ndarray, columns: np.ndarray, size: Pair) -> Iterator[tuple[tuple[Any, ...], np.ndarray]]:
    """Yield the four pixels around each place, as an index of images padded by (1, 2) pixels, and their weights."""
    rows, columns = np.clip(rows, -1, size[0]) + 1, np.clip(columns, -1, size[1]) + 1
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    for i, j in product((top, top + 1), (left, left + 1)):
        weight = (1 - np.abs(rows - i)) * (1 - np.abs(columns - j))
        yield (np.arange(len(rows))[:, None, None], slice(None), i, j), weight.astype(rows.dtype, copy=False)


def channel_sums(x: np.ndarray, center: np.ndarray, dy: np.ndarray | None = None,
                 through: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return the sums over all axes but the channels', of dy and dy d, or of d and d d, with d = x - center.

    With ``through = (scale, shift)`` only those dy count that a ReLU after d scale + shift lets through.
    """
    others = (0, *range(2, x.ndim))
    d = x - along_channels(center, x)                                       # in float64, as center is
    g = d if dy is None else passed(dy, d, through).astype(np.float64)
    return np.stack([g.sum(axis=others), (g * d).sum(axis=others)])


def channel_affine(x: np.ndarray, center: np.ndarray, scale: np.ndarray, shift: np.ndarray,
                   dy: np.ndarray | None = None, dy_scale: np.ndarray | None = None, relu: bool = False,
                   through: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return (x - center) scale + shift, and dy dy_scale more where there is a dy; cut off below 0 if there is a ReLU.

    `through` is that of `channel_sums`.
    """
    center, scale, shift = (along_channels(each.astype(x.dtype), x) for each in (center, scale, shift))
    d = x - center
    y = d * scale + shift
    if dy is not None and dy_scale is not None:
        y = y + passed(dy, d, through) * along_channels(dy_scale.astype(x.dtype), x)
    return np.maximum(y, 0) if relu else y


def passed(dy: np.ndarray, d: np.ndarray, through: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """Return dy where the ReLU after d scale + shift lets it through, and 0 elsewhere; without one, dy."""
    if through is None:
        return dy
    scale, shift = (along_channels(each.astype(d.dtype), d) for each in through)
    return np.where(d * scale + shift > 0, dy, 0)


def along_channels(array: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Give an array (C,) the axes of x (N, C, ...): (C, 1, ...)."""
    return array.reshape(-1, *[1] * (x.ndim - 2))


def relu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where y is above 0, and 0 elsewhere."""
    return np.where(y > 0, dy, 0)


def adam(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray,
         rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Update a parameter, the running mean of its gradient and that of its square, array by array."""
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (g * g - v)
    p -= rate * m / (np.sqrt(v) + epsilon)


def elementwise(formula: Callable[..., Any], *args: np.ndarray | float, out: tuple[np.ndarray, ...] = ()) -> Any:
    """Compute a formula, operation by operation."""
    return computed(formula, args, out)


def elementwise_sum(formula: Callable[..., Any], *args: np.ndarray | float) -> float:
    """Add up a formula, operation by operation."""
    return summed(formula, args)
