"""Callback, what all of them derive from, and several of them called as one."""

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
    run : where that call stands, a `tinynet.training.run.Run`.
    state_names : class attribute, names of the attributes that an exact resume must store.
    """

    state_names: tuple[str, ...] = ()
    called_last = False

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        """Take the model that is about to be trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what `fit` was called with."""
        self.params = params

    def set_run(self, run: Any) -> None:
        """Take what knows where `fit` stands."""
        self.run = run

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once, after the last epoch, with its figures; also where an error or Ctrl-C ends the training."""

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
        """Return what an exact resume must store: scalars, strings, arrays, and lists and dicts of them."""
        return {name: getattr(self, name) for name in self.state_names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_state` returned; called after ``on_train_begin``."""
        for name in self.state_names:
            setattr(self, name, state[name])


class CallbackList:
    """Several callbacks called as one, in order: ``callbacks.call("on_epoch_end", epoch, logs)``."""

    def __init__(self, callbacks: Iterable[Callback]):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Expected callbacks derived from tinynet.callbacks.Callback. Received: {callback!r}.")
        self.callbacks.sort(key=lambda callback: callback.called_last)         # the others stay in order

    def call(self, hook: str, *args: Any) -> None:
        """Call the method `hook` of each."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)
