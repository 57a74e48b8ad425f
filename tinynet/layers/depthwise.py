"""Convolutions that take the sum over the window and the sum over the channels apart."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from tinynet import constraints, initializers, kernels, regularizers
from tinynet.checks import is_count
from tinynet.constraints import ConstraintLike
from tinynet.initializers import InitializerLike
from tinynet.layers.activations import ActivationLike
from tinynet.layers.base import Backward, Shape
from tinynet.layers.weighted import BiasOptions, Weighted
from tinynet.layers.windows import PairLike, Windows, as_padding, as_pair, image_shape
from tinynet.registry import Config, Identifier, to_config
from tinynet.regularizers import RegularizerLike


class DepthwiseConv2D(Weighted):
    """Each channel is convolved by kernels of its own: (N, C, H, W) -> (N, C * depth_multiplier, P, Q).

    Nothing is summed over channels. Output c*M + m is made by the m-th of the M kernels of channel c::

        y[n, c M + m, p, q] = bias[c M + m] + sum_ij kernel[m,c,i,j] x[n, c, s p + i, t q + j]

        d loss / d kernel[m,c,i,j] = sum_npq dy[n, c M + m, p, q] x[n, c, s p + i, t q + j]
        d loss / d bias[f]         = sum_npq dy[n,f,p,q]
        d loss / d x[n,c,h,w]      = sum over m and the windows (p, q) that saw pixel (h, w), of
                                     dy[n, c M + m, p, q] kernel[m,c,i,j],  where h = s p + i and w = t q + j

    It is `Conv2D` with as many groups as channels. Source: Sifre 2014, "Rigid-motion scattering for image
    classification", section 6.2.

    Parameters
    ----------
    kernel_size, strides, padding, dilation_rate : as of `Conv2D`.
    depth_multiplier : M, number of kernels for each channel.
    activation, use_bias, bias_initializer, bias_regularizer, bias_constraint : see `Weighted`.
    depthwise_initializer, depthwise_regularizer, depthwise_constraint : of the kernel.

    Attributes
    ----------
    params : ``kernel`` (depth_multiplier, C, kh, kw), which is Keras's, (kh, kw, C, depth_multiplier), with its axes in
        the order of ours, ``.transpose(3, 2, 0, 1)``; and ``bias`` (C * depth_multiplier,).

    >>> import numpy as np
    >>> layer = DepthwiseConv2D(3, padding="same")
    >>> layer.build((32, 28, 28), np.random.default_rng(0)), layer.count_params()
    ((32, 28, 28), 320)
    """

    def __init__(self, kernel_size: PairLike, strides: PairLike = (1, 1), padding: str = "valid",
                 depth_multiplier: int = 1, *, dilation_rate: PairLike = (1, 1), activation: ActivationLike = None,
                 depthwise_initializer: Identifier | InitializerLike = "glorot_uniform",
                 depthwise_regularizer: Identifier | RegularizerLike | None = None,
                 depthwise_constraint: Identifier | ConstraintLike | None = None, **kwargs: Unpack[BiasOptions]):
        super().__init__(activation=activation, kernel_initializer=depthwise_initializer,
                         kernel_regularizer=depthwise_regularizer, kernel_constraint=depthwise_constraint, **kwargs)
        self.expect(is_count(depth_multiplier), "depth_multiplier, a positive whole number", repr(depth_multiplier))
        self.depth_multiplier = int(depth_multiplier)
        self.windows = Windows(self, as_pair(kernel_size, self, "kernel_size"), as_pair(strides, self, "strides"),
                               as_padding(padding, self), as_pair(dilation_rate, self, "dilation_rate"))

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the kernel (depth_multiplier, C, kh, kw) and the bias (C * depth_multiplier,)."""
        C, H, W = image_shape(self, input_shape)
        outputs = C * self.depth_multiplier
        return self.set_up(input_shape, (outputs, *self.windows.output_size((H, W))),
                           (self.depth_multiplier, C, *self.windows.size), outputs, rng)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) of the convolution."""
        self.check(x)
        k, windows, image = kernels.current(), self.windows, x.shape[2:]
        geometry = windows.strides, windows.dilation
        kernel = self.params["kernel"]                              # (M, C, kh, kw)
        x = windows.pad(x, 0)
        y = k.depthwise_conv2d(x, kernel, *geometry)                # (N, C*M, P, Q)
        if self.use_bias:
            y += self.params["bias"][:, None, None]

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            self.grads["kernel"] = k.depthwise_conv2d_kernel_gradient(x, dy, windows.size, *geometry)
            if self.use_bias:
                self.grads["bias"] = dy.sum(axis=(0, 2, 3))         # (N, C*M, P, Q) -> (C*M,)
            if not need_dx:
                return None
            return windows.crop(k.depthwise_conv2d_input_gradient(dy, kernel, x.shape[2:], *geometry), image)
        return y, backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W) and no smaller than the window."""
        self.expect_built("kernel")
        self.windows.check(x, self.params["kernel"].shape[1])

    def get_config(self) -> Config:
        config = super().get_config()
        own = {"depthwise_initializer": config.pop("kernel_initializer"),
               "depthwise_regularizer": config.pop("kernel_regularizer"),
               "depthwise_constraint": config.pop("kernel_constraint")}
        return {**config, **own, "kernel_size": list(self.windows.size), "strides": list(self.windows.strides),
                "padding": self.windows.padding, "depth_multiplier": self.depth_multiplier,
                "dilation_rate": list(self.windows.dilation)}


