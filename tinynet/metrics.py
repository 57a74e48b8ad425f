"""What is reported beside the loss: functions of (y_true, y_pred) that return one number for each sample.

Each checks its targets, before the first update too: see `takes`.

>>> import numpy as np
>>> categorical_accuracy(np.array([[0, 1], [1, 0]]), np.array([[0.2, 0.8], [0.4, 0.6]]))
array([1., 0.])
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.losses.targets import as_binary, as_labels, as_one_hot, as_values
from tinynet.registry import pick

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray | float]
M = TypeVar("M", bound=Metric)
Check = Callable[[str, ArrayLike, tuple[int, ...]], np.ndarray]       # (metric, y_true, shape of y_pred) -> y_true
USED_BY_FIT = ("loss", "epoch", "batch", "learning_rate")             # keys of the logs, columns, parts of file names


# What a metric takes for targets.

def binary(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return targets of the predictions' shape, all from 0 to 1."""
    return as_binary(owner, y_true, shape, "'mae' or 'mse'")


def one_hot(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return one-hot targets."""
    return as_one_hot(owner, y_true, shape, "the metric whose name begins with sparse_")


def labels(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return labels (N, ...)."""
    return as_labels(owner, y_true, shape, "the metric without sparse_ in its name")


def classes(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return one-hot targets where they have the predictions' shape, else labels; 0 and 1 for a single output."""
    if shape[-1] == 1:
        return binary(owner, y_true, shape)
    return (one_hot if np.shape(y_true) == tuple(shape) else labels)(owner, y_true, shape)


def takes(check: Check) -> Callable[[M], M]:
    """Give a metric its form of targets: others are a ValueError, from each call, and before `fit` changes anything.

    The metric gets an attribute ``check_targets(y_true, shape)``, as a loss has; one of your own may have one too.
    """
    def checked(function: M) -> M:
        owner = f"metric {function.__name__}"

        @functools.wraps(function)
        def metric(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray | float:
            return function(check(owner, y_true, np.shape(y_pred)), np.asarray(y_pred))
        metric.check_targets = functools.partial(check, owner)        # type: ignore[attr-defined]
        return cast(M, metric)
    return checked


@takes(one_hot)
def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the one-hot target, else 0."""
    return (y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)).astype(float)


@takes(labels)
def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the largest prediction is at the label, else 0."""
    return (y_true == y_pred.argmax(axis=-1)).astype(float)


@takes(binary)
def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the share of outputs on the target's side of 0.5."""
    return ((y_pred > 0.5) == (y_true > 0.5)).mean(axis=-1)


@takes(classes)
def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the accuracy that fits the shapes: one-hot targets, labels, or a single output."""
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    fits = categorical_accuracy if y_true.shape == y_pred.shape else sparse_categorical_accuracy
    return fits(y_true, y_pred)


@takes(as_values)
def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the squared differences."""
    return np.square(y_pred - y_true).mean(axis=-1)


@takes(as_values)
def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return the mean of the absolute differences."""
    return np.abs(y_pred - y_true).mean(axis=-1)


@takes(one_hot)
def categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the one-hot target."""
    return CategoricalCrossentropy().losses(y_true, y_pred)[0]


@takes(labels)
def sparse_categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the label."""
    return SparseCategoricalCrossentropy().losses(y_true, y_pred)[0]


@takes(classes)
def crossentropy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return ``-log p`` of the right class: the cross-entropy that fits the shapes, one-hot targets or labels."""
    fits = categorical_crossentropy if y_true.shape == y_pred.shape else sparse_categorical_crossentropy
    return fits(y_true, y_pred)


KNOWN: dict[str, Metric] = {
    "accuracy": accuracy, "acc": accuracy, "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy, "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "mean_squared_error": mean_squared_error, "mse": mean_squared_error, "MSE": mean_squared_error,
    "mean_absolute_error": mean_absolute_error, "mae": mean_absolute_error, "MAE": mean_absolute_error,
    "categorical_crossentropy": categorical_crossentropy,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "crossentropy": crossentropy, "ce": crossentropy,
}


def get(identifier: str | Metric) -> tuple[str, Metric]:
    """Return the name, in the logs as it was given, and the function, for a known name or a callable."""
    if isinstance(identifier, str):
        return identifier, pick("metric", identifier, KNOWN)
    if not callable(identifier):
        raise invalid(None, "a metric: a name, or a callable (y_true, y_pred)", repr(identifier))
    return getattr(identifier, "__name__", type(identifier).__name__), identifier


def named(metrics: Iterable[str | Metric]) -> dict[str, Metric]:
    """Return metrics by name, or raise a ValueError where two have one name, or one the name of something else."""
    found: dict[str, Metric] = {}
    for name, metric in map(get, metrics):
        if name in USED_BY_FIT or name.startswith("val_"):
            raise invalid("compile", f"metrics named otherwise than {', '.join(USED_BY_FIT)} and val_..., which stand "
                                     f"for something else in the logs", repr(name))
        if name in found:
            raise invalid("compile", "metrics of different names (that of a function is its __name__)",
                          f"two called {name!r}")
        found[name] = metric
    return found
