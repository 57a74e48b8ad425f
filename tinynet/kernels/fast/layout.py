"""How images, kernels and biases are laid out in memory, so that tiles can multiply them.

Images are channels last, (H, W, C), in memory alone: every function still takes and returns arrays of shape
(N, C, H, W). What one convolution returns lies as the next one wants it, so that nothing is copied between them.

Channels last, a row of a window, kw pixels of C channels, is contiguous: S = 1 segment of
R = kw * C numbers. Where dilation leaves gaps between its columns, only pixels are: S = kw segments of R = C numbers.
The windows of an image are then (P, Q, S, kh, R), numbers at regular distances in memory, and the columns of im2col are
never written.
Kernels are cut into panels as wide as a tile, in the same order of rows.
"""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.compiling import for_loops, unmarked
from tinynet.kernels.fast.threads import parallel_for, samples_per_chunk
from tinynet.kernels.geometry import Pair

NO_MARGINS = (0, 0), (0, 0)
MIN_SHARED = 100_000           # numbers that one thread copies before a second one wakes

def row_segments(width: int, channels: int, column_dilation: int) -> Pair:
    """Return (S, R): a row of a window is S segments of R contiguous numbers."""
    return (1, width * channels) if column_dilation == 1 else (width, channels)


def images(x: np.ndarray, dtype: np.dtype, margins: tuple[Pair, Pair] = NO_MARGINS) -> np.ndarray:
    """Return images (N, C, H, W) channels last, (N, H, W, C), with margins of zeros ((top, bottom), (left, right)).

    A view, where they lie so already and have no margins.
    """
    last = x.transpose(0, 2, 3, 1)
    if margins == NO_MARGINS and lies_channels_last(x, dtype):
        return unmarked(last.reshape(-1).reshape(last.shape))       # strides to rely on, also along an axis of 1
    (N, H, W, C), ((top, bottom), (left, right)) = last.shape, margins
    padded = empty((N, top + H + bottom, left + W + right, C), dtype)

    def work(start: int, stop: int) -> None:
        if margins != NO_MARGINS:
            padded[start:stop] = 0
        padded[start:stop, top:top + H, left:left + W] = last[start:stop]
    parallel_for(work, N, samples_per_chunk(N), serial=x.size < MIN_SHARED)
    return padded


def lies_channels_last(x: np.ndarray, dtype: np.dtype) -> bool:
    """Return whether images (N, C, H, W) lie in memory as compiled loops take them: (N, H, W, C), of a dtype."""
    return x.dtype == dtype and x.dtype.isnative and x.transpose(0, 2, 3, 1).flags.c_contiguous and x.flags.aligned


def arrays(last: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) as what they are to everybody else: (N, C, H, W)."""
    return last.transpose(0, 3, 1, 2)


def memory_of(x: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return images (N, C, H, W) as flat memory and, in numbers, the strides of (N, H, W, C) in it.

    For arrays themselves numba would compile anew in each order in which they may lie.
    """
    last = x.transpose(0, 2, 3, 1)
    if lies_channels_last(x, dtype):
        flat, strides = last.reshape(-1), last.strides
    else:
        x = for_loops(x, dtype)
        flat, strides = x.reshape(-1), x.transpose(0, 2, 3, 1).strides
    return unmarked(flat), tuple(stride // dtype.itemsize for stride in strides)


def in_whole_vectors(piece: np.ndarray) -> np.ndarray:
    """Return an array (..., F) with F rounded up to whole vectors: itself, or another one with zeros after its numbers.

    >>> in_whole_vectors(np.ones((2, 3), np.float32))[0, :4]
    array([1., 1., 1., 0.], dtype=float32)
    """
    F = piece.shape[-1]
    lanes = tiles.round_up_to_vector(F, piece.itemsize)
    if lanes == F:
        return piece
    whole = np.zeros((*piece.shape[:-1], lanes), piece.dtype)
    whole[..., :F] = piece
    return whole


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
    dtype = arrays[0].dtype
    if dtype.char in "fd" and dtype.isnative and all(array.dtype is dtype for array in arrays):        # nearly always
        return dtype
    dtype = np.result_type(*arrays, np.float32)
    return np.dtype(np.float64) if dtype == np.longdouble else dtype
