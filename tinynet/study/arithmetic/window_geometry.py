"""Which pixels a window lies on, and which windows lie on a pixel: the arithmetic of strides, padding and dilation."""

from __future__ import annotations

import numpy as np

from tinynet.layers.windows import Pair, Windows


def seen_by(windows: Windows, image: Pair, at: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (kh,) and columns (kw,) that window `at` (p, q) lies on; those outside `image` are padding."""
    before = [pad[0] for pad in windows.around(image)]
    rows, columns = (p * stride - pad + dilation * np.arange(size) for p, stride, pad, dilation, size in
                     zip(at, windows.strides, before, windows.dilation, windows.size, strict=True))
    return rows, columns


def met_by(windows: Windows, image: Pair, place: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (P,) and columns (Q,) that `place` (i, j) of the window meets, window after window."""
    before = [pad[0] for pad in windows.around(image)]
    rows, columns = (stride * np.arange(count) - pad + dilation * i for i, stride, pad, dilation, count in
                     zip(place, windows.strides, before, windows.dilation, windows.output_size(image), strict=True))
    return rows, columns


def windows_on(windows: Windows, image: Pair, pixel: Pair) -> np.ndarray:
    """List the windows that lie on a pixel, and at which of their places: (T, 4), each row (p, q, i, j).

    Along an axis, pixel h is under place i of window p where ``h = stride * p - padding + dilation * i``.
    """
    along = []
    for axis in (0, 1):
        size, count = windows.size[axis], windows.output_size(image)[axis]
        found = [(p, i) for p in range(count) for i in range(size) if pixel[axis] ==
                 windows.strides[axis] * p - windows.around(image)[axis][0] + windows.dilation[axis] * i]
        along.append(found)
    return np.array([(p, q, i, j) for p, i in along[0] for q, j in along[1]], int).reshape(-1, 4)


def take(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, outside: float) -> np.ndarray:
    """Return the pixels of images (..., H, W) at some rows and columns (..., R, C); `outside` where there are none."""
    H, W = image.shape[-2:]
    pixels = image[..., rows.clip(0, H - 1)[:, None], columns.clip(0, W - 1)]
    return np.where(inside((H, W), rows, columns), pixels, image.dtype.type(outside))


def inside(image: Pair, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Tell which of some rows and columns are in the image (R, C)."""
    H, W = image
    return ((rows >= 0) & (rows < H))[:, None] & ((columns >= 0) & (columns < W))
