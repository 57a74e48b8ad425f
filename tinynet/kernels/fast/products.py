"""Matrix products: past the zeros of a sparse matrix, by tiles, or by BLAS, whichever is fastest."""

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import layout, sparse, tiles
from tinynet.kernels.fast.compiling import compiled, unmarked
from tinynet.kernels.fast.threads import MIN_PARALLEL, on_one_blas_thread, parallel_for

NUM_PIECES = 8                 # of a large product, whatever the number of threads
MIN_PIECE = MIN_PARALLEL // 2  # multiply-adds of a piece
MAX_TINY = 8_000               # multiply-adds up to which BLAS uses one thread of its own accord
MAX_NARROW = 256               # columns up to which tiles are faster than BLAS, which first copies its matrices
DEPTH_BLOCK = 512              # rows of `b` to a block: with up to `MAX_NARROW` columns they stay in L2


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N), a piece at a time on all cores where it is large."""
    M, N, multiply_adds = a.shape[0], b.shape[1], a.size * b.shape[1]
    small = multiply_adds < MIN_PARALLEL
    if not small and sparse.mostly_zeros(a, b) and (y := sparse.matmul(a, b)) is not None:
        return y
    if (small or N <= MAX_NARROW) and tiles.suits_tiles(a, b):
        return by_tiles(a, b, -(-M // num_pieces(multiply_adds)))
    if multiply_adds <= MAX_TINY:
        return a @ b
    if small and tiles.suits_compiled_loops(a, b := np.ascontiguousarray(b)):
        return np.ascontiguousarray(by_tiles(a, layout.in_whole_vectors(b), M)[:, :N])
    return on_one_blas_thread(lambda: a @ b if small else blas_in_pieces(a, b))


def by_tiles(a: np.ndarray, b: np.ndarray, rows: int) -> np.ndarray:
    """Multiply (M, K) by (K, N), N whole vectors, some rows of the result at a time."""
    a, b = unmarked(a), unmarked(b)
    y, multiply = empty((len(a), b.shape[1]), b.dtype), multiply_matrix if len(a) > 1 else multiply_vector
    parallel_for(lambda start, stop: multiply(a[start:stop], b, y[start:stop]), len(a), rows)
    return y


def blas_in_pieces(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N) by BLAS, a piece of the result at a time.

    BLAS copies its matrices before it multiplies, for each piece anew: the nearer to a square, the less it copies.
    """
    (M, N), pieces = (a.shape[0], b.shape[1]), num_pieces(a.size * b.shape[1])
    rows, columns = M, N                                                          # of a piece
    while -(-M // rows) * -(-N // columns) < pieces:
        rows, columns = (-(-rows // 2), columns) if rows >= columns else (rows, -(-columns // 2))
    y, across = empty((M, N), np.result_type(a, b)), -(-N // columns)

    def work(start: int, stop: int) -> None:
        for piece in range(start, stop):
            m, n = piece // across * rows, piece % across * columns
            np.matmul(a[m:m + rows], b[:, n:n + columns], out=y[m:m + rows, n:n + columns])
    parallel_for(work, -(-M // rows) * across, 1)
    return y


def num_pieces(multiply_adds: int) -> int:
    """Return how many pieces a product is cut into."""
    return max(1, min(NUM_PIECES, multiply_adds // MIN_PIECE))


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
