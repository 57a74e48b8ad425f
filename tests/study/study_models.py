"""Models for the tests of study: with padding, strides, dilation, nesting, and a layer as a reader writes one."""

import numpy as np
from layers_for_tests import Scale

from tinynet import Sequential
from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D


def twisted(dtype="float64", regularizer=None):
    """Make a compiled model that has every complication of windows, for images (2, 9, 8)."""
    model = Sequential([
        Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="tanh", input_shape=(2, 9, 8),
               kernel_regularizer=regularizer, name="first"),
        MaxPool2D((2, 3), strides=1, padding="same", name="largest"),
        Scale(),
        Sequential([Conv2D(4, 2, dilation_rate=(2, 3), activation="relu"), AveragePool2D(2, strides=1, padding="same")],
                   name="inner"),
        Dropout(0.3),
        Flatten(),
        Dense(6, activation="tanh", kernel_regularizer=regularizer, name="hidden"),
        Dense(4, activation="softmax", name="last"),
    ], dtype=dtype, seed=3)
    rng = np.random.default_rng(4)
    for key, array in model.params.items():
        model.params[key] = (array + rng.normal(0, 0.1, array.shape)).astype(dtype)      # biases are 0 otherwise
    model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    return model


def samples(count=5):
    """Draw images (count, 2, 9, 8) and one-hot targets of four classes."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, 2, 9, 8)), np.eye(4)[rng.integers(4, size=count)]


def mnist_model(larger):
    """Make one of the two convolutional models of the lessons."""
    layers = [Conv2D(30 if larger else 32, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D()]
    if larger:
        layers += [Conv2D(15, 3, activation="relu"), MaxPool2D()]
    layers += [Dropout(0.2), Flatten(), Dense(128, activation="relu")]
    if larger:
        layers += [Dense(50, activation="relu")]
    return Sequential([*layers, Dense(10, activation="softmax")], seed=0)


def seeing(dtype="float64"):
    """Make a model for images (2, 9, 8) of which all receptive fields are known, padded, strided, dilated, nested.

    Rows, (start, size, jump): ``first`` (-1, 3, 2), ``largest`` (-1, 5, 2), ``inner/conv2d_1`` (-1, 9, 2).
    Columns: (0, 2, 1), (-1, 4, 1), (-1, 7, 1).
    """
    return Sequential([
        Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="tanh", input_shape=(2, 9, 8), name="first"),
        MaxPool2D((2, 3), strides=1, padding="same", name="largest"),
        Sequential([Conv2D(4, 2, dilation_rate=(2, 3), activation="relu")], name="inner"),
        Flatten(),
        Dense(4, activation="softmax", name="last"),
    ], dtype=dtype, seed=3)
