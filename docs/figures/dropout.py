"""Figures of the chapter on dropout."""

from __future__ import annotations

from typing import Any

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Dense, Dropout
from tinynet.study.drawing import grid
from tinynet.utils import to_categorical


def dropout(limit: int | None = None) -> Any:
    """Draw the losses of one network, trained without dropout and with it, on images that are too few."""
    train, test = mnist.load_data()
    (x, y), validation = ((images[:limit or 1000].reshape(-1, 784) / 255, to_categorical(labels[:limit or 1000], 10))
                          for images, labels in (train, test))
    figure, axes = grid(1, 2, (9, 3.6), sharey=True)
    for ax, rate in zip(axes[0], (0.0, 0.5), strict=True):
        model = Sequential([Dense(128, activation="relu", input_dim=784), Dropout(rate),
                            Dense(10, activation="softmax")], dtype="float64", seed=0)
        model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
        history = model.fit(x, y, validation_data=validation, epochs=40, batch_size=100, verbose=0).history
        epochs = range(1, 41)
        ax.plot(epochs, history["loss"], "o-", color="black", markersize=3, linewidth=1.2, label="training")
        ax.plot(epochs, history["val_loss"], "s--", color="#D55E00", markersize=3, linewidth=1.2, label="validation")
        ax.set(title=f"dropout of {rate:.0%}" if rate else "without dropout", xlabel="epoch", ylim=(0, 1))
        ax.grid(color="0.9")
        ax.legend(fontsize=8)
    axes[0, 0].set_ylabel("cross-entropy (nats)")
    return figure
