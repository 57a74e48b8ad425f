"""Monitoring one metric of the logs: has it improved?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

from tinynet import metrics
from tinynet.callbacks.base import Callback, Logs
from tinynet.callbacks.foreseen import foreseen
from tinynet.checks import invalid
from tinynet.registry import refuse_unknown


class Monitor(Callback):
    """Base of callbacks that monitor a metric.

    Parameters
    ----------
    monitor : the metric's key in the logs, such as ``"val_loss"``.
    mode : whether ``"min"`` or ``"max"`` is better; ``"auto"`` knows it for losses, errors and accuracies.
    min_delta : the least change that counts as an improvement.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0, **unknown: object):
        super().__init__()
        refuse_unknown(type(self), unknown)
        if not isinstance(monitor, str):
            raise invalid(type(self).__name__, "monitor, a name in the logs, such as 'val_loss'", repr(monitor))
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.told = False                   # at the beginning of training, that the logs lack the metric

    unavailable: str                                        # what is said where the logs lack the metric

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Warn at once of a metric that no epoch will have."""
        self.told = False
        names = foreseen(self)
        if names is not None and self.monitor not in names:
            self.warn(sorted(names), stacklevel=6)
            self.told = True

    def better(self, value: float, than: float) -> bool:
        """Return whether a value is an improvement on another."""
        return value - self.min_delta > than if self.largest() else value + self.min_delta < than

    def worst(self) -> float:
        """Return a value that every other one is an improvement on."""
        return -math.inf if self.largest() else math.inf

    def largest(self) -> bool:
        """Return whether larger is better, or raise a ValueError if that is not known."""
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        known = getattr(metrics.KNOWN.get(name), "direction", None)
        if "acc" in name or known == "max":
            return True
        if name == "loss" or name in metrics.KNOWN:
            return False
        raise ValueError(f"{type(self).__name__} callback received monitor={self.monitor}, but tinynet isn't able to "
                         f"automatically determine whether that metric should be maximized or minimized. Pass "
                         f"`mode='max'` in order to monitor based on the highest metric value, or pass `mode='min'` in "
                         f"order to use the lowest value.")

    def value(self, logs: Logs | None) -> float | None:
        """Return the metric, or warn and return None where the logs lack it."""
        logs = logs or {}
        if self.monitor not in logs and not self.told:
            self.warn(logs, stacklevel=6)
        return logs.get(self.monitor)

    def warn(self, keys: Iterable[str], stacklevel: int) -> None:
        """Warn that the metric is not among these."""
        warnings.warn(self.unavailable.format(monitor=self.monitor, keys=",".join(keys)), stacklevel=stacklevel)
