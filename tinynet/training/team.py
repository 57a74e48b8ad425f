"""Who does the work of a call to `fit`: this process alone, or several of them, see `tinynet.distributed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from tinynet.callbacks import CallbackList
from tinynet.layers.base import Layer
from tinynet.optimizers import Optimizer
from tinynet.training.data import Data, Tally
from tinynet.training.divergence import check_loss
from tinynet.training.run import Run
from tinynet.training.sources import Source


class HasSteps(Protocol):
    """What one process needs of its model."""

    def _train_step(self, batch: Data) -> dict[str, Tally]: ...

    def _test_step(self, batch: Data) -> dict[str, Tally]: ...


M = TypeVar("M", bound=HasSteps)


class Alone(Generic[M]):
    """One process that does all: what several do otherwise is what is overridden."""

    settings: Mapping[str, Any] = {}                 # what the weights' bits depend on, besides what `fit` is told

    def share(self, source: Source) -> Source:
        """Return where this process's part of the batches comes from."""
        return source

    def own(self, samples: int) -> slice:
        """Return which of the samples this process reads before the training, to look for mistakes."""
        return slice(None)

    def begin(self, model: M, run: Run, called: CallbackList, sources: Mapping[str, Source | None],
              epochs: int) -> CallbackList:
        """Begin a training; return what calls the callbacks."""
        return called

    def train_step(self, model: M, batch: Any) -> Mapping[str, Tally]:
        """Make one update; return what the batch adds to the epoch's means."""
        return model._train_step(batch)

    def test_step(self, model: M, batch: Any) -> Mapping[str, Tally]:
        """Return what a batch of an evaluation adds to its means."""
        return model._test_step(batch)

    def check_loss(self, model: Layer, optimizer: Optimizer, loss: float, epoch: int, number: int, batch: Data) -> None:
        """Raise TrainingDiverged if the loss is not finite."""
        check_loss(model, optimizer, loss, epoch, number, batch)


ALONE: Alone[Any] = Alone()
_current = ALONE


def current() -> Alone[Any]:
    """Return who works."""
    return _current


def set_current(team: Alone[Any]) -> None:
    """Let others work from now on."""
    global _current
    _current = team
