"""Matrix products: past the zeros of a sparse matrix, by tiles, or by BLAS, whichever is fastest."""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import sparse, tiles
from tinynet.kernels.fast.compiling import compiled, unmarked
from tinynet.kernels.fast.threads import MIN_PARALLEL, on_one_blas_thread, parallel_for

MAX_TINY = 8_000               # multiply-adds up to which BLAS uses one thread of its own accord
MAX_NARROW = 256               # columns up to which tiles are faster than BLAS, which first copies its matrices
DEPTH_BLOCK = 512              # rows of `b` to a block: with up to `MAX_NARROW` columns they stay in L2


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N), half of the product on each core where it is large."""
    M, N, multiply_adds = a.shape[0], b.shape[1], a.size * b.shape[1]
    small = multiply_adds < MIN_PARALLEL
    if not small and sparse.mostly_zeros(a, b) and (y := sparse.matmul(a, b)) is not None:
        return y
    if (small or N <= MAX_NARROW) and tiles.suits_tiles(a, b):
        a, b = unmarked(a), unmarked(b)
        y, multiply = empty((M, N), b.dtype), multiply_matrix if M > 1 else multiply_vector
        parallel_for(lambda start, stop: multiply(a[start:stop], b, y[start:stop]), M, M if small else -(-M // 2))
        return y
    if multiply_adds <= MAX_TINY:
        return a @ b
    return on_one_blas_thread(lambda: a @ b if small else blas_in_halves(a, b))


def blas_in_halves(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N) by BLAS, half of the rows or of the columns at a time, whichever are more."""
    M, N = a.shape[0], b.shape[1]
    y = empty((M, N), np.result_type(a, b))

    def rows(start: int, stop: int) -> None:
        np.matmul(a[start:stop], b, out=y[start:stop])

    def columns(start: int, stop: int) -> None:
        np.matmul(a, b[:, start:stop], out=y[:, start:stop])
    parallel_for(rows if M >= N else columns, max(M, N), -(-max(M, N) // 2))
    return y


@compiled
def multiply_matrix(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """Fill y (M, N) with a (M, K) times b (K, N), N whole vectors, rows of b and y contiguous.

    A block of rows of b at a time, so that they stay in L2 while all rows of a pass.
    """
    (M, K), N = a.shape, b.shape[1]
    rows, width = tiles.balanced_rows(M), tiles.tile_width(y.itemsize)
    y[...] = 0
    for k in range(0, K, DEPTH_BLOCK):
        for m in range(0, M, rows):
            for n in range(0, N, width):
                c = y[m:m + rows, n:n + width]
                tiles.tile(a[m:m + rows, None, k:k + DEPTH_BLOCK], b[None, k:k + DEPTH_BLOCK, n:n + width], c, c)


@compiled
def multiply_vector(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """Fill y (1, N) with a (1, K) times b (K, N), as `multiply_matrix` does.

    Each number of b is used once, so only the bandwidth of memory counts: wide tiles read long runs of its rows.
    """
    width = tiles.MAX_GEMV_VECTORS * tiles.VECTOR_BYTES // y.itemsize
    y[...] = 0
    for n in range(0, b.shape[1], width):
        c = y[:, n:n + width]
        tiles.gemv_tile(a[:, None], b[None, :, n:n + width], c, c)
