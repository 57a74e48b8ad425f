"""How wrong a prediction is, as one number, and the slope of that number: where every backward pass begins.

A loss is called as ``loss(y_true, y_pred)``; ``loss.forward(y_true, y_pred, sample_weight=None)`` returns
``(value, backward)`` and ``backward()`` is d value / d y_pred. The value is the mean over the batch, in nats
for the cross-entropies; with sample weights w it is ``sum(w * losses) / batch size``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_labels, invalid
from tinynet.registry import Configured, Identifier, resolve
from tinynet.utils import to_categorical

EPSILON = 1e-7          # probabilities are clipped to [EPSILON, 1 - EPSILON] before their logarithm, as in Keras


class LossLike(Protocol):
    """What `compile` takes for a loss, whatever it derives from."""

    def forward(self, y_true: Any, y_pred: np.ndarray, sample_weight: Any = None, /
                ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``, and ``backward()`` returns d value / d y_pred."""


class Loss(Configured):
    """Base of all: a subclass defines ``losses(y_true, y_pred)``, and may check its targets."""

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every sample's loss (N, ...), and its slope with respect to y_pred (N, ..., K)."""
        raise NotImplementedError

    def forward(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
                ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``, the mean of the losses and a function that returns d value / d y_pred."""
        y_pred = np.asarray(y_pred)
        losses, slopes = self.losses(self.check_targets(y_true, y_pred.shape), y_pred)
        weights = np.ones(len(losses), losses.dtype)
        if sample_weight is not None:
            weights = np.asarray(sample_weight, losses.dtype)
            if weights.shape != (len(losses),):
                raise invalid(type(self).__name__, f"one sample weight for each of {len(losses)} samples",
                              f"shape {weights.shape}")
        weights = weights.reshape(-1, *[1] * (losses.ndim - 1))              # (N, 1, ...)
        count = max(1, losses.size)                                          # an empty batch costs nothing

        def backward() -> np.ndarray:
            return weights[..., None] * slopes / count                       # (N, 1, ..., 1) * (N, ..., K)
        return float((weights * losses).sum(dtype=np.float64) / count), backward

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        return self.forward(y_true, y_pred, sample_weight)[0]

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return the targets for predictions of `shape` as an array, or raise a ValueError."""
        return as_values(type(self).__name__, y_true, shape)


class MeanSquaredError(Loss):
    """``mean_k (y_pred_k - y_true_k)^2``, with slope ``2 (y_pred - y_true) / K``.

    >>> MeanSquaredError()(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]]))
    5.0
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        difference = y_pred - y_true.astype(y_pred.dtype, copy=False)
        return np.square(difference).mean(axis=-1), 2 / y_pred.shape[-1] * difference


class CategoricalCrossentropy(Loss):
    """``-sum_k y_true_k log(p_k)`` with one-hot targets: how surprised the model was by the right class.

    Parameters
    ----------
    from_logits : whether y_pred are logits z, with ``p = softmax(z)``. Then ``log p_k = z_k - log sum_j e^z_j``
        needs no clipping, and the slope is simply ``p - y_true``. A Sequential that ends in softmax is trained
        this way. Otherwise every row of y_pred is divided by its sum, ``q = y_pred / S``, and clipped, as Keras does:
        rows that do not sum to 1, of a sigmoid, say, count by their shares. With ``g_k = -y_true_k / q_k``, 0 where
        q is clipped, the slope is ``(g_j - sum_k g_k q_k) / S``: a larger y_pred_j lowers all other shares. A row of
        zeros has no shares and is left as it is.

    >>> CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    >>> CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.9, 0.9]]))
    0.6931471805599453
    >>> CategoricalCrossentropy(from_logits=True)(np.array([[0.0, 1.0]]), np.array([[1000.0, 0.0]]))
    1000.0
    """

    def __init__(self, from_logits: bool = False):
        self.from_logits = from_logits

    def on_logits(self) -> CategoricalCrossentropy:
        """Return the same loss for logits."""
        return type(self)(from_logits=True)

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y_true = y_true.astype(y_pred.dtype, copy=False)
        if self.from_logits:
            with np.errstate(over="ignore"):                                 # -inf is right: e^-inf is 0
                z = y_pred - y_pred.max(axis=-1, keepdims=True)              # the largest becomes 0
            log_sum = np.log(np.exp(z).sum(axis=-1, keepdims=True))
            total = y_true.sum(axis=-1, keepdims=True)                       # 1 where the targets are one-hot
            terms = np.multiply(y_true, log_sum - z, where=y_true != 0, out=np.zeros_like(z))    # 0 * inf is 0 here
            return terms.sum(axis=-1), np.exp(z - log_sum) * total - y_true
        total = y_pred.sum(axis=-1, keepdims=True)                           # (N, ..., 1)
        total = np.where(total == 0, 1, total)
        q = y_pred / total
        p = np.clip(q, EPSILON, 1 - EPSILON)
        slopes = np.where(p == q, -y_true / p, 0)                            # with respect to q
        return -(y_true * np.log(p)).sum(axis=-1), (slopes - (slopes * q).sum(axis=-1, keepdims=True)) / total

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return one-hot targets, or raise a ValueError that names the loss for labels."""
        return as_one_hot("CategoricalCrossentropy", y_true, shape, "loss='sparse_categorical_crossentropy'")


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The same loss with labels for targets: ``-log(p[label])``.

    >>> SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        return super().losses(to_categorical(y_true[..., None], y_pred.shape[-1]), y_pred)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return labels (N, ...), or raise a ValueError that names the loss for one-hot targets."""
        return as_labels("SparseCategoricalCrossentropy", y_true, shape, "loss='categorical_crossentropy'")


# The three forms of targets, for losses and metrics; `owner` is whose they are, `shape` that of the predictions.

def as_values(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return targets of the predictions' shape, or raise a ValueError."""
    y_true = np.asarray(y_true)
    if y_true.shape != tuple(shape):
        raise invalid(owner, f"targets of the predictions' shape, {batch(shape)}", y_true.shape)
    return y_true


