"""The patches of real images that excite each filter most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.arithmetic.window_geometry import take
from tinynet.study.drawing import Path, finish, grid, mosaic, panels, show_dotted
from tinynet.study.receptive_fields import cells, check_images, fields_at
from tinynet.study.trace import Trace, check_place
from tinynet.training.data import as_samples

BATCH = 200                                           # samples that are looked at together, to spare memory


@dataclass(frozen=True)
class ExcitingPatches:
    """For each of K filters, the patches that excite it most, the strongest first, each from another sample.

    Attributes
    ----------
    name : the step's.
    filters : (K,) which filters, or units.
    samples : (K, count) the samples that the patches are from.
    places : (K, count, 2) row and column of the filter's output; (K, count, 0) of a unit of a vector.
    values : (K, count) the filter's output there.
    patches : (K, count, C, h, w) what it saw: its receptive field, cut out of the image; NaN outside the image.
    corners : (K, count, 2) row and column of the patch's first pixel in the image; below 0 where it sticks out.
    """

    name: str
    filters: np.ndarray
    samples: np.ndarray
    places: np.ndarray
    values: np.ndarray
    patches: np.ndarray = field(repr=False)
    corners: np.ndarray

    def __str__(self) -> str:
        lines = [f"{self.name}: what excites its filters most"]
        for f, samples, places, values in zip(self.filters, self.samples, self.places, self.values, strict=True):
            lines += [f"  filter {f}: {value:+.4f} in sample {sample}" + (f" at {tuple(place)}" if len(place) else "")
                      for sample, place, value in zip(samples, places.tolist(), values, strict=True)]
        return "\n".join(lines)

    def plot(self, path: Path | None = None) -> Any:
        """Draw each filter's patches together, from the strongest, row by row; what lies outside the image is grey.

        All are drawn to one scale; of images of several channels the mean is drawn.
        """
        K, count, C, h, w = self.patches.shape
        across, (rows, columns) = int(np.ceil(np.sqrt(count))), panels(K, 6)
        height = 1.36 * h / w * -(-count // across) / across + 0.2
        figure, axes = grid(rows, columns, (max(4.5, 1.5 * columns + 1), max(1.8, height * rows) + 0.5))
        pictures = self.patches.mean(axis=2)                                           # (K, count, h, w)
        for ax in axes.ravel()[K:]:
            ax.set_axis_off()
        for ax, f, values, picture in zip(axes.ravel(), self.filters, self.values, pictures, strict=False):
            drawn = show_dotted(ax, mosaic(picture, across), pictures, 1.36 / (across * (w + 1)))
            ax.set_facecolor("0.7")
            ax.set_title(f"{f}: {values[0]:.3g} to {values[-1]:.3g}", fontsize=8, pad=3)
        figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, aspect=25,
                        label="pixel" if C == 1 else f"mean of {C} channels")
        figure.suptitle(f"{self.name}: what excites each most, and its output", fontsize=11)
        return finish(figure, path)


def exciting_patches(model: Any, layer: Layer | str, x: Any, filters: Any = None, count: int = 9) -> ExcitingPatches:
    """Find the places in images where each filter's output is largest, at most one in an image, and what is there.

    What a filter saw there is its receptive field. Of equal outputs, the first sample and place counts.
    Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4 (without the
    deconvolution); Girshick et al. 2014, "Rich feature hierarchies", section 3.1.

    Parameters
    ----------
    layer : the name of a step, such as ``"conv2d_2"``, or a layer: its first step, before the nonlinearity. A unit of
        a vector sees the whole image.
    x : images for the model (N, C, H, W).
    filters : which filters or units: one or several; None takes all.
    count : patches for each.

    Raises
    ------
    ValueError : for other than images, fewer than `count` of them, a filter that does not exist, or a layer below
        whose receptive field is not known (see `reach`).

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D
    >>> model = Sequential([Conv2D(1, 2, kernel_initializer="ones", input_shape=(1, 3, 3))])
    >>> found = exciting_patches(model, "conv2d_1", np.arange(9).reshape(1, 1, 3, 3), count=1)
    >>> print(found)
    conv2d_1: what excites its filters most
      filter 0: +24.0000 in sample 0 at (1, 1)
    >>> found.patches[0, 0, 0].tolist()
    [[4.0, 5.0], [7.0, 8.0]]
    """
    x = as_samples(x, model.dtype)
    if not 1 <= count <= len(x):
        raise ValueError(f"exciting_patches: expected count from 1 to the number of samples, {len(x)}. "
                         f"Received: {count}.")
    trace = Trace(model, x[:1])
    check_images(trace, "exciting_patches")
    place = trace.place(layer)
    step, shape, fields = trace.steps[place], trace.outputs[place].shape[1:], fields_at(trace, place)
    if fields is None:
        raise ValueError(f"exciting_patches: expected layers up to '{step.name}' whose receptive fields are known. "
                         f"Received: one that study.reach has no rule for; tell it with study.reach.register.")
    asked = range(shape[0]) if filters is None else np.atleast_1d(filters).tolist()
    wanted = np.array([check_place(f, shape[:1], f"a filter of {step.name}")[0] for f in asked])
    peaks, values = (np.concatenate(part)[:, wanted] for part in zip(*strongest(model, place, x), strict=True))
    samples = np.argsort(-values, axis=0, kind="stable")[:count].T                     # (K, count)
    at = peaks[samples, np.arange(len(wanted))[:, None]]                               # (K, count), of a flat map
    places = np.stack(np.unravel_index(at, shape[1:]), axis=-1) if shape[1:] else np.zeros((*at.shape, 0), int)
    patches, corners = [], []
    for n, where in zip(samples.ravel(), places.reshape(samples.size, -1), strict=True):
        rows, columns = (cells(field, size, int(p)) for field, size, p in
                         zip(fields, x.shape[2:], where if len(where) else (0, 0), strict=True))
        patches.append(take(x[n], rows, columns, np.nan))
        corners.append((rows[0], columns[0]))
    return ExcitingPatches(
        step.name, wanted, samples, places, np.take_along_axis(values.T, samples, axis=1),
        np.array(patches).reshape(*samples.shape, *patches[0].shape), np.array(corners).reshape(*samples.shape, 2))


def strongest(model: Any, place: int, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, batch after batch, where in each flattened map its largest number is, and that number: (n, channels)."""
    for first in range(0, len(x), BATCH):
        made = Trace(model, x[first:first + BATCH]).outputs[place]
        flat = made.reshape(*made.shape[:2], -1)                                       # (n, channels, places)
        yield flat.argmax(axis=2), flat.max(axis=2)
