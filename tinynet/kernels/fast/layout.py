"""How images, kernels and biases are laid out in memory, so that tiles can multiply them.

Images are channels last, (H, W, C), in memory alone: every function still takes and returns arrays of shape
(N, C, H, W). What one convolution returns lies as the next one wants it, so that nothing is copied between them.

Channels last, a row of a window, kw pixels of C channels, is contiguous: S = 1 segment of
R = kw * C numbers. Where dilation leaves gaps between its columns, or the other groups' channels do, only pixels are:
S = kw segments of R = C numbers.
The windows of an image are then (P, Q, S, kh, R), numbers at regular distances in memory, and the columns of im2col are
never written.
Kernels are cut into panels as wide as a tile, in the same order of rows.
"""

import numpy as np

from tinynet.kernels.buffers import address, aligned, empty
from tinynet.kernels.fast import tiles
from tinynet.kernels.fast.compiling import for_loops, unmarked
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.memory import at, numbers
from tinynet.kernels.fast.threads import NUM_CHUNKS, NUM_PIECES, for_chunks, samples_per_chunk
from tinynet.kernels.geometry import Pair
from tinynet.kernels.streams import launches, synchronize

NO_MARGINS = (0, 0), (0, 0)
MIN_SHARED = 1 << 15           # numbers that are worth copying on another thread
FEW_SETS = 512                 # bytes: rows that are a multiple of it long share an eighth of L1's sets, or fewer
MIN_TURNED = 20_000            # numbers that NumPy copies while another function is called


def row_segments(width: int, channels: int, side_by_side: bool) -> Pair:
    """Return (S, R): a row of a window, whose pixels lie side by side or not, is S segments of R contiguous numbers."""
    return (1, width * channels) if side_by_side else (width, channels)


def images(x: np.ndarray, dtype: np.dtype, margins: tuple[Pair, Pair] = NO_MARGINS, value: float = 0) -> np.ndarray:
    """Return images (N, C, H, W) channels last, (N, H, W, C), with margins ((top, bottom), (left, right)) of a value.

    A view, where they lie so already and have no margins.
    """
    last = x.transpose(0, 2, 3, 1)
    if margins == NO_MARGINS and lies(last, dtype):
        return unmarked(last.reshape(-1).reshape(last.shape))       # strides to rely on, also along an axis of 1
    (N, H, W, C), ((top, bottom), (left, right)) = last.shape, margins
    padded = empty((N, top + H + bottom, left + W + right, C), dtype)
    if last.dtype != dtype or not dtype.isnative or not last.flags.aligned:
        synchronize()
        if margins != NO_MARGINS:
            padded[...] = value
        padded[:, top:top + H, left:left + W] = last
        return padded
    for_chunks(place_images, N, samples_per_piece(x), tiles.entries(dtype).copy, last.ctypes.data, *last.strides,
               padded, H, W, top, left, float(value), alive=last)
    return padded


@chunked
def place_images(start: int, stop: int, copy: int, address: int, of_n: int, of_h: int, of_w: int, of_c: int,
                 padded: np.ndarray, H: int, W: int, top: int, left: int, value: float) -> None:
    """Copy images (N, H, W, C), given their strides in bytes, into padded ones, with margins of a value."""
    _, height, width, C = padded.shape
    size_of, has_margins, margin = padded.itemsize, (height, width) != (H, W), padded.dtype.type(value)
    in_a_row = of_w == C * size_of and (of_c == size_of or C == 1)
    for n in range(start, stop):
        pixels = numbers(padded, n * height * width * C, (height * width * C,))
        for k in range(pixels.size if has_margins else 0):
            pixels[k] = margin
        for h in range(H):
            begin, target = address + n * of_n + h * of_h, at(padded, n, top + h, left)
            if in_a_row:
                tiles.copy(copy, begin, 0, size_of, target, 0, size_of, 1, W * C)
            else:
                tiles.copy(copy, begin, of_w, of_c, target, C * size_of, size_of, W, C)


def samples_per_piece(x: np.ndarray) -> int:
    """Return how many samples to copy at a time."""
    return len(x) if x.size < MIN_SHARED else samples_per_chunk(len(x), NUM_PIECES)


