"""What a photograph has around the digit: the table that its sheet lies on, things at the edge, a frame."""

from __future__ import annotations

import numpy as np

from tinynet.digits.parts import Part, box_of, grown, parts_of

LARGE, FULL, LONG = 0.15, 0.88, 2.2                    # a sheet's part of the picture, of a rectangle; its proportions
RIM = 0.04                                             # of a sheet, where its edge may still be seen


def inside_sheet(mask: np.ndarray) -> np.ndarray | None:
    """Return the inside of a sheet (H, W), None if the largest piece of a mask is none: a filled, large rectangle."""
    if not mask.any():
        return None
    piece = parts_of(mask)[0].mask
    filled = between(piece) & between(piece.T).T
    area = np.count_nonzero(filled)
    if area < LARGE * mask.size or np.count_nonzero(piece) < 0.5 * area:
        return None
    short, long = rectangle(*np.nonzero(filled))
    if area < FULL * short * long or long > LONG * short:
        return None
    outside = ~filled
    for _ in range(2 + int(RIM * np.sqrt(area))):
        outside = grown(outside)
    return ~outside


def between(mask: np.ndarray) -> np.ndarray:
    """Fill each row between its first and its last pixel."""
    return np.logical_or.accumulate(mask, axis=1) & np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1]


def rectangle(rows: np.ndarray, columns: np.ndarray) -> tuple[float, float]:
    """Return the sides, the shorter first, of the smallest rectangle around pixels, turned by whatever angle."""
    sides = []
    for angle in np.deg2rad(np.arange(0, 90, 3)):
        across = rows * np.cos(angle) + columns * np.sin(angle)
        along = columns * np.cos(angle) - rows * np.sin(angle)
        sides.append(sorted((float(np.ptp(across)) + 1, float(np.ptp(along)) + 1)))
    short, long = min(sides, key=lambda pair: pair[0] * pair[1])
    return short, long


def within_edges(parts: list[Part]) -> list[Part]:
    """Leave out what touches the edge of the picture, if there is anything else."""
    height, width = parts[0].labels.shape if parts else (0, 0)
    free = [part for part in parts if min(part.top, part.left, height - 1 - part.bottom, width - 1 - part.right) > 1]
    return free if free and free[0].area > 0.03 * parts[0].area else parts


def frames_in(mask: np.ndarray) -> np.ndarray:
    """Return which pixels of a mask (H, W) are thin rectangles around other parts."""
    parts, frames = parts_of(mask), np.zeros_like(mask)
    for part in parts:
        if any(other.area > 0.01 * part.area and encloses(part, other) for other in parts) and is_rectangle(part):
            frames |= part.mask
    return frames


def encloses(part: Part, other: Part) -> bool:
    """Return whether the box of a part lies around that of another."""
    (top, bottom, left, right), (first, last, start, end) = box_of([part]), box_of([other])
    return top < first and last < bottom and left < start and end < right


def is_rectangle(part: Part) -> bool:
    """Return whether a part lies along the four sides of its box, and nearly nowhere else."""
    box = part.mask[part.top:part.bottom + 1, part.left:part.right + 1]
    rim = max(2, int(0.06 * max(box.shape)))
    sides = [box[:rim].any(axis=0), box[-rim:].any(axis=0), box[:, :rim].any(axis=1), box[:, -rim:].any(axis=1)]
    return min(side.mean() for side in sides) > 0.8 and box[rim:-rim, rim:-rim].sum() < 0.2 * part.area
