"""A drawing on its way to the shape that MNIST's digits have.

MNIST's digits are light ink on dark, 28 x 28. Each was cropped, scaled into a box of 20 x 20 with its proportions
kept, and moved until the centre of its mass lay at the middle. (LeCun, Bottou, Bengio and Haffner 1998,
"Gradient-based learning applied to document recognition", section III A.) A model that has seen nothing else needs
the same of yours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.digits.ink import EMPTY, find_ink
from tinynet.digits.reading import grey
from tinynet.digits.scaling import centre, crop, fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Digit:
    """A drawing, and what each step makes of it.

    Attributes
    ----------
    drawing : (H, W) its brightness, 0 black to 1 white.
    ink : (H', W') 0 where there is paper, 1 where there is most ink: of a large drawing, smaller, and of one that has
        more paper than digit, the part around the digit.
    cropped : (h, w) the smallest box that has all the ink.
    fitted : the same in 20 x 20 at most; one side is 20.
    image : (28, 28) the same, its centre of mass at the middle: what a model trained on MNIST takes, in [0, 1].
    """

    drawing: np.ndarray
    ink: np.ndarray
    cropped: np.ndarray
    fitted: np.ndarray
    image: np.ndarray

    @property
    def steps(self) -> list[tuple[str, np.ndarray]]:
        """The steps in order, each with its name."""
        return [("drawing", self.drawing), ("ink", self.ink), ("cropped", self.cropped),
                ("fitted", self.fitted), ("as MNIST's", self.image)]

    def plot(self) -> Figure:
        """Draw the steps side by side: the drawing as it is, then its ink in black."""
        from tinynet.digits.digit_figure import plot_digit
        return plot_digit(self)

    def __repr__(self) -> str:
        return f"<Digit: {', '.join(f'{name} {array.shape[0]} x {array.shape[1]}' for name, array in self.steps)}>"


def normalise(drawing: ArrayLike) -> Digit:
    """Find the one digit in a drawing, and bring it to the shape of MNIST's.

    The paper may be unevenly lit, ruled or squared, or lie on a table; the ink may be dark on light or light on dark.

    Parameters
    ----------
    drawing : (H, W) brightness, or (H, W, 3) colours, as `read_drawing` or Pillow return them; of any range.

    Raises
    ------
    ValueError : for another shape, numbers that are not finite, an empty drawing, or more than one thing in it.

    >>> drawing = np.ones((200, 300))
    >>> drawing[60:120, 100:112] = 0
    >>> found = normalise(drawing)
    >>> found.fitted.shape, found.image.shape, float(found.image.max())
    ((20, 4), (28, 28), 1.0)
    """
    pixels = as_brightness(np.asarray(drawing))
    return from_ink(find_ink(pixels), pixels)


def from_ink(ink: np.ndarray, drawing: np.ndarray | None = None) -> Digit:
    """Bring ink to the shape of MNIST's, where nothing else has to be told from it, as on a screen that is drawn on.

    Parameters
    ----------
    ink : (H, W) 0 where there is nothing, up to 1; somewhere there must be some.
    drawing : what it was found in; the ink itself if that is not given.

    >>> ink = np.zeros((200, 300))
    >>> ink[60:120, 100:112] = 1
    >>> from_ink(ink).fitted.shape
    (20, 4)
    """
    if not ink.any():
        raise ValueError(EMPTY)
    cropped = crop(ink)
    fitted = fit(cropped)
    return Digit(ink if drawing is None else drawing, ink, cropped, fitted, centre(fitted))


def as_brightness(drawing: np.ndarray) -> np.ndarray:
    """Return a drawing as its brightness (H, W), the brightest 1, or raise a ValueError."""
    is_picture = drawing.ndim == 2 or (drawing.ndim == 3 and drawing.shape[2] == 3)
    if not is_picture or drawing.dtype.kind not in "buif" or not drawing.size:
        raise ValueError("Expected a drawing as brightness (H, W) or colours (H, W, 3), of real numbers. "
                         f"Received: shape {drawing.shape}, dtype {drawing.dtype}.")
    if not np.isfinite(drawing).all():
        raise ValueError("Expected a drawing of finite numbers. Received: NaN or infinity in it.")
    drawing = drawing.astype(np.float64)
    drawing = drawing - min(0.0, float(drawing.min()))
    if drawing.max() == drawing.min():
        raise ValueError(EMPTY)
    drawing = drawing / drawing.max()
    return grey(drawing) if drawing.ndim == 3 else drawing
