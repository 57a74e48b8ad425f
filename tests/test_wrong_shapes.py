"""What comes back from a backward of one's own is checked before compiled loops, which rely on its shape, read it."""

import numpy as np
import pytest

from tinynet import Sequential, optimizers
from tinynet.layers import (
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalMaxPooling2D,
    Lambda,
    Layer,
    MaxPool2D,
    RandomRotation,
    ReLU,
    Residual,
)

X, Y = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])


class Product(Layer):
    """x @ kernel, whose gradient `slip` changes."""

    def __init__(self, slip, **kwargs):
        super().__init__(**kwargs)
        self.slip = slip

    def build(self, input_shape, rng):
        self.params["kernel"] = rng.normal(size=(*input_shape, 3)).astype(np.float32)
        return (3,)

    def forward(self, x, training=False):
        def backward(dy):
            self.grads |= self.slip(x.T @ dy)
            return dy @ self.params["kernel"].T
        return x @ self.params["kernel"], backward


SLIPS = {
    "transposed": (lambda g: {"kernel": g.T}, r"shape \(3, 4\)"),
    "summed": (lambda g: {"kernel": g.sum(axis=0)}, r"shape \(3,\)"),
    "a number": (lambda g: {"kernel": g.sum()}, r"shape \(\)"),
    "under another name": (lambda g: {"kernels": g}, "none"),
}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "nadam", "lion", "adadelta", "adagrad"])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_gradient_of_another_shape_than_its_parameter_is_told_before_the_update(slip, name):
    change, received = SLIPS[slip]
    model = Sequential([Product(change)], input_shape=(4,), seed=0)
    model.compile(name, "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"product_1: expected backward to set grads\['kernel'\], an array of the "
                                         rf"parameter's shape \(4, 3\)\. Received: {received}\."):
        model.fit(X, np.eye(3)[Y], verbose=0)
    np.testing.assert_array_equal(model.get_weights(), before)
    assert model.optimizer.iterations == 0


def test_an_optimizer_by_itself_reads_no_memory_behind_a_gradient():
    with pytest.raises(ValueError, match=r"parameter's shape \(2000, 400\)\. Received: shape \(3,\)"):
        optimizers.Adam().update({"k": np.zeros((2000, 400), np.float32)}, {"k": np.ones(3, np.float32)})


@pytest.mark.parametrize("before", [[Conv2D(3, 3), MaxPool2D()], [Conv2D(3, 3)], [Conv2D(3, 3), ReLU()]])
def test_a_gradient_of_another_shape_than_the_input_is_told_by_its_layer(before):
    def summed(x):
        return x.reshape(len(x), -1).sum(-1, keepdims=True), lambda dy: np.ones((len(x), 1, 2, 2), np.float32)
    model = Sequential([*before, Lambda(summed, name="summed"), Dense(3)], input_shape=(1, 8, 8), seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"summed.*: expected backward to return dx of the shape of its input, \(6, "
                                         r".*\. Received: \(6, 1, 2, 2\)\."):
        model.fit(np.ones((6, 1, 8, 8)), np.eye(3)[Y], verbose=0)


def test_an_upstream_gradient_of_another_shape_than_the_output_is_told():
    model = Sequential([Conv2D(3, 3), Flatten()], input_shape=(1, 8, 8), seed=0)
    _, backward = model.forward(np.ones((2, 1, 8, 8)), training=True)
    with pytest.raises(ValueError, match=r"expected dy, the gradient of what forward returned, \(2, 108\)\. Received: "
                                         r"\(2, 100\)\."):
        backward(np.ones((2, 100)))


@pytest.mark.parametrize("layers", [[], [Conv2D(8, 2, activation="relu")]])
def test_global_maxima_of_no_samples(layers):
    model = Sequential([*layers, GlobalMaxPooling2D()], input_shape=(3, 4, 5))
    y, backward = model.forward(np.zeros((0, 3, 4, 5), np.float32), training=True)
    assert y.shape == (0, 8 if layers else 3)
    assert backward(y).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("layer", [Conv2D(5, 3), DepthwiseConv2D(3), Conv2DTranspose(5, 3), MaxPool2D(),
                                   RandomRotation(0.1), Residual([Conv2D(3, 3, padding="same")])],
                         ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("change", [lambda s: (2, *s[1:]), lambda s: (*s[:3], s[3] + 3), lambda s: (*s[:3], 1)])
def test_a_layer_by_itself_reads_no_memory_behind_an_upstream_gradient(layer, change, rng):
    layer.build((3, 12, 12), rng)
    y, backward = layer.forward(np.ones((4, 3, 12, 12), np.float32), training=True)
    with pytest.raises(ValueError, match="xpected"):
        backward(np.ones(change(y.shape), np.float32))
