"""Which pixels a window covers, and which windows cover a pixel: the arithmetic of strides, padding and dilation."""

from __future__ import annotations

import numpy as np

from tinynet.layers.windows import Pair, Windows


def positions(windows: Windows, image: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (P, kh) and the columns (Q, kw) of an image (H, W) that all taps of all windows lie on.

    Tap i of window p lies on row ``h = stride * p - padding + dilation * i``. Those outside the image are padding.

    >>> from tinynet.layers import Conv2D
    >>> rows, columns = positions(Conv2D(1, (3, 1), strides=2, padding="same").windows, (5, 3))
    >>> rows.tolist(), columns.tolist()
    ([[-1, 0, 1], [1, 2, 3], [3, 4, 5]], [[0], [2]])
    """
    rows, columns = (stride * np.arange(count)[:, None] - before + dilation * np.arange(size)
                     for stride, count, (before, _), dilation, size in
                     zip(windows.strides, windows.output_size(image), windows.around(image), windows.dilation,
                         windows.size, strict=True))
    return rows, columns


def window_at(windows: Windows, image: Pair, at: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (kh,) and columns (kw,) that window `at` (p, q) covers."""
    rows, columns = positions(windows, image)
    return rows[at[0]], columns[at[1]]


def tap_at(windows: Windows, image: Pair, tap: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (P,) and columns (Q,) that one `tap` (i, j) lies on, window after window."""
    rows, columns = positions(windows, image)
    return rows[:, tap[0]], columns[:, tap[1]]


def windows_over(windows: Windows, image: Pair, pixel: Pair) -> np.ndarray:
    """Return the windows that cover a pixel, and with which tap: (T, 4), each row (p, q, i, j)."""
    rows, columns = (np.argwhere(along == position) for along, position in
                     zip(positions(windows, image), pixel, strict=True))            # (., 2): (p, i) and (q, j)
    return np.array([(p, q, i, j) for p, i in rows for q, j in columns], int).reshape(-1, 4)


def take(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, outside: float) -> np.ndarray:
    """Return the pixels of images (..., H, W) at rows (R,) and columns (C,): (..., R, C); `outside` in the padding."""
    H, W = image.shape[-2:]
    pixels = image[..., rows.clip(0, H - 1)[:, None], columns.clip(0, W - 1)]
    return np.where(inside((H, W), rows, columns), pixels, image.dtype.type(outside))


def inside(image: Pair, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return which crossings of rows (R,) and columns (C,) lie in the image, as (R, C); the others are padding."""
    H, W = image
    return ((rows >= 0) & (rows < H))[:, None] & ((columns >= 0) & (columns < W))
