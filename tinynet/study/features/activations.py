"""The output of every step of a model, and the gradient of a logit with respect to the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import Target, expect
from tinynet.study.attribution.targets import target_gradient
from tinynet.study.drawing import StrPath, finish, grid, mosaic, panels, show_dotted, used
from tinynet.study.trace import Trace, check_place
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def activations(model: Model, x: ArrayLike) -> dict[str, np.ndarray]:
    """Return the output of every step of a model, by its name, in order; dropout is off.

    A layer with an activation is two steps, so its outputs are returned before (``conv2d_1``) and after
    (``conv2d_1/relu``) the nonlinearity; those of nested models are ``sequential_1/dense_1``, and so on.

    Parameters
    ----------
    model : a `Sequential`.
    x : samples (N, ...), cast as `predict` casts them.

    Raises
    ------
    ValueError : for samples whose shape does not fit the model.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D, Flatten
    >>> model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 5, 5)), Flatten()])
    >>> {name: output.shape for name, output in activations(model, np.zeros((4, 1, 5, 5))).items()}
    {'conv2d_1': (4, 2, 3, 3), 'conv2d_1/relu': (4, 2, 3, 3), 'flatten_1': (4, 18)}
    """
    trace = Trace(model, x)
    return {step.name: output for step, output in zip(trace.steps, trace.outputs, strict=True)}


def input_gradient(model: Model, x: ArrayLike, target: Target = None) -> np.ndarray:
    """Return d logit[target] / d x for every sample, of the shape of `x`: (N, C, H, W) for images.

    The logits are the input of a final softmax, or the output of a model that ends without one. (The gradient of a
    probability would vanish where the model is confident.) The layers' ``grads`` are left as they were.
    Source: Simonyan, Vedaldi and Zisserman 2013, "Deep inside convolutional networks".

    Parameters
    ----------
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.

    Raises
    ------
    ValueError : if the logits are not (N, classes), or a target is not one of the classes.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, kernel_initializer="ones", input_dim=3, activation="softmax")])
    >>> input_gradient(model, np.zeros((1, 3)), target=1)
    array([[1., 1., 1.]], dtype=float32)
    """
    return target_gradient(model, x, target, "input_gradient")


def plot_feature_maps(maps: ArrayLike, title: str = "", path: StrPath | None = None) -> Figure:
    """Draw maps (C, H, W) in a grid, all on one scale; if any value is negative, cells clearly below 0 have a dot.

    Raises
    ------
    ValueError : for other than (C, H, W).
    """
    maps = np.asarray(maps)
    expect(maps.ndim == 3 and maps.size, "the maps of one sample, (C, H, W)", maps.shape, "plot_feature_maps")
    rows, columns = panels(len(maps), 8)
    figure, axes = grid(rows, columns, (1.15 * columns + 1, 1.25 * rows + 0.6))
    for number, (ax, image) in enumerate(zip(used(axes, len(maps)), maps, strict=True)):
        drawn = show_dotted(ax, image, maps, 1.05 / max(image.shape), pixels=False)
        ax.set_title(str(number), fontsize=8, pad=2)
    figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, label="value")
    figure.suptitle(title)
    return finish(figure, path)


def plot_activations(model: Model, x: ArrayLike, sample: int = 0, path: StrPath | None = None) -> Figure:
    """Draw the outputs of a model's steps for one sample: images as up to 8 maps, vectors as a row of cells.

    Each row has its own scale and colour bar: compare within a row. Cells clearly below 0 have a dot. Steps that change
    no number are left out, such as dropout, which does nothing here, and flattening. The output of the last step, if
    it is a vector, is drawn as bars.

    Parameters
    ----------
    x : samples for the model (N, ...), of which `sample` is drawn.

    Raises
    ------
    ValueError : for a model whose outputs are neither images nor vectors, or a sample that does not exist.
    """
    trace = Trace(model, x)
    sample, = check_place(sample, (len(trace.inputs[0]),), "a sample")
    rows = [("input", trace.inputs[0][sample])]
    rows += [(step.name, y[sample]) for step, x, y in zip(trace.steps, trace.inputs, trace.outputs, strict=True)
             if not np.array_equal(x.ravel(), y.ravel())]
    rows = [(name, values) for name, values in rows if values.ndim in (1, 3)]
    last = trace.outputs[-1][sample]
    expect(rows, "a model whose outputs are images or vectors", last.shape, "plot_activations")
    heights = [0.5 if values.ndim == 1 and name != trace.steps[-1].name else 1 for name, values in rows]
    figure, axes = grid(len(rows), 1, (9, 1.35 * sum(heights) + 0.3), height_ratios=heights)
    for ax, (name, values) in zip(axes[:, 0], rows, strict=True):
        if values.ndim == 3:
            draw_maps(ax, name, values)
        elif name == trace.steps[-1].name:
            draw_vector(ax, values, f"unit of {name}", "probability" if trace.ends_in_probabilities else "output")
        else:
            draw_units(ax, name, values)
    return finish(figure, path)


def draw_units(ax: Axes, name: str, values: np.ndarray) -> None:
    """Draw the units (U,) of a step as a row of cells."""
    drawn = show_dotted(ax, values[None], values, min(0.3, 6.5 / len(values)), pixels=name == "input")
    ax.set_aspect("auto")
    ax.set_ylabel(f"{name}\nunits: {len(values)}", rotation=0, ha="right", va="center", fontsize=8)
    ax.figure.colorbar(drawn, ax=ax, aspect=4, pad=0.01).ax.tick_params(labelsize=7)


def draw_maps(ax: Axes, name: str, maps: np.ndarray) -> None:
    """Draw the first 8 of the maps (C, H, W) of a step side by side."""
    shown = mosaic(maps[:8], 8)
    drawn = show_dotted(ax, shown, maps, min(7 / shown.shape[1], 1 / shown.shape[0]), pixels=name == "input")
    count = f"8 of {len(maps)}" if len(maps) > 8 else len(maps)
    ax.set_ylabel(f"{name}\nmaps: {count}\n{maps.shape[1]} x {maps.shape[2]}", rotation=0, ha="right", va="center",
                  fontsize=8)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(drawn, ax=ax, aspect=8, pad=0.01).ax.tick_params(labelsize=7)


def draw_vector(ax: Axes, values: np.ndarray, xlabel: str, ylabel: str) -> None:
    """Draw a vector as bars."""
    ax.bar(np.arange(len(values)), values, color="0.3")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xlabel(xlabel, fontsize=8)
    ax.set_ylabel(ylabel, fontsize=8)
    if len(values) <= 20:
        ax.set_xticks(np.arange(len(values)))
    ax.tick_params(labelsize=8)
