"""The loss surface around a model's weights, along two random directions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Layer, SeparableConv2D
from tinynet.layers.stack import Stack
from tinynet.study.arguments import expect
from tinynet.study.drawing import POSITIVE, StrPath, canvas, finish
from tinynet.tables import Table, Tabular
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Direction = dict[str, np.ndarray]


@dataclass(frozen=True, repr=False)
class LossSurface(Tabular):
    """The loss at ``weights + a * first + b * second``; `plot` draws its contours.

    Attributes
    ----------
    a, b : (P,) coordinates along the first and the second direction; 0 is at the weights.
    losses : (P, P) the loss at (a[i], b[j]).
    centre : the loss at the weights.
    first, second : the directions, an array for each parameter of the model.
    """

    a: np.ndarray
    b: np.ndarray
    losses: np.ndarray
    centre: float
    first: Direction
    second: Direction

    def in_short(self) -> str:
        """Say how large the slice is, and the loss in its middle."""
        return f"{len(self.a)} x {len(self.b)} losses, {self.centre:.4g} at the weights"

    def tables(self) -> list[Table]:
        """Return where the loss is lowest and highest."""
        finite = np.ma.masked_invalid(self.losses)
        found = {"at the weights": (0.0, 0.0, self.centre)}
        for name, index in (("lowest", finite.argmin()), ("highest", finite.argmax())):
            i, j = np.unravel_index(int(index), self.losses.shape)
            found[name] = float(self.a[i]), float(self.b[j]), float(self.losses[i, j])
        return [Table(["", "a", "b", "loss"], [[name, f"{a:+.3g}", f"{b:+.3g}", f"{loss:.4g}"]
                                               for name, (a, b, loss) in found.items()])]

    def plot(self, ax: Axes | None = None, path: StrPath | None = None) -> Figure:
        """Draw the loss as contours with their values, and a cross at the weights."""
        figure, ax = canvas(ax, (6.4, 5))
        losses = np.ma.masked_invalid(self.losses.T)                    # rows are b: up; columns are a: to the right
        low, high = float(losses.min()), float(losses.max())
        ratio = high / low if low > 0 else 1.0
        levels = np.geomspace(low, high, 13) if ratio > 10 else np.linspace(low, high, 13)
        if not high > low:
            levels = low + np.array([-1.0, 1.0]) * (abs(low) or 1.0)
        filled = ax.contourf(self.a, self.b, losses, levels=levels, cmap=POSITIVE, norm="log" if ratio > 10 else None)
        lines = ax.contour(self.a, self.b, losses, levels=levels[1:-1:2], colors="black", linewidths=0.6)
        ax.clabel(lines, fmt="%.3g", fontsize=8)
        ax.plot(0, 0, marker="+", markersize=12, markeredgewidth=2, color="white")
        bar = figure.colorbar(filled, ax=ax, label="loss" + (" (logarithmic)" if ratio > 10 else ""))
        bar.set_ticks(levels[::3].tolist(), labels=[f"{level:.3g}" for level in levels[::3]])
        bar.minorticks_off()
        ax.set(xlabel="along the first direction", ylabel="along the second direction")
        ax.set_title(f"loss around the weights (+): {self.centre:.4g} there", fontsize=10)
        return finish(figure, path)


@singledispatch
def filter_axes(layer: Layer, key: str) -> tuple[int, ...] | None:
    """Return the axes of a parameter that belong to one filter, over which its norm is taken; None for all axes.

    A rule for a layer of your own is added with ``@study.filter_axes.register``.

    >>> filter_axes(Dense(10), "kernel")
    (0,)
    """
    return None


@filter_axes.register
def _(layer: Conv2D, key: str) -> tuple[int, ...]:
    return (1, 2, 3)                                  # kernel (filters, C, kh, kw)


@filter_axes.register
def _(layer: Conv2DTranspose, key: str) -> tuple[int, ...]:
    return (0, 2, 3)                                  # kernel (C, filters, kh, kw)


@filter_axes.register
def _(layer: DepthwiseConv2D, key: str) -> tuple[int, ...]:
    return (2, 3)                                     # kernel (depth_multiplier, C, kh, kw): each channel's own


@filter_axes.register
def _(layer: SeparableConv2D, key: str) -> tuple[int, ...]:
    return (2, 3) if key == "depthwise_kernel" else (1, 2, 3)


@filter_axes.register
def _(layer: Dense, key: str) -> tuple[int, ...]:
    return (0,)                                       # kernel (inputs, units): a unit's weights are a column


def loss_surface(model: Model, x: ArrayLike, y: ArrayLike, span: float = 1.0, points: int = 21,
                 seed: int = 0) -> LossSurface:
    """Compute the compiled loss on a slice through the weights, along two random, filter-normalised directions.

    A direction has normal random elements, scaled filter by filter to the norm of the model's own filter, so that
    networks that differ only in the scale of their weights give the same picture. Biases, and all parameters of one
    axis, are kept fixed. Two random directions say little about the many others: it is one slice.
    Source: Li, Xu, Taylor, Studer and Goldstein 2018, "Visualizing the loss landscape of neural nets", section 4.

    The parameters are restored to the bit, after an error too.

    Parameters
    ----------
    model : compiled; dropout is off.
    x, y : samples and targets; a few hundred are enough, since the loss is computed `points` squared times.
    span : largest coordinate along each direction, both ways; at 1 the step is as long as the filters.
    points : number of coordinates along each direction; with an odd number the weights themselves are in the middle.
    seed : of the directions.

    Raises
    ------
    ValueError : for a model that is not compiled, fewer than 2 points, or a span that is not positive.

    >>> from tinynet import Sequential
    >>> from tinynet import Sequential
    >>> model = Sequential([Dense(1, kernel_initializer="ones", use_bias=False, input_dim=1)])
    >>> model.compile(loss="mse")
    >>> surface = loss_surface(model, [[1.0]], [[1.0]], points=3)
    >>> surface.centre, float(surface.losses[1, 1])
    (0.0, 0.0)
    """
    expect(points >= 2 and span > 0, "points from 2, and a span above 0", f"{points} and {span}", "loss_surface")
    centre = loss_of(model, x, y)
    rng = np.random.default_rng(seed)
    first, second = random_direction(model, rng), random_direction(model, rng)
    coordinates = np.linspace(-span, span, points)
    params = model.params
    before = dict(params)
    losses = np.empty((points, points))
    try:
        for i, j in np.ndindex(points, points):
            for key, array in before.items():         # a new array each time: the model's own are not written to
                change = coordinates[i] * first[key] + coordinates[j] * second[key]
                params[key] = array + change.astype(array.dtype)
            losses[i, j] = loss_of(model, x, y)
    finally:
        for key, array in before.items():
            params[key] = array
    return LossSurface(coordinates, coordinates.copy(), losses, centre, first, second)


def loss_of(model: Model, x: ArrayLike, y: ArrayLike) -> float:
    """Return the compiled loss, without a warning if it overflows far from the weights."""
    with np.errstate(all="ignore"):
        return float(model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)["loss"])


def random_direction(model: Model, rng: np.random.Generator) -> Direction:
    """Return a random direction, each filter with the norm of the model's own; 0 for parameters of one axis."""
    direction = {}
    for name, layer, key, array in parameters(model):
        noise = np.zeros(array.shape)
        if array.ndim > 1:
            noise = rng.normal(size=array.shape)
            axes = filter_axes(layer, key)
            noise *= filter_norms(array.astype(np.float64), axes) / filter_norms(noise, axes)
        direction[name] = noise
    return direction


def filter_norms(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Return the norms of an array's filters, in a shape that broadcasts with it."""
    return np.sqrt(np.square(array).sum(axis=axes, keepdims=True))


class Parameter(NamedTuple):
    """A parameter's array, with its name in the model, and its layer and its key there."""

    name: str
    layer: Layer
    key: str
    array: np.ndarray


def parameters(layer: Layer, name: str = "") -> list[Parameter]:
    """List every parameter of a layer called `name`, or of a model, those of nested models too."""
    prefix = f"{name}/" if name else ""
    if isinstance(layer, Stack):
        return [parameter for own, inner in zip(layer.layer_names, layer.layers, strict=True)
                for parameter in parameters(inner, prefix + own)]
    return [Parameter(prefix + key, layer, key, array) for key, array in layer.params.items()]
