"""Images taken from places between their pixels: one image after the other, four pixels at a time."""

import numpy as np

from tinynet.kernels.fast.compiling import compiled, for_loops
from tinynet.kernels.fast.layout import common_dtype
from tinynet.kernels.fast.threads import parallel_for
from tinynet.kernels.geometry import Pair, expect_gradients

IMAGES = 16                    # that one thread takes at a time


def bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Add up the four pixels around each place."""
    dtype = common_dtype(x)
    x, rows, columns = for_loops(x, dtype), for_loops(rows, dtype), for_loops(columns, dtype)
    y = np.empty((*x.shape[:2], *rows.shape[1:]), dtype)

    def work(start: int, stop: int) -> None:
        bilinear_loop(x[start:stop], rows[start:stop], columns[start:stop], y[start:stop])
    parallel_for(work, len(x), IMAGES)
    return y


def bilinear_gradient(dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, input_size: Pair) -> np.ndarray:
    """Send each upstream gradient to the four pixels."""
    expect_gradients(dy, (len(rows), *dy.shape[1:2], *rows.shape[1:]))
    dtype = common_dtype(dy)
    dy, rows, columns = for_loops(dy, dtype), for_loops(rows, dtype), for_loops(columns, dtype)
    dx = np.zeros((*dy.shape[:2], *input_size), dtype)

    def work(start: int, stop: int) -> None:
        bilinear_gradient_loop(dy[start:stop], rows[start:stop], columns[start:stop], dx[start:stop])
    parallel_for(work, len(dy), IMAGES)
    return dx


@compiled
def bilinear_loop(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, y: np.ndarray) -> None:
    """Compute y (N, C, P, Q); a place that is no number is outside."""
    N, C, P, Q = y.shape
    H, W = x.shape[2:]
    for n in range(N):
        for c in range(C):
            for p in range(P):
                for q in range(Q):
                    row, column = rows[n, p, q], columns[n, p, q]
                    total = x.dtype.type(0)
                    if -1 < row < H and -1 < column < W:
                        top, left = int(np.floor(row)), int(np.floor(column))
                        for i in range(max(top, 0), min(top + 2, H)):
                            for j in range(max(left, 0), min(left + 2, W)):
                                total += (1 - abs(row - i)) * (1 - abs(column - j)) * x[n, c, i, j]
                    y[n, c, p, q] = total


@compiled
def bilinear_gradient_loop(dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, dx: np.ndarray) -> None:
    """Add to dx (N, C, H, W), which begins as zeros."""
    N, C, P, Q = dy.shape
    H, W = dx.shape[2:]
    for n in range(N):
        for c in range(C):
            for p in range(P):
                for q in range(Q):
                    row, column = rows[n, p, q], columns[n, p, q]
                    if -1 < row < H and -1 < column < W:
                        top, left = int(np.floor(row)), int(np.floor(column))
                        for i in range(max(top, 0), min(top + 2, H)):
                            for j in range(max(left, 0), min(left + 2, W)):
                                dx[n, c, i, j] += (1 - abs(row - i)) * (1 - abs(column - j)) * dy[n, c, p, q]
