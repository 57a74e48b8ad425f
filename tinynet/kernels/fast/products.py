"""Matrix products: past the zeros of a sparse matrix, a single row, by tiles, or by BLAS, whichever is fastest."""

from functools import cache, lru_cache
from typing import Any

import numpy as np

from tinynet.kernels.buffers import aligned, empty
from tinynet.kernels.fast import blas, layout, sparse, tiles
from tinynet.kernels.fast.compiling import compiled, for_loops, unmarked
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.kernels.fast.threads import (
    MIN_PARALLEL,
    NUM_PIECES,
    for_calls,
    for_chunks,
    on_one_blas_thread,
    parallel_for,
)
from tinynet.kernels.geometry import Pair
from tinynet.kernels.streams import synchronize

BLAS_PIECES = 8                # of a large product by BLAS, whatever the number of threads
MIN_PIECE = MIN_PARALLEL // 2  # multiply-adds of a piece by BLAS, which copies what it reads
MIN_TILED = MIN_PARALLEL // 8  # of a piece by tiles: 10 to 16 us
MAX_TINY = 8_000               # multiply-adds up to which BLAS uses one thread of its own accord
MAX_NARROW = 256               # columns up to which tiles are faster than BLAS, which first copies its matrices
MAX_AT_ONCE = 2_000_000        # multiply-adds that one thread does in the time of some calls
ZEROS = tiles.MAX_VECTORS * tiles.VECTOR_BYTES                           # bytes
MAX_WIDENED = 1 << 18          # bytes of `b`, to which columns of zeros are added up to whole vectors: it stays in L2
SPARSE = 1 / 4                 # nonzeros up to which passing over zeros is faster
MIN_ROWS = 32                  # of `a` from which on it is worth while to turn a transposed `b` for tiles
TALL = 4                       # times as many rows as columns, in a piece by tiles: few rows end in tiles of fewer
DEPTH_BLOCK = 512              # rows of `b` to a block: with up to `MAX_NARROW` columns they stay in L2


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N), a piece at a time on all cores where it is large."""
    N, multiply_adds = b.shape[1], a.size * b.shape[1]
    small = multiply_adds < MIN_PARALLEL
    if len(a) == 1 and small and multiply_adds > MAX_TINY and tiles.suits_compiled_loops(a, b):
        synchronize()
        multiply_row(for_loops(a), unmarked(b), row := empty((1, N), b.dtype))
        return row
    narrow, slow_blas = N <= MAX_NARROW, blas.is_narrower()
    if not small and not narrow and sparse.mostly_zeros(a, b, SPARSE):
        y = sparse.matmul(a, b)
        if y is not None:
            return y
    if not small and slow_blas and len(a) >= MIN_ROWS and tiles.suits_compiled_loops(a, b.T):
        b = layout.contiguous(b)
    if multiply_adds <= MAX_TINY and not tiles.suits_tiles(a, b):
        synchronize()
        return a @ b
    if multiply_adds <= MAX_AT_ONCE and tiles.multiplies(a, b):
        return at_once(a, b)
    if (small or narrow or slow_blas) and tiles.suits_tiles(a, b):
        return by_tiles(a, b)
    if (small or b.nbytes <= MAX_WIDENED) and tiles.suits_compiled_loops(a, b := layout.contiguous(b)):
        return layout.copied(by_tiles(a, layout.in_whole_vectors(b))[:, :N])
    synchronize()
    return on_one_blas_thread(lambda: a @ b if small else blas_in_pieces(a, b))


@compiled
def multiply_row(x: np.ndarray, b: np.ndarray, y: np.ndarray) -> None:
    """Fill y (1, N) with x (1, K) times b (K, N).

    Each number of b is used once, so only the bandwidth of memory counts: four rows at a time are read as they lie.
    """
    K, N = b.shape
    y[:] = 0
    for k in range(0, K - 3, 4):
        x0, x1, x2, x3 = x[0, k], x[0, k + 1], x[0, k + 2], x[0, k + 3]
        for n in range(N):
            y[0, n] += x0 * b[k, n] + x1 * b[k + 1, n] + x2 * b[k + 2, n] + x3 * b[k + 3, n]
    for k in range(K - K % 4, K):
        for n in range(N):
            y[0, n] += x[0, k] * b[k, n]


def at_once(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N) in one go: columns of zeros make whole vectors of b, unless they are, and are left out
    of the product again.
    """
    (M, K), N, dtype, of = a.shape, b.shape[1], b.dtype, b.itemsize
    lanes = tiles.round_up_to_vector(N, of)
    y = empty((M, N), dtype)
    if not a.size or not y.size:
        y.fill(0)
        return y
    lies = lanes == N and b.strides == (N * of, of)
    whole_b = b if lies else aligned((K, lanes), dtype)
    whole_y = y if lanes == N else aligned((M, lanes), dtype)
    loops, start = tiles_of_product(a.shape, lanes, a.strides, whole_b.strides[0], whole_y.strides[0], of)
    arrays = loops, a, b, whole_b, zeros_of(dtype), y, whole_y
    entries = tiles.entries(dtype)
    for_chunks(multiply_at_once, 1, 1, (
        entries.multiply, entries.copy, *map(layout.begin, arrays), *b.strides, K, N, lanes, M, of, int(lies),
        int(start is None)), alive=arrays)
    return y


