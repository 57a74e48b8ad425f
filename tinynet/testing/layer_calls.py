"""Calls of layers at random: a class, and arguments that suit the samples; `strategies` makes layers of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    ActivityRegularization,
    AlphaDropout,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    HardSigmoid,
    Lambda,
    LayerNormalization,
    LeakyReLU,
    MaxPool2D,
    PReLU,
    RandomAffine,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    ReLU,
    ReLU6,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    SpatialDropout2D,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.base import Backward
from tinynet.testing.array_strategies import (
    MAX_SIDE,
    MAX_STRIDE,
    MAX_WINDOW,
    Shape,
    any_of,
    image_shapes,
    pairs,
    shapes,
)

Config = dict[str, Any]             # keyword arguments
Call = tuple[type, Config]          # a class, and the keyword arguments to call it with


# Configurations: keyword arguments that are not the defaults.

@st.composite
def conv_configs(draw: DrawFn, input_shape: Shape | None = None) -> Config:
    """Draw arguments of a `Conv2D`, with an ``input_shape`` that its windows fit."""
    shape, filters = input_shape or draw(image_shapes()), draw(st.integers(1, 3))
    geometry = draw(conv_geometry(shape[1:]))
    groups = draw(st.sampled_from([groups for groups in range(1, 4) if shape[0] % groups == 0]))
    return {"filters": filters * groups, **geometry, **without({"groups": 1}, {"groups": groups}), "input_shape": shape}


@st.composite
def conv_geometry(draw: DrawFn, image: Shape) -> Config:
    """Draw the arguments of a convolution's window, for images (H, W)."""
    size, strides, padding, dilation = draw(window_geometry(image, dilated=True))
    geometry = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    return {"kernel_size": size, **without({"strides": (1, 1), "padding": "valid", "dilation_rate": (1, 1)}, geometry)}


@st.composite
def transposed_geometry(draw: DrawFn, image: Shape) -> Config:
    """Draw the arguments of a transposed convolution's window, for images (H, W)."""
    geometry = draw(conv_geometry(image))
    if draw(st.booleans()) and "padding" not in geometry:
        geometry["output_padding"] = tuple(stride - 1 for stride in geometry.get("strides", (1, 1)))
    return geometry


@st.composite
def pool_configs(draw: DrawFn, input_shape: Shape | None = None) -> Config:
    """Draw arguments of a `MaxPool2D` or `AveragePool2D`, with an ``input_shape`` that its windows fit."""
    shape = input_shape or draw(image_shapes())
    size, strides, padding, _ = draw(window_geometry(shape[1:]))
    geometry = {"strides": draw(st.sampled_from([size, strides])), "padding": padding}
    return {"pool_size": size, **without({"strides": size, "padding": "valid"}, geometry), "input_shape": shape}


@st.composite
def residual_configs(draw: DrawFn, input_shape: Shape | None = None) -> Config:
    """Draw arguments of a `Residual`, with an ``input_shape``: one or two layers with weights that keep the shape."""
    shape = input_shape or draw(shapes())
    hidden = draw(st.integers(1, 3))
    if len(shape) == 3:
        sizes = [{"kernel_size": draw(pairs((3, 3))), "padding": "same"} for _ in range(2)]
        first: Call = Conv2D, {"filters": hidden, **sizes[0], "activation": "relu"}
        last: Call = Conv2D, {"filters": shape[0], **sizes[1]}
    else:
        first, last = (Dense, {"units": hidden, "activation": "relu"}), (Dense, {"units": shape[-1]})
    chosen: list[Call] = draw(st.sampled_from([[last], [first, last], [first, (BatchNormalization, {}), last]]))
    return {"layers": [draw(constructed(kind, **config)) for kind, config in chosen], "input_shape": shape}


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


# Calls: a class, and its arguments.

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


ACTIVATIONS = st.sampled_from(["relu", "sigmoid", "tanh", "softmax", "gelu"])
EXTRAS = st.fixed_dictionaries({}, optional={"activation": ACTIVATIONS, "use_bias": st.just(False)})
FILTERS = st.fixed_dictionaries({"filters": st.integers(1, 3)})


