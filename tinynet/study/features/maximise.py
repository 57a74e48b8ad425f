"""Activation maximisation: the input with the largest output of a unit, found by gradient ascent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.steps.untouched import untouched
from tinynet.study.arguments import LayerOrName, built_input_shape, check_images, expect
from tinynet.study.drawing import StrPath, finish, grid, panels, show_dotted, used
from tinynet.study.receptive_fields import fields_at, seen_cells
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular, shortened
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Maximised(Tabular):
    """Images found by gradient ascent, each on the output of one unit.

    Attributes
    ----------
    name : of the step.
    channels : (K,) the channels, or the units of a vector.
    at : the position (row, column) in the channels' maps; () for vectors.
    images : (K, C, H, W).
    values : (steps + 1, K) the units' outputs, from the first image to the last.
    seen : (H, W) the pixels in the units' receptive field; the output does not depend on the others.
    """

    name: str
    channels: np.ndarray
    at: tuple[int, ...]
    images: np.ndarray
    values: np.ndarray
    seen: np.ndarray

    def in_short(self) -> str:
        """Say of which step, how many, and after how many steps of ascent."""
        return f"{len(self.channels)} images for {self.name}, {len(self.values) - 1} steps of ascent"

    def tables(self) -> list[Table]:
        """Return a table of the units' outputs, before and after."""
        rows = [[str(k), f"{first:+.4f}", f"{last:+.4f}"]
                for k, first, last in zip(self.channels, self.values[0], self.values[-1], strict=True)]
        return [Table(["unit", "output at first", "in the end"], shortened(rows))]

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the receptive field of each image, all on one scale; of several channels their mean."""
        rows, columns = (np.flatnonzero(self.seen.any(axis=axis)) for axis in (1, 0))
        crops = self.images[:, :, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].mean(axis=1)
        down, across = panels(len(crops), 8)
        figure, axes = grid(down, across, (max(4.5, 1.3 * across + 1.2), 1.4 * down + 0.5))
        for ax, channel, image, values in zip(used(axes, len(crops)), self.channels, crops, self.values.T, strict=True):
            drawn = show_dotted(ax, image, crops, 1.15 / max(image.shape))
            ax.set_title(f"{channel}: {values[-1]:.3g}", fontsize=8, pad=3)
        C = self.images.shape[1]
        figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, label="pixel" if C == 1 else f"mean of {C} channels")
        figure.suptitle(f"{self.name}: the image that maximises each, and its output", fontsize=11)
        return finish(figure, path)


def maximise(model: Model, layer: LayerOrName, channel: ArrayLike, steps: int = 200, rate: float = 0.05,
             decay: float = 0.1, smooth: float = 0.1, bounds: tuple[float, float] = (0.0, 1.0),
             seed: int = 0) -> Maximised:
    """Find the image that maximises a unit's output, by gradient ascent: activation maximisation.

    ::

        x <- clip(x + rate * (g / rms(g) - decay * x - smooth * roughness))        g = d unit / d x

    The roughness of a pixel is its difference from its neighbours, ``sum over up to 4 of (x - neighbour)``: the
    gradient of half the sum of squared differences, a total variation. ``decay * x`` is the gradient of half the sum of
    squares, the L2 norm. g is divided by its root mean square over the receptive field, so that the same settings suit
    all layers. Without decay and smoothing the result often looks like noise; for a logit, ``smooth=1`` shows strokes.
    Source: Erhan, Bengio, Courville and Vincent 2009, "Visualizing higher-layer features of a deep network"; with
    regularisation, Simonyan et al. 2013 (L2), Mahendran and Vedaldi 2015 (total variation).

    Parameters
    ----------
    layer : a layer, or the name of a step before a nonlinearity: ``"conv2d_2"``, or ``"dense_3"`` for the logits.
        (After a ReLU the gradient is 0 wherever the unit is inactive, and ascent would not start.)
    channel : of a convolution, the filter, whose output at the centre of the map is maximised; else the unit. An int or
        several.
    steps, rate : number of gradient steps, and their size.
    decay, smooth : weights of the penalties on large and on rough pixels.
    bounds : smallest and largest value of a pixel.
    seed : of the first image, which is faint noise.

    Raises
    ------
    ValueError : for a model of other inputs than images, a channel that does not exist, or invalid settings.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D
    >>> model = Sequential([Conv2D(1, (1, 2), input_shape=(1, 1, 2))])
    >>> model.set_weights([np.array([[[[2.0, -1.0]]]]), np.zeros(1)])
    >>> maximise(model, "conv2d_1", 0, decay=0, smooth=0).images.tolist()
    [[[[1.0, 0.0]]]]
    """
    low, high = bounds
    expect(steps >= 0 and min(rate, decay, smooth) >= 0 and low < high,
           "steps, rate, decay and smooth from 0, and bounds that rise",
           f"{steps}, {rate}, {decay}, {smooth} and {bounds}", "maximise")
    noise = faint_noise(built_input_shape(model, "maximise"), bounds, seed)
    with untouched(model):
        trace = Trace(model, noise[None])
        check_images(trace.inputs[0], "maximise")
        index = trace.place(layer)
        name, shape = trace.steps[index].name, trace.outputs[index].shape[1:]
        wanted = np.atleast_1d(channel).tolist()
        channels = np.array([check_place(k, shape[:1], f"a channel of {name}")[0] for k in wanted])
        at = tuple(size // 2 for size in shape[1:])
        seen = seen_pixels(trace, index, at)
        x = np.repeat(trace.inputs[0], len(channels), axis=0)                          # (K, C, H, W)
        unit = (np.arange(len(channels)), channels, *at)
        values = np.empty((steps + 1, len(channels)), x.dtype)
        for k in range(steps + 1):
            trace = Trace(model, x)
            values[k] = trace.outputs[index][unit]
            if k < steps:
                upstream = np.zeros_like(trace.outputs[index])
                upstream[unit] = 1
                gradient = trace.backward(upstream, index + 1)[0]
                rms = np.sqrt(np.square(gradient).mean(axis=1)[:, seen].mean(axis=1))[:, None, None, None]
                gradient = np.divide(gradient, rms, out=np.zeros_like(gradient), where=rms > 0)
                x = (x + rate * (gradient - decay * x - smooth * roughness(x))).clip(low, high)
    return Maximised(name, channels, at, x, values, seen)


def faint_noise(shape: tuple[int, ...], bounds: tuple[float, float], seed: int) -> np.ndarray:
    """Return uniform noise, up to a tenth of the range above its value nearest to 0."""
    low, high = bounds
    span = high - low if np.isfinite(high - low) else 1.0
    noise = np.clip(0, low, high) + 0.1 * span * np.random.default_rng(seed).uniform(size=shape)
    return np.clip(noise, low, high)


def seen_pixels(trace: Trace, index: int, at: tuple[int, ...]) -> np.ndarray:
    """Return which pixels (H, W) a step's output at (row, column) sees; all of them if its field is not known."""
    image = trace.inputs[0].shape[2:]
    rows, columns = (seen_cells(field, size, position) for field, size, position in
                     zip(fields_at(trace, index) or (None, None), image, at or (0, 0), strict=True))
    return np.isin(np.arange(image[0]), rows)[:, None] & np.isin(np.arange(image[1]), columns)


def roughness(x: np.ndarray) -> np.ndarray:
    """Return the sum of each pixel's differences from its neighbours, of images (K, C, H, W).

    >>> roughness(np.array([[[[0.0, 1.0, 5.0]]]]))
    array([[[[-1., -3.,  4.]]]])
    """
    total = np.zeros_like(x)
    for axis in (2, 3):
        # Views with the axis first; adding to the slices of `sums` writes to `total`.
        sums, differences = np.moveaxis(total, axis, 0), np.moveaxis(np.diff(x, axis=axis), axis, 0)
        sums[1:] += differences
        sums[:-1] -= differences
    return total
