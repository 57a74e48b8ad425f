"""ModelCheckpoint: the model on disk, after every epoch or when it is the best so far."""

from __future__ import annotations

import os
from typing import Any

from tinynet.callbacks.monitor import Monitor


class ModelCheckpoint(Monitor):
    """Save the model as it trains.

    Parameters
    ----------
    filepath : where to; ``{epoch:02d}``, ``{val_loss:.2f}``, ... stand for the epoch (from 1), its figures, and,
        where it saves after batches, ``{batch}`` (from 1). Missing folders are made.
    monitor, mode : the figure that says which is the best, see `Monitor`.
    verbose : 1 prints what it does.
    save_best_only : whether to save only what improves on all before.
    save_weights_only : whether to write the parameters alone, for `load_weights`.
    save_freq : ``"epoch"``, or a number of batches after which to save.
    initial_value_threshold : a value to improve on from the beginning.
    """

    state_names = ("best", "batches_since_saving")

    def __init__(self, filepath: str | os.PathLike[str], monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
                 save_freq: str | int = "epoch", initial_value_threshold: float | None = None):
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq = checked_save_freq(save_freq)
        self.batches_since_saving = 0
        self.best: Any = initial_value_threshold
        if self.best is None and save_best_only:
            self.best = self.worst()

    def on_epoch_begin(self, epoch, logs=None):
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Save, if it is time."""
        self.batches_since_saving += 1
        if self.save_freq != "epoch" and self.batches_since_saving >= self.save_freq:
            self.batches_since_saving = 0
            self.save(self.epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch, logs=None):
        """Save, if it is time."""
        if self.save_freq == "epoch":
            self.save(epoch, logs or {})

    def save(self, epoch: int, logs: dict[str, Any]) -> None:
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

    def is_best(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        """Compare with the best so far; where the logs have no such figure, everything is saved."""
        current = self.value(logs, "Can save best model only with {monitor} available.")
        if current is None:
            return True
        improved = self.better(current, self.best)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {self.monitor} improved from {self.best:.5f} to {current:.5f}, saving model "
                  f"to {path}" if improved else
                  f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
        if improved:
            self.best = current
        return improved


def checked_save_freq(save_freq: Any) -> Any:
    """Return ``"epoch"`` or a positive number of batches, or raise a ValueError."""
    whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
    if save_freq != "epoch" and not whole:
        raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
    return save_freq
