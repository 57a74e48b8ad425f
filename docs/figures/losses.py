"""Figures of the chapter on ReLU, softmax and cross-entropy."""

from __future__ import annotations

import numpy as np

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Dense, ReLU, Sigmoid, Softmax, Tanh
from tinynet.losses import CategoricalCrossentropy
from tinynet.study import softmax_step
from tinynet.study.drawing import grid


def nonlinearities():
    """Draw ReLU, sigmoid and tanh, and their slopes."""
    x = np.linspace(-4, 4, 401)[None]                                   # (1, 401)
    figure, axes = grid(1, 2, (9, 3.4))
    for layer, line in ((ReLU(), "-"), (Sigmoid(), "--"), (Tanh(), ":")):
        y, backward = layer.forward(x)
        axes[0, 0].plot(x[0], y[0], f"k{line}", label=type(layer).__name__)
        axes[0, 1].plot(x[0], backward(np.ones_like(x))[0], f"k{line}", label=type(layer).__name__)
    axes[0, 0].set(title="y", xlabel="x", ylim=(-1.2, 3))
    axes[0, 1].set(title="slope, dy/dx", xlabel="x")
    for ax in axes[0]:
        ax.grid(alpha=0.3)
        ax.legend()
    return figure


def softmax_of_a_digit(limit: int | None = None):
    """Draw the step of a test digit, a 5 that looks like a 6, in a network of one dense layer."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    model = Sequential([Dense(10, activation="softmax", input_shape=(784,))], seed=0)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(x_train[:limit].reshape(-1, 784) / 255, y_train[:limit], batch_size=200, epochs=2, verbose=0)
    return softmax_step(model, x_test[8:9].reshape(1, 784) / 255, y_test[8:9]).plot()


def confident_mistakes():
    """Draw loss and slope for a right class behind by more and more, from logits and from probabilities."""
    behind = np.linspace(0, 40, 401, dtype=np.float32)
    z = np.stack([np.zeros_like(behind), behind], axis=1)               # (M, 2): the right class is 0
    y = np.tile([[1.0, 0.0]], (len(z), 1)).astype(np.float32)
    p, back_to_z = Softmax().forward(z)
    logits, probabilities = CategoricalCrossentropy(from_logits=True), CategoricalCrossentropy()
    losses = {"from logits": logits.losses(y, z), "from probabilities": probabilities.losses(y, p)}
    slopes = {"from logits": losses["from logits"][1][:, 0],
              "from probabilities": back_to_z(losses["from probabilities"][1])[:, 0]}
    figure, axes = grid(1, 2, (9, 3.4))
    for name, line in (("from logits", "k-"), ("from probabilities", "k--")):
        axes[0, 0].plot(behind, losses[name][0], line, label=name)
        axes[0, 1].plot(behind, slopes[name], line, label=name)
    axes[0, 0].set(title="loss (nats)", xlabel="how far the right logit is behind")
    axes[0, 1].set(title="slope with respect to the right logit", xlabel="how far the right logit is behind")
    for ax in axes[0]:
        ax.grid(alpha=0.3)
        ax.legend()
    return figure
