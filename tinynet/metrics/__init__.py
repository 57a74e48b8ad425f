"""What is reported beside the loss: functions that return one number for each sample, and objects that count.

A function of (y_true, y_pred) is enough for a metric of one's own: its mean is reported. What is no mean, such as a
precision, is a `Metric`: see there. Both check their targets, before the first update too.

>>> import numpy as np
>>> categorical_accuracy(np.array([[0, 1], [1, 0]]), np.array([[0.2, 0.8], [0.4, 0.6]]))
array([1., 0.])
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import cast

from tinynet.checks import invalid
from tinynet.metrics.auc import AUC
from tinynet.metrics.base import MeanMetric, MeanOf, Metric
from tinynet.metrics.confusion import FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives
from tinynet.metrics.functions import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    categorical_crossentropy,
    crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
)
from tinynet.metrics.means import (
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    KLDivergence,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from tinynet.metrics.of_losses import (
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    LogCoshError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
)
from tinynet.metrics.targets import MetricFunction, takes
from tinynet.registry import pick, spelled

__all__ = [
    "AUC", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalHinge",
    "CosineSimilarity", "FalseNegatives", "FalsePositives", "Hinge", "KLDivergence", "LogCoshError",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanMetric", "MeanSquaredError", "MeanSquaredLogarithmicError",
    "Metric", "Poisson", "Precision", "Recall", "RootMeanSquaredError", "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy", "SquaredHinge", "TopKCategoricalAccuracy",
    "TrueNegatives", "TruePositives", "accuracy", "binary_accuracy", "categorical_accuracy", "categorical_crossentropy",
    "crossentropy", "get", "mean_absolute_error", "mean_squared_error", "named", "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy", "takes",
]

MetricLike = MetricFunction | Metric
USED_BY_FIT = ("loss", "epoch", "batch", "learning_rate")             # keys of the logs, columns, parts of file names

KNOWN: dict[str, MetricFunction | type[Metric]] = {
    "accuracy": accuracy, "acc": accuracy, "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy, "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "mean_squared_error": mean_squared_error, "mse": mean_squared_error, "MSE": mean_squared_error,
    "mean_absolute_error": mean_absolute_error, "mae": mean_absolute_error, "MAE": mean_absolute_error,
    "categorical_crossentropy": categorical_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "crossentropy": crossentropy, "ce": crossentropy,
    "binary_crossentropy": BinaryCrossentropy, "bce": BinaryCrossentropy,
    "kl_divergence": KLDivergence, "kld": KLDivergence,
    "root_mean_squared_error": RootMeanSquaredError, "rmse": RootMeanSquaredError,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError, "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError, "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "log_cosh_error": LogCoshError, "log_cosh": LogCoshError, "poisson": Poisson, "cosine_similarity": CosineSimilarity,
    "hinge": Hinge, "squared_hinge": SquaredHinge, "categorical_hinge": CategoricalHinge,
    "true_positives": TruePositives, "false_positives": FalsePositives, "true_negatives": TrueNegatives,
    "false_negatives": FalseNegatives,
    "precision": Precision, "recall": Recall, "auc": AUC,
    "Precision": Precision, "Recall": Recall, "AUC": AUC,
}
CLASSES: dict[str, type[Metric]] = {cls.__name__: cls for cls in (
    AUC, BinaryAccuracy, BinaryCrossentropy, CategoricalAccuracy, CategoricalCrossentropy, CategoricalHinge,
    CosineSimilarity, FalseNegatives, FalsePositives, Hinge, KLDivergence, LogCoshError, MeanAbsoluteError,
    MeanAbsolutePercentageError, MeanSquaredError, MeanSquaredLogarithmicError, Poisson, Precision, Recall,
    RootMeanSquaredError, SparseCategoricalAccuracy, SparseCategoricalCrossentropy, SparseTopKCategoricalAccuracy,
    SquaredHinge, TopKCategoricalAccuracy, TrueNegatives, TruePositives)}


def get(identifier: str | MetricLike | type[Metric]) -> tuple[str, MetricLike]:
    """Return the name that the logs have, and the metric, for a known name, a callable, or a `Metric` or its class.

    A name stays as it was given, that of a class becomes the metric's; a class is made with its defaults.
    """
    if isinstance(identifier, str):
        identifier = spelled(identifier, KNOWN)
        found = pick("metric", identifier, KNOWN)
        return identifier, found if not isinstance(found, type) else found(name=identifier)
    metric = identifier() if isinstance(identifier, type) and issubclass(identifier, Metric) else identifier
    if isinstance(metric, Metric):
        return metric.name, metric
    if not callable(metric):
        raise invalid(None, "a metric: a name, a callable (y_true, y_pred), or a Metric", repr(metric))
    return getattr(metric, "__name__", type(metric).__name__), cast(MetricFunction, metric)


def named(metrics: Iterable[str | MetricLike | type[Metric]]) -> dict[str, MetricLike]:
    """Return metrics by name, or raise a ValueError where two have one name, or one the name of something else."""
    found: dict[str, MetricLike] = {}
    for name, metric in map(get, metrics):
        if name in USED_BY_FIT or name.startswith("val_"):
            raise invalid("compile", f"metrics named otherwise than {', '.join(USED_BY_FIT)} and val_..., which stand "
                                     f"for something else in the logs", repr(name))
        if name in found:
            raise invalid("compile", "metrics of different names (that of a function is its __name__, of an object its "
                                     "name=)", f"two called {name!r}")
        found[name] = metric
    return found


def is_object(metric: object) -> bool:
    """Return whether a metric is one by itself, with settings, rather than a function or its weighted mean."""
    return isinstance(metric, Metric) and not isinstance(metric, MeanOf)


def weighted(metrics: Iterable[str | MetricLike | type[Metric]], others: Iterable[str]) -> dict[str, Metric]:
    """Return metrics by name, made to heed sample weights; one that is among the `others` too is ``weighted_NAME``."""
    return weighted_from((f"weighted_{name}" if name in others else name, metric)
                         for name, metric in named(metrics).items())


def weighted_from(metrics: Iterable[tuple[str, MetricLike]]) -> dict[str, Metric]:
    """Return metrics that heed sample weights, by name: functions as weighted means, objects as copies so named."""
    found = {}
    for name, metric in metrics:
        found[name] = copy.copy(metric) if isinstance(metric, Metric) else MeanOf(metric, name)
        found[name].name = name
    return found
