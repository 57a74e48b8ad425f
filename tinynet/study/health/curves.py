"""The curves of a training: every metric of a History, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinynet.callbacks import History
from tinynet.study.arguments import expect
from tinynet.study.drawing import HIGHLIGHT, StrPath, finish, grid, integer_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(history: History | Mapping[str, Sequence[float]], path: StrPath | None = None) -> Figure:
    """Draw what `fit` returned: a panel for each metric, training and validation in it.

    The training curve is a running mean over each epoch, with dropout on and weights still changing; the validation
    curve is measured with the weights at the epoch's end. So the training loss may well lie above the validation loss.

    Parameters
    ----------
    history : a `History`, or its ``history``, ``{"loss": [...], "val_loss": [...], ...}``.
    path : where to save the picture.

    Raises
    ------
    ValueError : for a history without epochs, and for what is none.
    """
    metrics = history.history if isinstance(history, History) else history
    expect(isinstance(metrics, Mapping), "what fit returned, or model.history", type(history).__name__, "plot_history")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in metrics))
    expect(names, "a History of at least one epoch", "none", "plot_history")
    epochs_of, longest = getattr(history, "epochs_of", {}), max(map(len, metrics.values()))
    figure, axes = grid(1, len(names), (4.6 * len(names), 3.4))
    for ax, name in zip(axes[0], names, strict=True):
        for key, label, style in ((name, "training (running mean)", "o-"), (f"val_{name}", "validation", "s--")):
            if key in metrics:
                values = metrics[key]
                # Where the epochs are not told, validation may have been added later: its values are of the last ones.
                epochs = [epoch + 1 for epoch in epochs_of.get(key, range(longest)[-len(values):])]
                ax.plot(epochs, values, style, color="black" if key == name else HIGHLIGHT, markersize=4,
                        linewidth=1.3, label=label)
        ax.set(xlabel="epoch", ylabel=name)
        integer_ticks(ax.xaxis)
        ax.grid(color="0.9")
        ax.legend(fontsize=8)
    return finish(figure, path)
