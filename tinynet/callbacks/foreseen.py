"""What the logs of an epoch will have, as far as it is known before the first: mistakes need not wait for its end."""

from __future__ import annotations

from tinynet.callbacks.base import Callback


def measured(callback: Callback) -> list[str]:
    """Return the names of what `fit` itself puts into the logs: loss and metrics, those of validation data too."""
    names = callback.model.metrics_names
    return names + [f"val_{name}" for name in names if callback.run.settings["validation_samples"] != 0]


def foreseen(callback: Callback) -> set[str] | None:
    """Return the names in the logs of an epoch; None where a callback of the user's own might add others."""
    added = [adds(other) for other in callback.run.callbacks]
    return None if None in added else {*measured(callback), *(name for names in added for name in names or ())}


def adds(callback: Callback) -> tuple[str, ...] | None:
    """Return what a callback adds to the logs, None if that is not known: if the user wrote a method that gets them."""
    methods = callback.on_epoch_end, callback.on_train_batch_end
    ours = all(getattr(method, "__module__", "").startswith("tinynet.") for method in methods)
    return callback.adds_to_logs if ours else None
