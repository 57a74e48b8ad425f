"""Figures of the chapter on optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.optimizers import SGD, Adam, Optimizer, RMSprop
from tinynet.study.drawing import grid
from tinynet.utils import to_categorical

RUNS = {"SGD(0.075)": SGD(0.075), "SGD(0.035, momentum=0.7)": SGD(0.035, momentum=0.7), "RMSprop(0.3)": RMSprop(0.3),
        "Adam(0.3)": Adam(0.3)}
STEPS = 40
KINDS = {"SGD": SGD, "SGD, momentum 0.9": lambda rate: SGD(rate, momentum=0.9), "RMSprop": RMSprop, "Adam": Adam}
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
STYLES = ("-", "--", "-.", ":")


def optimizers(limit: int | None = None) -> Any:
    """Draw the paths of four optimizers through a valley 25 times as steep across as along, and their losses.

    Beside them, what they make of the larger CNN on 2,000 digits in two epochs, at six learning rates.
    """
    figure, axes = grid(3, 2, (8, 7), height_ratios=[1, 1, 1.7])
    a, b = np.meshgrid(np.linspace(-9, 3, 121), np.linspace(-2.8, 2.8, 101))
    losses = {}
    for ax, (name, optimizer) in zip(axes[:2].ravel(), RUNS.items(), strict=True):
        places = _path(optimizer)
        losses[name] = _loss(*places.T)
        ax.contour(a, b, _loss(a, b), levels=np.geomspace(0.1, 130, 5), colors="0.75", linewidths=0.8)
        ax.plot(*places.T, "o-", color="black", markersize=2.5, linewidth=0.9)
        ax.plot(0, 0, marker="*", markersize=12, color="#D55E00", linestyle="none")
        ax.set(xlim=(-9, 3), ylim=(-2.8, 2.8), xlabel="a", ylabel="b")
        ax.set_title(name, fontsize=10)
    valley, network = axes[2]
    for (name, values), style in zip(losses.items(), STYLES, strict=True):
        valley.plot(values, style, color="black", linewidth=1.6, label=name)
    valley.set(yscale="log", xlabel="step", ylabel="loss", xlim=(0, STEPS), title="the valley")
    for (name, optimizer), style, marker in zip(KINDS.items(), STYLES, "ovs^", strict=True):
        network.plot(RATES, [_cnn_loss(optimizer(rate), limit or 2000) for rate in RATES], style, marker=marker,
                     color="black", markersize=4, linewidth=1.6, label=name)
    network.axhline(np.log(10), color="0.7", linewidth=1)
    network.text(RATES[0], 1.1 * np.log(10), "nothing learned", color="0.4", fontsize=8)
    network.set(xscale="log", yscale="log", xlabel="learning rate", title="the larger CNN: loss after 80 steps",
                ylim=(0.1, 9))
    network.set_yticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    network.minorticks_off()
    valley.legend(fontsize=8, loc="lower left")
    network.legend(fontsize=8, loc="upper center", ncols=2)
    for ax in axes[2]:
        ax.title.set_fontsize(10)
        ax.grid(color="0.9")
    return figure


def _cnn_loss(optimizer: Optimizer, limit: int) -> float:
    """Train the larger CNN for two epochs; return the loss on the images that it was trained on, in nats."""
    (images, labels), _ = mnist.load_data()
    x, y = images[:limit, None].astype("float32") / 255, to_categorical(labels[:limit], 10)
    model = Sequential([
        Conv2D(30, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPooling2D((2, 2)),
        Conv2D(15, (3, 3), activation="relu"), MaxPooling2D((2, 2)), Dropout(0.2), Flatten(),
        Dense(128, activation="relu"), Dense(50, activation="relu"), Dense(10, activation="softmax")], seed=7)
    model.compile(loss="categorical_crossentropy", optimizer=optimizer)
    model.fit(x, y, epochs=2, batch_size=50, verbose=0)
    return float(model.evaluate(x, y, verbose=0))


def _loss(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a ** 2 + 25 * b ** 2) / 2


def _path(optimizer: Optimizer) -> np.ndarray:
    """Return the places (STEPS + 1, 2) that an optimizer goes through, from (-8, 2)."""
    optimizer = type(optimizer)(**optimizer.get_config())                 # nothing accumulated yet
    params, places = {"ab": np.array([-8.0, 2.0])}, [[-8.0, 2.0]]
    for _ in range(STEPS):
        optimizer.update(params, {"ab": params["ab"] * [1, 25]})
        places.append(params["ab"].tolist())
    return np.array(places)
