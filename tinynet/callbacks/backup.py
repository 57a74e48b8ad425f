"""BackupAndRestore: a training that was killed continues as if it had not been."""

from __future__ import annotations

import contextlib
import math
import warnings
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.checkpoint import check_save_freq
from tinynet.files import atomic, safefile, saving
from tinynet.files.atomic import StrPath
from tinynet.files.in_use import InUse
from tinynet.files.settings import Settings, check_same, settings_of, text
from tinynet.optimizers import Optimizer

Backup = tuple[dict[str, np.ndarray], dict[str, Any]]             # weights by name; the state of model and run
RATE = "optimizer, learning_rate"
# the learning rate that an interrupted training left its optimizer with, and the one it began with
interrupted: WeakKeyDictionary[Optimizer, tuple[str, str]] = WeakKeyDictionary()


class BackupAndRestore(Callback):
    """Back the training up as it goes, and start from the newest backup in the folder.

    The same script run again after a kill, an error or Ctrl-C ends with the weights, the history and the files of
    an uninterrupted run, to the bit: a backup holds the weights, the optimizer's arrays and count, the learning rate,
    every random generator, the epoch, the batch, the order of the samples, the running means of loss and metrics, and
    the states of the other callbacks. The first is made at the start. The folder keeps the last two, each written
    atomically; where the newest is damaged, a warning says so and the one before is used. At the end of the training
    they are removed.

    Parameters
    ----------
    backup_dir : a folder for this training alone; made if it is missing.
    save_freq : ``"epoch"``, or a number of batches after which to back up.
    double_checkpoint : Keras's, which keeps the last two only then; here they are always kept.
    delete_checkpoint : whether the backups are removed at the end; if not, a longer training can continue from them.

    Raises
    ------
    ValueError : by `fit`, if another training uses the folder now, or if the newest backup is of another training: a
        setting of the model, of `compile` or of `fit` differs, or the number of samples. What changes as it goes, such
        as the learning rate, counts as it was at the start. Not compared are the numbers in the data, `epochs` and
        `verbose`, nor the arguments of callbacks.
    """

    called_last = True                  # what the other callbacks do at the same moment is part of the backup

    def __init__(self, backup_dir: StrPath, save_freq: str | int = "epoch", double_checkpoint: bool = False,
                 delete_checkpoint: bool = True):
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        self.backup_dir, self.delete_checkpoint = Path(backup_dir), delete_checkpoint
        self.double_checkpoint = double_checkpoint
        self.save_freq = check_save_freq(save_freq, "Invalid value for argument `save_freq`. Received: save_freq={}. "
                                                    "Expected either 'epoch' or an integer value.")
        self.unsaved = 0                # batches since the last backup
        self.found: Backup | None = None
        self.settings: Settings = {}
        self.in_use = InUse(self.backup_dir)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore the newest backup."""
        self.settings = {**settings_of(self.model), RATE: rate_at_start(self.model.optimizer)}
        try:
            self.backup_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"BackupAndRestore: expected a folder of its own, {self.backup_dir}. Received: "
                                       f"{error.strerror}") from None
        self.in_use.begin()
        for left_by_a_kill in self.backup_dir.glob(atomic.TEMPORARY.format("*")):
            left_by_a_kill.unlink(missing_ok=True)
        self.unsaved = 0
        self.found = self.newest()
        if self.found:
            self.restore(*self.found)
        elif not self.backups():
            self.save()                 # of the very start, see `begin_again`

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Restore it again if it is from inside an epoch: the others have just reset themselves for a new one."""
        if self.found and self.run.batch:
            self.restore(*self.found)
        self.found = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Back up, if it is due."""
        self.unsaved += 1
        due = isinstance(self.save_freq, int) and self.unsaved >= self.save_freq
        if due and math.isfinite((logs or {}).get("loss", 0)):
            self.save()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Back up, if it is due."""
        if self.save_freq == "epoch":
            self.save()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Remove the backups, unless the training was interrupted."""
        if self.delete_checkpoint and self.run.finished:
            for path in self.backups():
                path.unlink(missing_ok=True)
            self.in_use.end()
            with contextlib.suppress(OSError):                 # the user's own files are in it
                self.backup_dir.rmdir()
        elif self.settings:                                    # this callback has begun
            interrupted[self.model.optimizer] = text(self.model.optimizer.learning_rate), self.settings[RATE]
        self.in_use.end()

    def backups(self) -> list[Path]:
        """List the backups, the newest last; number 0 is of the start."""
        return sorted(self.backup_dir.glob("backup-*.safetensors"))

    def save(self) -> None:
        """Write a backup, and remove all but the one before it; weights that are not finite are not backed up."""
        if not all(np.isfinite(p).all() for p in self.model.params.values()):
            return
        self.unsaved = 0
        before = self.backups()
        number = 1 + number_of(before[-1]) if before else 0
        saving.write(self.backup_dir / f"backup-{number:012}.safetensors", {"kind": "backup"}, self.model, lambda: {
            "model": saving.model_state(self.model), "run": self.run.get_state(), "settings": self.settings})
        for path in before[:-1]:
            path.unlink(missing_ok=True)

    def newest(self) -> Backup | None:
        """Return the newest backup that is intact; those that are not are renamed, out of the way."""
        for path in reversed(self.backups()):
            try:
                file = safefile.read(path)
                file.verify()
            except safefile.SavedFileError as error:
                warnings.warn(f"BackupAndRestore: the newest backup is damaged, and is left out. {error} The one "
                              f"before is used; if there is none, the training starts anew.", stacklevel=4)
                path.rename(path.with_suffix(".damaged"))
                continue
            if number_of(path) > 0:
                return self.checked(file)
            self.begin_again(path, file)
        return None

    def begin_again(self, path: Path, start: safefile.SafeFile) -> None:
        """Restore the callbacks, and them alone, from the backup of the start: all else the script has made anew.

        A log that is continued was so long when the training began that was killed before its next backup.
        """
        try:
            self.run.set_callback_states(self.checked(start)[1]["run"]["callbacks"])
        except ValueError:                                     # of another training, of which nothing is lost
            path.unlink()

    def checked(self, file: safefile.SafeFile) -> Backup:
        """Return what is in a backup, or raise a ValueError if it is of another training."""
        try:
            params, state = saving.read_weights(file, self.model), saving.read_state(file)
            saving.check_model_state(self.model, state["model"])
            check_same(self.settings, state["settings"])
            self.run.check_state(state["run"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"BackupAndRestore: {file.path} is the backup of another training. Give this one a folder "
                             f"of its own, or delete that. ({error})") from error
        now, then = self.run.callback_states().keys(), state["run"]["callbacks"].keys()
        if now != then:
            warnings.warn(f"BackupAndRestore: expected the callbacks of the backup, {sorted(then)}. Received: "
                          f"{sorted(now)}. Those that are new start anew.", stacklevel=5)
        return params, state

    def restore(self, params: dict[str, np.ndarray], state: dict[str, Any]) -> None:
        """Restore model, optimizer, generators, run and callbacks."""
        saving.set_weights(self.model, params)
        saving.restore_model_state(self.model, state["model"])
        self.run.set_state(state["run"])


def number_of(backup: Path) -> int:
    """Return the number in a backup's name: they are counted from 0 in each training."""
    return int(backup.stem.partition("-")[2])


def rate_at_start(optimizer: Optimizer) -> str:
    """Return the learning rate; where an interrupted training goes on with the same model, the one it began with."""
    rate = text(optimizer.learning_rate)
    left, begun = interrupted.get(optimizer, (rate, rate))
    return begun if rate == left else rate
