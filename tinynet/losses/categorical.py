"""Cross-entropies of one class among several: how surprised the model was by the right one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses.base import EPSILON, OfProbabilities
from tinynet.losses.targets import as_labels, as_one_hot
from tinynet.utils import to_categorical


class CategoricalCrossentropy(OfProbabilities):
    """``-sum_k y_true_k log(p_k)`` with one-hot targets: how surprised the model was by the right class.

    Parameters
    ----------
    from_logits : whether y_pred are logits z, with ``p = softmax(z)``. Then ``log p_k = z_k - log sum_j e^z_j``
        needs no clipping, and the slope is simply ``p - y_true``. A Sequential that ends in softmax is trained
        this way. Otherwise every row of y_pred is divided by its sum, ``q = y_pred / S``, and clipped, as Keras does:
        rows that do not sum to 1, of a sigmoid, say, count by their shares. With ``g_k = -y_true_k / q_k``, 0 where
        q is clipped, the slope is ``(g_j - sum_k g_k q_k) / S``: a larger y_pred_j lowers all other shares. A row of
        zeros has no shares and is left as it is.
    label_smoothing : s from 0 to 1: ``y_true (1 - s) + s / K`` takes the place of y_true, so that no logit grows for
        ever. Source: Szegedy et al. 2016, section 7.

    >>> CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    >>> CategoricalCrossentropy()(np.array([[0.0, 1.0]]), np.array([[0.9, 0.9]]))
    0.6931471805599453
    >>> CategoricalCrossentropy(from_logits=True)(np.array([[0.0, 1.0]]), np.array([[1000.0, 0.0]]))
    1000.0
    """

    last_layer = "softmax"
    label_smoothing = 0.0

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(from_logits)
        self.label_smoothing = self.check_smoothing(label_smoothing)

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y_true = self.distribution(y_true, y_pred)
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

    def with_softmax(self, cross_entropy: Callable[..., tuple[np.ndarray, ...]], y_true: ArrayLike, z: np.ndarray,
                     sample_weight: ArrayLike | None = None
                     ) -> tuple[Callable[[], float], Callable[[], np.ndarray], np.ndarray]:
        """Return what `forward` does of logits z (N, ..., K), and p = softmax(z), by a kernel that makes both.

        The value is a function, too: a kernel may be under way when it returns.
        """
        rows = self.rows(self.check_targets(y_true, z.shape), z)
        count = max(1, rows.shape[0]) if sample_weight is None else 1
        losses, slopes, p = cross_entropy(rows, z.reshape(-1, z.shape[-1]), count)
        losses, slopes, p = losses.reshape(z.shape[:-1]), slopes.reshape(z.shape), p.reshape(z.shape)
        if sample_weight is None:
            return lambda: self.mean(losses, slopes)[0], lambda: slopes, p
        value, backward = self.mean(losses, slopes, sample_weight)
        return lambda: value, backward, p

    @property
    def plain(self) -> bool:
        """Whether `with_softmax` may take the place of `forward`: not where losses, or a forward, were replaced."""
        return [getattr(method, "__func__", None) for method in (self.losses, self.forward, self.mean)] == [
            CategoricalCrossentropy.losses, OfProbabilities.forward, OfProbabilities.mean]

    def rows(self, y_true: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return targets for logits z (N, ..., K) as rows (N*..., K)."""
        return self.distribution(y_true, z).reshape(-1, z.shape[-1])

    def distribution(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return one-hot targets as the probabilities (N, ..., K) that they are, smoothed, in the dtype of y_pred."""
        return self.smoothed(y_true.astype(y_pred.dtype, copy=False), 1 / y_pred.shape[-1])

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return one-hot targets, or raise a ValueError that names the loss for labels."""
        return as_one_hot("CategoricalCrossentropy", y_true, shape, "loss='sparse_categorical_crossentropy'")


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The same loss with labels for targets: ``-log(p[label])``.

    >>> SparseCategoricalCrossentropy()(np.array([1]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    """

    def __init__(self, from_logits: bool = False):
        OfProbabilities.__init__(self, from_logits)

    def rows(self, y_true: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return labels as they are, (N*...,)."""
        return y_true.reshape(-1)

    def distribution(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return labels as probabilities (N, ..., K), in the dtype of y_pred."""
        return super().distribution(to_categorical(y_true[..., None], y_pred.shape[-1]), y_pred)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return labels (N, ...), or raise a ValueError that names the loss for one-hot targets."""
        return as_labels("SparseCategoricalCrossentropy", y_true, shape, "loss='categorical_crossentropy'")
