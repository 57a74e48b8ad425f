"""Products of a matrix that is mostly zeros, such as the pixels of digits, by tiles that pass over them.

Four of five pixels of a batch of MNIST are 0. Of six digits two of five pixels are not 0 in all of them, and of six
neighbouring pixels one of three digits has any: so many columns are left of six rows of pixels, and of six rows of
their transpose, as a kernel's gradient needs it. They are listed first. `docs/performance.md` has the gain.
"""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import unmarked
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.llvm.functions import LISTED_ROWS, LISTED_VECTORS, VECTOR_BYTES, listed_entry, multiply_listed
from tinynet.kernels.fast.llvm.memory import at, numbers
from tinynet.kernels.fast.threads import NUM_PIECES, for_chunks
from tinynet.kernels.fast.tiles import cut, suits_compiled_loops
from tinynet.kernels.streams import synchronize

SAMPLED_ROWS = 8               # whose nonzeros are counted to estimate the density


def mostly_zeros(a: np.ndarray, b: np.ndarray, most: float) -> bool:
    """Return whether `matmul` takes a and b, and a share of `most` of a is not 0, judged by a few rows, as they lie."""
    if b.shape[1] < width_of_panels(b) or not suits_compiled_loops(a, b):
        return False
    synchronize()
    rows = a if a.flags.c_contiguous else a.T
    sample = rows[::-(-len(rows) // SAMPLED_ROWS)]
    return int(np.count_nonzero(sample != 0)) <= most * sample.size       # of booleans: it is slow with numbers


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return a (M, K) times b (K, N), N at least a panel wide; or None where `b` has a NaN or an infinity: 0 times that
    is not 0.
    """
    (M, K), N, entry = a.shape, b.shape[1], listed_entry(b.dtype)
    y, infinite, blocks, panels = empty((M, N), b.dtype), np.zeros(1, bool), cut(M, LISTED_ROWS), cut(
        N, width_of_panels(b))
    turned, b = a.flags.f_contiguous, unmarked(b)
    lying = unmarked(a.T if turned else np.ascontiguousarray(a))
    columns, counts = empty((blocks, K), np.dtype(np.int64)), np.empty(blocks, np.int64)
    for_chunks(list_columns, blocks, cut(blocks, NUM_PIECES), lying, turned, b, columns, counts, infinite)
    synchronize()
    if infinite[0]:
        return None
    for_chunks(multiply_panels, panels, cut(panels, NUM_PIECES), entry, lying, turned, b, y, columns, counts)
    return y


def width_of_panels(b: np.ndarray) -> int:
    """Return how many columns are multiplied at once."""
    return LISTED_VECTORS * VECTOR_BYTES // b.itemsize


@chunked
def list_columns(start: int, stop: int, a: np.ndarray, turned: bool, b: np.ndarray, columns: np.ndarray,
                 counts: np.ndarray, infinite: np.ndarray) -> None:
    """List in columns (blocks, K), and count, those of a (M, K), or turned (K, M), that have a number in a block of its
    rows; note in infinite (1,) whether a share of b (K, N) has a NaN or an infinity.
    """
    (blocks, K), (_, N), finite, M = columns.shape, b.shape, True, a.shape[1] if turned else a.shape[0]
    anything = np.zeros((stop - start, K), np.bool_)
    if turned:
        whole = min(stop, M // LISTED_ROWS)
        for k in range(K):
            for block in range(start, whole):
                found = False
                for m in range(LISTED_ROWS):                     # of a length that is known: four times as fast
                    found |= a[k, block * LISTED_ROWS + m] != 0
                anything[block - start, k] = found
            for m in range(max(start, whole) * LISTED_ROWS, min(M, stop * LISTED_ROWS)):
                anything[-1, k] |= a[k, m] != 0
    else:
        for m in range(start * LISTED_ROWS, min(M, stop * LISTED_ROWS)):
            for k in range(K):
                anything[m // LISTED_ROWS - start, k] |= a[m, k] != 0
    for block in range(start, stop):
        count = 0
        for k in range(K):                                       # no branch: the next column overwrites one of zeros
            columns[block, count] = k
            count += anything[block - start, k]
        counts[block] = count
    share = numbers(b, start * K // blocks * N, ((stop * K // blocks - start * K // blocks) * N,))
    for n in range(share.size):
        finite &= np.isfinite(share[n])
    if not finite:
        infinite[0] = True


@chunked
def multiply_panels(start: int, stop: int, entry: int, a: np.ndarray, turned: bool, b: np.ndarray, y: np.ndarray,
                    columns: np.ndarray, counts: np.ndarray) -> None:
    """Fill some panels of columns of y (M, N), a block of rows at a time; the last one begins a little earlier."""
    (M, N), of = y.shape, y.itemsize
    width, of_row, of_column = LISTED_VECTORS * VECTOR_BYTES // of, a.shape[1] * of, of
    if turned:
        of_row, of_column = of_column, of_row
    for block in range(len(counts)):
        m = block * LISTED_ROWS
        for panel in range(start, stop):
            n = min(panel * width, N - width)
            multiply_listed(entry, at(columns, block), counts[block], at(a) + m * of_row, of_row, of_column,
                            at(b, 0, n), N * of, at(y, m, n), N * of, min(LISTED_ROWS, M - m))
