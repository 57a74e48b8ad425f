"""How images are cut into squares of 2 x 2 outputs, for Winograd's convolutions, and the loops of their products."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinynet.kernels.buffers import aligned
from tinynet.kernels.fast.convolutions import conv_loops
from tinynet.kernels.fast.convolutions.conv_loops import WIDTH
from tinynet.kernels.fast.threads import for_chunks
from tinynet.kernels.fast.tiles import MAX_VECTORS, VECTOR_BYTES, Loop, Tile, balanced_rows, cut, tile_loops
from tinynet.kernels.geometry import Pair

PLACES = 16                                # of a transformed square, each with a product of its own
AT_ONCE = 36                               # squares, whose products are three tiles of rows; all 16 of them fit L2
SPARE = 1                                  # rows to each of 16 matrices: they would begin in the same sets of the cache
Margins = tuple[Pair, Pair]                # (top, bottom), (left, right)


class Squares:
    """The squares of a batch of images, and memory for some of them.

    Parameters
    ----------
    shape, kernel : of the images, (N, C, H, W), and (F, C, 3, 3).
    margins : of zeros around the images, ((top, bottom), (left, right)).
    dtype : float32 or float64.

    Attributes
    ----------
    before : the margins (top, left).
    output : the size of the outputs, (P, Q).
    even, seen : the size of all squares, (P or P + 1, Q or Q + 1), and of the pixels that they see.
    chunk, chunks : how many samples a thread takes at a time, and how often.
    loops : of the products of some rows of squares.
    """

    def __init__(self, shape: tuple[int, ...], kernel: tuple[int, ...], margins: Margins, dtype: np.dtype):
        (N, self.C, H, W), self.F, ((top, bottom), (left, right)) = shape, kernel[0], margins
        padded, once = (N, top + H + bottom, left + W + right, self.C), (1, 1)
        sizes = conv_loops.sizes(padded, kernel, once, once, once, dtype.itemsize)
        self.shape, self.dtype, self.before, self.output = shape, dtype, (top, left), sizes.output
        rows, columns = (cut(size, 2) for size in self.output)
        self.even, self.seen = (2 * rows, 2 * columns), (2 * rows + 2, 2 * columns + 2)
        self.chunk, self.chunks = sizes.chunk, cut(N, sizes.chunk)
        self.loops = loops(rows * self.chunk, columns, self.C, self.F, dtype.itemsize)

    def buffers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return memory for some squares of each chunk, of images (chunks, 16, squares, C), and outputs (..., F)."""
        shape = self.chunks, PLACES, self.loops.squares
        return aligned((*shape, self.C), self.dtype), aligned((*shape, self.F), self.dtype)

    def copies(self, images: np.ndarray, size: Pair) -> np.ndarray:
        """Return memory for an image of each chunk, (chunks, *size, channels), or none, if images have that size."""
        return aligned((self.chunks if images.shape[1:3] != size else 0, *size, images.shape[3]), self.dtype)

    def nonfinite(self) -> np.ndarray:
        """Return a vector for each chunk that stays 0 unless a number is infinite or NaN."""
        return np.zeros((self.chunks, VECTOR_BYTES // self.dtype.itemsize), self.dtype)

    def for_chunks(self, loop: Callable[..., None], *args: Any) -> None:
        """Run a loop over the samples, a chunk at a time, on all cores."""
        for_chunks(loop, self.shape[0], self.chunk, self.chunk, *args)


class Loops(NamedTuple):
    """The loops of the products of no, one, two, ... rows of squares, which are up to so many squares."""

    squares: int
    forward: np.ndarray
    of_kernel: np.ndarray
    of_images: np.ndarray


@lru_cache(maxsize=256)
def loops(rows: int, columns: int, C: int, F: int, itemsize: int) -> Loops:
    """Return the loops of rows of squares, all of them or as many as make `AT_ONCE` squares."""
    most = min(cut(AT_ONCE, columns), rows)
    squares, counts = most * columns + SPARE, range(0, (most + 1) * columns, columns)
    return Loops(squares, *(np.stack([make(count, squares, K, N, itemsize) for count in counts])
                            for make, K, N in ((of_product, C, F), (of_sums, C, F), (of_product, F, C))))


def of_product(M: int, squares: int, K: int, N: int, itemsize: int) -> np.ndarray:
    """Return the loops of M squares (16, squares, K) times weights (panels, 16, K, width), plus a bias (16, N)."""
    V, row, rows, panel = N * itemsize // VECTOR_BYTES, N * itemsize, balanced_rows(M), (K + SPARE) * WIDTH
    return tile_loops(Tile(rows, M, V, 1, K, (K * itemsize, 0, itemsize), (0, WIDTH), 0, row),
                      Loop(PLACES, a=squares * K * itemsize, b=panel, start=row, c=squares * row),
                      Loop(cut(V, MAX_VECTORS), b=PLACES * panel, start=WIDTH, c=WIDTH, v=MAX_VECTORS),
                      Loop(cut(M, rows), a=rows * K * itemsize, c=rows * row, m=rows), Loop(1))


def of_sums(K: int, squares: int, M: int, N: int, itemsize: int) -> np.ndarray:
    """Return the loops that add to sums (16, M, N) the products of K squares, (16, squares, M) and (16, squares, N)."""
    V, row, rows, matrix = N * itemsize // VECTOR_BYTES, N * itemsize, balanced_rows(M), (M + SPARE) * N * itemsize
    return tile_loops(Tile(rows, M, V, 1, K, (itemsize, 0, M * itemsize), (0, row), row, row),
                      Loop(PLACES, a=squares * M * itemsize, b=squares * row, start=matrix, c=matrix),
                      Loop(cut(V, MAX_VECTORS), b=WIDTH, start=WIDTH, c=WIDTH, v=MAX_VECTORS),
                      Loop(cut(M, rows), a=rows * itemsize, start=rows * row, c=rows * row, m=rows), Loop(1))
