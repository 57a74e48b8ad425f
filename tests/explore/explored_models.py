"""Models that the page is tried on: the three of the lessons, one of layers of one's own, and one in float64."""

import numpy as np

from tinynet import Sequential
from tinynet.explore.explorer import copy_of
from tinynet.explore.samples import gather
from tinynet.explore.session import Session
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, Residual


class Scale(Layer):
    """A layer of one's own, which says nothing of its arithmetic."""

    def build(self, input_shape, rng):
        self.params["scale"] = rng.normal(1, 0.1, input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0)
            return dy * scale
        return x * scale, backward


class TellingScale(Scale):
    """The same, which explains itself."""

    def explain(self, x, at):
        return np.array([at]), self.params["scale"][at].reshape(1)

    def explain_gradient(self, x, dy, at, key):
        return np.array([at]), (x if key else self.params["scale"])[at].reshape(1)


def mlp():
    return Sequential([Dense(784, activation="relu", kernel_initializer="normal", input_dim=784),
                       Dense(10, activation="softmax", kernel_initializer="normal")], seed=1)


def simple_cnn():
    return Sequential([Conv2D(32, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Dropout(0.2),
                       Flatten(), Dense(128, activation="relu"), Dense(10, activation="softmax")], seed=1)


def larger_cnn(dtype="float32"):
    return Sequential([Conv2D(30, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPool2D(),
                       Conv2D(15, (3, 3), activation="relu"), MaxPool2D(), Dropout(0.2), Flatten(),
                       Dense(128, activation="relu"), Dense(50, activation="relu"), Dense(10, activation="softmax")],
                      dtype=dtype, seed=1)


def own_layer():
    return Sequential([Conv2D(3, 3, activation="tanh", input_shape=(2, 6, 6)), Scale(), TellingScale(), Flatten(),
                       Dense(4, activation="softmax", kernel_regularizer="l2")], seed=1)


def float64():
    return Sequential([Conv2D(4, 3, activation="relu", padding="same", strides=2, input_shape=(3, 9, 9)),
                       Residual([Conv2D(4, 3, padding="same", activation="relu")]),
                       Sequential([MaxPool2D(2, strides=1), Flatten(), Dense(6, activation="gelu")]),
                       Dense(5, activation="softmax")], dtype="float64", seed=1)


MODELS = {make.__name__: make for make in (mlp, simple_cnn, larger_cnn, own_layer, float64)}


def compiled(model, loss="categorical_crossentropy", optimizer="adam"):
    model.compile(loss=loss, optimizer=optimizer, metrics=["accuracy"])
    return model


def samples_for(model, count=40):
    rng = np.random.default_rng(2)
    return rng.random((count, *model.input_shape)).astype(np.float32), rng.integers(model.output_shape[-1], size=count)


def session_of(model, x=None, y=None):
    if x is None:
        x, labels = samples_for(model)
        y = np.eye(model.output_shape[-1])[labels] if y is None and model.loss is not None else y
    copied = copy_of(model, x)
    return Session(copied, gather(copied, x, y), "a model")


def asked(session, method, /, **fields):
    return session.methods[method](fields)
