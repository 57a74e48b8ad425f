"""Hinge losses: nothing to pay for what is on the right side by a margin of 1, and ever more before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.losses.base import Loss
from tinynet.losses.targets import as_one_hot, as_values


class Hinge(Loss):
    """``mean_k max(1 - y_true_k y_pred_k, 0)``, with targets -1 and 1; slope ``-y_true / K`` within the margin, else 0.

    The loss of a support vector machine. y_pred has no activation, or tanh; its sign decides. Source: Rosasco et al.
    2004, "Are loss functions all the same?", section 2.

    >>> Hinge()(np.array([[1.0, -1.0]]), np.array([[0.5, -3.0]]))
    0.25
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, missing = self.missing(y_true, y_pred)
        return missing.mean(axis=-1), np.where(missing > 0, -y, 0) / y_pred.shape[-1]

    def missing(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return targets of -1 and 1, and what each prediction lacks to the margin."""
        y = y_true.astype(y_pred.dtype, copy=False)
        return y, np.maximum(1 - y * y_pred, 0)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return targets of -1 and 1, or raise a ValueError; those of 0 and 1 are taken for them."""
        y_true = as_values(type(self).__name__, y_true, shape)
        if np.isin(y_true, (0, 1)).all():
            return 2 * y_true.astype(float) - 1
        if not np.isin(y_true, (-1, 1)).all():
            raise invalid(type(self).__name__, "targets of -1 and 1, or of 0 and 1",
                          f"{y_true.min():g} to {y_true.max():g}")
        return y_true


class SquaredHinge(Hinge):
    """``mean_k max(1 - y_true_k y_pred_k, 0)^2``, with targets -1 and 1; the slope grows from 0 at the margin.

    >>> SquaredHinge()(np.array([[1.0, -1.0]]), np.array([[0.5, -3.0]]))
    0.125
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, missing = self.missing(y_true, y_pred)
        return np.square(missing).mean(axis=-1), -2 * y * missing / y_pred.shape[-1]


class CategoricalHinge(Loss):
    """``max(1 + wrong - right, 0)``: right is the score of the one-hot target, wrong the largest of the others' scores.

    The slope is 1 for that one and -1 for the right one, as long as the margin of 1 is missing. As in Keras wrong is
    the largest of ``(1 - y_true) y_pred``, among which the right one's place counts with 0: it is at least 0. Of equal
    ones the first has the slope. Source: Crammer & Singer 2001, section 3.

    >>> CategoricalHinge()(np.array([[0.0, 1.0, 0.0]]), np.array([[0.5, 1.0, 0.25]]))
    0.5
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y = y_true.astype(y_pred.dtype, copy=False)
        others = (1 - y) * y_pred
        largest = np.arange(y.shape[-1]) == others.argmax(axis=-1)[..., None]
        losses = np.maximum(1 + others.max(axis=-1) - (y * y_pred).sum(axis=-1), 0)
        return losses, np.where(losses[..., None] > 0, largest * (1 - y) - y, 0)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return one-hot targets, or raise a ValueError."""
        return as_one_hot("CategoricalHinge", y_true, shape, "loss='sparse_categorical_crossentropy'")
