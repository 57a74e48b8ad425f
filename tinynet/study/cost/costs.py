"""What a layer costs and how far it sees: a rule for each layer type, and a way to add rules for your own layers."""

from __future__ import annotations

from functools import singledispatch
from math import prod

from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    ActivityRegularization,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    HardSigmoid,
    Lambda,
    Layer,
    LayerNormalization,
    LeakyReLU,
    PReLU,
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
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.augmentation.base import Augmentation
from tinynet.layers.base import Shape
from tinynet.layers.pooling import GlobalPooling, Pooling
from tinynet.steps.step import Step, steps_of

Windowed = Conv2D | DepthwiseConv2D | SeparableConv2D | Pooling
Axis = tuple[int, int] | None                        # cells that an output sees, distance to the next's; None: all


@singledispatch
def multiply_adds(layer: Layer, input_shape: Shape, output_shape: Shape) -> int | None:
    """Return how often a layer multiplies and adds for one sample; None for a layer with weights that has no rule.

    A rule for a layer of your own is added with ``@study.multiply_adds.register``.

    >>> multiply_adds(Dense(10), (128,), (10,))
    1280
    """
    return None if layer.params else 0


@multiply_adds.register
def _(layer: Dense, input_shape: Shape, output_shape: Shape) -> int:
    return input_shape[-1] * prod(output_shape)                          # every output sums over every input


@multiply_adds.register
def _(layer: Conv2D, input_shape: Shape, output_shape: Shape) -> int:
    channels = input_shape[0] // layer.groups
    return channels * prod(layer.windows.size) * prod(output_shape)      # every output sums over its window


@multiply_adds.register
def _(layer: DepthwiseConv2D, input_shape: Shape, output_shape: Shape) -> int:
    return prod(layer.windows.size) * prod(output_shape)                 # each sums over its window, of one channel


@multiply_adds.register
def _(layer: SeparableConv2D, input_shape: Shape, output_shape: Shape) -> int:
    (filters, P, Q), channels = output_shape, input_shape[0] * layer.depth_multiplier
    return channels * P * Q * (prod(layer.windows.size) + filters)       # depthwise; then each channel for each filter


@multiply_adds.register
def _(layer: Conv2DTranspose, input_shape: Shape, output_shape: Shape) -> int:
    return prod(input_shape) * layer.filters * prod(layer.windows.size)  # every input meets all weights of its channel


@multiply_adds.register
def _(layer: PReLU, input_shape: Shape, output_shape: Shape) -> int:
    return prod(output_shape)                                            # at most: its slope, below 0


@multiply_adds.register
def _(layer: BatchNormalization, input_shape: Shape, output_shape: Shape) -> int:
    return prod(output_shape)                                            # in inference: a factor and a shift


@multiply_adds.register
def _(layer: LayerNormalization, input_shape: Shape, output_shape: Shape) -> int:
    return 3 * prod(output_shape)                                        # its square, over std, a factor and a shift


@multiply_adds.register
def _(layer: Residual, input_shape: Shape, output_shape: Shape) -> int | None:
    counts = [multiply_adds(step.layer, *shapes) for step, *shapes in inner_steps(layer, input_shape)]
    return None if None in counts else sum(filter(None, counts))


def inner_steps(block: Residual, input_shape: Shape) -> list[tuple[Step, Shape, Shape]]:
    """List the steps of the layers inside a block that is built, each with the shapes that go in and come out."""
    found, shape = [], input_shape
    for name, layer in zip(block.layer_names, block.layers, strict=True):
        for step in steps_of(layer, name):
            before, shape = shape, step.layer.output_shape or shape      # an activation keeps it
            found.append((step, before, shape))
    return found


@singledispatch
def im2col_size(layer: Layer, input_shape: Shape, output_shape: Shape) -> int:
    """Return the size of im2col's matrix for one sample, C * kh * kw * P * Q; 0 for layers that do not use im2col.

    >>> im2col_size(Conv2D(30, 5), (1, 28, 28), (30, 24, 24)) == 1 * 5 * 5 * 24 * 24
    True
    """
    return 0


@im2col_size.register
def _(layer: Conv2D, input_shape: Shape, output_shape: Shape) -> int:
    return input_shape[0] * prod(layer.windows.size) * prod(output_shape[1:])


@im2col_size.register
def _(layer: Residual, input_shape: Shape, output_shape: Shape) -> int:
    return max(im2col_size(step.layer, *shapes) for step, *shapes in inner_steps(layer, input_shape))


