"""When the loss is no number any more: where it went wrong, and what usually causes that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.callbacks.terminate import TrainingDiverged
from tinynet.steps.run import forwards
from tinynet.steps.step import steps_of
from tinynet.steps.untouched import untouched
from tinynet.training.data import Data


def check_loss(model: Any, loss: float, epoch: int, batch: int, data: Data) -> None:
    """Raise TrainingDiverged if a loss is not finite; the weights are still those that led to it."""
    if not math.isfinite(loss):
        with np.errstate(all="ignore"):
            layer, what = first_bad(model, data.x, data.y)
        raise TrainingDiverged(f"The loss is {loss} in epoch {epoch + 1}, batch {batch + 1} (both counted from 1). The "
                               f"first to go bad: {what}", epoch, batch, layer)


def check_weights(model: Any, epoch: int) -> None:
    """Raise TrainingDiverged if the last update of an epoch spoiled the weights, and nobody stopped because of it."""
    if not model.stop_training and any(bad(p) for p in model.params.values()):
        layer, what = spoiled(model)
        raise TrainingDiverged(f"The weights are not finite after the last batch of epoch {epoch + 1}. The first to go "
                               f"bad: {what}", epoch, model.history.params["steps"] - 1, layer)


def first_bad(model: Any, x: np.ndarray, y: np.ndarray) -> tuple[str | None, str]:
    """Return the first layer whose output or gradient is not finite, and in words what it is and why that happens."""
    if bad(x) or bad(y):
        return None, f"the data, {'x' if bad(x) else 'y'} itself. Usually caused by missing values, or a division by 0."
    if any(bad(p) for p in model.params.values()):
        return spoiled(model)
    scale = f"x is from {x.min():g} to {x.max():g}"
    with untouched(model):
        for ran in forwards(steps_of(model), x, training=True):
            x, (name, layer, _) = ran.y, ran.step
            if bad(x):
                return name, (f"the output of {name!r} ({type(layer).__name__}). Usually caused by "
                              f"{too_fast(model)}, or by inputs that are not scaled to about 1 ({scale}).")
    return None, (f"the loss itself; all outputs are numbers, up to {np.abs(x).max():g}. Usually caused by "
                  f"{too_fast(model)}, or by data that are not scaled to about 1 ({scale}, y from {y.min():g} to "
                  f"{y.max():g}).")


def spoiled(model: Any) -> tuple[str, str]:
    """Return the layer through which an update spoiled the weights: the first in the order in which backward ran."""
    grads = model.grads
    key = next((key for key in reversed(grads) if bad(grads[key])), None)
    what = "gradient" if key else "update"
    key = key or next(key for key, p in model.params.items() if bad(p))
    return key.rpartition("/")[0], (f"the {what} of {key!r}. Usually caused by {too_fast(model)}: try a tenth of "
                                    f"it, or clipnorm=1.")


def too_fast(model: Any) -> str:
    """Write the usual suspect."""
    return f"a learning rate ({model.optimizer.current_learning_rate():g}) that is too large"


def bad(array: np.ndarray) -> bool:
    """Tell whether an array has a NaN or an infinity."""
    return not np.isfinite(array).all()
