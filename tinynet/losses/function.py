"""A function of one's own as a loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.losses.base import Loss
from tinynet.losses.targets import with_axis

LossFunction = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class FunctionLoss(Loss):
    """A function ``f(y_true, y_pred)`` that returns each sample's loss, and its derivative with respect to y_pred.

    Nothing is differentiated here, so the function does it: it returns ``(losses, slopes)``, of shapes (N, ...) and
    (N, ..., K). The mean over the batch, its 1/N and the sample weights are not its business. `compile` makes this of
    any function; ``check_gradients(losses.get(f), y_pred, y=y_true)`` tells whether the slopes are right.

    >>> def cubic(y_true, y_pred):
    ...     d = y_pred - y_true
    ...     return (np.abs(d) ** 3).mean(axis=-1), 3 * d * np.abs(d) / y_pred.shape[-1]
    >>> value, backward = FunctionLoss(cubic).forward([[0.0], [0.0]], np.array([[2.0], [-1.0]]))
    >>> value, backward().tolist()
    (4.5, [[6.0], [-1.5]])
    """

    def __init__(self, function: LossFunction):
        self.function = function

    @property
    def name(self) -> str:
        """What the function is called, under which a file has it."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the function returns, as arrays in the predictions' dtype."""
        returned = self.function(y_true, y_pred)
        parts = [np.asarray(part) for part in returned] if isinstance(returned, (tuple, list)) else []
        if [part.shape for part in parts] != [y_pred.shape[:-1], y_pred.shape]:
            came = ", ".join(f"an array {part.shape}" for part in parts) or type(returned).__name__
            raise invalid(f"loss {self.name}",
                          f"(losses, slopes): the loss of each sample {y_pred.shape[:-1]}, and its derivative with "
                          f"respect to y_pred {y_pred.shape}, as nothing is differentiated here", came)
        losses, slopes = (part.astype(y_pred.dtype, copy=False) for part in parts)
        return losses, slopes

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return the targets, with the axis of a single output: which others fit, the function alone knows."""
        return with_axis(y_true, shape)
