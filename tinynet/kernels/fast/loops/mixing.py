"""Neighbours along rows and columns mixed, each output from two of them, as a bilinear resizing does.

Images lie channels last: a pixel's channels, and a row's pixels, are contiguous, and take their shares together.
"""

from collections.abc import Callable

import numpy as np

from tinynet.kernels.buffers import empty
from tinynet.kernels.fast.compiling import compiled
from tinynet.kernels.fast.layout import arrays, common_dtype, images
from tinynet.kernels.fast.threads import parallel_for, samples_per_chunk
from tinynet.kernels.geometry import Pair

Loop = Callable[..., None]


def mix_neighbours(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return rows (P, H) @ x (N, C, H, W) @ columns.T (W, Q).

    H and W are 2 at least, and in each row of the two matrices all but two neighbours are 0.
    """
    return along_both(mix_images, x, rows, columns, (len(rows), len(columns)))


def mix_neighbours_gradient(dy: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return rows.T (H, P) @ dy (N, C, P, Q) @ columns (Q, W)."""
    return along_both(add_images, dy, rows, columns, (rows.shape[1], columns.shape[1]))


def along_both(loop: Loop, x: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: Pair) -> np.ndarray:
    """Fill images of a size (N, C, P, Q) by a loop, some samples at a time, on all cores."""
    last = images(x, common_dtype(x, rows))
    N, _, _, C = last.shape
    y, between = empty((N, *size, C), last.dtype), (len(rows), columns.shape[1], C)
    of_rows, of_columns = (pairs(matrix.astype(last.dtype)) for matrix in (rows, columns))

    def work(start: int, stop: int) -> None:
        loop(last[start:stop], *of_rows, *of_columns, np.empty(between, last.dtype), y[start:stop])
    parallel_for(work, N, samples_per_chunk(N))
    return arrays(y)


def pairs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each row (P, H) where its two neighbours begin, (P,), and what they are, (P, 2).

    >>> pairs(np.array([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]]))
    (array([0, 1]), array([[1.  , 0.  ],
           [0.25, 0.75]]))
    """
    first = np.minimum((matrix != 0).argmax(axis=1), matrix.shape[1] - 2)
    return first, np.take_along_axis(matrix, first[:, None] + (0, 1), axis=1)


@compiled
def mix_images(x: np.ndarray, row: np.ndarray, of_row: np.ndarray, column: np.ndarray, of_column: np.ndarray,
               between: np.ndarray, y: np.ndarray) -> None:
    """Fill y (n, P, Q, C) from x (n, H, W, C): its rows are mixed in `between` (P, W, C), then their columns."""
    for n in range(len(x)):
        mix_loop(x[n].reshape(1, x.shape[1], -1), row, of_row, between.reshape(1, len(between), -1))
        mix_loop(between, column, of_column, y[n])


@compiled
def add_images(dy: np.ndarray, row: np.ndarray, of_row: np.ndarray, column: np.ndarray, of_column: np.ndarray,
               between: np.ndarray, dx: np.ndarray) -> None:
    """Fill dx (n, H, W, C) from dy (n, P, Q, C), the same way back."""
    for n in range(len(dy)):
        between[:] = 0
        dx[n] = 0
        add_loop(dy[n], column, of_column, between)
        add_loop(between.reshape(1, len(between), -1), row, of_row, dx[n].reshape(1, dx.shape[1], -1))


@compiled
def mix_loop(x: np.ndarray, first: np.ndarray, shares: np.ndarray, y: np.ndarray) -> None:
    """Fill y (B, P, M): each row from two neighbours of x (B, H, M)."""
    B, P, M = y.shape
    for b in range(B):
        for p in range(P):
            h, s, t = first[p], shares[p, 0], shares[p, 1]
            for m in range(M):
                y[b, p, m] = s * x[b, h, m] + t * x[b, h + 1, m]


@compiled
def add_loop(dy: np.ndarray, first: np.ndarray, shares: np.ndarray, dx: np.ndarray) -> None:
    """Add each row of dy (B, P, M) to two neighbours of dx (B, H, M)."""
    B, P, M = dy.shape
    for b in range(B):
        for p in range(P):
            h, s, t = first[p], shares[p, 0], shares[p, 1]
            for m in range(M):
                dx[b, h, m] += s * dy[b, p, m]
                dx[b, h + 1, m] += t * dy[b, p, m]
