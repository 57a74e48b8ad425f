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

import hypothesis
import numpy as np
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tinynet import Sequential
from tinynet.layers import Layer
from tinynet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from tinynet.testing.array_strategies import (
    Shape,
    any_of,
    argument_trees,
    image_shapes,
    shapes,
    strided_arrays,
    tie_free_arrays,
    tied_arrays,
)
from tinynet.testing.layer_calls import (
    CONV_POOL,
    CONV_RELU_POOL,
    Maker,
    calls,
    constructed,
    conv_configs,
    pool_configs,
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


# For `@strategies.settings`. A kernel is compiled when it is first called, for longer than the deadline of 200 ms. The
# explain phase takes several times as long as all others, to comment on arguments that are at their simplest anyway.
settings = hypothesis.settings(deadline=None, phases=[phase for phase in Phase if phase is not Phase.explain])


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


# Losses.

OF_NUMBERS = (MeanSquaredError, MeanAbsoluteError, Huber, LogCosh, MeanAbsolutePercentageError, CosineSimilarity)
OF_COUNTS = (MeanSquaredLogarithmicError, Poisson)                            # of numbers that are not below 0


@st.composite
def losses(draw: DrawFn) -> tuple[Loss, np.ndarray, np.ndarray]:
    """Draw ``(loss, y_true, y_pred)``: a loss, with true values and predictions (N, ..., K) that it takes."""
    of_classes = [kind(from_logits=from_logits) for kind in (CategoricalCrossentropy, SparseCategoricalCrossentropy)
                  for from_logits in (True, False)]
    smoothed = [kind(from_logits=from_logits, label_smoothing=0.25)
                for kind in (CategoricalCrossentropy, BinaryCrossentropy) for from_logits in (True, False)]
    loss = draw(st.sampled_from([MeanSquaredError(), *of_classes, MeanAbsoluteError(), Huber(), KLDivergence(),
                                 *smoothed, Hinge(), SquaredHinge(), CategoricalHinge(), CosineSimilarity(), LogCosh(),
                                 Poisson(), MeanAbsolutePercentageError(), MeanSquaredLogarithmicError()]))
    rows, classes = draw(shapes(1, 2)), draw(st.integers(2, 4))
    y_pred = draw(tie_free_arrays((*rows, classes)))
    if not getattr(loss, "from_logits", True) or isinstance(loss, (KLDivergence, *OF_COUNTS)):         # in (0, 1)
        y_pred = np.exp(y_pred) / (1 + np.exp(y_pred))
    if isinstance(loss, OF_COUNTS):
        return loss, np.abs(draw(tie_free_arrays(y_pred.shape))), y_pred
    if isinstance(loss, OF_NUMBERS):
        return loss, draw(tie_free_arrays(y_pred.shape)), y_pred
    count = math.prod(rows)
    labels = np.reshape(draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)), rows)
    sparse = isinstance(loss, SparseCategoricalCrossentropy)
    return loss, labels if sparse else np.eye(classes)[labels], y_pred
