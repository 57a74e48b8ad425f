"""CSVLogger: every epoch's logs as a line of a file."""

from __future__ import annotations

import csv
import os

from tinynet.callbacks.base import Callback, Logs
from tinynet.files.atomic import StrPath


class CSVLogger(Callback):
    """Write a line for each epoch: its number, from 0, and its logs in the order of their names.

    Parameters
    ----------
    filename : the file.
    separator : the string between two numbers.
    append : whether lines are added to what the file has, instead of replacing it.
    """

    state_names = ("size", "keys")

    def __init__(self, filename: StrPath, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self.size = 0                       # of the file, in bytes, up to the last epoch that is logged

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Make the file if it is missing."""
        with open(self.filename, "a", encoding="utf-8"):
            self.keys, self.size = None, os.path.getsize(self.filename) if self.append else 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the line."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            # truncated only here, and not in on_train_begin: only now it is known from which epoch a backup resumes
            start = file.truncate(min(self.size, os.path.getsize(self.filename)))
            writer = csv.writer(file, delimiter=self.sep, lineterminator="\n")
            if start == 0:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
        self.size = os.path.getsize(self.filename)
