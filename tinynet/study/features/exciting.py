"""The patches of real images for which each filter's output is largest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import LayerOrName, check_images, expect
from tinynet.study.arithmetic.window_geometry import take
from tinynet.study.drawing import StrPath, finish, grid, mosaic, panels, scale_of, show, show_dotted, used
from tinynet.study.receptive_fields import fields_at, seen_cells
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular, shortened
from tinynet.training.data import as_samples
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 200                                           # samples that are run together: a trace keeps every array


@dataclass(frozen=True, repr=False)
class ExcitingPatches(Tabular):
    """For each of K filters, the patches with its largest outputs, in decreasing order, each from another sample.

    Attributes
    ----------
    name : of the step.
    filters : (K,) indices of the filters, or units.
    samples : (K, count) the samples that the patches are from.
    places : (K, count, 2) row and column in the filter's output; (K, count, 0) for a unit of a vector.
    values : (K, count) the filter's output there.
    patches : (K, count, C, h, w) the receptive field of that output, cut out of the image; NaN outside the image.
    corners : (K, count, 2) row and column of the patch's first pixel in the image; negative in the padding.
    kernels : (K, C, h, w) the filters' weights, where they are laid on the image itself; None where they see it through
        other layers.
    """

    name: str
    filters: np.ndarray
    samples: np.ndarray
    places: np.ndarray
    values: np.ndarray
    patches: np.ndarray
    corners: np.ndarray
    kernels: np.ndarray | None = None

    def in_short(self) -> str:
        """Say of which step, and how many."""
        K, count = self.samples.shape
        return f"{self.name}, {count} for each of {K} filters"

    def tables(self) -> list[Table]:
        """Return a table of the patches, filter by filter."""
        rows = [[str(f), f"{value:+.4f}", str(sample), str(tuple(place)) if place else ""]
                for f, samples, places, values in zip(self.filters, self.samples, self.places.tolist(), self.values,
                                                      strict=True)
                for sample, place, value in zip(samples, places, values, strict=True)]
        return [Table(["filter", "output", "sample", "at"], shortened(rows, 40))]

    def __str__(self) -> str:
        lines = [f"{self.name}: what excites its filters most"]
        for f, samples, places, values in zip(self.filters, self.samples, self.places, self.values, strict=True):
            lines += [f"  filter {f}: {value:+.4f} in sample {sample}" + (f" at {tuple(place)}" if len(place) else "")
                      for sample, place, value in zip(samples, places.tolist(), values, strict=True)]
        return "\n".join(lines)

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw each filter's patches in one panel, in decreasing order row by row; outside the image is grey.

        All have one scale; of images with several channels the mean is drawn. Beside them stands the filter's kernel,
        if there is one.
        """
        K, count, C, h, w = self.patches.shape
        across, (rows, columns) = int(np.ceil(np.sqrt(count))), panels(K, 6)
        height = 1.36 * h / w * -(-count // across) / across + 0.2
        beside = 0 if self.kernels is None else 1
        figure, axes = grid(rows, columns * (1 + beside),
                            (max(4.5, (1.5 + 0.6 * beside) * columns + 1), max(1.8, height * rows) + 0.5),
                            width_ratios=([3, 1][:1 + beside]) * columns)
        if self.kernels is not None:
            for ax, kernel in zip(used(axes[:, 1::2], K), self.kernels.mean(axis=1), strict=True):
                show(ax, kernel, scale_of(self.kernels.mean(axis=1)))
            axes[0, 1].set_title("kernel", fontsize=8, pad=3)
        pictures = self.patches.mean(axis=2)                                           # (K, count, h, w)
        panes = axes[:, ::1 + beside]
        for ax, f, values, picture in zip(used(panes, K), self.filters, self.values, pictures, strict=True):
            drawn = show_dotted(ax, mosaic(picture, across), pictures, 1.36 / (across * (w + 1)))
            ax.set_facecolor("0.7")
            ax.set_title(f"{f}: {values[0]:.3g} to {values[-1]:.3g}", fontsize=8, pad=3)
        figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, aspect=25,
                        label="pixel" if C == 1 else f"mean of {C} channels")
        figure.suptitle(f"{self.name}: what excites each most, and its output", fontsize=11)
        return finish(figure, path)


def exciting_patches(model: Model, layer: LayerOrName, x: ArrayLike, filters: ArrayLike | None = None,
                     count: int = 9) -> ExcitingPatches:
    """Find the patches of images for which each filter's output is largest, at most one in each image.

    A patch is the receptive field of the output. Of equal outputs, the first sample and position counts.
    Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4 (without the
    deconvolution); Girshick et al. 2014, "Rich feature hierarchies", section 3.1.

    Parameters
    ----------
    layer : the name of a step, such as ``"conv2d_2"``, or a layer: its first step, before the nonlinearity. A unit of
        a vector sees the whole image.
    x : images for the model (N, C, H, W).
    filters : indices of the filters or units, an int or several; None takes all.
    count : patches for each.

    Raises
    ------
    ValueError : for other inputs than images, fewer than `count` of them, a filter that does not exist, or a layer
        before the step whose receptive field is not known (see `reach`).

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
    expect(1 <= count <= len(x), f"count from 1 to the number of samples, {len(x)}", count, "exciting_patches")
    trace = Trace(model, x[:1])
    check_images(x, "exciting_patches")
    index = trace.place(layer)
    name, shape, fields = trace.steps[index].name, trace.outputs[index].shape[1:], fields_at(trace, index)
    if fields is None:
        raise ValueError(f"exciting_patches: expected layers up to '{name}' whose receptive fields are known. "
                         f"Received: one without a rule in study.reach; add it with study.reach.register.")
    wanted = range(shape[0]) if filters is None else np.atleast_1d(filters).tolist()
    chosen = np.array([check_place(f, shape[:1], f"a filter of {name}")[0] for f in wanted])
    peaks, values = (np.concatenate(batches)[:, chosen] for batches in
                     zip(*largest_outputs(model, index, x), strict=True))              # (N, K) each
    samples = np.argsort(-values, axis=0, kind="stable")[:count].T                     # (K, count)
    flat = peaks[samples, np.arange(len(chosen))[:, None]]                             # (K, count), in flattened maps
    places = np.stack(np.unravel_index(flat, shape[1:]), axis=-1) if shape[1:] else np.zeros((*flat.shape, 0), int)
    patches, corners = [], []
    for n, at in zip(samples.ravel(), places.reshape(samples.size, -1), strict=True):
        rows, columns = (seen_cells(field, size, int(position)) for field, size, position in
                         zip(fields, x.shape[2:], at if len(at) else (0, 0), strict=True))
        patches.append(take(x[n], rows, columns, np.nan))
        corners.append((rows[0], columns[0]))
    return ExcitingPatches(
        name, chosen, samples, places, np.take_along_axis(values.T, samples, axis=1),
        np.array(patches).reshape(*samples.shape, *patches[0].shape), np.array(corners).reshape(*samples.shape, 2),
        trace.steps[0].layer.params["kernel"][chosen] if index == 0 and len(shape) == 3 and "kernel" in
        trace.steps[0].layer.params else None)


def largest_outputs(model: Model, index: int, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each batch the position and the value of the largest element of each flattened map (n, channels)."""
    for first in range(0, len(x), BATCH):
        maps = Trace(model, x[first:first + BATCH]).outputs[index]
        flat = maps.reshape(*maps.shape[:2], -1)                                       # (n, channels, positions)
        yield flat.argmax(axis=2), flat.max(axis=2)
