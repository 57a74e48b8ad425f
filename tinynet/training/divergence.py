"""When the loss is not finite any more: in which layer it began, and what usually causes that."""

from __future__ import annotations

import math

import numpy as np

from tinynet.callbacks.terminate import TrainingDiverged
from tinynet.layers.base import Layer
from tinynet.optimizers import Optimizer
from tinynet.steps.run import forwards
from tinynet.steps.step import steps_of
from tinynet.steps.untouched import untouched
from tinynet.training.data import Data


def check_loss(model: Layer, optimizer: Optimizer, loss: float, epoch: int, batch: int, data: Data) -> None:
    """Raise TrainingDiverged if a loss is not finite; the weights are still those that led to it."""
    if not math.isfinite(loss):
        with np.errstate(all="ignore"):
            layer, what = first_bad(model, optimizer, data.x, data.y)
        raise TrainingDiverged(f"The loss is {loss} in epoch {epoch + 1}, batch {batch + 1} (both counted from 1). The "
                               f"first to go bad: {what}", epoch, batch, layer)


def check_weights(model: Layer, optimizer: Optimizer, epoch: int, batch: int) -> None:
    """Raise TrainingDiverged if an epoch's last update, which no loss follows, made weights NaN or infinite."""
    if any(not_finite(p) for p in model.params.values()):
        layer, what = first_bad_weights(model, optimizer)
        raise TrainingDiverged(f"The weights are not finite after the last batch of epoch {epoch + 1}. The first to go "
                               f"bad: {what}", epoch, batch, layer)


def first_bad(model: Layer, optimizer: Optimizer, x: np.ndarray, y: np.ndarray) -> tuple[str | None, str]:
    """Return the first layer whose output or gradient is not finite, and in words what it is and why that happens."""
    for what, array in {"x": x, "y": y}.items():
        if not_finite(array):
            return None, f"the data, {what} itself. Usually caused by missing values, or a division by 0."
    if any(not_finite(p) for p in model.params.values()):
        return first_bad_weights(model, optimizer)
    scale = f"x is from {x.min():g} to {x.max():g}"
    with untouched(model):                          # the steps as the layers' files show them, so that each has a name
        for ran in forwards(steps_of(model), x, training=True):
            x, (name, layer, _) = ran.y, ran.step
            if not_finite(x):
                return name, (f"the output of {name!r} ({type(layer).__name__}). Usually caused by "
                              f"{too_fast(optimizer)}, or by inputs that are not scaled to about 1 ({scale}).")
    return None, (f"the loss itself; all outputs are numbers, up to {np.abs(x).max():g}. Usually caused by "
                  f"{too_fast(optimizer)}, or by data that are not scaled to about 1 ({scale}, y from {y.min():g} to "
                  f"{y.max():g}).")


def first_bad_weights(model: Layer, optimizer: Optimizer) -> tuple[str, str]:
    """Return the layer whose gradient or update made the weights NaN or infinite, and in words what usually does."""
    grads = model.grads
    key = next((key for key in reversed(grads) if not_finite(grads[key])), None)          # in the order of backward
    what = "gradient" if key else "update"
    key = key or next(key for key, p in model.params.items() if not_finite(p))
    return key.rpartition("/")[0], (f"the {what} of {key!r}. Usually caused by {too_fast(optimizer)}: try a tenth of "
                                    f"it, or clipnorm=1.")


def too_fast(optimizer: Optimizer) -> str:
    """Write the most common cause."""
    return f"a learning rate ({optimizer.current_learning_rate():g}) that is too large"


def not_finite(array: np.ndarray) -> bool:
    """Return whether an array has a NaN or an infinity."""
    return not np.isfinite(array).all()
