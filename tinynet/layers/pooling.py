"""Pooling: one number for each window, or for the whole image, so that small shifts matter less."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.layers.windows import PairLike, Windows, as_padding, as_pair, image_shape
from tinynet.registry import Config


class Pooling(Layer):
    """Base of the two with a window: (N, C, H, W) -> (N, C, P, Q), each channel by itself, no parameters.

    Parameters
    ----------
    pool_size : (rows, columns) of the window, or one number for both.
    strides : how far the window moves; None moves it by its own size, so that windows do not overlap.
    padding : ``"valid"``, windows inside the image; ``"same"``, outputs of ceil(size / stride).
    """

    def __init__(self, pool_size: PairLike = (2, 2), strides: PairLike | None = None, padding: str = "valid",
                 **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        size = as_pair(pool_size, self, "pool_size")
        self.windows = Windows(self, size, size if strides is None else as_pair(strides, self, "strides"),
                               as_padding(padding, self))

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C, P, Q)."""
        C, H, W = image_shape(self, input_shape)
        self.input_shape, self.output_shape = input_shape, (C, *self.windows.output_size((H, W)))
        return self.output_shape

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W) and no smaller than the window."""
        self.windows.check(x, None)

    def get_config(self) -> Config:
        return {**super().get_config(), "pool_size": list(self.windows.size),
                "strides": list(self.windows.strides), "padding": self.windows.padding}


class MaxPool2D(Pooling):
    """The largest number of each window; its pixel alone takes the gradient (at a tie, the first).

    ``y[n,c,p,q] = max_ij x[n, c, s p + i, t q + j]``, so ``dx`` at the winner is ``dy``, and 0 elsewhere; where
    windows overlap, a pixel that won several gets the sum. Padding counts as minus infinity: it never wins.

    >>> MaxPool2D()(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[[[4.]]]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.check(x)
        k, windows, image = kernels.current(), self.windows, x.shape[2:]
        padded = windows.pad(as_floating(x), -np.inf)
        y, argmax = k.max_pool2d(padded, windows.size, windows.strides)         # both (N, C, P, Q)

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = k.max_pool2d_gradient(dy, argmax, padded.shape[2:], windows.size, windows.strides)
            return windows.crop(dx, image)
        return y, backward


class AveragePool2D(Pooling):
    """The mean of each window, over the pixels inside the image; each of them takes its share of the gradient.

    >>> AveragePool2D()(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[[[2.5]]]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.check(x)
        k, windows, image = kernels.current(), self.windows, x.shape[2:]
        padded = windows.pad(as_floating(x), 0)
        inside = windows.pad(np.ones((1, 1, *image), padded.dtype), 0)
        counts = k.sum_pool2d(inside, windows.size, windows.strides)            # (1, 1, P, Q)
        y = k.sum_pool2d(padded, windows.size, windows.strides) / counts        # (N, C, P, Q)

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = k.sum_pool2d_gradient(dy / counts, padded.shape[2:], windows.size, windows.strides)
            return windows.crop(dx, image)
        return y, backward


class GlobalPooling(Layer):
    """Base of the two whose window is the whole image: (N, C, H, W) -> (N, C), of any size, no parameters.

    Parameters
    ----------
    keepdims : True keeps the axes of the image, each of size 1: (N, C, 1, 1).
    """

    def __init__(self, *, keepdims: bool = False, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return (C,), or (C, 1, 1)."""
        C = image_shape(self, input_shape)[0]
        self.input_shape, self.output_shape = input_shape, (C, 1, 1) if self.keepdims else (C,)
        return self.output_shape

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, H, W), with a pixel at least."""
        self.expect(x.ndim == 4 and min(x.shape[2:]) > 0, "input (N, C, H, W)", x.shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "keepdims": self.keepdims}


class GlobalMaxPool2D(GlobalPooling):
    """The largest number of each channel; its pixel alone takes the gradient (at a tie, the first, row by row).

    ``y[n,c] = max_hw x[n,c,h,w]``.

    >>> GlobalMaxPool2D()(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[4.]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.check(x)
        x = as_floating(x)
        N, C, H, W = x.shape
        pixels = x.reshape(N, C, H * W)
        winner = pixels.argmax(axis=2, keepdims=True)                           # (N, C, 1); the first NaN, if any
        y = np.take_along_axis(pixels, winner, axis=2)

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = np.zeros(pixels.shape, dy.dtype)
            np.put_along_axis(dx, winner, dy.reshape(N, C, 1), axis=2)
            return dx.reshape(x.shape)
        return y.reshape(N, C, 1, 1) if self.keepdims else y[:, :, 0], backward


class GlobalAvgPool2D(GlobalPooling):
    """The mean of each channel; each of its pixels takes the same share of the gradient.

    ``y[n,c] = sum_hw x[n,c,h,w] / (H W)``, so ``dx[n,c,h,w] = dy[n,c] / (H W)``.
    Source: Lin, Chen and Yan 2014, "Network in network", section 3.2.

    >>> GlobalAvgPool2D()(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[2.5]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        self.check(x)
        x = as_floating(x)
        count = x.shape[2] * x.shape[3]

        def backward(dy: np.ndarray) -> np.ndarray:
            dx = np.empty_like(x, dy.dtype)
            dx[...] = dy.reshape(*dy.shape[:2], 1, 1) / count
            return dx
        return x.mean(axis=(2, 3), keepdims=self.keepdims), backward


MaxPooling2D, AveragePooling2D = MaxPool2D, AveragePool2D
GlobalMaxPooling2D, GlobalAveragePooling2D, AvgPool2D = GlobalMaxPool2D, GlobalAvgPool2D, AveragePool2D
