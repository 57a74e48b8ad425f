"""History: every epoch's figures."""

from __future__ import annotations

from tinynet.callbacks.base import Callback


class History(Callback):
    """Every epoch's figures; what `fit` returns.

    Attributes
    ----------
    history : ``{"loss": [...], "accuracy": [...], "val_loss": [...], ...}``, one number an epoch.
    epoch : the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch's figures."""
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)

    def plot(self, path=None):
        """Draw every figure over the epochs, training beside validation; return the matplotlib figure."""
        from tinynet.study import plot_history
        return plot_history(self, path)

    def get_state(self):
        """Return the epochs and their figures."""
        return {"epoch": list(self.epoch), "history": {key: list(values) for key, values in self.history.items()}}

    def set_state(self, state):
        """Take the epochs and their figures back."""
        self.epoch = list(state["epoch"])
        self.history = {key: list(values) for key, values in state["history"].items()}
