"""A first network with tinynet, as a notebook has it: digits of MNIST, two dense layers, compile, fit, evaluate."""

from __future__ import annotations

import numpy as np

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Dense, Dropout
from tinynet.optimizers import SGD
from tinynet.utils import set_random_seed, to_categorical

Data = tuple[np.ndarray, np.ndarray]


def load(train: int = 3000, test: int = 1000) -> tuple[Data, Data]:
    """Return images as rows (N, 784), from 0 to 1, with one-hot labels (N, 10): to train on, and to test with."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = x_train[:train], x_test[:test]
    y_train, y_test = y_train[:train], y_test[:test]
    x_train = x_train.reshape(train, 784).astype("float32") / 255
    x_test = x_test.reshape(test, 784).astype("float32") / 255
    return (x_train, to_categorical(y_train, 10)), (x_test, to_categorical(y_test, 10))


def make() -> Sequential:
    """Return the network, compiled."""
    model = Sequential([
        Dense(64, activation="relu", kernel_initializer="he_uniform", input_dim=784),
        Dropout(0.2),
        Dense(10, activation="softmax"),
    ])
    model.compile(loss="categorical_crossentropy", optimizer=SGD(0.1, momentum=0.9), metrics=["accuracy"])
    return model


def main() -> None:
    """Train for five epochs, and print loss and accuracy of each, of new digits too."""
    set_random_seed(7)
    (x_train, y_train), (x_test, y_test) = load()
    model = make()
    history = model.fit(x_train, y_train, epochs=5, batch_size=50, validation_data=(x_test, y_test), verbose=0).history
    for epoch in range(5):
        print(f"epoch {epoch + 1}   loss {history['loss'][epoch]:.3f}   accuracy {history['accuracy'][epoch]:.3f}   "
              f"new digits: loss {history['val_loss'][epoch]:.3f}   accuracy {history['val_accuracy'][epoch]:.3f}")


if __name__ == "__main__":
    main()
