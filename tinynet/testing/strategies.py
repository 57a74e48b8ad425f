"""Hypothesis strategies: random layers, losses and models, biased to where bugs live.

They lean to images that are not square, channels out that are not as many as in, strides that leave a
remainder or are smaller than their window, dilation, "same" padding with its odd pixel. What they draw is
printed as the call that makes it, and shrinks to the smallest that still fails::

    from hypothesis import given
    from tinynet.testing import check_layer, strategies

    @given(strategies.layers())
    def test_every_layer_keeps_the_contract(layer):
        check_layer(layer)

    Failing test case: test_every_layer_keeps_the_contract(
        layer=Conv2D(filters=1, kernel_size=(1, 1), strides=(1, 2), input_shape=(1, 1, 3)),
    )
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from tinynet.losses import CategoricalCrossentropy, Loss, MeanSquaredError, SparseCategoricalCrossentropy
from tinynet.testing.contract.specimen import LAYOUTS

Shape = tuple[int, ...]
Call = tuple[type, dict[str, Any]]          # a class, and the keyword arguments to call it with

# What is larger has no bugs of its own, only slower tests.
SIDE, WINDOW, STEP = 8, 4, 3


# Shapes and arrays.

def shapes(min_dims: int = 1, max_dims: int = 3) -> SearchStrategy[Shape]:
    """Draw shapes of one sample: (features,), (steps, features), and most often images (C, H, W)."""
    side = st.integers(1, SIDE)
    kinds: dict[int, list[SearchStrategy]] = {
        1: [st.tuples(side)], 2: [st.tuples(side, side)], 3: 2 * [image_shapes()]}
    return any_of([shape for dims in range(min_dims, max_dims + 1) for shape in kinds[dims]])


def any_of(choices: list[SearchStrategy]) -> SearchStrategy:
    """Draw from any of the strategies, the simplest first; one that is listed twice is drawn twice as often."""
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)


def image_shapes() -> SearchStrategy[Shape]:
    """Draw shapes (C, H, W) of small images, seldom square, most of them with room for a window to move."""
    side = st.integers(1, SIDE) | st.integers(WINDOW, SIDE)
    return st.tuples(st.integers(1, 3), side, side)


@st.composite
def tie_free_arrays(draw: Any, shape: Shape | SearchStrategy[Shape], dtype: Any = np.float64) -> np.ndarray:
    """Draw arrays without equal numbers and without zero: the kinks of a ReLU and of a maximum are not near.

    The numbers are evenly spaced between -2 and 2, the nearest half a step away from zero, in any order; the
    simplest is sorted.
    """
    shape = draw(shape) if isinstance(shape, SearchStrategy) else shape
    size = math.prod(shape)
    seed = draw(st.integers(0, 2**32 - 1))
    order = np.random.default_rng(seed).permutation(size) if seed else np.arange(size)
    step = 2.0 ** -math.ceil(math.log2(max(4, size) / 4))           # a power of two: exact in float32 too
    return ((order - size // 2 + 0.5) * step).reshape(shape).astype(dtype)


@st.composite
def strided_arrays(draw: Any, arrays: SearchStrategy[np.ndarray]) -> np.ndarray:
    """Draw what another strategy draws, laid out otherwise in memory: reversed, read-only, ..."""
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](draw(arrays))


# Configurations: keyword arguments, those that are not defaults.

@st.composite
def conv_configs(draw: Any, input_shape: Shape | None = None) -> dict[str, Any]:
    """Draw arguments of a `Conv2D`: filters and windows, and an ``input_shape`` that they fit."""
    shape, filters = input_shape or draw(image_shapes()), draw(st.integers(1, 3))
    size, strides, padding, dilation = draw(windows(shape[1:], dilated=True))
    moves = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    defaults = {"strides": (1, 1), "padding": "valid", "dilation_rate": (1, 1)}
    return {"filters": filters, "kernel_size": size, **without(defaults, moves), "input_shape": shape}


@st.composite
def pool_configs(draw: Any, input_shape: Shape | None = None) -> dict[str, Any]:
    """Draw arguments of a `MaxPool2D` or `AveragePool2D`: windows, and an ``input_shape`` that they fit."""
    shape = input_shape or draw(image_shapes())
    size, strides, padding, _ = draw(windows(shape[1:]))
    moves = {"strides": draw(st.sampled_from([size, strides])), "padding": padding}
    return {"pool_size": size, **without({"strides": size, "padding": "valid"}, moves), "input_shape": shape}


@st.composite
def windows(draw: Any, image: Shape, dilated: bool = False) -> tuple[Shape, Shape, str, Shape]:
    """Draw window size, strides, padding and dilation for images (H, W)."""
    padding = draw(st.sampled_from(["valid", "same"]))
    axes = []
    for side in image:
        inside = padding == "valid"
        size = draw(st.integers(1, min(side, WINDOW) if inside else WINDOW))
        most = min((side - 1) // max(1, size - 1), STEP) if inside else STEP
        dilation = draw(st.integers(1, most)) if dilated and size > 1 else 1
        axes.append((size, draw(st.integers(1, STEP)), dilation))
    size, strides, dilation = zip(*axes, strict=True)
    return size, strides, padding, dilation


def without(defaults: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration what is as by default."""
    return {key: value for key, value in config.items() if value != defaults[key]}