class SeparableConv2D(Weighted):
    """A depthwise convolution, then a pointwise one, 1x1, that mixes its channels: (N, C, H, W) -> (N, filters, P, Q).

    With h, the output of the depthwise convolution, which has no bias::

        h[n, c M + m, p, q] = sum_ij depthwise_kernel[m,c,i,j] x[n, c, s p + i, t q + j]
        y[n,f,p,q]          = bias[f] + sum_g pointwise_kernel[f,g,0,0] h[n,g,p,q]

    Backward is the same in reverse: the input gradient of the pointwise convolution is the upstream gradient of the
    other. Of the multiplications of a `Conv2D` with windows of 3x3 it takes 1/filters + 1/9. Source: Chollet 2017,
    "Xception: deep learning with depthwise separable convolutions".

    Parameters
    ----------
    filters : number of output channels.
    kernel_size, strides, padding, dilation_rate : of the depthwise convolution, as of `Conv2D`.
    depth_multiplier : M, number of kernels for each channel.
    activation, use_bias, bias_initializer, bias_regularizer, bias_constraint : see `Weighted`.
    depthwise_initializer, pointwise_initializer, depthwise_regularizer, ..., depthwise_constraint, ... : of the two
        kernels.

    Attributes
    ----------
    params : ``depthwise_kernel`` (depth_multiplier, C, kh, kw), ``pointwise_kernel`` (filters, C * depth_multiplier, 1,
        1) and ``bias`` (filters,).

    >>> import numpy as np
    >>> layer = SeparableConv2D(64, 3, padding="same")
    >>> layer.build((32, 28, 28), np.random.default_rng(0)), layer.count_params()
    ((64, 28, 28), 2400)
    """

    def __init__(self, filters: int, kernel_size: PairLike, strides: PairLike = (1, 1), padding: str = "valid", *,
                 dilation_rate: PairLike = (1, 1), depth_multiplier: int = 1, activation: ActivationLike = None,
                 depthwise_initializer: Identifier | InitializerLike = "glorot_uniform",
                 pointwise_initializer: Identifier | InitializerLike = "glorot_uniform",
                 depthwise_regularizer: Identifier | RegularizerLike | None = None,
                 pointwise_regularizer: Identifier | RegularizerLike | None = None,
                 depthwise_constraint: Identifier | ConstraintLike | None = None,
                 pointwise_constraint: Identifier | ConstraintLike | None = None, **kwargs: Unpack[BiasOptions]):
        super().__init__(activation=activation, kernel_initializer=pointwise_initializer,
                         kernel_regularizer=pointwise_regularizer, kernel_constraint=pointwise_constraint, **kwargs)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.expect(is_count(filters), "filters, a positive whole number", repr(filters))
        self.expect(is_count(depth_multiplier), "depth_multiplier, a positive whole number", repr(depth_multiplier))
        self.filters, self.depth_multiplier = int(filters), int(depth_multiplier)
        self.windows = Windows(self, as_pair(kernel_size, self, "kernel_size"), as_pair(strides, self, "strides"),
                               as_padding(padding, self), as_pair(dilation_rate, self, "dilation_rate"))

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the two kernels and the bias (filters,)."""
        C, H, W = image_shape(self, input_shape)
        made = {"depthwise_kernel": (self.depthwise_initializer, (self.depth_multiplier, C, *self.windows.size)),
                "pointwise_kernel": (self.kernel_initializer, (self.filters, C * self.depth_multiplier, 1, 1))}
        output_shape = (self.filters, *self.windows.output_size((H, W)))
        return self.set_up_kernels(input_shape, output_shape, made, self.filters, rng)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) of the two convolutions."""
        self.check(x)
        k, windows, image, one = kernels.current(), self.windows, x.shape[2:], (1, 1)
        geometry = windows.strides, windows.dilation
        depthwise, pointwise = self.params["depthwise_kernel"], self.params["pointwise_kernel"]
        x = windows.pad(x, 0)
        h = k.depthwise_conv2d(x, depthwise, *geometry)             # (N, C*M, P, Q)
        y = k.conv2d(h, pointwise, one, one)                        # (N, F, P, Q)
        if self.use_bias:
            y += self.params["bias"][:, None, None]

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            self.grads["pointwise_kernel"] = k.conv2d_kernel_gradient(h, dy, one, one, one)
            if self.use_bias:
                self.grads["bias"] = dy.sum(axis=(0, 2, 3))         # (N, F, P, Q) -> (F,)
            dh = k.conv2d_input_gradient(dy, pointwise, h.shape[2:], one, one)
            self.grads["depthwise_kernel"] = k.depthwise_conv2d_kernel_gradient(x, dh, windows.size, *geometry)
            if not need_dx:
                return None
            return windows.crop(k.depthwise_conv2d_input_gradient(dh, depthwise, x.shape[2:], *geometry), image)
        return y, backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W) and no smaller than the window."""
        self.expect_built("depthwise_kernel")
        self.windows.check(x, self.params["depthwise_kernel"].shape[1])

    def of_parameters(self, what: str) -> dict[str, Any]:
        """Return the regularizers, or the constraints, of the two kernels and the bias."""
        found = super().of_parameters(what)
        return {"depthwise_kernel": vars(self)[f"depthwise_{what}"],
                "pointwise_kernel": found.pop("kernel"), **found}

    def get_config(self) -> Config:
        config = super().get_config()
        own = {"depthwise_initializer": to_config(self.depthwise_initializer),
               "pointwise_initializer": config.pop("kernel_initializer"),
               "depthwise_regularizer": to_config(self.depthwise_regularizer),
               "pointwise_regularizer": config.pop("kernel_regularizer"),
               "depthwise_constraint": to_config(self.depthwise_constraint),
               "pointwise_constraint": config.pop("kernel_constraint")}
        return {**config, **own, "filters": self.filters, "kernel_size": list(self.windows.size),
                "strides": list(self.windows.strides), "padding": self.windows.padding,
                "dilation_rate": list(self.windows.dilation), "depth_multiplier": self.depth_multiplier}


SeparableConvolution2D = SeparableConv2D
