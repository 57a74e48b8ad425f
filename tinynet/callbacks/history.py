"""History: the loss and the metrics of every epoch."""

from __future__ import annotations

import weakref
from typing import Any

from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.protocols import TrainedModel, TrainingRun
from tinynet.files.atomic import StrPath
from tinynet.tables import Table, Tabular, shortened


class History(Tabular, Callback):
    """The loss and the metrics of every epoch; what `fit` returns.

    Attributes
    ----------
    history : ``{"loss": [...], "accuracy": [...], "val_loss": [...], ...}``, one number an epoch.
    epoch : the epochs' numbers, from 0.
    epochs_of : ``{"loss": [0, 1, ...], "val_loss": [1, 3, ...], ...}``, which epochs those of each list are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self.epochs_of: dict[str, list[int]] = {}

    # The model keeps its history. If that kept the model, too, both, with all weights, would stay in memory when nobody
    # needs them, until Python looks for things that keep each other: thirty models, one after the other, took 1,010 MB
    # in place of 307.

    @property
    def model(self) -> Any:
        """The model that is being trained, or was; None when it is there no more."""
        return getattr(self, "_model", nobody)()

    @model.setter
    def model(self, model: TrainedModel | None) -> None:
        self._model: Any = nobody if model is None else weakref.ref(model)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_model": nobody}

    def set_run(self, run: TrainingRun) -> None:
        """Keep nothing of it, as it has the model and all other callbacks."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's logs."""
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)
            self.epochs_of.setdefault(key, []).append(epoch)

    def in_short(self) -> str:
        """Say how many epochs there are, and the numbers of the last."""
        if not self.epoch:
            return "no epochs yet"
        last = ", ".join(f"{key} {written(values[-1])}" for key, values in self.history.items() if values)
        return f"{len(self.epoch)} epoch{'s' * (len(self.epoch) > 1)}; in the end {last}"

    def tables(self) -> list[Table]:
        """Return a table of the epochs, counted from 1 as the progress bar does."""
        columns = [dict(zip(self.epochs_of.get(key, self.epoch), values, strict=False))
                   for key, values in self.history.items()]
        rows = [[str(epoch + 1), *(written(column.get(epoch)) for column in columns)] for epoch in self.epoch]
        return [Table(["epoch", *self.history], shortened(rows))]

    def plot(self, path: StrPath | None = None) -> Any:
        """Plot every metric over the epochs, training beside validation; return the matplotlib figure."""
        from tinynet.study import plot_history
        return plot_history(self, path)

    def get_state(self) -> dict[str, Any]:
        """Return the epochs and their logs."""
        return {"epoch": list(self.epoch), "history": copied(self.history), "epochs_of": copied(self.epochs_of)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the epochs and their logs."""
        self.epoch, self.history = list(state["epoch"]), copied(state["history"])
        self.epochs_of = copied(state.get("epochs_of", {}))                     # which older backups lack


def nobody() -> None:
    """Take the place of a reference to a model that there is not."""


def copied(lists: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the same with lists of its own."""
    return {key: list(values) for key, values in lists.items()}


def written(value: object) -> str:
    """Write a number of the history with four digits; what a callback has added to the logs may be no number."""
    try:
        return f"{value:.4g}"
    except (TypeError, ValueError):
        return "" if value is None else str(value)[:20]
