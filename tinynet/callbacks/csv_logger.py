"""CSVLogger: every epoch's logs as a line of a file."""

from __future__ import annotations

import csv
import os
import warnings

from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.foreseen import measured
from tinynet.checks import invalid
from tinynet.files.atomic import StrPath


class CSVLogger(Callback):
    """Write a line for each epoch: its number, from 0, and its logs in the order of their names.

    As in Keras, a training without validation has columns for it too, with NA in them, so that one with validation can
    be appended; lines end as in the ``excel`` dialect of `csv`.

    Parameters
    ----------
    filename : the file.
    separator : the character between two numbers.
    append : whether lines are added to what the file has, instead of replacing it. They keep to its columns.

    Raises
    ------
    ValueError : by `fit`, if the file that is to be continued has no column for the loss or a metric.
    OSError : by `fit`, if the file cannot be written.
    """

    state_names = ("size", "keys")

    def __init__(self, filename: StrPath, separator: str = ",", append: bool = False):
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise invalid("CSVLogger", "separator, one character", repr(separator))
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self.size = 0                       # of the file, in bytes, up to the last epoch that is logged

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Make the file if it is missing, and read the columns of one that is continued."""
        with open(self.filename, "a+", newline="", encoding="utf-8") as file:
            file.seek(0)
            head = next(csv.reader(file, delimiter=self.sep), []) if self.append else []
        self.keys, self.size = head[1:] or None, os.path.getsize(self.filename) if self.append else 0
        if head:
            self.check_columns(head)

    def check_columns(self, head: list[str]) -> None:
        """Raise a ValueError unless a file has columns for what is known of the logs before the first epoch."""
        needed = ["epoch", *measured(self)]
        if head[0] != "epoch" or not set(needed) <= set(head):
            raise invalid("CSVLogger", f"columns {', '.join(needed)} in {self.filename}, to append to them "
                          f"(otherwise give another filename, or append=False)", ", ".join(head))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the line."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if without_column := sorted(logs.keys() - set(self.keys)):
            warnings.warn(f"CSVLogger: {self.filename} has no columns for {', '.join(without_column)}, which will not "
                          f"be in it. A file that is begun anew gets columns for all logs of its first epoch.",
                          stacklevel=4)
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            # truncated only here, and not in on_train_begin: only now it is known from which epoch a backup resumes
            start = file.truncate(min(self.size, os.path.getsize(self.filename)))
            writer = csv.writer(file, delimiter=self.sep)
            if start == 0:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(logs.get(key, "NA") for key in self.keys)])
        self.size = os.path.getsize(self.filename)