@cache
def calls(shape: Shape) -> SearchStrategy[Call]:
    """Draw the calls that make a layer for samples of `shape`, the simplest kinds first."""
    kinds = [*calls_for_any(shape), *(image_calls(shape) if len(shape) == 3 else [])]
    if len(shape) == 3 and max(shape[1:]) <= MAX_SIDE:                 # what makes images larger does so once
        kinds += enlarging_calls(shape)
    return any_of([*kinds, call([Residual], residual_configs(shape))])


def calls_for_any(shape: Shape) -> list[SearchStrategy[Call]]:
    """List what draws the calls of layers for samples of any shape."""
    rates = st.fixed_dictionaries({"rate": st.sampled_from([0.5, 0.2, 0.0])}, optional={"seed": st.just(1)})
    flags = st.fixed_dictionaries({}, optional={"center": st.just(False), "scale": st.just(False)})
    axes = st.sets(st.integers(1, len(shape)), min_size=1).map(sorted) | st.just(-1)
    return [
        call([ReLU, Sigmoid, Tanh, Softmax, Flatten]),
        call([Dense], st.fixed_dictionaries({"units": st.integers(1, 4)}), EXTRAS),
        call([SELU, ReLU6, HardSigmoid, SiLU, Softplus, Softsign]),
        activation_calls(shape),
        call([Activation], st.fixed_dictionaries({"activation": ACTIVATIONS})),
        call([Dropout, AlphaDropout, GaussianDropout, *([SpatialDropout2D] if len(shape) == 3 else [])], rates),
        call([ActivityRegularization], st.fixed_dictionaries({"l2": st.sampled_from([0.5, 0.0])})),
        call([GaussianNoise], st.fixed_dictionaries({"stddev": st.sampled_from([1.0, 0.1])})),
        call([Reshape], target_shapes(shape).map(lambda target: {"target_shape": target})),
        call([Rescaling], rescaling_configs(shape)),
        call([Lambda], st.fixed_dictionaries({"function": st.sampled_from([squared, summed])})),
        call([BatchNormalization], flags, st.fixed_dictionaries(
            {}, optional={"momentum": st.sampled_from([0.0, 0.5]), "epsilon": st.sampled_from([1e-5, 0.1])})),
        call([LayerNormalization], flags, st.fixed_dictionaries({}, optional={"axis": axes})),
    ]


def image_calls(shape: Shape) -> list[SearchStrategy[Call]]:
    """List what draws the calls of layers for images (C, H, W), convolution and pooling most often."""
    multiplier = st.fixed_dictionaries({}, optional={"depth_multiplier": st.just(2)})
    return [
        *3 * [call([Conv2D], conv_configs(shape), EXTRAS), call([MaxPool2D, AveragePool2D], pool_configs(shape))],
        call([GlobalAvgPool2D, GlobalMaxPool2D], st.fixed_dictionaries({}, optional={"keepdims": st.just(True)})),
        call([DepthwiseConv2D], conv_geometry(shape[1:]), EXTRAS, multiplier),
        call([SeparableConv2D], conv_geometry(shape[1:]), EXTRAS, multiplier, FILTERS),
        augmentation_calls(shape),
    ]


def enlarging_calls(shape: Shape) -> list[SearchStrategy[Call]]:
    """List what draws the calls of layers that make images (C, H, W) larger."""
    few = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return [
        call([Conv2DTranspose], transposed_geometry(shape[1:]), EXTRAS, FILTERS),
        call([ZeroPadding2D], st.fixed_dictionaries({"padding": st.tuples(few, few)})),
        call([UpSampling2D], st.fixed_dictionaries({"size": pairs((2, 2))},
                                                   optional={"interpolation": st.just("bilinear")})),
    ]


