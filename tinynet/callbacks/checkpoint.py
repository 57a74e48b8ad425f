"""ModelCheckpoint: save the model after every epoch, or when it is the best so far."""

from __future__ import annotations

import os
from collections import defaultdict

from tinynet.callbacks.base import Logs
from tinynet.callbacks.monitor import Monitor
from tinynet.checks import invalid, is_int
from tinynet.files.atomic import StrPath


class ModelCheckpoint(Monitor):
    """Save the model as it trains.

    Parameters
    ----------
    filepath : where to; ``{epoch:02d}``, ``{val_loss:.2f}``, ... stand for the epoch (from 1), its logs, and,
        where it saves after batches, ``{batch}`` (from 1). Missing folders are made.
    monitor, mode : the metric that decides which is the best, see `Monitor`.
    verbose : 1 prints what it does.
    save_best_only : whether to save only what is better than all before.
    save_weights_only : whether to write the parameters alone, for `load_weights`.
    save_freq : ``"epoch"``, or a number of batches after which to save.
    initial_value_threshold : a value that the first to be saved must improve on.
    """

    state_names = ("best", "batches_since_saving")

    def __init__(self, filepath: StrPath, monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
                 save_freq: str | int = "epoch", initial_value_threshold: float | None = None):
        super().__init__(monitor, mode)
        self.filepath = check_filepath(os.fspath(filepath))
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq = check_save_freq(save_freq)
        self.batches_since_saving = 0
        self.best = initial_value_threshold
        if self.best is None and save_best_only:
            self.best = self.worst()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the epoch, for file names."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save, if it is due."""
        self.batches_since_saving += 1
        if isinstance(self.save_freq, int) and self.batches_since_saving >= self.save_freq:
            self.batches_since_saving = 0
            self.save(self.epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is due."""
        if self.save_freq == "epoch":
            self.save(epoch, logs or {})

    def save(self, epoch: int, logs: Logs) -> None:
        """Save, unless only the best is to be saved and this is not it."""
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise KeyError(f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}') from None
        if self.save_best_only and not self.is_best(epoch, logs, path):
            return
        if self.verbose > 0 and not self.save_best_only:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
        if os.path.isdir(path):
            raise IsADirectoryError(f"Please specify a non-directory filepath for ModelCheckpoint. Filepath used is "
                                    f"an existing directory: {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def is_best(self, epoch: int, logs: Logs, path: str) -> bool:
        """Compare with the best so far; where the logs lack the metric, everything is saved."""
        current = self.value(logs, "Can save best model only with {monitor} available.")
        if current is None or self.best is None:
            return True
        improved = self.better(current, self.best)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {self.monitor} improved from {self.best:.5f} to {current:.5f}, saving model "
                  f"to {path}" if improved else
                  f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
        if improved:
            self.best = current
        return improved


def check_filepath(filepath: str) -> str:
    """Return a file path whose braces can be filled, or raise a ValueError."""
    try:
        filepath.format_map(defaultdict(float, epoch=1, batch=1))
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise invalid("ModelCheckpoint", "filepath with names in its braces, such as {epoch:02d} or {val_loss:.2f}",
                      f"{filepath!r} ({error})") from None
    return filepath


def check_save_freq(save_freq: str | int) -> str | int:
    """Return ``"epoch"`` or a positive number of batches, or raise a ValueError."""
    if save_freq == "epoch":
        return "epoch"
    if not is_int(save_freq, 1):
        raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
    return int(save_freq)
