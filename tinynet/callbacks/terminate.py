"""TerminateOnNaN, and the error that `fit` raises without it."""

from __future__ import annotations

import math

import numpy as np

from tinynet.callbacks.base import Callback, Logs


class TrainingDiverged(RuntimeError):       # noqa: N818 (the name says what happened)
    """The loss became NaN or infinite; ``model.history`` has the epochs before, and no update was made with it.

    Attributes
    ----------
    epoch, batch : where, both from 0 (the message counts from 1, as progress does).
    layer : name of the first layer whose output or gradient is not finite, as in ``model.steps()``; None if it was the
        data, or the loss alone.
    """

    def __init__(self, message: str, epoch: int, batch: int, layer: str | None):
        super().__init__(message)
        self.epoch, self.batch, self.layer = epoch, batch, layer


class TerminateOnNaN(Callback):
    """Stop when the loss is NaN or infinite, where `fit` would raise `TrainingDiverged`.

    Parameters
    ----------
    raise_error : whether to raise Keras's RuntimeError rather than to end the training quietly.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Stop at a loss that is not finite."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            self.stop(f"Batch {batch}: Invalid loss, terminating training",
                      f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. ")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Stop at weights that are not finite: the epoch's last update comes after the last loss that was checked."""
        if not self.model.stop_training and not all(np.isfinite(p).all() for p in self.model.params.values()):
            self.stop(f"Epoch {epoch + 1}: Invalid weights, terminating training",
                      f"NaN or Inf weights encountered at the end of epoch {epoch + 1}. ")

    def stop(self, printed: str, raised: str) -> None:
        """End the training in one way or the other."""
        if self.raise_error:
            raise RuntimeError(f"{raised}Terminating training immediately.")
        print(printed)
        self.model.stop_training = True
