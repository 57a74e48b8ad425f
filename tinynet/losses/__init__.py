"""How wrong a prediction is, as one number, and the slope of that number: where every backward pass begins.

A loss is called as ``loss(y_true, y_pred)``; ``loss.forward(y_true, y_pred, sample_weight=None)`` returns
``(value, backward)`` and ``backward()`` is d value / d y_pred. The value is the mean over the batch, in nats
for the cross-entropies; with sample weights w it is ``sum(w * losses) / batch size``.
"""

from __future__ import annotations

from typing import cast

from tinynet.checks import invalid
from tinynet.losses.base import Loss, LossLike
from tinynet.losses.binary import BinaryCrossentropy
from tinynet.losses.categorical import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.losses.divergence import KLDivergence
from tinynet.losses.function import FunctionLoss, LossFunction
from tinynet.losses.functions import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from tinynet.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from tinynet.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)
from tinynet.registry import Identifier, resolve

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "Huber",
           "KLDivergence", "LogCosh", "Loss", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
           "MeanSquaredLogarithmicError", "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge",
           "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "cosine_similarity", "get", "hinge",
           "huber", "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
           "mean_squared_error", "mean_squared_logarithmic_error", "poisson", "sparse_categorical_crossentropy",
           "squared_hinge"]

KNOWN: dict[str, type] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy, "bce": BinaryCrossentropy, "BCE": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError, "MSE": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError,
    "huber": Huber, "log_cosh": LogCosh,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError, "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError, "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "poisson": Poisson, "cosine_similarity": CosineSimilarity,
    "hinge": Hinge, "squared_hinge": SquaredHinge, "categorical_hinge": CategoricalHinge,
    "kl_divergence": KLDivergence, "kld": KLDivergence, "KLD": KLDivergence,
}


def get(identifier: Identifier | LossLike | LossFunction) -> LossLike:
    """Return a loss for a name, a config, a class, a function (see `FunctionLoss`) or an object with ``forward``.

    >>> get("huber")
    Huber(delta=1.0)
    """
    loss = resolve("loss", getattr(identifier, "loss_class", identifier), KNOWN)
    if hasattr(loss, "forward"):
        return cast(LossLike, loss)
    metric = hasattr(loss, "update_state")                    # some have the names of losses, as in Keras
    if callable(loss) and not metric:
        return FunctionLoss(loss)
    raise invalid(None, "a loss: a name, a function of (y_true, y_pred), or an object with forward(y_true, y_pred, "
                  "sample_weight=None)", f"{identifier!r}{', a metric; losses are in tinynet.losses' * metric}")