@im2col_size.register
def _(layer: SeparableConv2D, input_shape: Shape, output_shape: Shape) -> int:
    return input_shape[0] * layer.depth_multiplier * prod(output_shape[1:])        # of the pointwise convolution


@im2col_size.register
def _(layer: Conv2DTranspose, input_shape: Shape, output_shape: Shape) -> int:
    return layer.filters * prod(layer.windows.size) * prod(input_shape[1:])        # of the gradient's columns


@singledispatch
def reach(layer: Layer, input_shape: Shape) -> tuple[Axis, Axis] | None:
    """Return (window, stride) along the rows and along the columns of an image; None along an axis seen as a whole.

    A single None where there is no rule: the receptive fields are then unknown from this layer on. A rule for a layer
    of your own is added with ``study.reach.register(Mine, study.elementwise)``, or with a function of your own.

    >>> reach(Conv2D(30, (5, 3), strides=2), (1, 28, 28)), reach(Dense(10), (128,))
    (((5, 2), (3, 2)), (None, None))
    """
    return None


def elementwise(layer: Layer, input_shape: Shape) -> tuple[Axis, Axis]:
    """Return the reach of a layer whose outputs each depend on one element of the input: ReLU, dropout, scaling, ..."""
    return (1, 1), (1, 1)


def last_axis(layer: Layer, input_shape: Shape) -> tuple[Axis, Axis]:
    """Return the reach of a layer that sees the whole last axis: all of a vector, a row of an image."""
    return (None, None) if len(input_shape) == 1 else ((1, 1), None)


def whole_image(layer: Layer, input_shape: Shape) -> tuple[Axis, Axis]:
    """Return the reach of a layer that sees the whole image."""
    return None, None


for elementwise_layer in (ReLU, Sigmoid, Tanh, Dropout, Flatten, Rescaling, ELU, GELU, SELU, HardSigmoid, LeakyReLU,
                          PReLU, ReLU6, SiLU, Softplus, Softsign, GaussianNoise, GaussianDropout, ZeroPadding2D,
                          BatchNormalization, Augmentation, ActivityRegularization):
    reach.register(elementwise_layer, elementwise)
reach.register(GlobalPooling, whole_image)
reach.register(Dense, last_axis)


@reach.register
def sliding_window(layer: Windowed, input_shape: Shape) -> tuple[Axis, Axis]:
    """Return the reach of a window, dilation included."""
    (rows, columns), (down, across) = layer.windows.reach(), layer.windows.strides
    return (rows, down), (columns, across)


@reach.register(Softmax)
@reach.register(LayerNormalization)
def normalised_axes(layer: LayerNormalization | Softmax, input_shape: Shape) -> tuple[Axis, Axis]:
    """Return the reach of what sees its axes whole: of images rows are axis 2 and columns the last, as of a vector."""
    rank = 1 + len(input_shape)
    whole = {axis % rank for axis in layer.axis}
    if rank == 2:
        return None, None
    return None if 2 in whole and rank > 3 else (1, 1), None if rank - 1 in whole else (1, 1)


@reach.register
def _(layer: Reshape, input_shape: Shape) -> tuple[Axis, Axis] | None:
    """Return the reach of an elementwise layer, unless it makes other rows and columns of the numbers."""
    shape = layer.shape_for(input_shape)
    return ((1, 1), (1, 1)) if len(shape) == 1 or shape[-2:] == input_shape[-2:] else None


@reach.register(Lambda)
@reach.register(UpSampling2D)
def no_common_window(layer: Layer, input_shape: Shape) -> None:
    """Return that no one window and stride describe a layer: neighbouring outputs see the same pixel, or the next.

    What a function of one's own sees is not known either.
    """


@reach.register
def transposed_window(layer: Conv2DTranspose, input_shape: Shape) -> tuple[Axis, Axis] | None:
    """Return the reach of a window turned round; with strides, what an output sees depends on where it is."""
    rows, columns = layer.windows.reach()
    return ((rows, 1), (columns, 1)) if layer.windows.strides == (1, 1) else None


def receptive_field(field: Axis, window: Axis) -> Axis:
    """Return the (size, jump) of an output in cells of the model's input, from that of the layer's input.

    ``size + (window - 1) * jump`` and ``jump * stride``. Source: Araujo, Norris and Sim 2019, "Computing receptive
    fields of convolutional neural networks", equations 2 and 3.

    >>> receptive_field((6, 2), (3, 1))          # a 3 x 3 convolution on 2 x 2 pooling of a 5 x 5 convolution
    (10, 2)
    """
    if field is None or window is None:
        return None
    return field[0] + (window[0] - 1) * field[1], field[1] * window[1]
