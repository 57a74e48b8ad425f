"""How wrong a prediction is, as one number, and the slope of that number: where every backward pass begins.

A loss is called as ``loss(y_true, y_pred)``; ``loss.forward(y_true, y_pred, sample_weight=None)`` returns
``(value, backward)`` and ``backward()`` is d value / d y_pred. The value is the mean over the batch, in nats
for the cross-entropies; with sample weights w it is ``sum(w * losses) / batch size``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.registry import Configured, resolve
from tinynet.utils import to_categorical, whole_numbers

EPSILON = 1e-7          # probabilities are clipped to [EPSILON, 1 - EPSILON] before their logarithm, as in Keras


class Loss(Configured):
    """Base of all: a subclass defines ``losses(y_true, y_pred)``, and may check its targets."""

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every sample's loss (N, ...), and its slope with respect to y_pred (N, ..., K)."""
        raise NotImplementedError

    def forward(self, y_true: Any, y_pred: np.ndarray, sample_weight: Any = None) -> tuple[float, Callable]:
        """Return ``(value, backward)``, the mean of the losses and a function that returns d value / d y_pred."""
        y_pred = np.asarray(y_pred)
        losses, slopes = self.losses(self.check_targets(y_true, y_pred.shape), y_pred)
        weights = np.ones(len(losses), losses.dtype)
        if sample_weight is not None:
            weights = np.asarray(sample_weight, losses.dtype)
            if weights.shape != (len(losses),):
                raise ValueError(f"{type(self).__name__}: expected one sample weight for each of {len(losses)} "
                                 f"samples. Received: shape {weights.shape}.")
        weights = weights.reshape(-1, *[1] * (losses.ndim - 1))              # (N, 1, ...)
        count = max(1, losses.size)                                          # a batch of none costs nothing

        def backward() -> np.ndarray:
            return weights[..., None] * slopes / count                       # (N, 1, ..., 1) * (N, ..., K)
        return float((weights * losses).sum(dtype=np.float64) / count), backward

    def __call__(self, y_true: Any, y_pred: np.ndarray, sample_weight: Any = None) -> float:
        return self.forward(y_true, y_pred, sample_weight)[0]

    def check_targets(self, y_true: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Return the targets for predictions of `shape` as an array, or raise a ValueError."""
        y_true = np.asarray(y_true)
        if y_true.shape != tuple(shape):
            raise ValueError(f"{type(self).__name__}: expected targets of the predictions' shape, "
                             f"{batch(shape)}. Received: {y_true.shape}.")
        return y_true


class MeanSquaredError(Loss):
    """``mean_k (y_pred_k - y_true_k)^2``, with slope ``2 (y_pred - y_true) / K``.

    >>> MeanSquaredError()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    5.0
    """

    def losses(self, y_true, y_pred):
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = y_pred - y_true.astype(y_pred.dtype, copy=False)
        return np.square(difference).mean(axis=-1), 2 / y_pred.shape[-1] * difference


class CategoricalCrossentropy(Loss):
    """``-sum_k y_true_k log(p_k)`` with one-hot targets: how surprised the model was by the right class.

    Parameters
    ----------
    from_logits : whether y_pred are logits z, with ``p = softmax(z)``. Then ``log p_k = z_k - log sum_j e^z_j``
        needs no clipping, and the slope is simply ``p - y_true``. A Sequential that ends in softmax is trained
        this way. Otherwise y_pred are probabilities, clipped, and the slope is ``-y_true / p``.

    >>> CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    >>> CategoricalCrossentropy(from_logits=True)(np.array([[0.0, 1.0]]), np.array([[1000.0, 0.0]]))
    1000.0
    """

    def __init__(self, from_logits: bool = False):
        self.from_logits = from_logits

    def on_logits(self) -> CategoricalCrossentropy:
        """Return the same loss for logits."""
        return type(self)(from_logits=True)

    def losses(self, y_true, y_pred):
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y_true = y_true.astype(y_pred.dtype, copy=False)
        if self.from_logits:
            z = y_pred - y_pred.max(axis=-1, keepdims=True)                  # the largest becomes 0
            log_sum = np.log(np.exp(z).sum(axis=-1, keepdims=True))
            total = y_true.sum(axis=-1, keepdims=True)                       # 1 where the targets are one-hot
            return (y_true * (log_sum - z)).sum(axis=-1), np.exp(z - log_sum) * total - y_true
        p = np.clip(y_pred, EPSILON, 1 - EPSILON)
        return -(y_true * np.log(p)).sum(axis=-1), np.where(p == y_pred, -y_true / p, 0)

    def check_targets(self, y_true, shape):
        """Return one-hot targets, or raise a ValueError that names the loss for labels."""
        y_true = np.asarray(y_true)
        if y_true.shape != tuple(shape) and y_true.shape in (shape[:-1], (*shape[:-1], 1)):
            raise ValueError(f"CategoricalCrossentropy: expected one-hot targets {batch(shape)}. Received: labels "
                             f"{y_true.shape}. Use loss='sparse_categorical_crossentropy', or "
                             f"to_categorical(y, {shape[-1]}).")
        return super().check_targets(y_true, shape)


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The same loss with labels for targets: ``-log(p[label])``.

    >>> SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    """

    def losses(self, y_true, y_pred):
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        return super().losses(to_categorical(y_true[..., None], y_pred.shape[-1]), y_pred)

    def check_targets(self, y_true, shape):
        """Return labels (N, ...), or raise a ValueError that names the loss for one-hot targets."""
        y_true, classes = np.asarray(y_true), shape[-1]
        if y_true.shape == (*shape[:-1], 1) and len(shape) == y_true.ndim:
            y_true = y_true[..., 0]
        if y_true.shape == tuple(shape):
            raise ValueError(f"SparseCategoricalCrossentropy: expected labels {batch(shape[:-1])}. Received: one-hot "
                             f"targets {y_true.shape}. Use loss='categorical_crossentropy', or y.argmax(axis=-1).")
        if y_true.shape != tuple(shape[:-1]):
            raise ValueError(f"SparseCategoricalCrossentropy: expected labels {batch(shape[:-1])}. "
                             f"Received: {y_true.shape}.")
        labels = whole_numbers(y_true, "SparseCategoricalCrossentropy")
        if labels.size and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"SparseCategoricalCrossentropy: expected labels from 0 to {classes - 1}. "
                             f"Received: {labels.min()} to {labels.max()}.")
        return labels


def batch(shape: tuple[int, ...]) -> str:
    """Write a shape with its batch axis as N."""
    return "(" + ", ".join(["N", *map(str, shape[1:])]) + ("," if len(shape) == 1 else "") + ")"


KNOWN: dict[str, type] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError,
}


def get(identifier: Any) -> Any:
    """Return a loss for a name, a config, a class or an object with ``forward(y_true, y_pred, sample_weight)``."""
    loss = resolve("loss", identifier, KNOWN)
    if not hasattr(loss, "forward"):
        raise ValueError(f"Expected a loss: a name, or an object with forward(y_true, y_pred, sample_weight=None). "
                         f"Received: {identifier!r}.")
    return loss
