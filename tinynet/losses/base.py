"""Loss, the base of all: from every sample's loss to their mean, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid, is_number
from tinynet.losses.targets import as_values
from tinynet.registry import Configured, refuse_call

EPSILON = 1e-7          # probabilities are clipped to [EPSILON, 1 - EPSILON] before their logarithm, as in Keras


class LossLike(Protocol):
    """What `compile` takes for a loss, whatever it derives from."""

    def forward(self, y_true: Any, y_pred: np.ndarray, sample_weight: Any = None, /
                ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``, and ``backward()`` returns d value / d y_pred."""


class Loss(Configured):
    """Base of all: a subclass defines ``losses(y_true, y_pred)``, and may check its targets."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        refuse_call(cls, "losses(y_true, y_pred), which returns each sample's loss and its slope")

    def losses(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return every sample's loss (N, ...), and its slope with respect to y_pred (N, ..., K)."""
        raise NotImplementedError(f"{type(self).__name__} must define losses(y_true, y_pred).")

    def forward(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
                ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``, the mean of the losses and a function that returns d value / d y_pred."""
        y_pred = np.asarray(y_pred)
        return self.mean(*self.losses(self.check_targets(y_true, y_pred.shape), y_pred), sample_weight)

    def mean(self, losses: np.ndarray, slopes: np.ndarray, sample_weight: ArrayLike | None = None
             ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return what `forward` does, given every sample's loss (N, ...) and its slope (N, ..., K)."""
        count = max(1, losses.size)                                          # an empty batch costs nothing
        if sample_weight is not None:
            weights = np.asarray(sample_weight, losses.dtype)
            if weights.shape != (len(losses),):
                raise invalid(type(self).__name__, f"one sample weight for each of {len(losses)} samples",
                              f"shape {weights.shape}")
            weights = weights.reshape(-1, *[1] * (losses.ndim - 1))          # (N, 1, ...)
            losses, slopes = weights * losses, weights[..., None] * slopes

        def backward() -> np.ndarray:
            return slopes / count
        return float(losses.sum(dtype=np.float64) / count), backward

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        return self.forward(y_true, y_pred, sample_weight)[0]

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        """Return the targets for predictions of `shape` as an array, or raise a ValueError."""
        return as_values(type(self).__name__, y_true, shape)


class OfProbabilities(Loss):
    """Base of the losses of probabilities, which work from logits as well.

    Attributes
    ----------
    from_logits : whether y_pred are logits. A loss of probabilities that comes right after the layer that makes them
        is given the logits instead: see `tinynet.steps.plan`.
    last_layer : which activation makes these probabilities of logits.
    """

    last_layer: str
    label_smoothing: float

    def __init__(self, from_logits: bool = False):
        self.from_logits = from_logits

    def on_logits(self) -> Self:
        """Return the same loss for logits."""
        twin = copy.copy(self)
        twin.from_logits = True
        return twin

    def check_smoothing(self, value: object) -> float:
        """Return a label smoothing as a float from 0 to 1, or raise a ValueError."""
        if not (is_number(value) and 0 <= value <= 1):
            raise invalid(type(self).__name__, "label_smoothing, a number from 0 to 1", repr(value))
        return float(value)

    def smoothed(self, y_true: np.ndarray, evenly: float) -> np.ndarray:
        """Return targets that are moved a little towards those of a model that knows nothing, `evenly` spread."""
        s = self.label_smoothing
        return y_true * (1 - s) + s * evenly if s else y_true
