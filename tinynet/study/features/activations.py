"""What every step of a model makes of its input, and which way the input should change to move a logit."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.study.attribution.targets import slope
from tinynet.study.drawing import Path, finish, grid, mosaic, panels, show_dotted
from tinynet.study.trace import Trace, check_place


def activations(model: Any, x: Any) -> dict[str, np.ndarray]:
    """Return the output of every step of a model, by its name, in order; dropout is off.

    A layer with an activation is two steps, so its numbers are there before (``conv2d_1``) and after
    (``conv2d_1/relu``) the nonlinearity; those of nested models are ``sequential_1/dense_1``, and so on.

    Parameters
    ----------
    model : a `Sequential`.
    x : samples (N, ...), cast as `predict` casts them.

    Raises
    ------
    ValueError : for samples of a shape that the model does not take.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D, Flatten
    >>> model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 5, 5)), Flatten()])
    >>> {name: output.shape for name, output in activations(model, np.zeros((4, 1, 5, 5))).items()}
    {'conv2d_1': (4, 2, 3, 3), 'conv2d_1/relu': (4, 2, 3, 3), 'flatten_1': (4, 18)}
    """
    trace = Trace(model, x)
    return {step.name: output for step, output in zip(trace.steps, trace.outputs, strict=True)}


def input_gradient(model: Any, x: Any, target: Any = None) -> np.ndarray:
    """Return d logit[target] / d x for every sample, of the shape of `x`: (N, C, H, W) for images.

    The logits are what a final softmax is given, or the output of a model that ends without one. (The gradient of a
    probability would vanish where the model is sure.) The layers' ``grads`` stay as they were.
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
    return slope(model, x, target, "input_gradient")


def plot_feature_maps(maps: np.ndarray, title: str = "", path: Path | None = None) -> Any:
    """Draw maps (C, H, W) in a grid, all to one scale; where they are signed, cells clearly below 0 have a dot.

    Raises
    ------
    ValueError : for other than (C, H, W).
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"plot_feature_maps: expected the maps of one sample, (C, H, W). Received: {maps.shape}.")
    rows, columns = panels(len(maps), 8)
    figure, axes = grid(rows, columns, (1.15 * columns + 1, 1.25 * rows + 0.6))
    for ax in axes.ravel()[len(maps):]:
        ax.set_axis_off()
    for number, (ax, image) in enumerate(zip(axes.ravel(), maps, strict=False)):
        drawn = show_dotted(ax, image, maps, 1.05 / max(image.shape), pixels=False)
        ax.set_title(number, fontsize=8, pad=2)
    figure.colorbar(drawn, ax=list(axes.ravel()), shrink=0.9, label="value")
    figure.suptitle(title)
    return finish(figure, path)


def plot_activations(model: Any, x: Any, sample: int = 0, path: Path | None = None) -> Any:
    """Draw one sample's way through a model: a row for each step that makes images, up to 8 of its maps.

    Each row has its own scale and colour bar: compare within a row. Cells clearly below 0 have a dot. The numbers of
    the last step, if it makes a vector, are bars.

    Parameters
    ----------
    x : samples for the model (N, ...), of which `sample` is drawn.

    Raises
    ------
    ValueError : for a model that makes neither images nor vectors, or a sample that is not there.
    """
    trace = Trace(model, x)
    sample, = check_place(sample, (len(trace.inputs[0]),), "a sample")
    kept = [(step.name, out[sample]) for step, out in zip(trace.steps, trace.outputs, strict=True) if out.ndim == 4]
    if trace.inputs[0].ndim == 4:
        kept = [("input", trace.inputs[0][sample]), *kept]
    last = trace.outputs[-1][sample]
    if not kept and last.ndim != 1:
        raise ValueError(f"plot_activations: expected a model that makes images or vectors. Received: {last.shape}.")
    rows = len(kept) + (last.ndim == 1)
    figure, axes = grid(rows, 1, (9, 1.35 * rows + 0.3))
    for ax, (name, maps) in zip(axes[:, 0], kept, strict=False):
        shown = mosaic(maps[:8], 8)
        drawn = show_dotted(ax, shown, maps, min(7 / shown.shape[1], 1 / shown.shape[0]), pixels=name == "input")
        count = f"8 of {len(maps)}" if len(maps) > 8 else len(maps)
        ax.set_ylabel(f"{name}\nmaps: {count}\n{maps.shape[1]} x {maps.shape[2]}", rotation=0, ha="right", va="center",
                      fontsize=8)
        ax.spines[:].set_visible(False)
        figure.colorbar(drawn, ax=ax, aspect=8, pad=0.01).ax.tick_params(labelsize=7)
    if last.ndim == 1:
        ax = axes[-1, 0]
        ax.bar(np.arange(len(last)), last, color="0.3")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"unit of {trace.steps[-1].name}", fontsize=8)
        ax.set_ylabel("probability" if trace.ends_in_probabilities else "output", fontsize=8)
        if len(last) <= 20:
            ax.set_xticks(np.arange(len(last)))
        ax.tick_params(labelsize=8)
    return finish(figure, path)
