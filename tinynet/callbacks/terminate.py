"""TerminateOnNaN: the quiet end of a training that diverged."""

from __future__ import annotations

import math

import numpy as np

from tinynet.callbacks.base import Callback


class TerminateOnNaN(Callback):
    """Stop when the loss is NaN or infinite, where `fit` would raise `TrainingDiverged`."""

    def on_train_batch_end(self, batch, logs=None):
        """Stop at a loss that is no number."""
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Stop at weights that are none: the epoch's last update may have spoiled them after its loss was taken."""
        if not self.model.stop_training and not all(np.isfinite(p).all() for p in self.model.params.values()):
            print(f"Epoch {epoch + 1}: Invalid weights, terminating training")
            self.model.stop_training = True
