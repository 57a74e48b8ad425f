"""Dense layers and convolutions of all kinds, as links between inputs, weights and outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinynet.explore.explanations.arithmetic import Weighing, arithmetic
from tinynet.explore.explanations.links import Axis, Dot, Table, apart, sliding, spreading
from tinynet.kernels.geometry import Pair
from tinynet.layers import Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D
from tinynet.layers.windows import Windows
from tinynet.study.arithmetic.window_geometry import positions


class DenseArithmetic(Weighing[Dense]):
    """Explains a dense layer: every input times its weight."""

    sums = "Each input times its weight: the whole of what the unit sees."
    spreads = "Every unit that had the input in its sum: its gradient, times the weight it gave the input."

    def axes(self) -> Sequence[Axis]:
        """Link every input with every unit, along the last axis."""
        return [*map(apart, self.step.x.shape[:-1]), Dot(*self.step.layer.params["kernel"].shape)]


class Conv2DArithmetic(Weighing[Conv2D]):
    """Explains a convolution: patch times kernel, channel by channel."""

    sums = "The patch under the window times the filter's kernel, pixel by pixel and channel by channel."
    spreads = "Every window over the pixel, of every filter: its gradient, times the weight that lay on the pixel."

    def axes(self) -> Sequence[Axis]:
        """Link channels within their groups, and windows with the pixels under them."""
        layer = self.step.layer
        filters, per_group = layer.params["kernel"].shape[:2]
        f, c = np.indices((filters, per_group)).reshape(2, -1)
        group = f // (filters // layer.groups)
        return [Table(f, group * per_group + c, np.stack([f, c], axis=1)), *windowed(layer.windows, self.step.x.shape)]


class DepthwiseArithmetic(Weighing[DepthwiseConv2D]):
    """Explains a depthwise convolution: each channel by itself."""

    sums = "The patch under the window, of one channel alone, times that channel's kernel."
    spreads = "Every window over the pixel, of the channel's own kernels: its gradient, times the weight on the pixel."

    def axes(self) -> Sequence[Axis]:
        """Link output channel c*M + m with channel c, by kernel m."""
        multiplier, channels = self.step.layer.params["kernel"].shape[:2]
        m, c = np.indices((multiplier, channels)).reshape(2, -1)
        return [Table(c * multiplier + m, c, np.stack([m, c], axis=1)),
                *windowed(self.step.layer.windows, self.step.x.shape)]


class TransposedArithmetic(Weighing[Conv2DTranspose]):
    """Explains a transposed convolution: every pixel adds a kernel onto the output."""

    sums = "Every pixel whose kernel, laid onto the output, covers this place: the pixel times the weight there."
    spreads = "Every output that the pixel's kernel was laid onto: its gradient, times the weight that lay there."

    def axes(self) -> Sequence[Axis]:
        """Link every channel with every filter, and pixels with the outputs under their kernels."""
        layer, (_, H, W) = self.step.layer, self.step.x.shape
        size, margins = layer.placement((H, W))
        taps = (stride * np.arange(count)[:, None] - before + dilation * np.arange(taps)
                for stride, count, (before, _), dilation, taps in
                zip(layer.windows.strides, (H, W), margins, layer.windows.dilation, layer.windows.size, strict=True))
        return [Dot(*layer.params["kernel"].shape[:2]),
                *(spreading(at, outputs) for at, outputs in zip(taps, size, strict=True))]


def windowed(windows: Windows, shape: tuple[int, ...]) -> list[Table]:
    """Return the links of windows along the rows and the columns of images of a shape (C, H, W)."""
    image: Pair = (shape[1], shape[2])
    return [sliding(at, size) for at, size in zip(positions(windows, image), image, strict=True)]


arithmetic.register(Dense, lambda layer: DenseArithmetic)
arithmetic.register(Conv2D, lambda layer: Conv2DArithmetic)
arithmetic.register(DepthwiseConv2D, lambda layer: DepthwiseArithmetic)
arithmetic.register(Conv2DTranspose, lambda layer: TransposedArithmetic)
