"""History: the loss and the metrics of every epoch."""

from __future__ import annotations

from typing import Any

from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.protocols import TrainingRun
from tinynet.files.atomic import StrPath


class History(Callback):
    """The loss and the metrics of every epoch; what `fit` returns.

    Attributes
    ----------
    history : ``{"loss": [...], "accuracy": [...], "val_loss": [...], ...}``, one number an epoch.
    epoch : the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def set_run(self, run: TrainingRun) -> None:
        """Keep nothing of it: the model keeps this history, and must not keep all other callbacks with it."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's logs."""
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)

    def plot(self, path: StrPath | None = None) -> Any:
        """Plot every metric over the epochs, training beside validation; return the matplotlib figure."""
        from tinynet.study import plot_history
        return plot_history(self, path)

    def get_state(self) -> dict[str, Any]:
        """Return the epochs and their logs."""
        return {"epoch": list(self.epoch), "history": {key: list(values) for key, values in self.history.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the epochs and their logs."""
        self.epoch = list(state["epoch"])
        self.history = {key: list(values) for key, values in state["history"].items()}
