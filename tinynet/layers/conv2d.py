"""The convolutional layer: the same small kernel slides over every position of the image."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.checks import is_count
from tinynet.kernels.groups import grouped
from tinynet.layers.activations import ActivationLike
from tinynet.layers.base import Backward, Shape
from tinynet.layers.weighted import Weighted, WeightedOptions
from tinynet.layers.windows import PairLike, Windows, as_padding, as_pair, image_shape
from tinynet.registry import Config


class Conv2D(Weighted):
    """Cross-correlation of images with learned kernels: (N, C, H, W) -> (N, filters, P, Q), then the activation.

    Output pixel (p, q) of filter f sums the window that starts at (p, q) times the stride (s, t)::

        y[n,f,p,q] = bias[f] + sum_cij kernel[f,c,i,j] x[n, c, s p + i, t q + j]

        d loss / d kernel[f,c,i,j] = sum_npq dy[n,f,p,q] x[n, c, s p + i, t q + j]    every position it was used at
        d loss / d bias[f]         = sum_npq dy[n,f,p,q]                              it was added everywhere
        d loss / d x[n,c,h,w]      = sum over the windows (f, p, q) that saw pixel (h, w), of
                                     dy[n,f,p,q] kernel[f,c,i,j],  where h = s p + i and w = t q + j

    Parameters
    ----------
    filters : number of output channels.
    kernel_size : (rows, columns) of the window, or one number for both.
    strides : how far the window moves, (rows, columns) or one number.
    padding : ``"valid"``, none; or ``"same"``, zeros around the image so that outputs are ceil(size / stride).
    dilation_rate : distance between neighbouring pixels of the window, (rows, columns) or one number.
    groups : into how many the channels and the filters are cut: a filter sees the channels of its group alone. Both
        numbers must be divisible by it.
    activation, use_bias, kernel_initializer, ..., kernel_regularizer, ..., kernel_constraint, ... : see `Weighted`.

    Attributes
    ----------
    params : ``kernel`` (filters, C / groups, kh, kw) and ``bias`` (filters,).

    >>> import numpy as np
    >>> layer = Conv2D(32, (5, 5), activation="relu")
    >>> layer.build((1, 28, 28), np.random.default_rng(0))
    (32, 24, 24)
    >>> layer(np.zeros((2, 1, 28, 28))).shape
    (2, 32, 24, 24)
    """

    def __init__(self, filters: int, kernel_size: PairLike, strides: PairLike = (1, 1), padding: str = "valid", *,
                 dilation_rate: PairLike = (1, 1), groups: int = 1, activation: ActivationLike = None,
                 **kwargs: Unpack[WeightedOptions]):
        super().__init__(activation=activation, **kwargs)
        self.expect(is_count(filters), "filters, a positive whole number", repr(filters))
        self.expect(is_count(groups), "groups, a positive whole number", repr(groups))
        self.expect(filters % groups == 0, f"filters that {groups} groups divide evenly", filters)
        self.filters, self.groups = int(filters), int(groups)
        self.windows = Windows(self, as_pair(kernel_size, self, "kernel_size"), as_pair(strides, self, "strides"),
                               as_padding(padding, self), as_pair(dilation_rate, self, "dilation_rate"))

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the kernel (filters, C / groups, kh, kw) and the bias (filters,)."""
        C, H, W = image_shape(self, input_shape)
        self.expect(C % self.groups == 0, f"images (C, H, W) whose channels {self.groups} groups divide evenly",
                    input_shape)
        output_shape = (self.filters, *self.windows.output_size((H, W)))
        kernel_shape = (self.filters, C // self.groups, *self.windows.size)
        return self.set_up(input_shape, output_shape, kernel_shape, self.filters, rng)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) of the convolution."""
        self.check(x)
        k, windows, image = grouped(kernels.current(), self.groups), self.windows, x.shape[2:]
        geometry = windows.strides, windows.dilation
        kernel = self.params["kernel"]                              # (F, C / groups, kh, kw)
        x = windows.pad(x, 0)
        y = k.conv2d(x, kernel, *geometry)                          # (N, F, P, Q)
        if self.use_bias:
            y += self.params["bias"][:, None, None]

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            self.grads["kernel"] = k.conv2d_kernel_gradient(x, dy, windows.size, *geometry)
            if self.use_bias:
                self.grads["bias"] = dy.sum(axis=(0, 2, 3))         # (N, F, P, Q) -> (F,)
            if not need_dx:
                return None
            return windows.crop(k.conv2d_input_gradient(dy, kernel, x.shape[2:], *geometry), image)
        return y, backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W) and no smaller than the window."""
        self.expect_built("kernel")
        self.windows.check(x, self.groups * self.params["kernel"].shape[1])

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters, "kernel_size": list(self.windows.size),
                "strides": list(self.windows.strides), "padding": self.windows.padding,
                "dilation_rate": list(self.windows.dilation), "groups": self.groups}


Convolution2D = Conv2D
