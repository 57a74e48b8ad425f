"""Figures of the chapter on optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.optimizers import SGD, Adam, Optimizer, RMSprop
from tinynet.study.drawing import grid

RUNS = {"SGD(0.075)": SGD(0.075), "SGD(0.035, momentum=0.7)": SGD(0.035, momentum=0.7), "RMSprop(0.3)": RMSprop(0.3),
        "Adam(0.3)": Adam(0.3)}
STEPS = 40


def optimizers() -> Any:
    """Draw the paths of four optimizers through a valley 25 times as steep across as along, and their losses."""
    figure, axes = grid(3, 2, (8.6, 7.2), height_ratios=[1, 1, 1.35])
    a, b = np.meshgrid(np.linspace(-9, 3, 121), np.linspace(-2.8, 2.8, 101))
    losses = {}
    for ax, (name, optimizer) in zip(axes[:2].ravel(), RUNS.items(), strict=True):
        places = _path(optimizer)
        losses[name] = _loss(*places.T)
        ax.contour(a, b, _loss(a, b), levels=np.geomspace(0.1, 130, 7), colors="0.75", linewidths=0.8)
        ax.plot(*places.T, "o-", color="black", markersize=2.5, linewidth=0.9)
        ax.plot(0, 0, marker="*", markersize=12, color="#D55E00", linestyle="none")
        ax.set(xlim=(-9, 3), ylim=(-2.8, 2.8), xlabel="a", ylabel="b")
        ax.set_title(name, fontsize=10)
    gridspec = axes[2, 0].get_gridspec()
    axes[2, 1].remove()
    ax = axes[2, 0]
    ax.set_subplotspec(gridspec[2, :])
    for (name, values), style in zip(losses.items(), ("-", "--", "-.", ":"), strict=True):
        ax.plot(values, style, color="black", linewidth=1.6, label=name)
    ax.set(yscale="log", xlabel="step", ylabel="loss", xlim=(0, STEPS))
    ax.grid(color="0.9")
    ax.legend(fontsize=9, loc="lower left")
    return figure


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
