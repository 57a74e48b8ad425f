"""A loss that is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses import LossLike
from tinynet.testing.cloning import clone
from tinynet.testing.gradcheck.targets.target import Gradients, Target, as_float64


class LossTarget(Target):
    """A loss, as a function of the predictions."""

    layer: LossLike
    rounding_scale = 1.0

    def __init__(self, loss: LossLike, y_pred: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None):
        self.layer, self.x, self.y, self.sample_weight = clone(loss), as_float64(y_pred, "fiub"), y, sample_weight
        self.input_name = "y_pred"
        super().__init__()
        self.add("y_pred", self.x)

    def forward(self, x: np.ndarray | None = None) -> tuple[float, Callable[[], np.ndarray]]:
        """Run the loss with its random state restored."""
        self.replay.restore()
        return self.layer.forward(self.y, self.x if x is None else x, self.sample_weight)

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Return d value / d y_pred."""
        _, backward = self.forward()
        if between:
            between()
        dx = backward()
        return {"y_pred": dx if dx is None else np.array(dx)}

    def another_forward(self) -> object:
        """Run forward on the predictions in reverse order."""
        return self.forward(np.flip(self.x, axis=0).copy())

    def measure_as(self, other: Any) -> None:
        """Measure slopes on another loss, or on g(y_true, y_pred)."""
        if hasattr(other, "forward"):
            self.as_if = lambda: other.forward(self.y, self.x, self.sample_weight)[0]
        else:
            self.as_if = lambda: other(self.y, self.x)
        self.same_outputs()
