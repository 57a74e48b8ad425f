"""Find the ink of one digit in a picture, and nothing else: not the paper, its lines, or what lies around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinynet.digits.lines import has_lines, without_lines
from tinynet.digits.paper import even_light, paper_under, unevenness, with_margin, without_dark_ink
from tinynet.digits.parts import Part, box_of, expect_one, grown, parts_of
from tinynet.digits.scaling import block_of, crop_around, enlarged, laid_over, reduced
from tinynet.digits.surroundings import frames_in, inside_sheet, within_edges

FAINT = 0.05                                           # what differs less from the paper is a stain on it
WEAK, SPECK, MUCH = 0.2, 0.03, 0.3                     # parts: of the strongest ink, of its largest piece, of contrast
STRONG = 0.7                                           # part of the strongest contrast: no shadow
GRAIN = 4.2                                            # times the unevenness: 4 standard deviations, were it normal
FINER = 4                                              # pixels for one seen from afar, along both axes, at most
SOFT, EDGE = 4, 0.1                                    # pixels of the soft edge of ink, at most; ink where it ends
EMPTY = ("The drawing is empty: no ink that stands out from the paper. If there is some, draw it darker, or photograph "
         "it in better light.")


class Shade(NamedTuple):
    """A picture (H, W) in which ink is dark, and by how much each pixel is darker than the paper around it.

    sign : 1 where ink is dark in the drawing too, -1 where it is light, and the picture is the drawing's negative.
    """

    picture: np.ndarray
    contrast: np.ndarray
    sign: int

    def mask(self, level: float = WEAK) -> np.ndarray:
        """Return which pixels have at least this part of the strongest contrast."""
        return self.contrast > level * self.contrast.max()


class Ink(NamedTuple):
    """Where the ink of a digit is (H, W), in which shade of a picture, and the factors that make that evenly lit."""

    mask: np.ndarray
    shade: Shade
    light: np.ndarray


def find_ink(drawing: np.ndarray) -> np.ndarray:
    """Tell the ink from the paper: 0 is paper, 1 the most ink.

    What is found lies somewhere in the drawing (H, W); a small digit is looked at again, from nearer.

    Raises
    ------
    ValueError : if there is no ink, or more than one thing.
    """
    drawing = sheet_in(drawing)
    while True:
        block = block_of(drawing.shape)
        picture = reduced(drawing, block)
        ink = ink_of(picture)
        nearer = crop_around(drawing, ink.mask)
        if block == 1 or 4 * max(nearer.shape) > 3 * max(drawing.shape):
            return cut_out(ink, picture, drawing, block)
        drawing = nearer


def cut_out(ink: Ink, picture: np.ndarray, drawing: np.ndarray, block: int) -> np.ndarray:
    """Return how much ink there is, from more of a drawing's pixels than were needed to find it in its picture."""
    afar = strength(ink.shade.picture, grown(ink.mask), paper_beside(ink))
    if ink.mask.shape != picture.shape or block == 1:  # it has got a margin, which the drawing has not; or that is all
        return afar
    edges = (afar > 0) | (grown(afar > 0) & ink.shade.mask(FAINT / 2))        # a pixel of which ink covers a little
    finer = max(1, block // FINER)
    pixels = reduced(drawing, finer)
    light, paper, edges = (enlarged(part, pixels.shape, block / finer)
                           for part in (ink.light, paper_beside(ink), edges))
    return strength(ink.shade.sign * pixels * light, edges, paper)


def ink_of(picture: np.ndarray) -> Ink:
    """Find the ink of the digit in a picture, which may have got a margin."""
    framed = with_margin(picture)
    light = even_light(framed) if framed is picture else np.ones_like(framed)
    lit = framed * light
    shades = shades_of(lit)
    frames = sum((frames_in(shade.mask()) for shade in shades), np.zeros(lit.shape, bool))
    if frames.any():
        shades = shades_of(paper_under(lit, grown(frames)))
    lined = [shade for shade in shades if has_lines(shade.mask(EDGE))]        # the other shade is the fields between
    shade, pieces = outermost([(shade, pieces_of(shade)) for shade in lined or shades])
    expect_one(pieces if lined else pieces + strong_parts(shade))
    mask = np.any([piece.mask for piece in pieces], axis=0)
    for _ in range(0 if lined else SOFT):
        mask = grown(mask) & (mask | shade.mask(EDGE))
    return Ink(mask, shade, light)


def shades_of(picture: np.ndarray) -> list[Shade]:
    """Return what is dark on light and what is light on dark, each only if it is not far fainter than the other."""
    shades = [shade_of(picture), shade_of(picture, -1)]
    strongest = max(shade.contrast.max() for shade in shades)
    return [shade for shade in shades if shade.contrast.max() >= MUCH * strongest > 0]


def shade_of(picture: np.ndarray, sign: int = 1) -> Shade:
    """Return what is darker than its surroundings, lighter for -1; nothing, if that is no more than the grain."""
    picture = sign * picture
    contrast = without_dark_ink(picture) - picture
    grain = GRAIN * unevenness(picture)
    return Shade(picture, contrast if contrast.max() > 2 * max(FAINT, grain) else np.zeros_like(contrast), sign)


def sheet_in(drawing: np.ndarray) -> np.ndarray:
    """Cut the sheet out of a drawing that shows what it lies on, too; what is no such picture stays as it is."""
    picture = reduced(drawing)
    for shade in (shade_of(picture, -1), shade_of(picture)):
        sheet = inside_sheet(shade.mask(0.5))
        if sheet is not None:
            return crop_around(laid_over(drawing, paper_under(picture, ~sheet), ~sheet), sheet, margin=0)
    return drawing


def pieces_of(shade: Shade) -> list[Part]:
    """List the pieces of ink, without lines, specks, and what comes in from the edge."""
    mask = shade.mask()
    for level in (0.35, 0.5, 0.65):                    # lines are fainter than the ink, most of them
        if has_lines(mask):
            mask = shade.mask(level)
    if has_lines(mask):
        rest = without_lines(shade.mask())
        mask = rest if rest.any() or len(parts_of(mask)) > 1 else mask        # a single line is a 1
    pieces = within_edges(parts_of(mask))
    return [piece for piece in pieces if piece.area >= SPECK * pieces[0].area]


def strong_parts(shade: Shade) -> list[Part]:
    """List the parts as strong as ink, at the edge of the picture too: a shadow is fainter, a digit cut off is not."""
    least = STRONG * shade.contrast.max()
    return [part for part in parts_of(shade.mask()) if np.median(shade.contrast[part.mask]) > least]


def outermost(found: list[tuple[Shade, list[Part]]]) -> tuple[Shade, list[Part]]:
    """Return the shade whose pieces lie around those of the other: a loop is ink, what it encloses is paper."""
    found = [(shade, pieces) for shade, pieces in found if pieces]
    if not found:
        raise ValueError(EMPTY)

    def size(pieces: list[Part]) -> int:
        top, bottom, left, right = box_of(pieces)
        return (bottom - top) * (right - left)
    return max(found, key=lambda each: size(each[1]))


def paper_beside(ink: Ink) -> np.ndarray:
    """Return the paper that the ink is on (H, W), as bright as it is beside the ink."""
    return paper_under(ink.shade.picture, grown(grown(ink.mask)))


def strength(picture: np.ndarray, mask: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """Return how much ink there is in a mask (H, W), from 0 to 1; what may be grain is none.

    Dark ink takes away a part of the light, be it bright or not; light ink adds to the darkness of what it is on.
    """
    darker = np.where(mask, paper - picture, 0)
    ink = np.where(darker > GRAIN * unevenness(picture), darker, 0)
    if paper.min() > 0:
        ink = ink / paper
    if not ink.any():
        raise ValueError(EMPTY)
    ink = ink / ink.max()
    return np.where(ink > FAINT, ink, 0)
