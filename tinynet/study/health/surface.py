"""The loss around the weights that training found, along two directions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from tinynet.layers import Conv2D, Dense, Layer
from tinynet.study.drawing import POSITIVE, Path, canvas, finish

Direction = dict[str, np.ndarray]


@dataclass(frozen=True)
class LossSurface:
    """The loss at ``weights + a * first + b * second``; `plot` draws its contours.

    Attributes
    ----------
    a, b : (P,) how far along the first and the second direction; 0 is where the weights are.
    losses : (P, P) the loss at (a[i], b[j]).
    centre : the loss where the weights are.
    first, second : the directions, an array for each parameter of the model.
    """

    a: np.ndarray
    b: np.ndarray
    losses: np.ndarray
    centre: float
    first: Direction
    second: Direction

    def plot(self, ax: Any = None, path: Path | None = None) -> Any:
        """Draw the loss as contours with their values, a cross where the weights are."""
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
        bar.set_ticks(levels[::3], labels=[f"{level:.3g}" for level in levels[::3]])
        bar.minorticks_off()
        ax.set(xlabel="along the first direction", ylabel="along the second direction")
        ax.set_title(f"loss around the weights (+): {self.centre:.4g} there", fontsize=10)
        return finish(figure, path)


@singledispatch
def filter_axes(layer: Layer, key: str) -> tuple[int, ...] | None:
    """Return the axes of a parameter that a norm runs over: those of one filter; None for the whole array.

    A rule for a layer of one's own is added with ``@study.filter_axes.register``.

    >>> filter_axes(Dense(10), "kernel")
    (0,)
    """
    return None


@filter_axes.register
def _(layer: Conv2D, key: str) -> tuple[int, ...]:
    return (1, 2, 3)                                  # kernel (filters, C, kh, kw)


@filter_axes.register
def _(layer: Dense, key: str) -> tuple[int, ...]:
    return (0,)                                       # kernel (inputs, units): a unit's weights are a column


def loss_surface(model: Any, x: Any, y: Any, span: float = 1.0, points: int = 21, seed: int = 0) -> LossSurface:
    """Compute the compiled loss on a slice through the weights, along two random, filter-normalised directions.

    A direction has normal random numbers, scaled filter by filter to the length of the model's own filter: networks
    that differ in nothing but the size of their weights get the same picture. Biases, and all parameters of one axis,
    stay where they are. Two random directions say little of the many others: it is one slice.
    Source: Li, Xu, Taylor, Studer and Goldstein 2018, "Visualizing the loss landscape of neural nets", section 4.

    The parameters are the same to the bit afterwards, after an error too.

    Parameters
    ----------
    model : compiled; dropout is off.
    x, y : samples and targets; some hundreds will do, since the loss is computed `points` squared times.
    span : how far to go along each direction, both ways; 1 is as far as the filters are long.
    points : how many places along each direction; an odd number has the weights themselves in the middle.
    seed : of the directions.

    Raises
    ------
    ValueError : for a model that is not compiled, fewer than 2 points, or a span that is not above 0.

    >>> from tinynet import Sequential
    >>> model = Sequential([Dense(1, kernel_initializer="ones", use_bias=False, input_dim=1)])
    >>> model.compile(loss="mse")
    >>> surface = loss_surface(model, [[1.0]], [[1.0]], points=3)
    >>> surface.centre, float(surface.losses[1, 1])
    (0.0, 0.0)
    """
    if points < 2 or not span > 0:
        raise ValueError(f"loss_surface: expected points from 2, and a span above 0. Received: {points} and {span}.")
    centre = loss(model, x, y)
    rng = np.random.default_rng(seed)
    first, second = direction(model, rng), direction(model, rng)
    steps = np.linspace(-span, span, points)
    params = model.params
    before = dict(params)
    losses = np.empty((points, points))
    try:
        for i, j in np.ndindex(points, points):
            for key, array in before.items():         # a new array each time: the model's own are not written to
                params[key] = array + (steps[i] * first[key] + steps[j] * second[key]).astype(array.dtype)
            losses[i, j] = loss(model, x, y)
    finally:
        for key, array in before.items():
            params[key] = array
    return LossSurface(steps, steps.copy(), losses, centre, first, second)


def loss(model: Any, x: Any, y: Any) -> float:
    """Return the compiled loss; infinite numbers far from the weights are no reason for a warning."""
    with np.errstate(all="ignore"):
        return float(model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)["loss"])


def direction(model: Any, rng: np.random.Generator) -> Direction:
    """Draw a random direction, each filter as long as the model's own; 0 for parameters of one axis."""
    found = {}
    for name, layer, key, array in parameters(model):
        drawn = np.zeros(array.shape)
        if array.ndim > 1:
            drawn = rng.normal(size=array.shape)
            axes = filter_axes(layer, key)
            drawn *= norm(array.astype(np.float64), axes) / norm(drawn, axes)
        found[name] = drawn
    return found


def norm(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Return the lengths of an array's filters, of a shape that divides it."""
    return np.sqrt(np.square(array).sum(axis=axes, keepdims=True))


def parameters(model: Any, before: str = "") -> list[tuple[str, Layer, str, np.ndarray]]:
    """List every parameter with its name in the model and the layer it is of, those of nested models too."""
    found = []
    for name, layer in zip(model.layer_names, model.layers, strict=True):
        if hasattr(layer, "layer_names"):
            found += parameters(layer, f"{before}{name}/")
        else:
            found += [(f"{before}{name}/{key}", layer, key, array) for key, array in layer.params.items()]
    return found
