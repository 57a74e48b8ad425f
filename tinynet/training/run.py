"""The progress of a call to `fit`: what must be known, besides the model, to resume it exactly."""

from __future__ import annotations

import copy
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from tinynet.callbacks.base import Callback, Logs
from tinynet.files.saveable import HasGenerator
from tinynet.files.settings import check_same
from tinynet.files.state import check_generator_state, generator_state, require, restore_generator
from tinynet.metrics import Metric, MetricLike
from tinynet.training.data import Data, RunningMeans, Tally
from tinynet.training.sources import Source


class RunningModel(HasGenerator, Protocol):
    """What a run needs of its model."""

    stop_training: bool
    metrics: dict[str, MetricLike]
    weighted_metrics: dict[str, Metric]


class Run:
    """One call to `fit`: how far it is, and the order in which this epoch sees the samples.

    Not the order itself is stored but the state of the generator it was drawn from, a few bytes.

    Attributes
    ----------
    epoch, batch : the epoch, from 0, and how many of its batches are done.
    source : where the batches come from.
    limit : ``steps_per_epoch``, None for all.
    means : of the epoch's loss and metrics so far.
    logs : those of the last batch or epoch, which the end of the training passes to the callbacks.
    settings : what `fit` was told that must be the same when it is resumed, by name.
    drawn_from : the state of the model's generator before it drew the order.
    always_validates : whether each epoch ends with a validation.
    finished : whether the training ended by itself, rather than by an error or Ctrl-C.
    """

    def __init__(self, model: RunningModel, callbacks: list[Callback], source: Source, steps_per_epoch: int | None,
                 shuffle: bool, epoch: int, **others: object):
        self.model, self.callbacks, self.source = model, callbacks, source
        self.limit, self.shuffle = steps_per_epoch, bool(shuffle) and source.items is not None
        self.settings: dict[str, object] = {"batch_size": source.per_batch, "samples": source.items,
                                            "shuffle": self.shuffle, "steps_per_epoch": steps_per_epoch, **others}
        self.epoch, self.batch = epoch, 0
        self.means = self.no_means()
        self.logs: Logs = {}
        self.drawn_from, self.last_batch = generator_state(model.rng), -1
        self.always_validates = self.finished = False

    @property
    def steps(self) -> int | None:
        """Batches in an epoch; None if that is not known before its end."""
        if self.source.items is None:
            return self.limit
        return min(math.ceil(self.source.items / self.source.per_batch), self.limit or sys.maxsize)

    def more(self, epochs: int) -> bool:
        """Return whether there is an epoch to do, or to finish."""
        return self.epoch < epochs and (self.batch > 0 or not self.model.stop_training)

    def batches(self) -> Iterator[tuple[int, Data]]:
        """Yield every batch that is left of this epoch, with its number."""
        generator = self.model.rng
        if self.batch == 0:
            self.means, self.drawn_from = self.no_means(), generator_state(generator)
        else:                                   # resumed inside an epoch: the model has drawn its order before
            generator = restore_generator(np.random.default_rng(), self.drawn_from)
        order = generator.permutation(self.source.items or 0) if self.shuffle else None
        if self.batch == sys.maxsize:           # of an epoch that was stopped nothing is left
            return iter(())
        return enumerate(self.source.batches(order, self.batch, self.limit), self.batch)

    def ran_out(self) -> bool:
        """Return whether the batches of an epoch came to an end too early."""
        return self.batch < (self.steps or 1) and not self.model.stop_training

    def no_means(self) -> RunningMeans:
        """Return the means of an epoch that begins."""
        return RunningMeans({**self.model.metrics, **self.model.weighted_metrics})

    def add(self, tallies: Mapping[str, Tally], samples: int) -> Logs:
        """Count a batch as done; return the running means of the epoch."""
        self.batch += 1
        self.logs = self.means.add(tallies, samples)
        return self.logs

    def end_epoch(self) -> int:
        """Proceed to the next epoch; return the number of the one that ended."""
        self.source.end_epoch()
        self.last_batch = self.batch - 1
        self.epoch, self.batch = self.epoch + 1, 0
        return self.epoch - 1

    def let_go(self) -> None:
        """Keep the numbers alone, neither data nor callbacks: a callback that is kept keeps its run."""
        left = Source()
        left.items, left.per_batch, left.samples = self.source.items, self.source.per_batch, self.source.samples
        self.source, self.callbacks = left, []

    def get_state(self) -> dict[str, Any]:
        """Return all of it, as a tree of plain values and arrays."""
        stopped = self.model.stop_training                # then the rest of an epoch that has begun is skipped
        return {"batch": sys.maxsize if self.batch and stopped else self.batch, "callbacks": self.callback_states(),
                "drawn_from": self.drawn_from, "epoch": self.epoch, "samples": self.means.samples,
                "settings": self.settings, "stopped": stopped, "sums": self.means.sums}

    def check_state(self, state: Any) -> None:
        """Raise a ValueError unless this is the state of a call to `fit` with the same settings."""
        require(isinstance(state, dict) and state.keys() == self.get_state().keys(), "the state of a training", state)
        check_same(self.settings, state["settings"])
        check_generator_state(state["drawn_from"])

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.epoch, self.batch, self.drawn_from = state["epoch"], state["batch"], state["drawn_from"]
        self.means = self.no_means()
        self.means.samples, self.means.sums = state["samples"], dict(state["sums"])
        self.model.stop_training = state["stopped"]
        self.set_callback_states(state["callbacks"])

    def set_callback_states(self, states: Mapping[str, Any]) -> None:
        """Restore what `callback_states` returned."""
        for name, callback in self.named_callbacks().items():
            if name in states:
                saved = copy.deepcopy(states[name])                             # which may be restored once more
                try:
                    callback.set_state(saved)
                except Exception as error:
                    raise ValueError(f"{name}: set_state cannot take what get_state returned when the backup was made "
                                     f"({error!r}).") from error

    def callback_states(self) -> dict[str, Any]:
        """Return the states of the callbacks that have one."""
        states = {name: callback.get_state() for name, callback in self.named_callbacks().items()}
        return {name: state for name, state in states.items() if state}

    def named_callbacks(self) -> dict[str, Callback]:
        """Give the callbacks names that the same script gives them again: ``EarlyStopping 1``, ..."""
        seen: Counter[str] = Counter()
        named = {}
        for callback in self.callbacks:
            kind = type(callback).__name__
            seen[kind] += 1
            named[f"{kind} {seen[kind]}"] = callback
        return named
