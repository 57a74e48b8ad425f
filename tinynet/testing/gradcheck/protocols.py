"""What can be checked besides this library's own classes: any object with the methods that a check calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward


class LayerLike(Protocol):
    """A `Layer`, or an object with the same ``params``, ``grads`` and ``forward``."""

    params: dict[str, np.ndarray]
    grads: dict[str, np.ndarray]

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``: ``backward(dy)`` sets ``grads`` and returns d loss / d x."""


class LossLike(Protocol):
    """A `Loss`, or an object with the same ``forward``."""

    def forward(self, y_true: Any, y_pred: np.ndarray,
                sample_weight: ArrayLike | None = None) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``: ``backward()`` returns d value / d y_pred."""
