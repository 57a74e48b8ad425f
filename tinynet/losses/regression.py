"""Losses of numbers: of their differences, squared, absolute, or the one near and the other far; of their ratios."""

from __future__ import annotations

import math

import numpy as np

from tinynet.checks import check_positive
from tinynet.losses.base import EPSILON, Loss


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


class LogCosh(Loss):
    """``mean_k log(cosh(d))`` with ``d = y_pred_k - y_true_k``: nearly ``d^2 / 2`` near 0, and ``|d| - log 2`` far off.

    The slope is ``tanh(d) / K``. Computed as ``|d| + log(1 + e^(-2 |d|)) - log 2``, as cosh overflows at 90 in float32.

    >>> round(LogCosh()(np.array([[0.0, 0.0]]), np.array([[1000.0, 0.0]])), 4)
    499.6534
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = differences(y_true, y_pred)
        size = np.abs(difference)
        losses = (size + np.log1p(np.exp(-2 * size)) - math.log(2)).mean(axis=-1)
        return losses, np.tanh(difference) / y_pred.shape[-1]


class MeanAbsolutePercentageError(Loss):
    """``100 mean_k |y_pred_k - y_true_k| / max(|y_true_k|, 1e-7)``, with slope ``100 sign(d) / |y_true| / K``.

    >>> MeanAbsolutePercentageError()(np.array([[2.0, 10.0]]), np.array([[1.0, 11.0]]))
    30.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = differences(y_true, y_pred)
        share = 100 / np.maximum(np.abs(y_true.astype(y_pred.dtype, copy=False)), EPSILON)
        return (share * np.abs(difference)).mean(axis=-1), share / y_pred.shape[-1] * np.sign(difference)


class MeanSquaredLogarithmicError(Loss):
    """``mean_k (log(1 + y_pred_k) - log(1 + y_true_k))^2``: of numbers from 0 on, by how many times they are wrong.

    Both are at least 1e-7, as in Keras: the slope, ``2 (log(1 + y_pred) - log(1 + y_true)) / (1 + y_pred) / K``, is 0
    where y_pred is less.

    >>> round(MeanSquaredLogarithmicError()(np.array([[0.0]]), np.array([[np.e - 1]])), 5)
    1.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, p = np.maximum(y_true.astype(y_pred.dtype, copy=False), EPSILON), np.maximum(y_pred, EPSILON)
        ratio = np.log1p(p) - np.log1p(y)
        slopes = np.where(p == y_pred, 2 * ratio / (1 + p), 0)
        return np.square(ratio).mean(axis=-1), slopes / y_pred.shape[-1]


class Poisson(Loss):
    """``mean_k (y_pred_k - y_true_k log(y_pred_k + 1e-7))``: y_true counts, y_pred how many are expected, above 0.

    The negative logarithm of a Poisson distribution's probability, without what does not depend on y_pred. The slope is
    ``(1 - y_true / (y_pred + 1e-7)) / K``.

    >>> round(Poisson()(np.array([[2.0, 0.0]]), np.array([[1.0, 3.0]])), 5)
    2.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, p = y_true.astype(y_pred.dtype, copy=False), y_pred + y_pred.dtype.type(EPSILON)
        return (y_pred - y * np.log(p)).mean(axis=-1), (1 - y / p) / y_pred.shape[-1]


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between y_true and y_pred: -1 in one direction, 0 at a right angle, 1 opposite.

    ``-sum_k t_k p_k``, both divided by their lengths; of a vector of zeros it is 0, and has no slope. The slope is
    ``(p cosine - t) / length(y_pred)``: at a right angle to y_pred, whose length does not count.

    >>> CosineSimilarity()(np.array([[0.0, 1.0]]), np.array([[3.0, 4.0]]))
    -0.8
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        (t, _), (p, length) = (of_length_one(a) for a in (y_true.astype(y_pred.dtype, copy=False), y_pred))
        cosine = (t * p).sum(axis=-1, keepdims=True)
        return -cosine[..., 0], np.where(length > 0, (p * cosine - t) / np.where(length > 0, length, 1), 0)


def of_length_one(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (N, ..., K) divided by their lengths, and the lengths (N, ..., 1); zeros stay zeros."""
    length = np.sqrt(np.square(a).sum(axis=-1, keepdims=True))
    return a / np.where(length > 0, length, 1), length