def activation_calls(shape: Shape) -> SearchStrategy[Call]:
    """Draw the calls that make an activation with arguments, for samples of `shape`."""
    slopes = st.sampled_from([0.3, 0.0, 1.5])
    axes = st.sets(st.integers(1, len(shape)), min_size=1).map(sorted) | st.just(-1)
    shared = {"shared_axes": st.lists(st.integers(1, len(shape)), min_size=1, unique=True)}
    rectifier = {"max_value": st.sampled_from([1.0, 6.0]), "negative_slope": slopes, "threshold": st.just(0.5)}
    return st.one_of(
        call([ReLU], st.fixed_dictionaries({}, optional=rectifier)),
        call([Softmax], st.fixed_dictionaries({}, optional={"axis": axes})),
        call([LeakyReLU], st.fixed_dictionaries({}, optional={"negative_slope": slopes})),
        call([ELU], st.fixed_dictionaries({}, optional={"alpha": slopes})),
        call([GELU], st.fixed_dictionaries({}, optional={"approximate": st.just(True)})),
        call([PReLU], st.fixed_dictionaries({"alpha_initializer": st.just("normal")}, optional=shared)))


def squared(x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """Return ``(x^2, backward)``."""
    return x * x, lambda dy: 2 * x * dy


def summed(x: np.ndarray) -> tuple[np.ndarray, Backward]:
    """Return ``(y, backward)``, y the sum along the last axis: (N, ..., D) -> (N, ...), or (N, 1) of (N, D)."""
    y = x.sum(axis=-1, keepdims=x.ndim == 2)
    return y, lambda dy: np.broadcast_to(dy if x.ndim == 2 else dy[..., None], x.shape)


def target_shapes(shape: Shape) -> SearchStrategy[Shape]:
    """Draw target shapes of a `Reshape`, some with a -1: the axes in reverse, in pairs, all in one."""
    others = [shape[::-1], (*shape[:-2], math.prod(shape[-2:])), (1, *shape), (math.prod(shape),)]
    return st.sampled_from([*others, *((-1, *other[1:]) for other in others)])


def rescaling_configs(shape: Shape) -> SearchStrategy[Config]:
    """Draw arguments of a `Rescaling`: numbers, or an array along the first axis."""
    numbers = st.sampled_from([0.5, -2.0])
    settings = numbers | st.lists(numbers, min_size=shape[0], max_size=shape[0])
    return st.fixed_dictionaries({"scale": settings}, optional={"offset": settings})


def augmentation_calls(shape: Shape) -> SearchStrategy[Call]:
    """Draw the calls that make an augmentation layer for images (C, H, W)."""
    factors, modes = st.sampled_from([0.1, (0.2, 0.4)]), st.sampled_from(["reflect", "nearest", "constant"])
    fill = st.fixed_dictionaries({}, optional={"fill_mode": modes, "fill_value": st.just(1.0)})
    crops = st.fixed_dictionaries({"height": st.integers(1, shape[1]), "width": st.integers(1, shape[2])})
    flips = st.fixed_dictionaries({"mode": st.sampled_from(["horizontal", "vertical", "horizontal_and_vertical"])})
    return any_of([
        call([RandomFlip], flips), call([RandomCrop], crops), call([RandomElasticTransform], fill),
        call([RandomRotation, RandomContrast], st.fixed_dictionaries({"factor": factors})),
        call([RandomShear], st.fixed_dictionaries({"x_factor": factors}), fill),
        call([RandomTranslation, RandomZoom],
             st.fixed_dictionaries({"height_factor": factors, "width_factor": factors}), fill),
        call([RandomAffine], st.fixed_dictionaries({"rotation": factors, "height_zoom": factors, "y_shear": factors})),
    ])


def call(kinds: list[type], *configs: SearchStrategy[Config]) -> SearchStrategy[Call]:
    """Draw one of several classes, and arguments for it, merged from all of the configurations."""
    def merged(drawn: tuple[Any, ...]) -> Call:
        kind, *parts = drawn
        return kind, {key: value for part in parts for key, value in part.items() if key != "input_shape"}
    return st.tuples(st.sampled_from(kinds), *configs).map(merged)
