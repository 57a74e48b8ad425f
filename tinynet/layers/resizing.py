"""Images made larger: by zeros around them, or by more pixels for each."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.checks import is_int
from tinynet.kernels.geometry import Pair
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.layers.windows import Margins, PairLike, as_choice, as_pair, check_images, crop, image_shape, pad
from tinynet.registry import Config


class ZeroPadding2D(Layer):
    """Zeros around images: (N, C, H, W) -> (N, C, top + H + bottom, left + W + right).

    ``y[n, c, top + h, left + w] = x[n, c, h, w]``, and 0 outside; so ``dx`` is ``dy`` without its margins.

    Parameters
    ----------
    padding : rows and columns to add on each side: one number, (rows, columns) or ((top, bottom), (left, right)).

    >>> ZeroPadding2D(((0, 1), (2, 0)))(np.array([[[[1.0, 2.0]]]]))
    array([[[[0., 0., 1., 2.],
             [0., 0., 0., 0.]]]])
    """

    def __init__(self, padding: PairLike | Margins = (1, 1), **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.padding = as_margins(padding, self)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C, top + H + bottom, left + W + right)."""
        C, H, W = image_shape(self, input_shape)
        rows, columns = self.padding
        self.input_shape, self.output_shape = input_shape, (C, H + sum(rows), W + sum(columns))
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        check_images(self, x)
        return pad(x, self.padding), lambda dy: crop(dy, self.padding)

    def get_config(self) -> Config:
        return {**super().get_config(), "padding": [list(side) for side in self.padding]}


class UpSampling2D(Layer):
    """Each pixel becomes s x t pixels: (N, C, H, W) -> (N, C, s H, t W); no parameters.

    ``"nearest"`` repeats the pixel, ``y[n,c,p,q] = x[n, c, p // s, q // t]``, so that it gets the sum of the gradients
    of its copies. ``"bilinear"`` takes, along rows and along columns, the two pixels on either side of the output's
    centre, each with its share; the shares are the entries of two matrices, R and S, and their transposes bring the
    gradients back::

        y  = R x S^T        R (s H, H), S (t W, W)        row p of R: the shares of the rows of x in row p of y
        dx = R^T dy S       both factors moved to the other side: transposed

    Pixels are squares with their centres at 1/2, and beyond the centres of the outermost the image is constant, as in
    Keras, and in PyTorch with ``align_corners=False``.

    Parameters
    ----------
    size : (s, t), copies along rows and columns, or one number for both.
    interpolation : ``"nearest"`` or ``"bilinear"``.

    >>> UpSampling2D((1, 2))(np.array([[[[1.0, 5.0]]]]))
    array([[[[1., 1., 5., 5.]]]])
    >>> UpSampling2D((1, 2), interpolation="bilinear")(np.array([[[[1.0, 5.0]]]]))
    array([[[[1., 2., 4., 5.]]]])
    """

    def __init__(self, size: PairLike = (2, 2), *, interpolation: str = "nearest", **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.size = as_pair(size, self, "size")
        self.interpolation = as_choice(interpolation, self, "interpolation", INTERPOLATIONS)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C, s H, t W)."""
        C, H, W = image_shape(self, input_shape)
        self.input_shape, self.output_shape = input_shape, (C, self.size[0] * H, self.size[1] * W)
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        check_images(self, x)
        return INTERPOLATIONS[self.interpolation](as_floating(x), self.size)

    def get_config(self) -> Config:
        return {**super().get_config(), "size": list(self.size), "interpolation": self.interpolation}


def nearest(x: np.ndarray, size: Pair) -> tuple[np.ndarray, Backward]:
    """Give each pixel to its whole block: what sum pooling does backward, so that its forward is the gradient."""
    k, (H, W), (s, t) = kernels.current(), x.shape[2:], size
    return k.sum_pool2d_gradient(x, (s * H, t * W), size, size), lambda dy: k.sum_pool2d(dy, size, size)


def bilinear(x: np.ndarray, size: Pair) -> tuple[np.ndarray, Backward]:
    """Mix neighbouring rows, then neighbouring columns."""
    rows, columns = (shares(side, factor).astype(x.dtype) for side, factor in zip(x.shape[2:], size, strict=True))
    return rows @ x @ columns.T, lambda dy: rows.T @ dy @ columns       # (s H, H) @ (N, C, H, W) @ (W, t W)


def shares(side: int, factor: int) -> np.ndarray:
    """Return the share of each of `side` pixels in each of the outputs: (factor * side, side).

    >>> shares(2, 2)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    centres = (np.arange(factor * side) + 0.5) / factor - 0.5           # of the outputs, counted in pixels of the input
    return np.maximum(0, 1 - np.abs(centres.clip(0, side - 1)[:, None] - np.arange(side)))


INTERPOLATIONS = {"nearest": nearest, "bilinear": bilinear}


def as_margins(value: PairLike | Margins, layer: Layer) -> Margins:
    """Return an int, (rows, columns) or ((top, bottom), (left, right)) as the last of these."""
    try:
        sides = (value, value) if is_int(value, 0) else tuple(value)                     # type: ignore[arg-type]
        pairs = [(side, side) if is_int(side, 0) else tuple(side) for side in sides]     # type: ignore[arg-type]
        good = len(pairs) == 2 and all(len(pair) == 2 and all(is_int(n, 0) for n in pair) for pair in pairs)
    except TypeError:
        good = False
    layer.expect(good, "padding as a whole number from 0, (rows, columns) or ((top, bottom), (left, right))",
                 repr(value))
    (top, bottom), (left, right) = pairs
    return (int(top), int(bottom)), (int(left), int(right))