def as_one_hot(owner: str, y_true: ArrayLike, shape: tuple[int, ...], instead: str) -> np.ndarray:
    """Return one-hot targets (N, ..., K), or raise a ValueError; for labels it says what to use `instead`."""
    expect_classes(owner, shape)
    y_true = np.asarray(y_true)
    if y_true.shape != tuple(shape) and y_true.shape in (shape[:-1], (*shape[:-1], 1)):
        raise invalid(owner, f"one-hot targets {batch(shape)}",
                      f"labels {y_true.shape}. Use {instead}, or to_categorical(y, {shape[-1]})")
    return as_values(owner, y_true, shape)


def as_labels(owner: str, y_true: ArrayLike, shape: tuple[int, ...], instead: str) -> np.ndarray:
    """Return labels (N, ...), or raise a ValueError; for one-hot targets it says what to use `instead`."""
    expect_classes(owner, shape)
    y_true, classes = np.asarray(y_true), shape[-1]
    if y_true.shape == (*shape[:-1], 1) and len(shape) == y_true.ndim:
        y_true = y_true[..., 0]
    if y_true.shape == tuple(shape):
        raise invalid(owner, f"labels {batch(shape[:-1])}",
                      f"one-hot targets {y_true.shape}. Use {instead}, or y.argmax(axis=-1)")
    if y_true.shape != tuple(shape[:-1]):
        raise invalid(owner, f"labels {batch(shape[:-1])}", y_true.shape)
    labels = check_labels(y_true, owner)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise invalid(owner, f"labels from 0 to {classes - 1}", f"{labels.min()} to {labels.max()}")
    return labels


def expect_classes(owner: str, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless predictions of `shape` are of two classes or more."""
    if shape[-1] < 2:
        raise invalid(owner, "predictions of two classes or more, such as those of Dense(2, activation='softmax') (the "
                      "share of a single class is always 1, and nothing is learned)", batch(shape))


def batch(shape: tuple[int, ...]) -> str:
    """Write a shape with its batch axis as N."""
    return "(" + ", ".join(["N", *map(str, shape[1:])]) + ("," if len(shape) == 1 else "") + ")"


KNOWN: dict[str, type] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError,
}


def get(identifier: Identifier | LossLike) -> LossLike:
    """Return a loss for a name, a config, a class or an object with ``forward(y_true, y_pred, sample_weight)``."""
    loss: LossLike = resolve("loss", identifier, KNOWN)
    if not hasattr(loss, "forward"):
        raise invalid(None, "a loss: a name, or an object with forward(y_true, y_pred, sample_weight=None)",
                      repr(identifier))
    return loss
