"""What the paper would be without the ink on it, however unevenly it is lit, and whatever lies around it."""

from __future__ import annotations

import numpy as np

from tinynet.digits.parts import parts_of

RUN = 0.08                                             # of the edge's length: ink that runs off it is no longer
CUT_RUNS = 7                                           # places where one digit may touch the edges it was cut close to


def without_dark_ink(picture: np.ndarray) -> np.ndarray:
    """Return the picture (H, W) without the dark that paper encloses: each pixel as bright as its easiest way out.

    The way from a pixel to the edge of the picture is as bright as its brightest pixel; of all ways the darkest
    counts. From ink every way leads over paper, from a shadow, or from the table around the paper, one does not.
    (Filling the holes of an image: Soille 2003, "Morphological Image Analysis", section 6.3.7.)

    >>> without_dark_ink(np.array([[8, 8, 8, 8], [7, 2, 3, 9], [6, 6, 8, 8]]))
    array([[8, 8, 8, 8],
           [7, 6, 6, 9],
           [6, 6, 8, 8]])
    """
    level = np.full(picture.shape, picture.max())
    level[edge_of(picture.shape)] = closed(picture[edge_of(picture.shape)])
    floor = np.ascontiguousarray(picture.T)
    while True:
        before = level.copy()
        sweep(level, picture)
        across = np.ascontiguousarray(level.T)         # whose rows are quick to get at
        sweep(across, floor)
        level = np.ascontiguousarray(across.T)
        if np.array_equal(level, before):
            return level


def sweep(level: np.ndarray, picture: np.ndarray) -> None:
    """Let ways lead from row to row, down and up: a pixel is as bright as the way by its neighbour, or as itself."""
    for way, floor in ((level, picture), (level[::-1], picture[::-1])):
        for above, row, least in zip(way[:-1], way[1:], floor[1:], strict=True):
            np.minimum(row, above, out=row)
            np.maximum(row, least, out=row)


def edge_of(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (rows, columns) along the edge of an image, once around."""
    height, width = shape
    down, across = np.arange(height), np.arange(width)
    rows = np.concatenate([0 * across, down, 0 * across + height - 1, down[::-1]])
    columns = np.concatenate([across, 0 * down + width - 1, across[::-1], 0 * down])
    return rows, columns


def closed(edge: np.ndarray) -> np.ndarray:
    """Fill short dark runs along the edge (L,), where ink runs off it, with the paper beside them."""
    half = int(RUN * len(edge) / 2)
    around = np.pad(edge, 2 * half, mode="wrap")
    brightest = np.lib.stride_tricks.sliding_window_view(around, 2 * half + 1).max(axis=1)
    return np.lib.stride_tricks.sliding_window_view(brightest, 2 * half + 1).min(axis=1)


def with_margin(picture: np.ndarray) -> np.ndarray:
    """Put paper around a drawing that was cut so close that its ink touches all four edges."""
    cut, sharp = threshold(picture)
    for ink in (picture < cut, picture >= cut):
        if sharp and ink.any() and touches_like_a_digit(ink):
            paper = picture.max() if picture[ink].mean() < picture[~ink].mean() else picture.min()
            return np.pad(picture, max(3, max(picture.shape) // 6), constant_values=paper)
    return picture


def touches_like_a_digit(ink: np.ndarray) -> bool:
    """Return whether one piece of ink touches every edge, and in few places: squared paper has many."""
    around = ink[edge_of(ink.shape)]
    runs = np.count_nonzero(around & ~np.roll(around, 1))
    part = parts_of(ink)[0].mask
    sides = part[0], part[:, -1], part[-1], part[:, 0]
    full = [side.mean() > 0.95 for side in sides]
    beside = any(full[k] and full[k - 1] for k in range(4))                   # a table, around two sides or more
    return bool(runs <= CUT_RUNS and all(side.any() for side in sides) and not beside)


def threshold(picture: np.ndarray) -> tuple[float, bool]:
    """Return the brightness that parts dark from light best, and whether there is little between them (Otsu 1979)."""
    counts, edges = np.histogram(picture, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    dark = counts.cumsum()
    light = dark[-1] - dark
    mass = (counts * middles).cumsum()
    with np.errstate(all="ignore"):
        between = dark * light * (mass / dark - (mass[-1] - mass) / light)**2 / picture.size**2
    best = int(np.nanargmax(between[:-1]))
    return float(edges[1 + best]), bool(between[best] > 0.8 * np.var(picture))


def even_light(picture: np.ndarray) -> np.ndarray:
    """Return the factors (H, W) that make a picture evenly lit, 1 where it is not unevenly lit in a smooth way.

    The light is a surface of second degree, fitted so that most pixels lie on it.
    """
    rows, columns = (np.linspace(-1, 1, side) for side in picture.shape)
    x, y = (part.ravel() for part in np.meshgrid(columns, rows))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)    # (H W, 6)
    few = slice(None, None, 1 + picture.size // 3000)                        # as many pixels as six factors need
    values, weights = picture.ravel()[few], np.ones_like(x[few])
    for _ in range(8):                                 # least absolute errors, by weights: ink is left aside
        weighted = weights * terms[few].T
        factors = np.linalg.lstsq(weighted @ terms[few], weighted @ values, rcond=None)[0]
        weights = 1 / np.maximum(np.abs(values - terms[few] @ factors), 0.01)
    light = (terms @ factors).reshape(picture.shape)
    step = np.median(np.abs(picture - light)) > 2 * unevenness(picture) + 0.01          # of light, or a table
    if step or light.min() < 0.1 * light.max():
        return np.ones_like(picture)
    return light.max() / light


def unevenness(picture: np.ndarray) -> float:
    """Return by how much neighbouring pixels differ, half of them by less: the grain of paper, of which most is."""
    return float(np.median(np.abs(np.concatenate([np.diff(picture, axis=axis).ravel() for axis in (0, 1)]))))


def paper_under(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the picture (H, W) with the pixels of a mask as bright as the nearest others are, on the average."""
    paper, half = np.where(mask, np.nan, picture), 2
    while np.isnan(paper).any() and half < 2 * max(picture.shape):
        count, total = box_sums((~mask).astype(float), half), box_sums(np.where(mask, 0, picture), half)
        paper = np.where(np.isnan(paper) & (count > 0.5), total / count.clip(1), paper)
        half *= 2
    return np.where(np.isnan(paper), picture.max(), paper)


def box_sums(array: np.ndarray, half: int) -> np.ndarray:
    """Sum an array (H, W) over squares around each element, `half` elements each way."""
    for _ in range(2):
        sums = np.pad(array, ((half + 1, half), (0, 0))).cumsum(axis=0)
        array = (sums[2 * half + 1:] - sums[:-2 * half - 1]).T
    return array
