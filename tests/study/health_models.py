"""Small networks, healthy or easily made unhealthy, and data to train them on."""

import numpy as np

from tinynet import Sequential
from tinynet.layers import Dense


def blobs(count=200):
    """Draw samples (count, 20), and labels that depend on them."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, 20))
    return x, (x @ rng.normal(size=(20, 4))).argmax(axis=1)


def stack(activation, depth, optimizer="adam", **kwargs):
    """Make a compiled stack of `depth` hidden layers of 32 units, for the blobs."""
    hidden = [Dense(32, activation, **kwargs) for _ in range(depth)]
    model = Sequential([*hidden, Dense(4, "softmax")], seed=0, input_shape=(20,))
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return model
