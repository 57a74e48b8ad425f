"""Matrix products: past the zeros of a sparse matrix, by tiles, or by BLAS, whichever is fastest."""

from functools import lru_cache

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast import layout, sparse, tiles
from tinynet.kernels.fast.compiling import unmarked
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
        return by_tiles(a, b, M if small else -(-M // num_pieces(multiply_adds)))
    if multiply_adds <= MAX_TINY:
        return a @ b
    if small and tiles.suits_compiled_loops(a, b := np.ascontiguousarray(b)):
        return np.ascontiguousarray(by_tiles(a, layout.in_whole_vectors(b), M)[:, :N])
    return on_one_blas_thread(lambda: a @ b if small else blas_in_pieces(a, b))


def by_tiles(a: np.ndarray, b: np.ndarray, rows: int) -> np.ndarray:
    """Multiply (M, K) by (K, N), N whole vectors, some rows of the result at a time."""
    a, b, y = unmarked(a), unmarked(b), empty((a.shape[0], b.shape[1]), b.dtype)
    if rows >= len(a):
        multiply_tiles(a, b, y)
    else:
        parallel_for(lambda start, stop: multiply_tiles(a[start:stop], b, y[start:stop]), len(a), rows)
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


def multiply_tiles(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """Fill y (M, N) with a (M, K) times b (K, N), N whole vectors, rows of b and y contiguous."""
    y.fill(0)
    if a.size:
        loops = loops_of_product(*a.shape, y.strides[0] // tiles.VECTOR_BYTES, *a.strides)
        tiles.run(tiles.entries(b.dtype).multiply, loops, 0, a[:1, 0], b.reshape(-1), y.reshape(-1))


@lru_cache(maxsize=1024)
def loops_of_product(M: int, K: int, V: int, a_m: int, a_k: int) -> np.ndarray:
    """Return the loops of a product of M x K numbers by K x V vectors, given the strides of those numbers.

    A block of rows of b at a time, so that they stay in L2 while all rows of a pass. Where a is one row, each number of
    b is used once, so only the bandwidth of memory counts: wide tiles read long runs of its rows.
    """
    rows, vectors, depth = tiles.balanced_rows(M), tiles.MAX_VECTORS, DEPTH_BLOCK
    if M == 1:
        vectors, depth = tiles.MAX_GEMV_VECTORS, K
    width, row = vectors * tiles.VECTOR_BYTES, V * tiles.VECTOR_BYTES
    tile = tiles.Tile(rows, M, V, 1, K, (a_m, 0, a_k), (0, row), row, row, vectors, depth)
    return tiles.tile_loops(tile, tiles.Loop(tiles.cut(K, depth), a=depth * a_k, b=depth * row, k=depth),
                            tiles.Loop(tiles.cut(M, rows), a=rows * a_m, start=rows * row, c=rows * row, m=rows),
                            tiles.Loop(tiles.cut(V, vectors), b=width, start=width, c=width, v=vectors))
