"""The transposed convolution: a convolution run backward, so that images get larger."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.checks import is_count, is_int
from tinynet.kernels.geometry import Pair
from tinynet.layers.activations import ActivationLike
from tinynet.layers.base import Backward, Shape
from tinynet.layers.weighted import Weighted, WeightedOptions
from tinynet.layers.windows import (
    Margins,
    PairLike,
    Windows,
    as_padding,
    as_pair,
    check_images,
    crop,
    image_shape,
    pad,
)
from tinynet.registry import Config


class Conv2DTranspose(Weighted):
    """What a convolution does to gradients, done to images: (N, C, H, W) -> (N, filters, P, Q), then the activation.

    Each pixel is multiplied by a kernel, and added onto the output, where its window begins at the pixel's place times
    the stride::

        y[n, f, s h + i, t w + j] += kernel[c,f,i,j] x[n,c,h,w]            for all c, h, w, i, j; and then the bias

    That is the input gradient of a convolution from images like y to images like x, with the same kernel, strides and
    padding. So its own input gradient is that convolution, and the kernel's gradient is that of the convolution, in
    which dy stands for the image, and x for the upstream gradient. Source: Dumoulin and Visin 2016, "A guide to
    convolution arithmetic for deep learning", chapter 4.

    Parameters
    ----------
    filters : number of output channels.
    kernel_size : (rows, columns) of the window, or one number for both.
    strides : how far the windows of neighbouring pixels are apart, (rows, columns) or one number.
    padding : ``"valid"``, outputs of all windows, (size - 1) * stride + window, and at least size * stride; or
        ``"same"``, the margins cut off that the convolution would have padded, so that outputs are size * stride.
    output_padding : rows and columns that are added at the bottom and the right, less than the stride, instead of what
        makes outputs at least (``"valid"``) or exactly (``"same"``) size * stride; ``"same"`` then begins from
        (size - 1) * stride + window % 2.
    dilation_rate : distance between neighbouring pixels of the window, (rows, columns) or one number.
    activation, use_bias, kernel_initializer, ..., kernel_regularizer, ..., kernel_constraint, ... : see `Weighted`.

    Attributes
    ----------
    params : ``kernel`` (C, filters, kh, kw), that of a convolution from `filters` channels to C; ``bias`` (filters,).

    >>> import numpy as np
    >>> layer = Conv2DTranspose(16, 3, strides=2, padding="same")
    >>> layer.build((32, 7, 7), np.random.default_rng(0))
    (16, 14, 14)
    """

    def __init__(self, filters: int, kernel_size: PairLike, strides: PairLike = (1, 1), padding: str = "valid",
                 output_padding: PairLike | None = None, *, dilation_rate: PairLike = (1, 1),
                 activation: ActivationLike = None, **kwargs: Unpack[WeightedOptions]):
        super().__init__(activation=activation, **kwargs)
        self.expect(is_count(filters), "filters, a positive whole number", repr(filters))
        self.filters = int(filters)
        self.windows = Windows(self, as_pair(kernel_size, self, "kernel_size"), as_pair(strides, self, "strides"),
                               as_padding(padding, self), as_pair(dilation_rate, self, "dilation_rate"))
        self.output_padding = as_output_padding(output_padding, self.windows)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the kernel (C, filters, kh, kw) and the bias (filters,)."""
        C, H, W = image_shape(self, input_shape)
        output_size, _ = self.placement((H, W))
        kernel_shape = (C, self.filters, *self.windows.size)
        return self.set_up(input_shape, (self.filters, *output_size), kernel_shape, self.filters, rng)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) of the transposed convolution."""
        self.check(x)
        k, windows, (size, margins) = kernels.current(), self.windows, self.placement(x.shape[2:])
        geometry = windows.strides, windows.dilation
        kernel = self.params["kernel"]                                               # (C, F, kh, kw)
        whole = size[0] + sum(margins[0]), size[1] + sum(margins[1])
        y = crop(k.conv2d_input_gradient(x, kernel, whole, *geometry), margins)      # (N, F, P, Q)
        if self.use_bias:
            y += self.params["bias"][:, None, None]

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            padded = pad(dy, margins)
            self.grads["kernel"] = k.conv2d_kernel_gradient(padded, x, windows.size, *geometry)
            if self.use_bias:
                self.grads["bias"] = dy.sum(axis=(0, 2, 3))                          # (N, F, P, Q) -> (F,)
            return k.conv2d(padded, kernel, *geometry) if need_dx else None          # (N, C, H, W)
        return y, backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W)."""
        self.expect_built("kernel")
        check_images(self, x, len(self.params["kernel"]))
        self.placement(x.shape[2:])

    def placement(self, image: Pair) -> tuple[Pair, Margins]:
        """Return the size (P, Q) of the outputs for images (H, W), and the margins that are cut off around them."""
        windows, extra = self.windows, self.output_padding or (None, None)
        (P, rows), (Q, columns) = (
            transposed_placement(*axis, windows.padding) for axis in
            zip(image, windows.reach(), windows.strides, extra, strict=True))
        self.expect(min(P, Q) >= 1, "an image that leaves an output of at least one pixel", image)
        return (P, Q), (rows, columns)

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters, "kernel_size": list(self.windows.size),
                "strides": list(self.windows.strides), "padding": self.windows.padding,
                "output_padding": self.output_padding and list(self.output_padding),
                "dilation_rate": list(self.windows.dilation)}


def transposed_placement(size: int, reach: int, stride: int, extra: int | None, padding: str) -> tuple[int, Pair]:
    """Return how many outputs `size` pixels make along an axis, and how many are cut off before and after them.

    >>> transposed_placement(7, 3, 2, None, "valid"), transposed_placement(7, 3, 2, None, "same")
    ((15, (0, 0)), (14, (0, 1)))
    """
    whole = (size - 1) * stride + reach                      # from the first pixel's window to the end of the last's
    if padding == "valid":
        outputs = max(whole, size * stride) if extra is None else whole + extra
    else:
        outputs = size * stride if extra is None else (size - 1) * stride + reach % 2 + extra
    cut = max(0, whole - outputs)
    return outputs, (cut // 2, cut - cut // 2)               # the odd one after, as in `same_padding`


def as_output_padding(value: PairLike | None, windows: Windows) -> Pair | None:
    """Return None, or rows and columns, each less than its stride."""
    if value is None:
        return None
    try:
        rows, columns = (value, value) if is_int(value, 0) else value             # type: ignore[misc]
        good = all(is_int(n, 0) and n < stride for n, stride in zip((rows, columns), windows.strides, strict=True))
    except (TypeError, ValueError):
        good = False
    windows.layer.expect(good, "output_padding as a whole number from 0 or a pair of them, each less than its stride, "
                         f"{windows.strides}", repr(value))
    return int(rows), int(columns)


Convolution2DTranspose = Conv2DTranspose
