"""How training went: every figure of a History, epoch by epoch."""

from __future__ import annotations

from typing import Any

from tinynet.study.drawing import Path, finish, grid


def plot_history(history: Any, path: Path | None = None) -> Any:
    """Draw what `fit` returned: a panel for each figure, training and validation in it.

    The training curve is a running mean over each epoch, with dropout on and weights still changing; the validation
    curve is measured with the weights at the epoch's end. So the first may well lie above the second.

    Parameters
    ----------
    history : a `History`, or its ``history``, ``{"loss": [...], "val_loss": [...], ...}``.
    path : where to save the picture.

    Raises
    ------
    ValueError : for a history of no epoch.
    """
    figures = getattr(history, "history", history)
    names = list(dict.fromkeys(name.removeprefix("val_") for name in figures))
    if not names:
        raise ValueError("plot_history: expected a History of at least one epoch. Received: one of none.")
    longest = max(map(len, figures.values()))
    epochs = [epoch + 1 for epoch in getattr(history, "epoch", range(longest))]
    figure, axes = grid(1, len(names), (4.6 * len(names), 3.4))
    for ax, name in zip(axes[0], names, strict=True):
        for key, label, style in ((name, "training (running mean)", "o-"), (f"val_{name}", "validation", "s--")):
            if key in figures:
                values = figures[key]
                ax.plot(epochs[-len(values):], values, style, color="black" if key == name else "#D55E00",
                        markersize=4, linewidth=1.3, label=label)
        ax.set(xlabel="epoch", ylabel=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color="0.9")
        ax.legend(fontsize=8)
    return finish(figure, path)
