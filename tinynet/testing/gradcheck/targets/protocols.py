"""What can be checked besides this library's own layers: any object with the attributes that a check uses."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tinynet.layers.base import Backward


class LayerLike(Protocol):
    """A `Layer`, or an object with the same ``params``, ``grads`` and ``forward``."""

    params: dict[str, np.ndarray]
    grads: dict[str, np.ndarray]

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``: ``backward(dy)`` sets ``grads`` and returns d loss / d x."""
