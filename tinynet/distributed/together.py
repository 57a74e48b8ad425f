"""What `fit` does in several processes: every batch in shards, whose gradients are added in a tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.callbacks import CallbackList
from tinynet.callbacks.terminate import TrainingDiverged
from tinynet.checks import invalid
from tinynet.distributed.callbacks import FirstProcessCallbacks
from tinynet.distributed.gradients import Gradients
from tinynet.distributed.lockstep import Lockstep
from tinynet.distributed.processes import MPIProcesses, Processes
from tinynet.distributed.setup import check_same_set_up, set_up
from tinynet.distributed.shards import ShardedSource, Shards
from tinynet.distributed.tree import shares, tree_sum
from tinynet.distributed.twins import Twin
from tinynet.kernels import buffers
from tinynet.layers.base import Layer
from tinynet.layers.lock import writing
from tinynet.optimizers import Optimizer
from tinynet.training.data import Tally
from tinynet.training.divergence import check_loss
from tinynet.training.model import Model
from tinynet.training.run import Run
from tinynet.training.sources import Source
from tinynet.training.team import Alone

Tallies = dict[str, Tally]


class Together(Alone[Model]):
    """The processes of one training, each with some shards of every batch.

    Parameters
    ----------
    processes : this one, and those it trains with.
    shards : how many shards a batch is cut into.
    """

    def __init__(self, processes: Processes, shards: int):
        if processes.size > shards:
            raise invalid("distributed", f"at most as many processes as shards, {shards}, since each computes one or "
                          f"more; start fewer, or say distributed.use('mpi', shards={processes.size})",
                          f"{processes.size} processes")
        self.processes, self.shards = processes, shards
        self.owned = shares(shards, processes.size)                  # the shards of each process
        self.settings = {"shards": shards}
        self.threads = ThreadPoolExecutor(self.owned[0][1], "tinynet_shard")
        self.twins: dict[int, Twin] = {}

    def share(self, source: Source) -> Source:
        """Return where this process's shards come from."""
        return ShardedSource(source, self.shards, self.owned[self.processes.rank], self.check_size)

    def own(self, samples: int) -> slice:
        """Return which of the samples this process looks at before the training; of a few, all processes at all."""
        return slice(*shares(samples, self.processes.size)[self.processes.rank] if samples >= self.shards else (None,))

    def begin(self, model: Model, run: Run, called: CallbackList, sources: Mapping[str, Source | None],
              epochs: int) -> CallbackList:
        """Check that all processes begin the same training; make the twins."""
        check_same_set_up(self.processes, set_up(model, run, sources, epochs))
        self.twins = {number: Twin(model) for number in range(*self.owned[self.processes.rank])}
        return FirstProcessCallbacks(called.callbacks, self.processes, model, run)

    def check_size(self, samples: int | None) -> None:
        """Raise a ValueError unless the batch that has come, or the end, is the same everywhere."""
        sizes = self.processes.all_of(samples)
        for rank, size in enumerate(sizes):
            if size != sizes[0]:
                raise invalid("distributed", f"batches of the same samples in all processes, here of {sizes[0]}",
                              f"one of {size} in process {rank} (None: the end)")

    def train_step(self, model: Model, batch: Shards) -> Tallies:
        """Make one update; return what the batch adds to the epoch's means."""
        with self.failing_together():
            twins = {number: self.twins[number] for number in batch.own}
            for twin in self.twins.values():
                twin.begin(batch.samples)
            filled = min(batch.samples, self.shards)
            gradients = Gradients(self.processes, model.trainable_params(),
                                  {number: twin.model for number, twin in twins.items()}, filled, self.shards)
            after_step = gradients.after_step if self.processes.size > 1 else None
            tallies: dict[int, Tallies] = {}
            if twins:
                places = {number: (shard.first, shard.data.samples) for number, shard in batch.own.items()}
                lockstep = Lockstep(places, lambda sums: self.sums_of_batch(sums, filled))
                tallies = lockstep.run(lambda number: twins[number].run(batch.own[number].data, batch.samples,
                                                                        after_step), self.threads)
            grads = gradients.finish()
            found = self.put_together(batch, tallies)
            penalties = model.penalties()
            params = model.params
            value = found["loss"] = found["loss"] + sum(term.value(params[key]) for key, term in penalties)
            finite = math.isfinite(value)
            twin = next(iter(self.twins.values()))
            saved = self.processes.from_one(twin.state_and_generators() if self.processes.rank == 0 else None)
            with writing(model):
                twin.set_state_and_generators(saved, finite)
            if finite:
                for key, term in penalties:
                    slope = term.gradient(params[key])
                    grads[key] = np.add(grads[key], slope, out=buffers.empty(slope.shape, slope.dtype))
                model.grads.update(grads)
                with writing(model):
                    model.optimizer.update(model.trainable_params(), grads)
                    model._constrain()
            return found

    def test_step(self, model: Model, batch: Shards) -> Tallies:
        """Return what a batch of the validation adds to its means."""
        with self.failing_together():
            return self.put_together(batch, {number: model._test_step(shard.data)
                                             for number, shard in batch.own.items()})

    def put_together(self, batch: Shards, tallies: Mapping[int, Tallies]) -> Tallies:
        """Return the tallies of a batch: means over its shards, each as much as it has samples, and sums of counts."""
        told = [(batch.own[number].data.samples, found) for number, found in tallies.items()]        # in order
        total: Tallies = {}
        for samples, found in itertools.chain(*self.processes.all_of(told)):
            for name, tally in found.items():
                part = tally if isinstance(tally, np.ndarray) else tally * (samples / batch.samples)
                total[name] = total[name] + part if name in total else part
        return total

    def sums_of_batch(self, sums: Mapping[int, np.ndarray], filled: int) -> np.ndarray:
        """Return the sums over a batch, from those of the shards here, added in the tree, and of the others."""
        of_shards = np.stack([sums[number] for number in sorted(sums)])
        if isinstance(self.processes, MPIProcesses):
            of_shards = self.from_others(self.processes, of_shards, filled)
        known = {(number, number + 1): shard for number, shard in enumerate(of_shards)}
        total = tree_sum((0, self.shards), known, np.add)
        return of_shards[0] if total is None else total

    def from_others(self, processes: MPIProcesses, sums: np.ndarray, filled: int) -> np.ndarray:
        """Return the sums of all shards that have samples, (filled, ...), given those of this process."""
        filled_here = [max(0, min(stop, filled) - start) for start, stop in self.owned]
        active = sum(count > 0 for count in filled_here)
        if active == 1:
            return sums
        padded = np.zeros((max(filled_here), *sums.shape[1:]))
        padded[:len(sums)] = sums
        return np.concatenate([of_process[:count] for of_process, count in
                               zip(processes.all_alike(padded, active), filled_here, strict=False)])

    def check_loss(self, model: Layer, optimizer: Optimizer, loss: float, epoch: int, number: int, batch: Any) -> None:
        """Raise TrainingDiverged, in all processes, with what is found in the first shard in which a layer goes bad."""
        if math.isfinite(loss):
            return
        found: list[tuple[str, str | None]] = []
        for shard in batch.own.values():
            try:
                check_loss(model, optimizer, loss, epoch, number, shard.data)
            except TrainingDiverged as error:
                found.append((str(error), error.layer))
        found = [each for of_process in self.processes.all_of(found) for each in of_process]
        message, layer = next((each for each in found if each[1] is not None), found[0])
        raise TrainingDiverged(message, epoch, number, layer)

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """End all processes where an error ends this one, for which they would wait."""
        try:
            yield
        except Exception as error:
            self.processes.fail(error)
            raise
