"""What callbacks need of the model that is trained and of the call to `fit`, which this room does not know itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from tinynet.files.atomic import StrPath
from tinynet.files.saveable import Saveable
from tinynet.layers.base import Layer
from tinynet.optimizers import Optimizer


class TrainedModel(Saveable, Protocol):
    """A compiled model that `fit` is training: a `Sequential`."""

    stop_training: bool

    @property
    def layers(self) -> Sequence[Layer]:
        """The layers, in order."""

    @property
    def metrics_names(self) -> list[str]:
        """The names of the loss and the metrics in the logs."""

    @property
    def optimizer(self) -> Optimizer:
        """The compiled optimizer."""

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights."""

    def set_weights(self, weights: Iterable[np.ndarray]) -> None:
        """Overwrite all weights."""

    def predict(self, x: ArrayLike, batch_size: int | None = 32) -> np.ndarray:
        """Return the outputs for all samples."""

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: int | None = 32, verbose: int | str = 1) -> Any:
        """Return the loss, and the metrics if there are any."""

    def save(self, path: StrPath) -> None:
        """Write the whole model into a file."""

    def save_weights(self, path: StrPath) -> None:
        """Write the weights into a file."""


class TrainingRun(Protocol):
    """The progress of a call to `fit`: a `tinynet.training.run.Run`."""

    batch: int
    finished: bool
    always_validates: bool
    settings: dict[str, object]

    @property
    def callbacks(self) -> Sequence[Any]:
        """All of this call to `fit`."""

    def get_state(self) -> dict[str, Any]:
        """Return what an exact resume must store."""

    def check_state(self, state: Any) -> None:
        """Raise a ValueError unless `set_state` can take this state."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""

    def set_callback_states(self, states: Mapping[str, Any]) -> None:
        """Restore what `callback_states` returned."""

    def callback_states(self) -> dict[str, Any]:
        """Return the states of the callbacks that have one."""
