"""Cross-entropy of two classes: each output is a probability by itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses.base import EPSILON, OfProbabilities
from tinynet.losses.targets import as_binary


class BinaryCrossentropy(OfProbabilities):
    """``-mean_k (y_k log p_k + (1 - y_k) log(1 - p_k))``: K questions of yes or no, with targets y from 0 to 1.

    Parameters
    ----------
    from_logits : whether y_pred are logits z, with ``p = 1 / (1 + e^-z)``. Then the terms are ``log(1 + e^z) - y z``,
        without clipping, and the slope is ``(p - y) / K``. A Sequential that ends in a sigmoid is trained this way.
        Otherwise p is clipped as Keras does, and the slope is ``(p - y) / (p (1 - p)) / K``, 0 where p is clipped.
    label_smoothing : s from 0 to 1: ``y (1 - s) + s / 2`` takes the place of y.

    >>> BinaryCrossentropy()(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    0.6931471805599453
    >>> BinaryCrossentropy(from_logits=True)(np.array([[0.0]]), np.array([[1000.0]]))
    1000.0
    """

    last_layer = "sigmoid"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(from_logits)
        self.label_smoothing = self.check_smoothing(label_smoothing)

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, K = self.smoothed(y_true.astype(y_pred.dtype, copy=False), 1 / 2), y_pred.shape[-1]
        if self.from_logits:
            e = np.exp(-np.abs(y_pred))                                      # in [0, 1] for a z of any size
            wrong = np.where(y_pred >= 0, 1 - y, -y)             # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)
            terms = np.multiply(wrong, y_pred, where=wrong != 0, out=np.zeros_like(y_pred)) + np.log1p(e)
            return terms.mean(axis=-1), (np.where(y_pred >= 0, 1, e) / (1 + e) - y) / K
        p = np.clip(y_pred, EPSILON, 1 - EPSILON)
        terms = -(y * np.log(p) + (1 - y) * np.log1p(-p))
        return terms.mean(axis=-1), np.where(p == y_pred, (p - y) / (p * (1 - p)), 0) / K

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets from 0 to 1, of the predictions' shape, or raise a ValueError."""
        return as_binary("BinaryCrossentropy", y_true, shape, "loss='mae' or 'mse'")
