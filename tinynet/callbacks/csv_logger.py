"""CSVLogger: every epoch's figures as a line of a file."""

from __future__ import annotations

import csv
import os

from tinynet.callbacks.base import Callback


class CSVLogger(Callback):
    """Write a line an epoch: its number, from 0, and its figures in the order of their names.

    Parameters
    ----------
    filename : the file.
    separator : what stands between two numbers.
    append : whether lines are added to what the file has, or it is begun anew.
    """

    state_names = ("size", "keys")

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self.size = 0                       # of the file, in bytes, up to the last epoch that counts

    def on_train_begin(self, logs=None):
        """Make the file; what is to go from it goes with the first line, when it is known where the training starts."""
        with open(self.filename, "a"):
            self.keys, self.size = None, os.path.getsize(self.filename) if self.append else 0

    def on_epoch_end(self, epoch, logs=None):
        """Write the line."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        with open(self.filename, "a", newline="") as file:
            start = file.truncate(min(self.size, os.path.getsize(self.filename)))
            writer = csv.writer(file, delimiter=self.sep, lineterminator="\n")
            if start == 0:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
        self.size = os.path.getsize(self.filename)
