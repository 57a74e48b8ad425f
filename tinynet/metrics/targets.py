"""What a metric takes for targets, told before the first update: see `takes`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses.targets import as_binary, as_labels, as_one_hot

MetricFunction = Callable[[np.ndarray, np.ndarray], np.ndarray | float]
M = TypeVar("M", bound=MetricFunction)
Check = Callable[[str, ArrayLike, tuple[int, ...]], np.ndarray]       # (metric, y_true, shape of y_pred) -> y_true


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