@cache
def zeros_of(dtype: np.dtype) -> np.ndarray:
    """Return a few zeros, as many as a tile is wide or more."""
    return np.zeros(tiles.tile_width(dtype.itemsize), dtype)


@chunked
def multiply_at_once(start: int, stop: int, numbers: tuple[int, ...]) -> None:
    """Fill y (M, N) with a (M, K) times b (K, N), by way of `whole_b` (K, lanes) and `whole_y` (M, lanes)."""
    (multiply, copy, loops, a, b, whole_b, zeros, y, whole_y, of_k, of_n, K, N, lanes, M, of, lies, adds) = numbers
    row = lanes * of
    if not lies:
        tiles.copy(copy, b, of_k, of_n, whole_b, row, of, K, N)
        tiles.copy(copy, zeros, 0, of, whole_b + N * of, row, of, K, lanes - N)
    for m in range(M if adds else 0):
        for lane in range(0, row, ZEROS):
            tiles.copy(copy, zeros, 0, of, whole_y + m * row + lane, row, of, 1, min(ZEROS, row - lane) // of)
    tiles.multiply(multiply, loops, 0, a, whole_b, whole_y if adds else zeros, whole_y)
    if lanes != N:
        tiles.copy(copy, whole_y, row, of, y, N * of, of, M, N)


def by_tiles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N), N whole vectors, at once or a piece of the result at a time."""
    y = empty((a.shape[0], b.shape[1]), b.dtype)
    strides = a.strides, b.strides[0], y.strides[0]
    if not a.size or not y.size:
        y.fill(0)
        return y
    calls, _, from_zeros = tiles_of_pieces(a.shape, y.shape[1], *strides, y.itemsize)
    if not from_zeros:
        y.fill(0)
    begin = layout.begin(y)
    begins = np.array([0, layout.begin(a), layout.begin(b), 0 if from_zeros else begin, begin])
    for_calls(tiles.entries(y.dtype).multiply_each, calls + begins, alive=(a, b, y))
    return y


def blas_in_pieces(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply (M, K) by (K, N) by BLAS, a piece of the result at a time."""
    y = empty((a.shape[0], b.shape[1]), np.result_type(a, b))
    calls = calls_of_blas(a.shape, b.shape[1], a.strides, b.strides, y.itemsize)
    if calls is not None and blas.takes(a, b) and (entry := blas.entry(y.dtype)):
        begins = np.array([0, 0, 0, 0, 0, layout.begin(a), 0, layout.begin(b), 0, layout.begin(y), 0])
        for_calls(blas.gemm_each(y.dtype), calls + begins, entry, alive=(a, b, y))
        synchronize()
        return y
    pieces = cut_in_pieces(*y.shape, num_pieces(a.size * y.shape[1]))

    def work(start: int, stop: int) -> None:
        for rows, columns in pieces[start:stop]:
            np.matmul(a[rows], b[:, columns], out=y[rows, columns])
    parallel_for(work, len(pieces), 1)
    return y


@lru_cache(maxsize=256)
def calls_of_blas(shape: Pair, N: int, a: Pair, b: Pair, itemsize: int) -> np.ndarray | None:
    """Return what `blas.gemm_each` takes, counted from where matrices begin, given M and K, N, and the strides.

    None where NumPy copies a matrix first, or calls another function of BLAS, that for a vector.
    """
    (M, K), calls = shape, []
    a_lies, b_lies = blas.layout(shape, a, itemsize), blas.layout((K, N), b, itemsize)
    if a_lies is None or b_lies is None or min(M, N, K) == 1:
        return None
    for rows, columns in cut_in_pieces(M, N, num_pieces(M * K * N)):
        m, n = rows.stop - rows.start, columns.stop - columns.start
        if min(m, n) == 1:
            return None
        calls.append((a_lies[0], b_lies[0], m, n, K, rows.start * a[0], a_lies[1], columns.start * b[1], b_lies[1],
                      (rows.start * N + columns.start) * itemsize, N))
    return np.array(calls)


