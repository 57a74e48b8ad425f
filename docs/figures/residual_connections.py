"""Figures of the chapter on residual connections."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import Sequential
from tinynet.layers import BatchNormalization, Dense, Layer, ReLU, Residual
from tinynet.study.drawing import HIGHLIGHT, canvas

DEPTH, UNITS = 16, 64
STYLES = {"plain": "k:", "residual": "k--", "residual, normalised in f": "-", "residual, begins at 0": "k-."}


def residual_connections() -> Any:
    """Draw the variance of the output over the number of blocks, of four kinds."""
    start = np.random.default_rng(0).normal(size=(100, UNITS))
    figure, ax = canvas(size=(6.5, 3.6))
    for kind, style in STYLES.items():
        x, variances = start, [start.var()]
        for seed in range(DEPTH):
            block = Sequential(_block(kind), input_shape=(UNITS,), dtype="float64", seed=seed)
            block.build((UNITS,))
            x, _ = block.forward(x, training=True)
            variances.append(x.var())
        ax.plot(variances, style, label=kind, **({} if style[0] == "k" else {"color": HIGHLIGHT}))
    ax.set(yscale="log", xlabel="blocks", ylabel="variance", xlim=(0, DEPTH))
    ax.legend(fontsize=8, loc="upper left")
    ax.grid(color="0.9")
    return figure


def _block(kind: str) -> list[Layer]:
    """Return the layers of one block."""
    first, last = (Dense(UNITS, kernel_initializer="he_normal", use_bias=False) for _ in range(2))
    if kind == "plain":
        return [first, ReLU(), last, ReLU()]
    if kind == "residual":
        return [Residual([ReLU(), first, ReLU(), last])]
    if kind == "residual, begins at 0":
        return [Residual([first, BatchNormalization(), ReLU(), last, BatchNormalization(gamma_initializer="zeros")])]
    return [Residual([BatchNormalization(), ReLU(), first, BatchNormalization(), ReLU(), last])]
