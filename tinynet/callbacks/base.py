"""Callback, the base of all of them, and several of them called as one."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from tinynet.callbacks.protocols import TrainedModel, TrainingRun

Logs = dict[str, float]                     # loss and metrics by name, those of the validation data as "val_loss", ...


class Callback:
    """Base of all; every method may be overridden, and does nothing here.

    Attributes
    ----------
    model : the model that is being trained.
    params : ``{"epochs", "steps", "samples", "verbose", "batch_size"}`` of the call to `fit`.
    run : the progress of that call, a `tinynet.training.run.Run`.
    state_names : class attribute, names of the attributes that an exact resume must store.
    """

    state_names: tuple[str, ...] = ()
    called_last = False
    adds_to_logs: tuple[str, ...] = ()      # by this package's own methods; what a user's may add is not known
    model: TrainedModel                     # `fit` sets these three before the first hook
    run: TrainingRun
    params: dict[str, Any]

    def __init__(self) -> None:
        self.model, self.params = None, {}                                          # type: ignore[assignment]

    def set_model(self, model: TrainedModel) -> None:
        """Receive the model that is about to be trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive the settings of this call to `fit`."""
        self.params = params

    def set_run(self, run: TrainingRun) -> None:
        """Receive the progress of this call to `fit`."""
        self.run = run

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once, after the last epoch, with its logs; also where an error or Ctrl-C ends the training."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch; epochs are counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch and its validation, with their logs; entries added to them stay."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of training; batches are counted from 0 in every epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of training, with the running means of this epoch's loss and metrics."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`, as in Keras, for a callback that does not define that one."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`, as in Keras, for a callback that does not define that one."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before an evaluation on the validation data."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of an evaluation; batches are counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of an evaluation, with its running means so far."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after an evaluation, with its logs."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before `predict` computes anything."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of `predict`; batches are counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after each batch of `predict`, with its ``{"outputs": array}``."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after `predict` has computed all."""

    def get_state(self) -> dict[str, Any]:
        """Return what an exact resume must store: scalars, strings, arrays, and lists and dicts of them."""
        return {name: getattr(self, name) for name in self.state_names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_state` returned; called after ``on_train_begin``."""
        for name in self.state_names:
            if name in state:
                setattr(self, name, state[name])
            else:
                warnings.warn(f"{type(self).__name__}: {name} starts anew, as the state that is restored is of a "
                              f"callback without it.", stacklevel=2)


Callbacks = Callback | Iterable["Callbacks"] | None          # one, or a list, which may have lists in it, as in Keras


def listed(callbacks: Callbacks) -> list[Callback]:
    """Return callbacks as a flat list, or raise a TypeError."""
    if callbacks is None:
        return []
    if isinstance(callbacks, Iterable) and not isinstance(callbacks, (Callback, str)):
        return [each for item in callbacks for each in listed(item)]
    if not isinstance(callbacks, Callback):
        hint = f" Did you mean {callbacks.__name__}(...)?" if isinstance(callbacks, type) else ""
        raise TypeError(f"fit: expected callbacks derived from tinynet.callbacks.Callback, a list or one. Received: "
                        f"{callbacks!r}.{hint}")
    return [callbacks]


def check_hooks(callback: Callback) -> None:
    """Raise a TypeError for a method that cannot be called as `fit` will call it, perhaps after an hour."""
    for hook in (name for name in vars(Callback) if name.startswith("on_")):
        method = getattr(callback, hook)
        takes = [name for name in ("epoch", "batch") if name in hook] + ["logs"]
        try:
            inspect.signature(method).bind(*takes)
        except ValueError:                                  # a builtin function, of which this is not known
            pass
        except TypeError as error:
            raise TypeError(f"{type(callback).__name__}.{hook}: expected a function of ({', '.join(takes)}). Received: "
                            f"{method!r} ({error}).") from None


class CallbackList:
    """Several callbacks called as one, in order: ``callbacks.call("on_epoch_end", epoch, logs)``."""

    def __init__(self, callbacks: Callbacks):
        self.callbacks = listed(callbacks)
        for callback in self.callbacks:
            check_hooks(callback)
        self.callbacks.sort(key=lambda callback: callback.called_last)         # a stable sort: the others stay in order
        self.begun: list[Callback] = []                                        # those that know of the training

    def call(self, hook: str, *args: object) -> None:
        """Call the method `hook` of each."""
        if hook == "on_train_end":
            self.end(*args)
            return
        for callback in self.callbacks:
            if hook == "on_train_begin":
                self.begun.append(callback)
            getattr(callback, hook)(*args)

    def end(self, *args: Any) -> None:
        """Tell the end to all that were told the beginning; an error of one of them is raised after the last."""
        with ExitStack() as calls:
            for callback in reversed(self.begun):
                calls.callback(callback.on_train_end, *args)
