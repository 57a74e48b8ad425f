"""Layers that move numbers, or scale them: each output is one input, some, or none, times a fixed share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinynet.explore.explanations.arithmetic import arithmetic, computed
from tinynet.explore.explanations.explanation import Explanation, Factor, Form, Line, Place
from tinynet.explore.explanations.links import Axis, Table, apart
from tinynet.explore.explanations.numbers import AnyLayer
from tinynet.explore.explanations.pooled import Sharing
from tinynet.layers import (
    Activation,
    ActivityRegularization,
    Flatten,
    RandomCrop,
    Rescaling,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.augmentation.base import Augmentation
from tinynet.layers.input import Input
from tinynet.layers.noise import Noise
from tinynet.layers.resizing import shares


class CopyArithmetic(Sharing[AnyLayer]):
    """Explains a layer that hands its numbers on: in inference dropout, noise and augmentation do."""

    form: Form = "copy"
    sums = "The number at the same place: this layer hands it on as it is."
    spreads = "The gradient at the same place, handed back as it is."

    def axes(self) -> Sequence[Axis]:
        """Link each place with itself."""
        return [*map(apart, self.step.x.shape)]

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the share 1 for each link."""
        return computed("share", np.ones(len(out)))


class PenaltyArithmetic(CopyArithmetic[ActivityRegularization]):
    """Explains a penalty on outputs: the numbers pass, and on the way back its slope is added."""

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of a number: that of what it became, and the penalty's."""
        found = super().backward(at)
        if not self.step.counted:
            return found
        part = float(np.asarray(self.step.layer.term.gradient(self.step.x))[at])
        return replace(found, total=found.total + part, lines=[*found.lines, Line("the penalty's part", part)])


class ReshapeArithmetic(CopyArithmetic[Flatten | Reshape]):
    """Explains Flatten and Reshape: the same numbers in the same order."""

    sums = "The number that has the same place in row-major order: only the shape differs."

    def axes(self) -> Sequence[Axis]:
        """Link all places in order."""
        outs, ins = (np.indices(array.shape).reshape(array.ndim, -1).T for array in (self.step.y, self.step.x))
        return [Table(outs, ins, np.empty((len(outs), 0)))]


class MovedArithmetic(CopyArithmetic[ZeroPadding2D | RandomCrop]):
    """Explains layers that set an image into a larger one, or cut a smaller one out of it."""

    sums = "The pixel that lay here before, or 0 where there was none."

    def axes(self) -> Sequence[Axis]:
        """Link pixel h with pixel h + margin, if there is one."""
        layer, (C, *image), size = self.step.layer, self.step.x.shape, self.step.y.shape[1:]
        if isinstance(layer, ZeroPadding2D):
            margins = [before for before, _ in layer.padding]
        else:
            margins = [-((before - after) // 2) for before, after in zip(image, size, strict=True)]
        return [apart(C), *(moved(*each) for each in zip(image, size, margins, strict=True))]


def moved(before: int, after: int, margin: int) -> Table:
    """Return the links of an axis whose places move by a margin."""
    h = np.arange(before)
    inside = (h + margin >= 0) & (h + margin < after)
    return Table((h + margin)[inside], h[inside], np.empty((int(inside.sum()), 0)))


class UpSamplingArithmetic(CopyArithmetic[UpSampling2D]):
    """Explains images made larger: each pixel repeated, or mixed with its neighbours."""

    sums = "The pixel that this place is a copy of; between pixels, those on either side, each with its share."
    spreads = "Every place that the pixel is part of: its gradient, times the pixel's share in it."

    def axes(self) -> Sequence[Axis]:
        """Link pixels with those made of them; the weight tells which share is whose."""
        return [apart(self.step.x.shape[0]), *(linked(matrix) for matrix in self.matrices())]

    def matrices(self) -> list[np.ndarray]:
        """Return the shares along rows and along columns, (outputs, inputs) each."""
        sides = zip(self.step.x.shape[1:], self.step.layer.size, strict=True)
        if self.step.layer.interpolation == "bilinear":
            return [shares(side, factor) for side, factor in sides]
        return [np.repeat(np.eye(side), factor, axis=0) for side, factor in sides]

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the share of the input (row, column) at[2:] in the output at[:2]."""
        rows, columns = self.matrices()
        return computed("share", rows[at[:, 0], at[:, 1]] * columns[at[:, 2], at[:, 3]])


def linked(matrix: np.ndarray) -> Table:
    """Return the links of an axis along which outputs are shares (outputs, inputs) of inputs."""
    out, in_ = np.nonzero(matrix)
    return Table(out, in_, np.stack([out, in_], axis=1))


class RescalingArithmetic(CopyArithmetic[Rescaling]):
    """Explains a fixed factor and an offset."""

    form: Form = "elementwise"
    sums = "The number at the same place, times the scale; then the offset."
    spreads = "The gradient at the same place, times the scale."

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the scale at each place."""
        return computed("scale", self.setting(self.step.layer.scale)[tuple(out.T)])

    def rest(self, at: Place) -> list[Line]:
        """Return the offset."""
        return [Line("offset", float(self.setting(self.step.layer.offset)[at]))]

    def setting(self, array: np.ndarray) -> np.ndarray:
        """Return a setting, of the shape of a sample."""
        return np.broadcast_to(self.step.layer.along(self.step.x.shape, array, "scale"), self.step.x.shape)


arithmetic.register(ActivityRegularization, lambda layer: PenaltyArithmetic)
arithmetic.register(Noise, lambda layer: CopyArithmetic)
arithmetic.register(Augmentation, lambda layer: CopyArithmetic)
arithmetic.register(Input, lambda layer: CopyArithmetic)
arithmetic.register(Activation, lambda layer: CopyArithmetic)              # of one that has no activation: it is a step
arithmetic.register(Flatten, lambda layer: ReshapeArithmetic)
arithmetic.register(Reshape, lambda layer: ReshapeArithmetic)
arithmetic.register(ZeroPadding2D, lambda layer: MovedArithmetic)
arithmetic.register(RandomCrop, lambda layer: MovedArithmetic)
arithmetic.register(UpSampling2D, lambda layer: UpSamplingArithmetic)
arithmetic.register(Rescaling, lambda layer: RescalingArithmetic)
