"""Losses of numbers: mean squared error, mean absolute error, and Huber's, which is the one near and the other far."""

from __future__ import annotations

import numpy as np

from tinynet.checks import check_positive
from tinynet.losses.base import Loss


def differences(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return how much larger each prediction is than its target, in the predictions' dtype."""
    return y_pred - y_true.astype(y_pred.dtype, copy=False)


class MeanSquaredError(Loss):
    """``mean_k (y_pred_k - y_true_k)^2``, with slope ``2 (y_pred - y_true) / K``.

    >>> MeanSquaredError()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    5.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = differences(y_true, y_pred)
        return np.square(difference).mean(axis=-1), 2 / y_pred.shape[-1] * difference


class MeanAbsoluteError(Loss):
    """``mean_k |y_pred_k - y_true_k|``, with slope ``sign(y_pred - y_true) / K``; that of ``|x|`` at 0 is taken as 0.

    >>> MeanAbsoluteError()(np.array([[0.0, 0.0]]), np.array([[1.0, -3.0]]))
    2.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = differences(y_true, y_pred)
        return np.abs(difference).mean(axis=-1), np.sign(difference) / y_pred.shape[-1]


class Huber(Loss):
    """The mean over k of ``d^2 / 2`` where ``|d| <= delta``, and ``delta (|d| - delta / 2)`` beyond.

    With ``d = y_pred_k - y_true_k``. The slope, ``d / K``, stops growing at ``delta / K``: a target that is far off
    pulls no harder than others. Source: Huber 1964, equation 2.

    >>> Huber()(np.array([[0.0, 0.0]]), np.array([[1.0, -3.0]]))
    1.5
    """

    def __init__(self, delta: float = 1.0):
        self.delta = check_positive("Huber", "delta", delta)

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = differences(y_true, y_pred)
        near = np.clip(difference, -self.delta, self.delta)                 # of which the slope of d^2 / 2 is made
        return (near * (difference - near / 2)).mean(axis=-1), near / y_pred.shape[-1]
