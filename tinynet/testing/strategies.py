"""Hypothesis strategies: random layers, losses and models, biased towards cases that reveal bugs.

Such cases are images that are not square, unequal numbers of channels in and out, strides that leave a remainder or
are smaller than their window, dilation, "same" padding with an odd number of pixels::

    from hypothesis import given
    from tinynet.testing import check_layer, strategies

    @strategies.settings
    @given(strategies.layers())
    def test_every_layer_keeps_the_contract(layer):
        check_layer(layer)

What is drawn is printed as the call that makes it, and shrinks to the smallest example that still fails::

    Failing test case: test_every_layer_keeps_the_contract(
        layer=Conv2D(filters=1, kernel_size=(1, 1), strides=(1, 2), input_shape=(1, 1, 3)),
    )
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis
import numpy as np
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinynet import Sequential
from tinynet.layers import (
    Activation,
    AveragePool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinynet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from tinynet.testing.array_strategies import (
    MAX_STRIDE,
    MAX_WINDOW,
    Shape,
    any_of,
    argument_trees,
    image_shapes,
    pairs,
    shapes,
    strided_arrays,
    tie_free_arrays,
    tied_arrays,
)

__all__ = [
    "argument_trees",
    "calls",
    "conv_configs",
    "image_shapes",
    "layers",
    "losses",
    "pool_configs",
    "sequentials",
    "settings",
    "shapes",
    "strided_arrays",
    "tie_free_arrays",
    "tied_arrays",
]

Config = dict[str, Any]             # keyword arguments
Call = tuple[type, Config]          # a class, and the keyword arguments to call it with

# For `@strategies.settings`. A kernel is compiled when it is first called, for longer than the deadline of 200 ms. The
# explain phase takes several times as long as all others, to comment on arguments that are at their simplest anyway.
settings = hypothesis.settings(deadline=None, phases=[phase for phase in Phase if phase is not Phase.explain])


# Configurations: keyword arguments that are not the defaults.

@st.composite
def conv_configs(draw: DrawFn, input_shape: Shape | None = None) -> Config:
    """Draw arguments of a `Conv2D`, with an ``input_shape`` that its windows fit."""
    shape, filters = input_shape or draw(image_shapes()), draw(st.integers(1, 3))
    size, strides, padding, dilation = draw(window_geometry(shape[1:], dilated=True))
    geometry = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    defaults = {"strides": (1, 1), "padding": "valid", "dilation_rate": (1, 1)}
    return {"filters": filters, "kernel_size": size, **without(defaults, geometry), "input_shape": shape}


@st.composite
def pool_configs(draw: DrawFn, input_shape: Shape | None = None) -> Config:
    """Draw arguments of a `MaxPool2D` or `AveragePool2D`, with an ``input_shape`` that its windows fit."""
    shape = input_shape or draw(image_shapes())
    size, strides, padding, _ = draw(window_geometry(shape[1:]))
    geometry = {"strides": draw(st.sampled_from([size, strides])), "padding": padding}
    return {"pool_size": size, **without({"strides": size, "padding": "valid"}, geometry), "input_shape": shape}


@st.composite
def window_geometry(draw: DrawFn, image: Shape, dilated: bool = False) -> tuple[Shape, Shape, str, Shape]:
    """Draw window size, strides, padding and dilation for images (H, W)."""
    padding = draw(st.sampled_from(["valid", "same"]))
    must_fit = padding == "valid"                            # with "same" a window may be larger than the image
    size = draw(pairs(tuple(min(side, MAX_WINDOW) if must_fit else MAX_WINDOW for side in image)))
    strides = draw(pairs((MAX_STRIDE, MAX_STRIDE)))
    max_dilation = tuple(
        1 if window == 1 else min((side - 1) // (window - 1), MAX_STRIDE) if must_fit else MAX_STRIDE
        for side, window in zip(image, size, strict=True))
    return size, strides, padding, draw(pairs(max_dilation)) if dilated else (1, 1)


def without(defaults: Config, config: Config) -> Config:
    """Return a configuration without the arguments that have their default values."""
    return {key: value for key, value in config.items() if value != defaults[key]}


# Layers and models.

@st.composite
def layers(draw: DrawFn, input_shape: Shape | None = None) -> Layer:
    """Draw layers of every kind, not built yet; each has an ``input_shape``."""
    shape = input_shape or draw(shapes())
    kind, config = draw(calls(shape))
    return draw(constructed(kind, **config, input_shape=shape))


@st.composite
def sequentials(draw: DrawFn, input_shape: Shape | None = None, max_layers: int = 4) -> Sequential:
    """Draw models of one to `max_layers` layers, built, with repeatable weights; some hold another model.

    Samples are images most often, and convolution, ReLU and max pooling then follow one another often: fast kernels
    compute these in one pass, where the pooling windows tile the image.
    """
    shape = size = input_shape or draw(any_of([shapes(), image_shapes(), image_shapes()]))
    stack: list[Layer] = []
    planned: list[Maker] = []                                # of a block that is begun, and may be cut short
    for _ in range(draw(st.integers(1, max_layers))):
        if not planned and len(size) == 3:
            planned = list(draw(st.sampled_from([[], CONV_RELU_POOL, CONV_POOL, CONV_POOL])))
        if not planned and max_layers > 2 and draw(st.integers(0, 7)) == 7:
            layer = draw(sequentials(size, max_layers=2))
        else:
            kind, config = draw(planned.pop(0)(size) if planned else calls(size))
            layer = draw(constructed(kind, **config))
        size = copy.deepcopy(layer).build(size, np.random.default_rng(0))
        stack.append(layer)
    return draw(constructed(Sequential, stack, input_shape=shape, seed=0))


def conv_calls(shape: Shape, **config: object) -> SearchStrategy[Call]:
    """Draw the calls that make a `Conv2D` for images (C, H, W), with these arguments besides."""
    return call([Conv2D], conv_configs(shape), st.fixed_dictionaries(
        {key: st.just(value) for key, value in config.items()}, optional={"use_bias": st.just(False)}))


def max_pool_calls(shape: Shape) -> SearchStrategy[Call]:
    """Draw the calls that make a `MaxPool2D` for images (C, H, W), the windows side by side in most."""
    sizes = (1, 1), (2, 2), (3, 2)                           # few: kernels are compiled for each
    fitting = [size for size in sizes if size[0] <= shape[1] and size[1] <= shape[2]]
    return call([MaxPool2D], st.sampled_from(fitting).map(lambda size: {"pool_size": size}) | pool_configs(shape))


Maker = Callable[[Shape], SearchStrategy[Call]]             # draws the call of a layer, for samples of a shape
CONV_POOL: list[Maker] = [partial(conv_calls, activation="relu"), max_pool_calls]
CONV_RELU_POOL: list[Maker] = [conv_calls, lambda shape: call([ReLU]), max_pool_calls]


def constructed(kind: type, *args: object, **kwargs: object) -> SearchStrategy[Any]:
    """Construct ``kind(*args, **kwargs)`` through Hypothesis, which then prints it as that call."""
    return st.builds(kind, *map(st.just, args), **{key: st.just(value) for key, value in kwargs.items()})


def calls(shape: Shape) -> SearchStrategy[Call]:
    """Draw the calls that make a layer for samples of `shape`, the simplest kinds first."""
    activations = st.sampled_from(["relu", "sigmoid", "tanh", "softmax"])
    extras = st.fixed_dictionaries({}, optional={"activation": activations, "use_bias": st.just(False)})
    kinds = [
        call([ReLU, Sigmoid, Tanh, Softmax, Flatten]),
        call([Activation], st.fixed_dictionaries({"activation": activations})),
        call([Dropout], st.fixed_dictionaries({"rate": st.sampled_from([0.5, 0.2, 0.0])})),
        call([Dense], st.fixed_dictionaries({"units": st.integers(1, 4)}), extras),
    ]
    if len(shape) == 3:
        kinds += 3 * [call([Conv2D], conv_configs(shape), extras),
                      call([MaxPool2D, AveragePool2D], pool_configs(shape))]
    return any_of(kinds)


def call(kinds: list[type], *configs: SearchStrategy[Config]) -> SearchStrategy[Call]:
    """Draw one of several classes, and arguments for it, merged from all of the configurations."""
    def merged(drawn: tuple[Any, ...]) -> Call:
        kind, *parts = drawn
        return kind, {key: value for part in parts for key, value in part.items() if key != "input_shape"}
    return st.tuples(st.sampled_from(kinds), *configs).map(merged)


# Losses.

@st.composite
def losses(draw: DrawFn) -> tuple[Loss, np.ndarray, np.ndarray]:
    """Draw ``(loss, y_true, y_pred)``: a loss, with true values and predictions (N, ..., K) that it takes."""
    loss = draw(st.sampled_from([MeanSquaredError(), *(
        kind(from_logits=from_logits) for kind in (CategoricalCrossentropy, SparseCategoricalCrossentropy)
        for from_logits in (True, False)), MeanAbsoluteError(), Huber(), KLDivergence(), *(
        kind(from_logits=from_logits, label_smoothing=0.25) for kind in (CategoricalCrossentropy, BinaryCrossentropy)
        for from_logits in (True, False))]))
    rows, classes = draw(shapes(1, 2)), draw(st.integers(2, 4))
    y_pred = draw(tie_free_arrays((*rows, classes)))
    if not getattr(loss, "from_logits", True) or isinstance(loss, KLDivergence):         # probabilities, in (0, 1)
        y_pred = np.exp(y_pred) / (1 + np.exp(y_pred))
    if isinstance(loss, (MeanSquaredError, MeanAbsoluteError, Huber)):
        return loss, draw(tie_free_arrays(y_pred.shape)), y_pred
    count = math.prod(rows)
    labels = np.reshape(draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)), rows)
    sparse = isinstance(loss, SparseCategoricalCrossentropy)
    return loss, labels if sparse else np.eye(classes)[labels], y_pred
