"""Callbacks that set the learning rate: by the epoch, or when a metric stops improving."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.monitor import Monitor
from tinynet.checks import check_nonnegative, invalid


def learning_rate(callback: Callback) -> float:
    """Return the learning rate of a callback's model, or raise a ValueError if a schedule gives it."""
    optimizer = callback.model.optimizer
    if callable(optimizer.learning_rate):
        raise invalid(type(callback).__name__, "an optimizer whose learning rate is a number",
                      repr(optimizer.learning_rate))
    return float(optimizer.learning_rate)


class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of every epoch; it is added to the logs as ``learning_rate``.

    Parameters
    ----------
    schedule : a function of the epoch, from 0, and the learning rate so far (or of the epoch alone), that returns
        the new one, a float.
    verbose : 1 prints it.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        if not callable(schedule):
            raise invalid("LearningRateScheduler", "schedule, a function of the epoch and the learning rate",
                          repr(schedule))
        self.schedule, self.verbose = schedule, verbose

    adds_to_logs = ("learning_rate",)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Check that it can be set."""
        learning_rate(self)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the learning rate."""
        old = learning_rate(self)
        try:
            inspect.signature(self.schedule).bind(epoch, old)
            arguments: tuple[float, ...] = epoch, old
        except TypeError:
            arguments = epoch,
        new = self.schedule(*arguments)
        if not isinstance(new, (float, np.floating)):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {new}")
        optimizer = self.model.optimizer
        optimizer.learning_rate = optimizer.check_nonnegative("learning_rate", new)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {new}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add it to the logs."""
        if logs is not None:
            logs["learning_rate"] = learning_rate(self)


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when a metric has not improved for some epochs.

    Parameters
    ----------
    monitor, mode, min_delta : the metric, and what counts as an improvement, see `Monitor`.
    factor : below 1.
    patience : epochs without improvement after which to reduce.
    verbose : 1 prints it.
    cooldown : epochs after a reduction that do not count towards the patience.
    min_lr : a lower bound of the learning rate.
    """

    state_names = ("wait", "best", "cooldown_counter")
    unavailable = ("Learning rate reduction is conditioned on metric `{monitor}` which is not available. Available "
                   "metrics are: {keys}.")
    adds_to_logs = ("learning_rate",)

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0.0,
                 **unknown: object):
        super().__init__(monitor, mode, min_delta, **unknown)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        for what, value in (("factor", factor), ("patience", patience), ("cooldown", cooldown), ("min_lr", min_lr)):
            check_nonnegative("ReduceLROnPlateau", what, value)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.reset()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Check that there is something to monitor, and a rate to set; reset what earlier calls of `fit` left."""
        super().on_train_begin()
        learning_rate(self)
        self.reset()

    def reset(self) -> None:
        """Begin without a best value."""
        self.wait = self.cooldown_counter = 0
        self.best = self.worst()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and reduce if there was no improvement for too long."""
        old = learning_rate(self)
        if logs is not None:
            logs["learning_rate"] = old
        current = self.value(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and old > self.min_lr:
                new = max(old * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = new
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
                self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        """Return whether the last reduction is so recent that epochs do not count."""
        return self.cooldown_counter > 0