# Layers and models.

@st.composite
def layers(draw: Any, input_shape: Shape | None = None) -> Layer:
    """Draw layers of every kind, not built yet; each knows its ``input_shape``."""
    shape = input_shape or draw(shapes())
    kind, config = draw(calls(shape))
    return draw(made(kind, **config, input_shape=shape))


@st.composite
def sequentials(draw: Any, input_shape: Shape | None = None, max_layers: int = 4) -> Sequential:
    """Draw models of one to `max_layers` layers, built, with repeatable weights; some hold another model."""
    shape = size = input_shape or draw(shapes())
    stack: list[Layer] = []
    for _ in range(draw(st.integers(1, max_layers))):
        if max_layers > 2 and draw(st.integers(0, 7)) == 7:
            layer = draw(sequentials(size, max_layers=2))
        else:
            pool = bool(stack) and isinstance(stack[-1], Conv2D) and draw(st.integers(0, 3)) > 0   # often one step
            kind, config = draw(call([MaxPool2D], pool_configs(size)) if pool else calls(size))
            layer = draw(made(kind, **config))
        size = copy.deepcopy(layer).build(size, np.random.default_rng(0))
        stack.append(layer)
    return draw(made(Sequential, stack, input_shape=shape, seed=0))


def made(kind: type, *args: Any, **kwargs: Any) -> SearchStrategy[Any]:
    """Make ``kind(*args, **kwargs)`` through Hypothesis, which then prints it as that call."""
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


def call(kinds: list[type], *configs: SearchStrategy[dict[str, Any]]) -> SearchStrategy[Call]:
    """Draw one of several classes, and arguments for it from all of the configurations."""
    def together(drawn: Any) -> Call:
        kind, *parts = drawn
        return kind, {key: value for part in parts for key, value in part.items() if key != "input_shape"}
    return st.tuples(st.sampled_from(kinds), *configs).map(together)


# Losses.

@st.composite
def losses(draw: Any) -> tuple[Loss, np.ndarray, np.ndarray]:
    """Draw ``(loss, y_true, y_pred)``: a loss, with targets and predictions (N, ..., K) that it takes."""
    loss = draw(st.sampled_from([MeanSquaredError(), *(
        kind(from_logits=from_logits) for kind in (CategoricalCrossentropy, SparseCategoricalCrossentropy)
        for from_logits in (True, False))]))
    rows, classes = draw(shapes(1, 2)), draw(st.integers(2, 4))
    y_pred = draw(tie_free_arrays((*rows, classes)))
    if not getattr(loss, "from_logits", True):               # probabilities: positive, each row sums to 1
        y_pred = np.exp(y_pred) / np.exp(y_pred).sum(axis=-1, keepdims=True)
    if isinstance(loss, MeanSquaredError):
        return loss, draw(tie_free_arrays(y_pred.shape)), y_pred
    count = math.prod(rows)
    labels = np.reshape(draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)), rows)
    sparse = isinstance(loss, SparseCategoricalCrossentropy)
    return loss, labels if sparse else np.eye(classes)[labels], y_pred
