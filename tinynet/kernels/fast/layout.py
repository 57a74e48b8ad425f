"""How images, kernels and biases are laid out in memory, so that tiles can multiply them.

Images are channels last, (H, W, C). There a row of a window, kw pixels of C channels, is contiguous: S = 1 segment of
R = kw * C numbers. Where dilation leaves gaps between its columns, only pixels are: S = kw segments of R = C numbers.
The windows of an image are then a strided view, (P, Q, S, kh, R), and the columns of im2col are never written.
Kernels are cut into panels as wide as a tile, in the same order of rows.
"""

import numpy as np
from numba.extending import register_jitable
from numpy.lib.stride_tricks import as_strided

from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.compiling import compiled
from tinynet.kernels.geometry import Pair, output_size

register_jitable(inline="always")(output_size)               # so that compiled code may call it too


@register_jitable(inline="always")
def row_segments(width: int, channels: int, column_dilation: int) -> Pair:
    """Return (S, R): a row of a window is S segments of R contiguous numbers."""
    return (1, width * channels) if column_dilation == 1 else (width, channels)


@compiled
def window_views(image: np.ndarray, kernel_size: Pair, strides: Pair, dilation: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return views of the windows of an image (H, W, C): (P, Q, S, kh, R), and transposed to (S, kh, R, P, Q)."""
    (H, W, C), (kh, kw), (s, t), (d, e) = image.shape, kernel_size, strides, dilation
    P, Q = output_size((H, W), kernel_size, strides, dilation)
    S, R = row_segments(kw, C, e)
    row, pixel, number = image.strides
    return (as_strided(image, (P, Q, S, kh, R), (s * row, t * pixel, e * pixel, d * row, number)),
            as_strided(image, (S, kh, R, P, Q), (e * pixel, d * row, number, s * row, t * pixel)))


@compiled
def channels_last(x: np.ndarray, y: np.ndarray) -> None:
    """Copy x (C, H, W) to y (H, W, C); further channels of y stay as they are."""
    for c in range(x.shape[0]):
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                y[h, w, c] = x[c, h, w]


@compiled
def channels_first(x: np.ndarray, y: np.ndarray) -> None:
    """Copy x (H, W, C) to y (C, H, W); further channels of x are left out."""
    for c in range(y.shape[0]):
        for h in range(y.shape[1]):
            for w in range(y.shape[2]):
                y[c, h, w] = x[h, w, c]


def kernel_panels(kernel: np.ndarray, dilation: Pair, dtype: np.dtype) -> np.ndarray:
    """Lay a kernel (F, C, kh, kw) out for the forward pass: (panels, S, kh, R, width), `width` filters to a panel."""
    _, C, kh, kw = kernel.shape
    if dilation[1] == 1:
        cut = cut_into_panels(kernel.transpose(2, 3, 1, 0), dtype)                        # (panels, kh, kw, C, width)
        return cut.reshape(len(cut), 1, kh, kw * C, -1)
    return cut_into_panels(kernel.transpose(3, 2, 1, 0), dtype)                           # (panels, kw, kh, C, width)


def transposed_kernel_panels(kernel: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Lay a kernel (F, C, kh, kw) out for the input gradient: (panels, kh, kw, 1, F, width), `width` channels each."""
    return cut_into_panels(kernel.transpose(2, 3, 0, 1)[:, :, None], dtype)


def cut_into_panels(matrix: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Cut the last axis into panels as wide as a tile, padded with zeros: (..., N) -> (panels, ..., width)."""
    N, width = matrix.shape[-1], tiles.tile_width(dtype.itemsize)
    cut = np.zeros((-(-N // width), *matrix.shape[:-1], width), dtype)
    for panel, start in enumerate(range(0, N, width)):
        cut[panel, ..., :N - start] = matrix[..., start:start + width]
    return cut


def bias_rows(bias: np.ndarray) -> np.ndarray:
    """Repeat a bias (F,) in each row that a tile may have, F rounded up to whole vectors: (MAX_ROWS, F + zeros)."""
    rows = np.zeros((tiles.MAX_ROWS, tiles.round_up_to_vector(len(bias), bias.itemsize)), bias.dtype)
    rows[:, :len(bias)] = bias
    return rows


def gradient_sums(chunks: int, shape: tuple[int, int, int, int], dilation: Pair, dtype: np.dtype) -> np.ndarray:
    """Return zeros (chunks, S, kh, R, F + zeros) to add the gradients of a kernel of a shape (F, C, kh, kw) to."""
    F, C, kh, kw = shape
    S, R = row_segments(kw, C, dilation[1])
    return np.zeros((chunks, S, kh, R, tiles.round_up_to_vector(F, dtype.itemsize)), dtype)


def sum_to_kernel(dweights: np.ndarray, F: int, kernel_size: Pair) -> np.ndarray:
    """Add up the gradients of the chunks, (chunks, S, kh, R, F + zeros), and return the kernel's, (F, C, kh, kw)."""
    (kh, kw), S = kernel_size, dweights.shape[1]
    total = dweights.sum(axis=0)[..., :F]                                        # (S, kh, R, F)
    if S == 1:
        total = total.reshape(kh, kw, -1, F).transpose(1, 0, 2, 3)               # (kw, kh, C, F)
    return np.ascontiguousarray(total.transpose(3, 2, 1, 0))


def common_dtype(*arrays: np.ndarray) -> np.dtype:
    """Return the dtype to compute with some arrays in: compiled loops know float32 and float64 only."""
    dtype = np.result_type(*arrays, np.float32)
    return np.dtype(np.float64) if dtype == np.longdouble else dtype
