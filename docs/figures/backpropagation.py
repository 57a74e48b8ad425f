"""Figures of the chapter on backpropagation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import Sequential, study
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from tinynet.study.drawing import PIXELS, grid, scale_of, show
from tinynet.utils import to_categorical

SHOWN = ("conv2d_1/relu", "max_pool2d_1", "conv2d_2/relu", "max_pool2d_2")
MAPS = 4                                                          # of each step, in a square


def backpropagation() -> Any:
    """Draw what the larger CNN, untrained, makes of a digit, and under each array the gradient of the loss."""
    model = Sequential([
        Conv2D(30, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPooling2D((2, 2)),
        Conv2D(15, (3, 3), activation="relu"), MaxPooling2D((2, 2)), Dropout(0.2), Flatten(),
        Dense(128, activation="relu"), Dense(50, activation="relu"), Dense(10, activation="softmax"),
    ], dtype="float64", seed=7)
    model.compile(loss="categorical_crossentropy")
    images, labels = mnist.load_data()[0]
    trace = study.Trace(model, images[:1].reshape(1, 1, 28, 28) / 255)
    gradients = trace.loss_gradients(to_categorical(labels[:1], 10))
    stages = [("input", trace.inputs[0], gradients[0])]
    stages += [(name, trace.outputs[i], gradients[i + 1]) for name in SHOWN for i in [trace.place(name)]]

    figure, axes = grid(2, len(stages) + 1, (13, 5.6))
    for (top, bottom), (name, forward, back) in zip(axes.T, stages, strict=False):
        for ax, arrays, signed in ((top, forward, False), (bottom, back, True)):
            image = _square(arrays[0, :MAPS])
            drawn = show(ax, image, scale_of(arrays[0, :MAPS]), signed)
            drawn.set_cmap("RdBu_r" if signed else PIXELS)
            bar = figure.colorbar(drawn, ax=ax, orientation="horizontal", pad=0.03, shrink=0.9)
            bar.ax.tick_params(labelsize=7)
            bar.ax.locator_params(nbins=4)
            ax.spines[:].set_visible(False)
        shown = "" if forward.shape[1] == 1 else f"\n{MAPS} of {forward.shape[1]} maps"
        top.set_title(f"{name}{shown}\n{forward.shape[2]} x {forward.shape[3]}", fontsize=9)
    for ax, numbers, title in ((axes[0, -1], trace.outputs[-1][0], "probabilities"),
                               (axes[1, -1], gradients[-1][0], "d loss / d logits: p - t")):
        ax.barh(range(10), numbers, color="0.4")
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_yticks(range(10))
        ax.invert_yaxis()
        ax.tick_params(labelsize=8)
        ax.set_title(title, fontsize=9)
    axes[0, 0].set_ylabel("forward, left to right", fontsize=10)
    axes[1, 0].set_ylabel("gradient, right to left", fontsize=10)
    return figure


def _square(maps: np.ndarray) -> np.ndarray:
    """Lay 1 or 4 maps (C, H, W) out in a square, a blank line between them."""
    if len(maps) == 1:
        return maps[0]
    wide = np.pad(maps, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    return np.block([[wide[0], wide[1]], [wide[2], wide[3]]])[:-1, :-1]
