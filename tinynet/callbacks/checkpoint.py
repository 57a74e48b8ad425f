"""ModelCheckpoint: save the model after every epoch, or when it is the best so far."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from tinynet.callbacks.base import Logs
from tinynet.callbacks.foreseen import foreseen
from tinynet.callbacks.monitor import Monitor
from tinynet.checks import is_int
from tinynet.files import atomic, saving
from tinynet.files.atomic import StrPath


class ModelCheckpoint(Monitor):
    """Save the model as it trains.

    Parameters
    ----------
    filepath : where to; ``{epoch:02d}``, ``{val_loss:.2f}``, ... stand for the epoch (from 1), its logs, and,
        where it saves after batches, ``{batch}`` (from 1). Missing folders are made.
    monitor, mode, min_delta : the metric that decides which is the best, and by how much, see `Monitor`.
    verbose : 1 prints what it does.
    save_best_only : whether to save only what is better than all before.
    save_weights_only : whether to write the parameters alone, for `load_weights`.
    save_freq : ``"epoch"``, or a number of batches after which to save.
    initial_value_threshold : a value that the first to be saved must improve on.

    Raises
    ------
    ValueError, TypeError : by `fit`, before the first update, if `filepath` names what no log will have, or no file can
        hold the model.
    OSError : by `fit`, if the folder cannot be made or written to, or `filepath` is a folder.
    """

    state_names = ("best", "batches_since_saving")
    unavailable = "Can save best model only with {monitor} available."

    def __init__(self, filepath: StrPath, monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
                 save_freq: str | int = "epoch", initial_value_threshold: float | None = None, **others: Any):
        super().__init__(monitor, mode, **others)
        self.filepath = os.fspath(filepath)
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq = check_save_freq(save_freq, "Unrecognized save_freq: {}. Expected save_freq are 'epoch' or "
                                                    "integer values")
        self.batches_since_saving = 0
        self.best = initial_value_threshold
        if save_best_only:
            self.largest()                              # raises an error where it is not known what is better

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Check what can be checked before the first epoch, which may take an hour."""
        if self.save_best_only:
            super().on_train_begin()
        self.check_name()
        self.check_folder()
        if not self.save_weights_only:
            saving.manifest_of(self.model)

    def check_name(self) -> None:
        """Raise a ValueError if the file's name cannot be formatted with the logs that there will be."""
        names = foreseen(self)
        if names is not None:
            by_batch = self.save_freq != "epoch"        # in the middle of an epoch nothing is validated
            logs = {"batch": 1.0} if by_batch else {}
            logs |= {name: 0.0 for name in names
                     if not name.startswith("val_") or (self.run.always_validates and not by_batch)}
            self.path(0, logs)

    def check_folder(self) -> None:
        """Make the folder, as far as its name is fixed, and raise an OSError if no file can be written there."""
        fixed, field, _ = self.filepath.partition("{")
        folder = os.path.dirname(fixed) or "."
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OSError(error.errno, f"ModelCheckpoint: expected a folder to save into, {folder}. Received: "
                                       f"{error.strerror}") from None
        if not field:
            self.check_file(fixed)

    def check_file(self, path: str) -> None:
        """Raise an error if what is at the path can be no file."""
        if os.path.isdir(path):
            raise IsADirectoryError(f"Please specify a non-directory filepath for ModelCheckpoint. Filepath used is "
                                    f"an existing directory: {path}")
        atomic.check_replaceable(path)

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
        path = self.path(epoch, logs)
        if self.save_best_only and not self.is_best(epoch, logs, path):
            return
        if self.verbose > 0 and not self.save_best_only:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
        self.check_file(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def path(self, epoch: int, logs: Logs) -> str:
        """Return the file's name for an epoch and its logs, or raise a ValueError."""
        try:
            return self.filepath.format(**{**logs, "epoch": epoch + 1})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}. Each time '
                             f'it saves, there are: {", ".join(("epoch", *logs))}.') from None

    def is_best(self, epoch: int, logs: Logs, path: str) -> bool:
        """Compare with the best so far; where the logs lack the metric, all is saved until there is a best."""
        current = self.value(logs)
        if current is None:
            return self.best is None
        improved = self.better(current, self.worst() if self.best is None else self.best)
        if self.verbose > 0:
            best = "None" if self.best is None else f"{self.best:.5f}"
            print(f"\nEpoch {epoch + 1}: {self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
                  if improved else f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {best}")
        if improved:
            self.best = current
        return improved


def check_save_freq(save_freq: str | int, words: str) -> str | int:
    """Return ``"epoch"`` or a positive number of batches, or raise a ValueError in these words."""
    if save_freq == "epoch":
        return "epoch"
    if not is_int(save_freq, 1):
        raise ValueError(words.format(save_freq))
    return int(save_freq)