def lies_channels_last(x: np.ndarray, dtype: np.dtype) -> bool:
    """Return whether images (N, C, H, W) lie in memory as compiled loops take them: (N, H, W, C), of a dtype."""
    return lies(x.transpose(0, 2, 3, 1), dtype)


def lies(array: np.ndarray, dtype: np.dtype) -> bool:
    """Return whether an array lies in memory as compiled loops take it: C-contiguous, of a dtype."""
    own, flags = array.dtype, array.flags
    return own == dtype and own.isnative and flags.c_contiguous and flags.aligned


def arrays(last: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) as what they are to everybody else: (N, C, H, W)."""
    return last.transpose(0, 3, 1, 2)


def channels_first(last: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) as (N, C, H, W), which is how they lie in memory, too."""
    N, H, W, C = last.shape
    first = empty((N, C, H, W), last.dtype)
    for_chunks(turn_images, N, samples_per_piece(last), tiles.entries(last.dtype).copy, last.reshape(N, H * W, C),
               first.reshape(N, C, H * W))
    return first


@chunked
def turn_images(start: int, stop: int, copy: int, last: np.ndarray, first: np.ndarray) -> None:
    """Fill images start to stop of first (N, C, pixels) from last (N, pixels, C)."""
    _, pixels, C = last.shape
    for n in range(start, stop):
        tiles.copy(copy, at(last, n), C * last.itemsize, last.itemsize, at(first, n), last.itemsize,
                   pixels * last.itemsize, pixels, C)


