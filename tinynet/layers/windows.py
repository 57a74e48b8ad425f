"""Windows that slide over images: sizes, strides, and the padding around the image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tinynet.checks import is_count
from tinynet.kernels.geometry import Pair, output_size
from tinynet.layers.base import Layer, Shape
from tinynet.registry import pick

PairLike = int | Sequence[int]            # one number for both, or a pair
Margins = tuple[Pair, Pair]               # around an image: (top, bottom), (left, right)


def as_pair(value: PairLike, layer: Layer, what: str) -> Pair:
    """Return an int or a pair of ints as a pair (rows, columns)."""
    try:
        pair: tuple = (value, value) if np.ndim(value) == 0 else tuple(value)        # type: ignore[arg-type]
        good = len(pair) == 2 and all(map(is_count, pair))
    except (TypeError, ValueError):
        good = False
    layer.expect(good, f"{what} as a positive whole number or a pair of them", repr(value))
    return int(pair[0]), int(pair[1])


def as_padding(value: str, layer: Layer) -> str:
    """Return ``"valid"`` or ``"same"``."""
    return as_choice(value, layer, "padding", ("valid", "same"))


def as_choice(value: str, layer: Layer, what: str, choices: Iterable[str]) -> str:
    """Return the choice that a value names, in whichever case, or raise the layer's ValueError."""
    try:
        return pick(what, str(value).lower(), {choice: choice for choice in choices})
    except ValueError as error:
        raise ValueError(f"{layer}: {error}") from None


def same_padding(size: int, window: int, stride: int, dilation: int) -> Pair:
    """Count the rows to add (before, after) for an output of ceil(size / stride); the odd one goes after.

    >>> same_padding(28, 5, 1, 1), same_padding(28, 2, 1, 1), same_padding(5, 3, 2, 1)
    ((2, 2), (0, 1), (1, 1))
    """
    reach = dilation * (window - 1) + 1                      # what the window spans
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    return total // 2, total - total // 2


@lru_cache(maxsize=1024)                                     # asked for several times a batch, the same each time
def placement(image: Pair, size: Pair, strides: Pair, dilation: Pair, padding: str) -> tuple[Margins, Pair]:
    """Return the padding ((top, bottom), (left, right)) of an image (H, W), and how many windows then fit it.

    >>> placement((28, 28), (5, 5), (1, 1), (1, 1), "valid"), placement((28, 28), (2, 2), (1, 1), (1, 1), "same")
    ((((0, 0), (0, 0)), (24, 24)), (((0, 1), (0, 1)), (28, 28)))
    """
    rows = columns = 0, 0
    if padding == "same":
        rows, columns = map(same_padding, image, size, strides, dilation)
    return (rows, columns), output_size((image[0] + sum(rows), image[1] + sum(columns)), size, strides, dilation)


@dataclass(frozen=True, eq=False)
class Windows:
    """How a layer's window moves over its images; it does not change, a layer is given another.

    Parameters
    ----------
    layer : whose windows they are, for the errors.
    size, strides, dilation : pairs (rows, columns).
    padding : ``"valid"``: windows lie inside the image; ``"same"``: outputs are ceil(size / stride).
    """

    layer: Layer
    size: Pair
    strides: Pair
    padding: str
    dilation: Pair = (1, 1)

    def around(self, image: Pair) -> Margins:
        """Return the padding ((top, bottom), (left, right)) of an image (H, W)."""
        return placement(image, self.size, self.strides, self.dilation, self.padding)[0]

    def output_size(self, image: Pair) -> Pair:
        """Return how many windows fit the padded image: (rows, columns); none is a ValueError."""
        _, (rows, columns) = placement(image, self.size, self.strides, self.dilation, self.padding)
        if rows < 1 or columns < 1:
            hint = "; shapes are channels first, (C, H, W)" if min(image) <= 4 else ""
            self.layer.expect(False, f"an image no smaller than its window {self.reach()}{hint}", image)
        return rows, columns

    def reach(self) -> Pair:
        """Return the rows and columns a window spans, dilation included."""
        return (self.dilation[0] * (self.size[0] - 1) + 1, self.dilation[1] * (self.size[1] - 1) + 1)

    def pad(self, x: np.ndarray, value: float) -> np.ndarray:
        """Return images (N, C, H, W) with their padding around them, filled with `value`."""
        return pad(x, self.around(x.shape[2:]), value)

    def crop(self, padded: np.ndarray, image: Pair) -> np.ndarray:
        """Return padded images without their padding: the gradient of `pad`."""
        return crop(padded, self.around(image))

    def check(self, x: np.ndarray, channels: int | None) -> None:
        """Raise the layer's ValueError unless `x` is (N, C, H, W) and no smaller than the window."""
        check_images(self.layer, x, channels)
        self.output_size(x.shape[2:])


def pad(x: np.ndarray, margins: Margins, value: float = 0) -> np.ndarray:
    """Return images (N, C, H, W) with margins ((top, bottom), (left, right)) around them, filled with `value`."""
    if not any(margins[0] + margins[1]):
        return x
    return np.pad(x, ((0, 0), (0, 0), *margins), constant_values=value)


def crop(padded: np.ndarray, margins: Margins) -> np.ndarray:
    """Return images (N, C, H, W) without their margins: the gradient of `pad`, as `pad` is that of `crop`."""
    (top, bottom), (left, right) = margins
    return padded[:, :, top:padded.shape[2] - bottom, left:padded.shape[3] - right]


def check_images(layer: Layer, x: np.ndarray, channels: int | None = None) -> None:
    """Raise the layer's ValueError unless `x` is (N, C, H, W), of so many channels if they are given."""
    if x.ndim == 4 and channels in (None, x.shape[1]):
        return
    wanted = f"input (N, {channels or 'C'}, H, W)"
    if x.ndim == 4 and channels and x.shape[1] != channels and x.shape[3] == channels:
        wanted += ", channels first (images with channels last want x.transpose(0, 3, 1, 2))"
    layer.expect(False, wanted, x.shape)


def image_shape(layer: Layer, input_shape: Shape) -> tuple[int, int, int]:
    """Return an input shape as (C, H, W), or raise the layer's ValueError."""
    layer.expect(len(input_shape) == 3, "input_shape (C, H, W)", input_shape)
    return input_shape[0], input_shape[1], input_shape[2]
