"""EarlyStopping: no more epochs once they have stopped helping."""

from __future__ import annotations

import numpy as np

from tinynet.callbacks.base import Logs
from tinynet.callbacks.monitor import Monitor
from tinynet.checks import check_nonnegative, check_number


class EarlyStopping(Monitor):
    """Stop when a metric has not improved for some epochs.

    Parameters
    ----------
    monitor, min_delta, mode : the metric, and what counts as an improvement, see `Monitor`.
    patience : epochs without improvement after which to stop.
    verbose : 1 prints why it stopped.
    baseline : a value to improve on; only an improvement on it, too, resets the patience.
    restore_best_weights : whether the weights of the best epoch are restored at the end.
    start_from_epoch : epochs at the start that are not monitored.

    Attributes
    ----------
    stopped_epoch : the epoch that was the last, from 0; 0 if it did not stop.
    best, best_epoch, best_weights : the best value, its epoch, and that epoch's weights if they are to be restored.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(1, kernel_initializer="zeros", input_dim=1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit([[1.0]], [[0.0]], epochs=9, verbose=0, callbacks=[EarlyStopping("loss", patience=2)])
    >>> history.history["loss"]                                    # the first, and two that did not improve on it
    [0.0, 0.0, 0.0]
    """

    state_names = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")
    unavailable = ("Early stopping conditioned on metric `{monitor}` which is not available. Available metrics are: "
                   "{keys}")

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False,
                 start_from_epoch: int = 0, **unknown: object):
        super().__init__(monitor, mode, min_delta, **unknown)
        for what, value in (("patience", patience), ("start_from_epoch", start_from_epoch)):
            check_nonnegative("EarlyStopping", what, value)
        if baseline is not None:
            check_number("EarlyStopping", "baseline", baseline)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.reset()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Check that there is something to monitor; reset what earlier calls of `fit` left."""
        self.reset()
        super().on_train_begin()

    def reset(self) -> None:
        """Begin without a best value."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.worst()
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and stop if there was no improvement for too long."""
        current = self.value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        improved = self.better(current, self.best)
        if improved:
            self.best, self.best_epoch = current, epoch
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if improved and (self.baseline is None or self.better(current, self.baseline)):
            self.wait = 0
        if not improved and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Report the stop, and restore the best weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