@lru_cache(maxsize=256)
def cut_in_pieces(M: int, N: int, pieces: int, width: int = 1, tall: int = 1) -> list[tuple[slice, slice]]:
    """Cut a matrix (M, N) into so many pieces, if it has as many numbers: rows, and columns, multiples of a width.

    The nearer a piece is to a square, or so many times as `tall` as wide, the less of its factors it reads, and BLAS
    copies what it reads.

    >>> cut_in_pieces(3, 8, 2, 4)
    [(slice(0, 3, None), slice(0, 4, None)), (slice(0, 3, None), slice(4, 8, None))]
    """
    rows, tiles_across = M, tiles.cut(N, width)                                   # of a piece
    pieces = min(pieces, rows * tiles_across)
    while tiles.cut(M, rows) * tiles.cut(N, tiles_across * width) < pieces:
        if tiles_across == 1 or rows >= tall * tiles_across * width:
            rows = tiles.cut(rows, 2)
        else:
            tiles_across = tiles.cut(tiles_across, 2)
    columns = tiles_across * width
    return [(slice(m, min(m + rows, M)), slice(n, min(n + columns, N)))
            for m in range(0, M, rows) for n in range(0, N, columns)]


def num_pieces(multiply_adds: int, least: int = MIN_PIECE) -> int:
    """Return how many pieces a product is cut into, given the least that is worth one."""
    return max(1, min(BLAS_PIECES if least == MIN_PIECE else NUM_PIECES, multiply_adds // least))


@lru_cache(maxsize=256)
def tiles_of_pieces(shape: Pair, N: int, a: Pair, b: int, y: int, itemsize: int
                    ) -> tuple[np.ndarray, list[Any], bool]:
    """Return (calls, kept, from_zeros) of a product in pieces, given what `tiles_of_product` takes.

    A call has the addresses of its loops, and of its tiles in a, b, start and y, from where these begin; the start of
    `from_zeros` is a few zeros, and that of others y. Of what is kept in memory there are only addresses.
    """
    (M, K), calls, kept, from_zeros = shape, [], [], True
    for rows, columns in cut_in_pieces(M, N, num_pieces(M * K * N, MIN_TILED), tiles.tile_width(itemsize), TALL):
        m, n, column = rows.stop - rows.start, columns.stop - columns.start, columns.start * itemsize
        loops, start = tiles_of_product((m, K), n, a, b, y, itemsize)
        from_zeros, place = start is not None, rows.start * y + column
        kept.append((loops, start))
        begin = place if start is None else start.ctypes.data
        calls.append((loops.ctypes.data, rows.start * a[0], column, begin, place))
    return np.array(calls), kept, from_zeros


@lru_cache(maxsize=1024)                   # worked out once: for a single row it would take as long as its product
def tiles_of_product(shape: Pair, N: int, a: Pair, b: int, y: int, itemsize: int
                     ) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (loops, start) of a product of (M, K) by (K, N), given the strides: of a, and of rows of b and y.

    A block of rows of b at a time, so that they stay in L2 while all rows of a pass. The sums of a single block start
    from a few zeros; those of several from what is in y, which is to be filled with zeros: start is None.
    """
    (M, K), rows, vectors, depth = shape, tiles.balanced_rows(shape[0]), tiles.MAX_VECTORS, DEPTH_BLOCK
    dtype, width, V = np.dtype(f"f{itemsize}"), vectors * tiles.VECTOR_BYTES, N * itemsize // tiles.VECTOR_BYTES
    start, moves = (None, 1) if depth < K else (np.zeros(width // itemsize, dtype), 0)
    tile = tiles.Tile(rows, M, V, 1, K, (a[0], 0, a[1]), (0, b), moves * y, y, vectors, depth)
    loops = tiles.tile_loops(tile, tiles.Loop(tiles.cut(K, depth), a=depth * a[1], b=depth * b, k=depth),
                             tiles.Loop(tiles.cut(M, rows), a=rows * a[0], start=moves * rows * y, c=rows * y, m=rows),
                             tiles.Loop(tiles.cut(V, vectors), b=width, start=moves * width, c=width, v=vectors),
                             tiles.Loop(1))                             # in the first round of which start is start
    return loops, start