def contiguous(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix C-contiguous: itself, or a copy; a large transposed one is turned in vectors, in a third of the
    time that NumPy takes, or less.
    """
    if lies(matrix, matrix.dtype):
        return matrix
    if matrix.dtype.char in "fd" and (launches() or matrix.size >= MIN_TURNED) and lies(matrix.T, matrix.dtype):
        return copied(matrix)
    synchronize()
    return np.ascontiguousarray(matrix)


def copied(matrix: np.ndarray) -> np.ndarray:
    """Return a copy of a matrix of floats, however it lies, C-contiguous."""
    turned, Q = empty(matrix.shape, matrix.dtype), len(matrix)
    for_chunks(turn_rows, Q, Q if matrix.size < MIN_SHARED else tiles.cut(Q, NUM_CHUNKS),
               tiles.entries(matrix.dtype).copy, matrix.ctypes.data, *matrix.strides, turned, alive=matrix)
    return turned


@chunked
def turn_rows(start: int, stop: int, copy: int, address: int, of_row: int, of_column: int, turned: np.ndarray) -> None:
    """Fill rows start to stop of turned (Q, F) from a matrix at an address, given its strides in bytes."""
    tiles.copy(copy, address + start * of_row, of_row, of_column, at(turned, start), turned.shape[1] * turned.itemsize,
               turned.itemsize, stop - start, turned.shape[1])


def begin(array: np.ndarray) -> int:
    """Return the address where an array begins, in half of the time that its ``ctypes.data`` takes, or a quarter."""
    flags = array.flags
    if flags.c_contiguous and flags.writeable and array.size:
        return address(array)
    return array.__array_interface__["data"][0]


def memory_of(x: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return images (N, C, H, W) as flat memory and, in numbers, the strides of (N, H, W, C) in it.

    For arrays themselves numba would compile anew in each order in which they may lie. The strides follow from the
    shape: those that an array itself has along an axis of 1 may be any.
    """
    (_, C, H, W), last = x.shape, x.transpose(0, 2, 3, 1)
    if lies(last, dtype):
        return unmarked(last.reshape(-1)), (H * W * C, W * C, C, 1)
    return unmarked(for_loops(x, dtype).reshape(-1)), (C * H * W, W, 1, H * W)


def in_whole_vectors(piece: np.ndarray) -> np.ndarray:
    """Return an array (..., F) with F rounded up to whole vectors: itself, or another one with zeros after its numbers.

    >>> in_whole_vectors(np.ones((2, 3), np.float32))[0, :4]
    array([1., 1., 1., 0.], dtype=float32)
    """
    F = piece.shape[-1]
    lanes = tiles.round_up_to_vector(F, piece.itemsize)
    if lanes == F:
        return piece
    if launches() and piece.dtype.char in "fd" and lies(piece, piece.dtype):
        whole = empty((*piece.shape[:-1], lanes), piece.dtype)
        rows = unmarked(piece).reshape(-1, F)
        for_chunks(widen_rows, len(rows), len(rows), rows, whole.reshape(-1, lanes))
        return whole
    synchronize()
    whole = np.zeros((*piece.shape[:-1], lanes), piece.dtype)
    whole[..., :F] = piece
    return whole


@chunked
def widen_rows(start: int, stop: int, rows: np.ndarray, whole: np.ndarray) -> None:
    """Fill rows start to stop of whole (R, lanes) with those of rows (R, F), and zeros after them."""
    (_, F), (_, lanes) = rows.shape, whole.shape
    for n in range(start, stop):
        for f in range(F):
            whole[n, f] = rows[n, f]
        for f in range(F, lanes):
            whole[n, f] = 0


def spread(lanes: int, groups: int, itemsize: int) -> int:
    """Return how many numbers to leave for rows of so many, which would share few sets of the L1 cache if they are a
    multiple of `FEW_SETS` long; groups are equal parts of a row.

    Which set a line may lie in depends on its address within a page; a set keeps eight lines or so.
    """
    return lanes if lanes * itemsize % FEW_SETS or groups > 1 else lanes + tiles.tile_width(itemsize)


def kernel_panels(kernel: np.ndarray, side_by_side: bool, dtype: np.dtype) -> np.ndarray:
    """Lay a kernel (F, C, kh, kw) out for the forward pass, `width` filters to a panel: in memory (panels, S, kh, R,
    width), which is (panels, kh, kw, C, width) or, where S = kw, (panels, kw, kh, C, width).
    """
    return cut_into_panels(kernel.transpose((2, 3, 1, 0) if side_by_side else (3, 2, 1, 0)), dtype)


def transposed_kernel_panels(kernel: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Lay a kernel (F, C, kh, kw) out for the input gradient: (panels, kh, kw, 1, F, width), `width` channels each."""
    return cut_into_panels(kernel.transpose(2, 3, 0, 1), dtype)[:, :, :, None]


def cut_into_panels(matrix: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Cut the last axis into panels as wide as a tile, padded with zeros: (A, B, C, N) -> (panels, A, B, C, width)."""
    if matrix.dtype != dtype or not dtype.isnative or not matrix.flags.aligned:
        synchronize()
        matrix = matrix.astype(dtype)
    (A, B, C, N), width = matrix.shape, tiles.tile_width(dtype.itemsize)
    panels = empty((tiles.cut(N, width), A, B, C, width), dtype)
    for_chunks(cut_rows, C, C if matrix.size < MIN_SHARED else tiles.cut(C, NUM_PIECES), tiles.entries(dtype).copy,
               begin(matrix), *matrix.strides, N, panels, alive=matrix)
    return panels


@chunked
def cut_rows(start: int, stop: int, copy: int, address: int, of_a: int, of_b: int, of_c: int, of_n: int, N: int,
             panels: np.ndarray) -> None:
    """Fill rows (a, b, c) of panels (panels, A, B, C, width), c from start to stop, from a matrix (A, B, C, N) at an
    address, given its strides in bytes; where N ends, with zeros.

    All (a, b) of a c at once where they are at equal distances: they are neighbours in the kernel.
    """
    count, A, B, C, width = panels.shape
    rows, times = (A * B, 1) if of_a == B * of_b else (B, A)
    for p in range(count):
        lanes = min(width, N - p * width)
        for c in range(start, stop):
            for a in range(times):
                tiles.copy(copy, address + a * of_a + c * of_c + p * width * of_n, of_b, of_n, at(panels, p, a, 0, c),
                           C * width * panels.itemsize, panels.itemsize, rows, lanes)
            for a in range(A if lanes < width else 0):
                for b in range(B):
                    for lane in range(lanes, width):
                        panels[p, a, b, c, lane] = 0


def gradient_sums(chunks: int, shape: tuple[int, ...], side_by_side: bool, dtype: np.dtype) -> np.ndarray:
    """Return (chunks, S, kh, R, F + zeros) to add the gradients of a kernel of a shape (F, C, kh, kw) to.

    Each chunk sets its own to 0, while it is in the cache: at once it took 2 % of a step of large convolutions.
    """
    F, C, kh, kw = shape
    S, R = row_segments(kw, C, side_by_side)
    return aligned((chunks, S, kh, R, tiles.round_up_to_vector(F, dtype.itemsize)), dtype)


def sum_to_kernel(dweights: np.ndarray, F: int, kernel_size: Pair, groups: int = 1) -> np.ndarray:
    """Add up the gradients of the chunks, (chunks * groups, S, kh, R, F + zeros), in place, and return the kernel's,
    (groups * F, C, kh, kw).
    """
    (kh, kw), (_, S, _, R, lanes) = kernel_size, dweights.shape
    C, length, strides = (R // kw, kw, (kw, 1)) if S == 1 else (R, kh, (1, kw))          # of kh and kw, or of kw and kh
    kernel, rows = empty((groups * F, C, kh, kw), dweights.dtype), groups * kh * kw * C
    size = rows if dweights.size < MIN_SHARED else tiles.cut(rows, NUM_PIECES)
    for_chunks(add_to_first, rows, size, dweights.reshape(-1, rows, lanes), kernel.reshape(groups, F, kh * kw * C), C,
               length, *strides)
    return kernel


@chunked
def add_to_first(start: int, stop: int, sums: np.ndarray, kernel: np.ndarray, C: int, length: int, of_p: int, of_q: int
                 ) -> None:
    """Add rows start to stop of all sums (chunks, groups * area, lanes) to the first, and fill kernel (groups, F, area)
    with them.

    In the sums a group's rows are (p, q, c), q being below a `length`; in the kernel they are (c, p, q) or (c, q, p).
    """
    (chunks, _, lanes), (_, F, area) = sums.shape, kernel.shape
    for row in range(start, stop):
        for n in range(1, chunks):
            for k in range(lanes):
                sums[0, row, k] += sums[n, row, k]
        group, place = row // area, row % area
        p, q, c = place // C // length, place // C % length, place % C
        target = c * (area // C) + p * of_p + q * of_q
        for f in range(F):
            kernel[group, f, target] = sums[0, row, f] if chunks else kernel.dtype.type(0)       # 0 of an empty batch


def column_sums(rows: np.ndarray) -> np.ndarray:
    """Return the sums of the columns of rows (R, F), added one after the other, as NumPy does, (F,)."""
    if not lies(rows, rows.dtype) or rows.dtype.char not in "fd":
        synchronize()
        return rows.sum(axis=0)
    total, F = empty(rows.shape[1:], rows.dtype), rows.shape[1]
    for_chunks(add_rows, F, F if rows.size < MIN_SHARED else tiles.cut(F, NUM_PIECES), unmarked(rows), total)
    return total


@chunked
def add_rows(start: int, stop: int, rows: np.ndarray, total: np.ndarray) -> None:
    """Fill total (F,) with the sums of rows (R, F), columns start to stop."""
    columns = total[start:stop]
    for f in range(columns.size):
        columns[f] = 0
    for r in range(len(rows)):
        row = numbers(rows, r * rows.shape[1] + start, (columns.size,))
        for f in range(columns.size):
            columns[f] += row[f]


def common_dtype(a: np.ndarray, b: np.ndarray | None = None) -> np.dtype:
    """Return the dtype to compute with arrays in: compiled loops know float32 and float64 only."""
    dtype = a.dtype
    if dtype.char in "fd" and dtype.isnative and (b is None or b.dtype is dtype):                      # nearly always
        return dtype
    dtype = np.result_type(a, a if b is None else b, np.float32)
    return np.dtype(np.float64) if dtype == np.longdouble else dtype
