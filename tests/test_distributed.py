"""Training in shards, in one process: the gradients of plain fit, whatever the layers, and the order of the sums."""


import numpy as np
import pytest

from tinynet import Sequential, distributed, kernels
from tinynet.layers import (
    ActivityRegularization,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LayerNormalization,
    MaxPool2D,
    RandomAffine,
    RandomElasticTransform,
    RandomFlip,
    ReLU,
    Residual,
    SpatialDropout2D,
)

IMAGES = {
    "dense": lambda: [Flatten(), Dense(5, activation="relu"), Dense(3, activation="softmax")],
    "convolution": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(), Flatten(), Dense(3, activation="softmax")],
    "dropout": lambda: [Dropout(0.5), Conv2D(3, 3), Dropout(0.3), SpatialDropout2D(0.3), Flatten(),
                        Dropout(0.5, noise_shape=(None, 1)), Dense(3, activation="softmax")],
    "augmentation": lambda: [RandomAffine(0.1, 0.1), RandomElasticTransform(1.0, 2.0, seed=3), RandomFlip(),
                             GaussianNoise(0.1), Flatten(), Dense(3, activation="softmax")],
    "normalisation": lambda: [Conv2D(4, 3), BatchNormalization(), ReLU(), MaxPool2D(), BatchNormalization(),
                              Residual([Conv2D(4, 3, padding="same"), BatchNormalization(), ReLU()]), Flatten(),
                              LayerNormalization(), Dense(3, activation="softmax")],
    "frozen": lambda: [Conv2D(4, 3, trainable=False), BatchNormalization(trainable=False), ReLU(), Flatten(),
                       Dense(3, activation="softmax")],
    "penalties": lambda: [Flatten(), Dense(4, kernel_regularizer="l2", activity_regularizer="l1"),
                          Residual([Dense(4, activity_regularizer="l2")]), ActivityRegularization(0.1, 0.1),
                          Dense(3, activation="softmax", bias_regularizer="l1", kernel_constraint="max_norm")],
    "nested": lambda: [Sequential([Conv2D(3, 3), BatchNormalization(), ReLU()]), Flatten(),
                       Sequential([Dense(4), Dropout(0.5), Dense(3, activation="softmax")])],
}


def trained(layers, use, samples=21, batch_size=10, epochs=2, optimizer="sgd", shards=4, **options):
    """Return a model after a training, and its history; "sgd", as Adam hides the size of gradients."""
    rng = np.random.default_rng(1)
    x, y = rng.random((samples, 2, 6, 6)), np.eye(3)[rng.integers(0, 3, samples)]
    model = Sequential(layers(), input_shape=(2, 6, 6), dtype="float64", seed=0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    arguments = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "validation_data": (x[:5], y[:5]), **options}
    if not use:
        return model, model.fit(x, y, **arguments).history
    with distributed.use("single", shards=shards):
        return model, model.fit(x, y, **arguments).history


@pytest.mark.parametrize(("kernel_set", "fuse"), [("fast", True), ("fast", False), ("im2col", True)])
@pytest.mark.parametrize("name", IMAGES)
def test_a_training_in_shards_is_that_of_plain_fit_but_for_rounding(name, kernel_set, fuse):
    weights = np.linspace(0.5, 1.5, 21)
    with kernels.use(kernel_set, fuse=fuse):
        plain, in_shards = (trained(IMAGES[name], use, sample_weight=weights) for use in (False, True))
    for a, b in zip(plain[0].get_weights(), in_shards[0].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)
    assert plain[1].keys() == in_shards[1].keys()
    for key in plain[1]:
        np.testing.assert_allclose(in_shards[1][key], plain[1][key], rtol=1e-9)
    assert plain[0].rng.random() == in_shards[0].rng.random()              # as many numbers were drawn
