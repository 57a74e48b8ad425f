"""Pooling, with windows or of whole images: each pixel times its share in the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynet.explore.explanations.arithmetic import Weighing, arithmetic, computed
from tinynet.explore.explanations.explanation import Explanation, Factor, Form, Place
from tinynet.explore.explanations.links import Axis, Table, apart
from tinynet.explore.explanations.numbers import AnyLayer
from tinynet.explore.explanations.weighted import windowed
from tinynet.layers import AveragePool2D, GlobalAvgPool2D, GlobalMaxPool2D, MaxPool2D
from tinynet.layers.pooling import GlobalPooling, Pooling
from tinynet.study.arithmetic.pool_step import shares
from tinynet.study.arithmetic.window_geometry import take, window_at


class Sharing(Weighing[AnyLayer]):
    """Explains a layer in which each output is made of shares of inputs that are not learned."""

    form: Form = "mean"

    def rest(self, at: Place) -> list[Any]:
        """Return nothing: there is no bias."""
        return []

    def forward(self, at: Place) -> Explanation:
        """Explain an output: the pixels under the window, each with its share."""
        found = super().forward(at)
        return Explanation(**{**vars(found), "form": self.form, "group": None, "group_names": ()})

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of a pixel."""
        found = super().backward(at)
        return Explanation(**{**vars(found), "group": None, "group_names": ()})


class PoolArithmetic(Sharing[Pooling]):
    """Explains pooling with windows."""

    spreads = "Every window over the pixel: its gradient, times the share that the pixel had in it."

    def axes(self) -> Sequence[Axis]:
        """Link windows with the pixels under them; the taps tell which share is whose."""
        return [apart(self.step.x.shape[0]), *windowed(self.step.layer.windows, self.step.x.shape)]

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the share of each tap (T, 2) in its own output (T, 3)."""
        image: Any = self.step.x.shape[1:]
        found = []
        for (c, p, q), tap in zip(out.tolist(), at.tolist(), strict=True):
            rows, columns = window_at(self.step.layer.windows, image, (p, q))
            window = take(self.step.x[c], rows, columns, np.nan)
            found.append(shares(self.step.layer, window)[tuple(tap)])
        return computed("share", np.array(found))


class MaxPoolArithmetic(PoolArithmetic):
    """Explains max pooling."""

    form: Form = "maximum"
    sums = "The largest number under the window; where several are equal, the first counts."


class AveragePoolArithmetic(PoolArithmetic):
    """Explains average pooling."""

    sums = "The mean of the numbers under the window: each counts the same."


class GlobalPoolArithmetic(Sharing[GlobalPooling]):
    """Explains pooling of whole images."""

    spreads = "The gradient of the channel's output, times the share that the pixel had in it."

    def axes(self) -> Sequence[Axis]:
        """Link every pixel of a channel with that channel's output."""
        C, H, W = self.step.x.shape
        kept = int(self.step.y.ndim == 3)                                  # axes of size 1, or none
        pixels = [Table(np.zeros((size, kept)), np.arange(size), np.arange(size)) for size in (H, W)]
        return [apart(C), *pixels]

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the share of each pixel (T, 2) in its channel's output."""
        return computed("share", np.array([self.share(self.step.x[place[0]])[tuple(pixel)]
                                           for place, pixel in zip(out, at, strict=True)]))

    def share(self, image: np.ndarray) -> np.ndarray:
        """Return the share of each pixel of an image (H, W)."""
        return np.full(image.shape, 1 / image.size)


class GlobalAverageArithmetic(GlobalPoolArithmetic):
    """Explains the mean of whole images."""

    sums = "The mean of all pixels of the channel: each counts the same."


class GlobalMaxArithmetic(GlobalPoolArithmetic):
    """Explains the maximum of whole images."""

    form: Form = "maximum"
    sums = "The largest pixel of the channel; where several are equal, the first counts."

    def share(self, image: np.ndarray) -> np.ndarray:
        """Return 1 for the largest pixel, the first of equals, and 0 for the others."""
        share = np.zeros(image.shape)
        share.flat[image.argmax()] = 1
        return share


arithmetic.register(MaxPool2D, lambda layer: MaxPoolArithmetic)
arithmetic.register(AveragePool2D, lambda layer: AveragePoolArithmetic)
arithmetic.register(GlobalMaxPool2D, lambda layer: GlobalMaxArithmetic)
arithmetic.register(GlobalAvgPool2D, lambda layer: GlobalAverageArithmetic)
