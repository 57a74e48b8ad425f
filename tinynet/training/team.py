"""Who does the work of a call to `fit`: this process alone, or several of them, see `tinynet.distributed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tinynet.callbacks import CallbackList
from tinynet.optimizers import Optimizer
from tinynet.training.data import Data, Tally
from tinynet.training.divergence import check_loss
from tinynet.training.run import Run
from tinynet.training.sources import Source


class Batch(Protocol):
    """What a team takes for a batch."""

    @property
    def samples(self) -> int:
        """The number of samples in it."""


class Alone:
    """One process that does all: what several do otherwise is what is overridden."""

    settings: Mapping[str, Any] = {}                 # what the weights' bits depend on, besides what `fit` is told

    def share(self, source: Source | None) -> Source | None:
        """Return where this process's part of the batches comes from."""
        return source

    def begin(self, model: Any, run: Run, called: CallbackList, sources: Mapping[str, Source | None]) -> CallbackList:
        """Begin a training; return what calls the callbacks."""
        return called

    def train_step(self, trained: Any, batch: Any) -> Mapping[str, Tally]:
        """Make one update; return what the batch adds to the epoch's means."""
        return trained._train_step(batch)

    def test_step(self, tested: Any, batch: Any) -> Mapping[str, Tally]:
        """Return what a batch of an evaluation adds to its means."""
        return tested._test_step(batch)

    def check_loss(self, trained: Any, optimizer: Optimizer, loss: float, epoch: int, number: int, batch: Data) -> None:
        """Raise TrainingDiverged if the loss is not finite."""
        check_loss(trained, optimizer, loss, epoch, number, batch)


ALONE = Alone()
_current: list[Alone] = [ALONE]


def current() -> Alone:
    """Return who works."""
    return _current[-1]


def set_current(team: Alone) -> None:
    """Let others work from now on."""
    _current[-1] = team
