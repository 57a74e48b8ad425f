"""Figures of the chapter on batch normalisation."""

from __future__ import annotations

from typing import Any

from tinynet import Sequential, TrainingDiverged
from tinynet.datasets import mnist
from tinynet.layers import BatchNormalization, Dense, ReLU
from tinynet.optimizers import SGD
from tinynet.study.drawing import HIGHLIGHT, canvas

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def batch_normalisation(limit: int | None = None) -> Any:
    """Draw how many digits a network of ten layers gets right after three epochs of SGD, over the learning rate."""
    figure, ax = canvas(size=(6.5, 3.6))
    for normalise, style in ((False, "o--"), (True, "s-")):
        right = [100 * _right(normalise, rate, limit or 2000) for rate in RATES]
        ax.plot(RATES, right, style, color=HIGHLIGHT if normalise else "black",
                label=f"{'with' if normalise else 'without'} batch normalisation")
    ax.axhline(10, color="0.7", linewidth=1)
    ax.text(1.8, 12, "chance", color="0.4", fontsize=8)
    ax.text(RATES[0], 2, "0: the loss was NaN", color="0.4", fontsize=8)
    ax.set(xscale="log", xlabel="learning rate", ylabel="right (%)", ylim=(-3, 100))
    ax.legend(fontsize=8, loc=(0.6, 0.3))
    ax.grid(color="0.9")
    return figure


def _right(normalise: bool, rate: float, limit: int) -> float:
    """Train ten layers, and return the part of the training images that they get right; 0 if the loss was NaN."""
    (images, y), _ = mnist.load_data()
    x, y = images[:limit].reshape(-1, 784) / 255, y[:limit]
    model = Sequential(input_shape=(784,), seed=1)
    for _ in range(10):
        model.add(Dense(64, kernel_initializer="he_normal"))
        if normalise:
            model.add(BatchNormalization(momentum=0.9))
        model.add(ReLU())
    model.add(Dense(10, activation="softmax"))
    model.compile(SGD(rate), "sparse_categorical_crossentropy", ["accuracy"])
    try:
        model.fit(x, y, batch_size=50, epochs=3, verbose=0)
    except TrainingDiverged:
        return 0.0
    return model.evaluate(x, y, verbose=0)[1]
