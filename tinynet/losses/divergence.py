"""How far one distribution is from another."""

from __future__ import annotations

import numpy as np

from tinynet.losses.base import EPSILON, Loss


class KLDivergence(Loss):
    """``sum_k y_k log(y_k / p_k)``: the nats by which p is worse than y at telling what y draws.

    Both are clipped to [EPSILON, 1], as Keras does. The slope is ``-y_k / p_k``, 0 where p is clipped. It is that of
    the cross-entropy, from which this differs by the entropy of y, which no weight changes: a model whose targets are
    distributions learns the same from both, and this one's least value is 0. Source: Kullback & Leibler 1951.

    >>> round(KLDivergence()(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])), 4)        # (log 2 + log 2/3) / 2
    0.1438
    """

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses (N, ...) and their slopes (N, ..., K)."""
        y, p = np.clip(y_true.astype(y_pred.dtype, copy=False), EPSILON, 1), np.clip(y_pred, EPSILON, 1)
        return (y * np.log(y / p)).sum(axis=-1), np.where(p == y_pred, -y / p, 0)
