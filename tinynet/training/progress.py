"""What `fit` shows: a bar on a terminal and in a notebook, otherwise one line an epoch."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping

from tinynet.callbacks import Callback
from tinynet.callbacks.base import Logs
from tinynet.checks import invalid


def for_verbosity(verbose: int | str) -> list[Callback]:
    """Return what shows progress: nothing for 0, a bar (or lines, where no bar can be drawn) for 1, lines for 2."""
    if verbose not in (0, 1, 2, "auto"):
        raise invalid("fit", "verbose 0 (silent), 1 (progress bar) or 2 (one line an epoch)", repr(verbose))
    if verbose == 0:
        return []
    return [ProgressBar()] if verbose != 2 and (sys.stdout.isatty() or in_notebook()) else [EpochLines()]


def in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def format_logs(logs: Mapping[str, float] | None) -> str:
    """Write logs in a row: ``loss: 0.2801 - accuracy: 0.9209``; tiny ones with an exponent."""
    return " - ".join(f"{key}: {value:.4f}" if value == 0 or abs(value) > 1e-3 else f"{key}: {value:.4e}"
                      for key, value in (logs or {}).items())


class EpochLines(Callback):
    """One line an epoch: its number, seconds and logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the line."""
        seconds = time.perf_counter() - self.start
        print(f"Epoch {epoch + 1}/{self.params['epochs']} - {seconds:.0f}s - {format_logs(logs)}", flush=True)


class ProgressBar(Callback):
    """A bar an epoch, with the time left and the running means of the logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw an empty bar."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")           # without ipywidgets a notebook gets the bar made of text
            from tqdm.auto import tqdm
        self.bar = tqdm(total=self.params["samples"], unit=" samples", file=sys.stdout, mininterval=0.2,
                        desc=f"Epoch {epoch + 1}/{self.params['epochs']}", dynamic_ncols=True)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Advance the bar."""
        done = min((batch + 1) * self.params["batch_size"], self.params["samples"])
        self.bar.set_postfix_str(format_logs(logs), refresh=False)
        self.bar.update(done - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Leave the full bar with the epoch's logs, those of the validation included."""
        self.bar.set_postfix_str(format_logs(logs))
        self.bar.close()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the bar of an epoch that did not end."""
        if hasattr(self, "bar"):
            self.bar.close()
