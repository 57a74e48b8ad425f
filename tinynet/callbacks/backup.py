"""BackupAndRestore: a training that was killed goes on as if it had not been."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.callbacks.base import Callback
from tinynet.callbacks.checkpoint import checked_save_freq
from tinynet.files import atomic, safefile, saving


class BackupAndRestore(Callback):
    """Back the training up as it goes, and begin where the newest backup in the folder was made.

    The same script run again after a kill, an error or Ctrl-C ends with the weights, the history and the files of
    the run that was never interrupted, to the bit: a backup holds the weights, the optimizer's arrays and count,
    the learning rate, every random generator, the epoch, the batch, the order of the samples, the running figures
    and the states of the other callbacks. The folder keeps the last two, each written whole or not at all; where
    the newest is damaged, a warning says so and the one before is used. At the end of the training they are removed.

    Parameters
    ----------
    backup_dir : the folder, of this training alone; made if it is missing.
    save_freq : ``"epoch"``, or a number of batches after which to back up.
    delete_checkpoint : whether the backups are removed at the end; kept, they let a longer training go on from it.

    Raises
    ------
    ValueError : by `fit`, if the newest backup is of another model, another optimizer, or data of another size.
    """

    called_last = True                  # what the other callbacks do at the same moment is part of the backup

    def __init__(self, backup_dir: str | os.PathLike[str], save_freq: str | int = "epoch",
                 delete_checkpoint: bool = True):
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        self.backup_dir, self.delete_checkpoint = Path(backup_dir), delete_checkpoint
        self.save_freq = checked_save_freq(save_freq)
        self.unsaved = 0                # batches since the last backup

    def on_train_begin(self, logs=None):
        """Go to where the newest backup was made."""
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        for left_by_a_kill in self.backup_dir.glob(atomic.TEMPORARY.format("*")):
            left_by_a_kill.unlink(missing_ok=True)
        self.unsaved = 0
        self.found = self.newest()
        if self.found:
            self.restore(*self.found)

    def on_epoch_begin(self, epoch, logs=None):
        """Go there again: where it is inside an epoch, the others have just been told of its beginning once more."""
        if self.found and self.run.batch:
            self.restore(*self.found)
        self.found = None

    def on_train_batch_end(self, batch, logs=None):
        """Back up, if it is time."""
        self.unsaved += 1
        if self.save_freq != "epoch" and self.unsaved >= self.save_freq and math.isfinite((logs or {}).get("loss", 0)):
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        """Back up, if it is time."""
        if self.save_freq == "epoch":
            self.save()

    def on_train_end(self, logs=None):
        """Remove the backups, unless the training was cut short."""
        if self.delete_checkpoint and self.run.finished:
            for path in self.backups():
                path.unlink()
            with contextlib.suppress(OSError):                 # someone else's files are in it
                self.backup_dir.rmdir()

    def backups(self) -> list[Path]:
        """List the backups, the newest last."""
        return sorted(path for path in self.backup_dir.glob("backup-*.safetensors"))

    def save(self) -> None:
        """Write a backup, and remove those before the one before it; weights that are no numbers are not kept."""
        if not all(np.isfinite(p).all() for p in self.model.params.values()):
            return
        self.unsaved = 0
        before = self.backups()
        number = 1 + int(before[-1].stem.partition("-")[2]) if before else 1
        state = {"model": saving.model_state(self.model), "run": self.run.get_state()}
        saving.write(self.backup_dir / f"backup-{number:012}.safetensors", {"kind": "backup"}, self.model, state)
        for path in before[:-1]:
            path.unlink()

    def newest(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return parameters and state out of the newest backup that is whole; those that are not are set aside."""
        for path in reversed(self.backups()):
            try:
                file = safefile.read(path)
                file.verify()
            except safefile.SavedFileError as error:
                warnings.warn(f"BackupAndRestore: the newest backup is damaged, and is left out. {error} The one "
                              f"before is used; if there is none, the training starts anew.", stacklevel=4)
                path.rename(path.with_suffix(".damaged"))
                continue
            return self.checked(file)
        return None

    def checked(self, file: safefile.SafeFile) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return parameters and state, or raise a ValueError if they are those of another training."""
        try:
            params, state = saving.read_weights(file, self.model), saving.read_state(file)
            saving.check_model_state(self.model, state["model"])
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
        """Put everything back."""
        saving.set_weights(self.model, params)
        saving.set_model_state(self.model, state["model"])
        self.run.set_state(state["run"])
