"""The input that excites a unit most, found by gradient ascent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.steps.untouched import untouched
from tinynet.study.drawing import Path, finish, grid, panels, show_dotted
from tinynet.study.receptive_fields import cells, check_images, fields_at
from tinynet.study.trace import Trace, check_place


@dataclass(frozen=True)
class Maximised:
    """Images that were changed step by step until they excited a unit each.

    Attributes
    ----------
    name : the step's.
    channels : (K,) which channels, or units of a vector.
    at : the place (row, column) in the channels' maps; () for vectors.
    images : (K, C, H, W).
    values : (steps + 1, K) the units' outputs, from the first image to the last.
    seen : (H, W) which pixels the units see; the others count for nothing.
    """

    name: str
    channels: np.ndarray
    at: tuple[int, ...]
    images: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    seen: np.ndarray = field(repr=False)

    def plot(self, path: Path | None = None) -> Any:
        """Draw the part of each image that its unit sees, all to one scale; of several channels their mean."""
        rows, columns = (np.flatnonzero(self.seen.any(axis=axis)) for axis in (1, 0))
        cut = self.images[:, :, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].mean(axis=1)
        down, across = panels(len(cut), 8)
        figure, axes = grid(down, across, (max(4.5, 1.3 * across + 1.2), 1.4 * down + 0.5))
        for ax in axes.ravel()[len(cut):]:
            ax.set_axis_off()
        for ax, channel, image, values in zip(axes.ravel(), self.channels, cut, self.values.T, strict=False):
            drawn = show_dotted(ax, image, cut, 1.15 / max(image.shape))
            ax.set_title(f"{channel}: {values[-1]:.3g}", fontsize=8, pad=3)
        C = self.images.shape[1]
        figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, label="pixel" if C == 1 else f"mean of {C} channels")
        figure.suptitle(f"{self.name}: what each would like to see, and its output", fontsize=11)
        return finish(figure, path)


def maximise(model: Any, layer: Layer | str, channel: Any, steps: int = 200, rate: float = 0.05, decay: float = 0.1,
             smooth: float = 0.1, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0) -> Maximised:
    """Change an image step by step so that a unit's output grows: activation maximisation.

    ::

        x <- clip(x + rate * (g / rms(g) - decay * x - smooth * roughness))        g = d unit / d x

    The roughness of a pixel is what it differs from its neighbours, ``sum over up to 4 of (x - neighbour)``: the
    gradient of half the sum of squared differences, a total variation. `decay` does the same to half the sum of
    squares, the L2 norm. The gradient is scaled to 1 in its root mean square over the pixels that the unit sees, so
    that the same settings fit all layers. Without decay and smoothing, the image is whatever excites most, and often
    looks like noise; for a logit, ``smooth=1`` shows strokes.
    Source: Erhan, Bengio, Courville and Vincent 2009, "Visualizing higher-layer features of a deep network"; with
    regularisation, Simonyan et al. 2013 (L2), Mahendran and Vedaldi 2015 (total variation).

    Parameters
    ----------
    layer : a layer, or the name of a step that ends before a nonlinearity: ``"conv2d_2"``, or ``"dense_3"`` for the
        logits. (After a ReLU the gradient is 0 where the unit is silent, and nothing would grow.)
    channel : of a convolution, the filter, whose output in the middle of the map is taken; else the unit. Or several.
    steps, rate : how often the image is changed, and how much.
    decay, smooth : how much large and rough pixels are held back.
    bounds : the smallest and the largest number a pixel may have.
    seed : of the first image, which is faint noise.

    Raises
    ------
    ValueError : for a model of other than images, a channel that does not exist, or odd settings.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D
    >>> model = Sequential([Conv2D(1, (1, 2), input_shape=(1, 1, 2))])
    >>> model.set_weights([np.array([[[[2.0, -1.0]]]]), np.zeros(1)])
    >>> maximise(model, "conv2d_1", 0, decay=0, smooth=0).images.tolist()
    [[[[1.0, 0.0]]]]
    """
    low, high = bounds
    if steps < 0 or min(rate, decay, smooth) < 0 or not low < high:
        raise ValueError(f"maximise: expected steps, rate, decay and smooth from 0, and bounds that rise. Received: "
                         f"{steps}, {rate}, {decay}, {smooth} and {bounds}.")
    if model.input_shape is None:
        raise ValueError(f"maximise: expected a model whose input shape is known. Received: {model}, not built yet.")
    rng = np.random.default_rng(seed)
    span = high - low if np.isfinite(high - low) else 1.0
    noise = np.clip(0, low, high) + 0.1 * span * rng.uniform(size=model.input_shape)
    with untouched(model):
        trace = Trace(model, np.clip(noise, low, high)[None])
        check_images(trace, "maximise")
        place = trace.place(layer)
        name, shape = trace.steps[place].name, trace.outputs[place].shape[1:]
        asked = np.atleast_1d(channel).tolist()
        channels = np.array([check_place(k, shape[:1], f"a channel of {name}")[0] for k in asked])
        at = tuple(size // 2 for size in shape[1:])
        seen = sees(trace, place, at)
        x = np.repeat(trace.inputs[0], len(channels), axis=0)                          # (K, C, H, W)
        unit = (np.arange(len(channels)), channels, *at)
        values = np.empty((steps + 1, len(channels)), x.dtype)
        for k in range(steps + 1):
            trace = Trace(model, x)
            values[k] = trace.outputs[place][unit]
            if k < steps:
                upstream = np.zeros_like(trace.outputs[place])
                upstream[unit] = 1
                slope = trace.backward(upstream, place + 1)[0]
                size = np.sqrt(np.square(slope).mean(axis=1)[:, seen].mean(axis=1))[:, None, None, None]
                slope = np.divide(slope, size, out=np.zeros_like(slope), where=size > 0)
                x = (x + rate * (slope - decay * x - smooth * roughness(x))).clip(low, high)
    return Maximised(name, channels, at, x, values, seen)


def sees(trace: Trace, place: int, at: tuple[int, ...]) -> np.ndarray:
    """Return which pixels (H, W) an output at (row, column) sees; all where nothing is known of it."""
    image = trace.inputs[0].shape[2:]
    rows, columns = (cells(field, size, p) for field, size, p in
                     zip(fields_at(trace, place) or (None, None), image, at or (0, 0), strict=True))
    return np.isin(np.arange(image[0]), rows)[:, None] & np.isin(np.arange(image[1]), columns)


def roughness(x: np.ndarray) -> np.ndarray:
    """Return the sum of each pixel's differences from its neighbours, of images (K, C, H, W).

    >>> roughness(np.array([[[[0.0, 1.0, 5.0]]]]))
    array([[[[-1., -3.,  4.]]]])
    """
    total = np.zeros_like(x)
    for axis in (2, 3):
        step = np.diff(x, axis=axis)
        here, there = np.moveaxis(total, axis, 0), np.moveaxis(step, axis, 0)          # views: `total` is written to
        here[1:] += there
        here[:-1] -= there
    return total
