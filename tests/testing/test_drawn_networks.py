"""No false alarm in networks as people build them, drawn at random, on digits: many pixels are equal, black."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import (
    Activation,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool2D,
    LayerNormalization,
    MaxPool2D,
    Residual,
    SeparableConv2D,
    UpSampling2D,
)
from tinynet.testing import check_gradients

ACTIVATIONS = ("relu", "tanh", "elu", "gelu", "silu", "leaky_relu", "sigmoid", "softplus")
BLOCKS = [
    lambda filters, act: [Conv2D(filters, 3), BatchNormalization(), act],
    lambda filters, act: [Conv2D(filters, 3, padding="same"), act, MaxPool2D()],
    lambda filters, act: [DepthwiseConv2D(3), BatchNormalization(), act],
    lambda filters, act: [SeparableConv2D(filters, 3), act, BatchNormalization()],
    lambda filters, act: [BatchNormalization(), act, Conv2D(filters, 3, padding="same")],
    lambda filters, act: [Conv2D(3, 1), Residual([Conv2D(3, 3, padding="same"), BatchNormalization(), act])],
    lambda filters, act: [Conv2D(filters, 3), LayerNormalization(), act],
    lambda filters, act: [Conv2DTranspose(filters, 3, strides=2), BatchNormalization(), act, AveragePool2D()],
    lambda filters, act: [Dropout(0.3), Conv2D(filters, 3, strides=2), act],
    lambda filters, act: [UpSampling2D(), Conv2D(filters, 3, strides=2), BatchNormalization(), act],
    lambda filters, act: [GaussianNoise(0.1), Conv2D(filters, 3), MaxPool2D(), BatchNormalization(), act],
]


def drawn(rng):
    """Return a network, and digits for it, with their labels."""
    (images, labels), _ = mnist.load_data()
    first, count = rng.integers(0, 1000), rng.integers(2, 9)
    x, y = images[first:first + count, None, 2:26, 2:26] / 255, labels[first:first + count]
    layers = []
    for _ in range(rng.integers(1, 4)):
        block, act = BLOCKS[rng.integers(len(BLOCKS))], Activation(rng.choice(ACTIVATIONS))
        layers += block(int(rng.integers(2, 5)), act)
    end = [GlobalAvgPool2D()] if rng.random() < 0.5 else [Flatten(), Dense(6), BatchNormalization(), Activation("relu")]
    model = Sequential([*layers, *end, Dense(10, activation="softmax")], input_shape=(1, 24, 24), seed=1)
    model.compile(loss="sparse_categorical_crossentropy")
    return model, x, y


def marks(seed):
    """Most are for `make test-long`. In one a black row is normalised to rounding errors, which lie above the kink of
    the ReLU after it in the model, and below it in the layers one by one.
    """
    return [pytest.mark.long] * (seed >= 6) + [pytest.mark.xfail(strict=True)] * (seed == 23)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=marks(seed)) for seed in range(200)])
@pytest.mark.rest
def test_no_false_alarm(seed):
    rng = np.random.default_rng(seed)
    model, x, y = drawn(rng)
    check_gradients(model, x, y=y if rng.random() < 0.5 else None, seed=seed)
