"""Figures of the chapter on initialisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import Sequential, study
from tinynet.initializers import RandomNormal
from tinynet.layers import Dense
from tinynet.study.drawing import HIGHLIGHT, grid

DEPTH, UNITS = 30, 256
INITIALIZERS = {"N(0, 0.15)": RandomNormal(0, 0.15), "he_normal": "he_normal", "glorot_uniform": "glorot_uniform",
                "N(0, 0.05)": RandomNormal(0, 0.05)}
STYLES = (":", "-", "--", "-.")


def initialisation() -> Any:
    """Draw the size of outputs and of gradients through thirty layers, for four initialisers."""
    x, dy = np.random.default_rng(0).normal(size=(2, 100, UNITS))
    figure, axes = grid(1, 2, (10, 3.8), sharey=True)
    for (name, initializer), style in zip(INITIALIZERS.items(), STYLES, strict=True):
        model = Sequential([Dense(UNITS, activation="relu", kernel_initializer=initializer) for _ in range(DEPTH)],
                           input_shape=(UNITS,), dtype="float64", seed=0)
        trace = study.Trace(model, x)
        sizes = [_size(y) for step, y in zip(trace.steps, trace.outputs, strict=False) if step.name.endswith("/relu")]
        colour = HIGHLIGHT if name == "he_normal" else "black"
        axes[0, 0].plot(range(DEPTH + 1), [_size(x), *sizes], style, color=colour, label=name)
        axes[0, 1].plot(range(DEPTH + 1), [_size(g) for g in trace.backward(dy)[::2]], style, color=colour, label=name)
    for ax, title in zip(axes[0], ("outputs, forward", "gradients, backward (right to left)"), strict=True):
        ax.set(yscale="log", xlabel="layer", title=title, xlim=(0, DEPTH))
        ax.grid(color="0.9")
    axes[0, 0].set_ylabel("root mean square")
    axes[0, 0].legend(fontsize=8)
    return figure


def _size(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(array ** 2)))
