"""What `fit` calls as it goes: at the start and the end of training, of every epoch and of every batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Logs = dict[str, float]


class Callback:
    """Base of all; every method may be overridden, and does nothing here.

    Attributes
    ----------
    model : the model that is being trained.
    params : ``{"epochs", "steps", "samples", "verbose", "batch_size"}`` of the call to `fit`.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Take the model that is about to be trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what `fit` was called with."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once, after the last epoch, with its figures."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch, which are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch, validation included, with its figures; what is added to them stays."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of training, which are counted from 0 in every epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of training, with the running means of this epoch."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before an evaluation, that of the validation data included."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after an evaluation, with its figures."""

    def get_state(self) -> dict[str, Any]:
        """Return what an exact resume must store: scalars and arrays."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_state` returned."""


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

    def get_state(self):
        """Return the epochs and their figures."""
        return {"epoch": list(self.epoch), "history": {key: list(values) for key, values in self.history.items()}}

    def set_state(self, state):
        """Take the epochs and their figures back."""
        self.epoch = list(state["epoch"])
        self.history = {key: list(values) for key, values in state["history"].items()}


class CallbackList:
    """Several callbacks called as one, in order: ``callbacks.call("on_epoch_end", epoch, logs)``."""

    def __init__(self, callbacks: Iterable[Callback]):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Expected callbacks derived from tinynet.callbacks.Callback. Received: {callback!r}.")

    def call(self, hook: str, *args: Any) -> None:
        """Call the method `hook` of each."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)
