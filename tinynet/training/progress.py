"""What `fit` shows: a bar on a terminal and in a notebook, otherwise one line an epoch."""

from __future__ import annotations

import shutil
import sys
import time
import warnings
from collections.abc import Mapping

from tinynet import kernels
from tinynet.callbacks import Callback
from tinynet.callbacks.base import Logs
from tinynet.checks import invalid, is_number
from tinynet.kernels.compilation import compilation

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


def for_verbosity(verbose: int | str) -> list[Callback]:
    """Return what shows progress: nothing for 0, a bar (or lines, where no bar can be drawn) for 1, lines for 2."""
    if verbose not in (0, 1, 2, "auto"):
        raise invalid("fit", "verbose 0 (silent), 1 (progress bar) or 2 (one line an epoch)", repr(verbose))
    if verbose == 0:
        return []
    return [ProgressBar()] if verbose != 2 and (on_terminal() or in_notebook()) else [EpochLines()]


def on_terminal() -> bool:
    """Return whether the standard output is a terminal; a program without windows of text may have none at all."""
    return bool(getattr(sys.stdout, "isatty", bool)())


def print_line(text: str) -> None:
    """Print a line on the standard output, whatever stands there, at once; what it cannot spell as question marks."""
    if sys.stdout is not None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), flush=hasattr(sys.stdout, "flush"))


def in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def format_logs(logs: Mapping[str, float] | None) -> str:
    """Write logs in a row: ``loss: 0.2801 - accuracy: 0.9209``; tiny ones with an exponent."""
    return " - ".join(f"{key}: {written(value)}" for key, value in (logs or {}).items())


def written(value: object) -> str:
    """Write a number with four digits after the point, or before the exponent; anything else, of a callback, in short.
    """
    if not is_number(value):
        return str(value)[:20]
    return f"{value:.4f}" if value == 0 or abs(value) > 1e-3 else f"{value:.4e}"


class EpochLines(Callback):
    """One line an epoch: its number, seconds and logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the line."""
        seconds = time.perf_counter() - self.start
        print_line(f"Epoch {epoch + 1}/{self.params['epochs']} - {seconds:.0f}s - {format_logs(logs)}")


class ProgressBar(Callback):
    """A bar an epoch, with the time left and the running means of the logs; below it, at the epoch's end, its logs.

    They have a line of their own, as all of them do not fit a terminal of 80 columns beside a bar. The time in which
    kernels are compiled, at the first start, does not count: it says nothing of what is left.
    """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Load the kernels, before there is a clock, and listen for those that are compiled."""
        kernels.current()
        self.said, self.told, self.before = False, False, compilation.seconds
        compilation.listeners.add(self.say_compiling)

    def say_compiling(self) -> None:
        """Say, once, why the bar does not move."""
        if not self.said and hasattr(self, "bar"):
            self.said = True
            self.bar.set_postfix_str("compiling kernels, once")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw an empty bar."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")           # without ipywidgets a notebook gets the bar made of text
            from tqdm.auto import tqdm
        # of a terminal that does not tell its width, the usual one; a notebook's is its own affair
        columns, rows = (None, None) if in_notebook() else shutil.get_terminal_size()
        self.compiled = compilation.seconds
        self.bar = tqdm(total=self.total(), file=sys.stdout, mininterval=0.2, ncols=columns, nrows=rows,
                        desc=f"Epoch {epoch + 1}/{self.params['epochs']}", bar_format=BAR)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Advance the bar."""
        self.leave_out_compiling()
        done = (batch + 1) * (self.params["batch_size"] or 1)
        self.bar.set_postfix_str(format_logs(logs), refresh=False)
        self.bar.update(min(done, self.total() or done) - self.bar.n)

    def total(self) -> int | None:
        """Return the number of samples in an epoch; of batches, if nobody knows it; None if nobody knows either."""
        steps, samples = self.params["steps"], self.params["samples"]
        return steps if samples is None else min(samples, steps * self.params["batch_size"])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Leave the full bar, and below it the epoch's logs, those of the validation included.

        Before them, once, how long the kernels took to be compiled.
        """
        self.leave_out_compiling()
        self.bar.set_postfix_str("")
        self.bar.close()
        if self.said and not self.told:
            self.told = True
            print_line(f"Kernels were compiled in {compilation.seconds - self.before:.1f}s; they are kept.")
        print_line(format_logs(logs))

    def leave_out_compiling(self) -> None:
        """Move the beginning of the bar's clock by the time in which kernels were compiled."""
        seconds = compilation.seconds - self.compiled
        self.compiled += seconds
        self.bar.start_t += seconds
        self.bar.last_print_t += seconds

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the bar of an epoch that did not end."""
        compilation.listeners.discard(self.say_compiling)            # where another callback failed, it is not there
        if hasattr(self, "bar"):
            self.bar.close()
