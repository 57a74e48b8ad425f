"""The shards that one process computes: one at a time, each until it is done or waits for the sums of the others.

Statistics over a batch (`kernels.batch_sums`) need all of its shards, in the middle of a layer. So each shard has a
thread of its own, and they take turns: who has the turn computes, on all cores, and gives it back where it waits. When
all wait, their sums are added, with those of other processes, and they go on. A model without such statistics is never
kept waiting: its shards are computed one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, wait
from contextvars import copy_context
from typing import TypeVar

import numpy as np

from tinynet.kernels.part import Part, part

Result = TypeVar("Result")
AddUp = Callable[[Mapping[int, np.ndarray]], np.ndarray]       # the sums of the batch, from those of the shards here


class Lockstep:
    """Some shards of a batch, as ``{number: (place of the first sample, samples)}``, which meet in `batch_sums`."""

    def __init__(self, places: Mapping[int, tuple[int, int]], add_up: AddUp):
        self.places = places
        self.turn = threading.Lock()
        self.met: dict[int, np.ndarray] = {}
        self.barrier, self.add_up = threading.Barrier(len(places)), add_up
        self.total, self.waiting, self.finished = np.empty(0), 0, 0

    def run(self, work: Callable[[int], Result], threads: Executor) -> dict[int, Result]:
        """Call ``work(number)`` for each shard; return what it returned, by number."""
        jobs = {number: threads.submit(copy_context().run, self.compute, work, number) for number in self.places}
        try:
            wait(jobs.values())
        except BaseException:                                       # Ctrl-C
            self.barrier.abort()
            raise
        errors = [job.exception() for job in jobs.values() if job.exception() is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error                                            # type: ignore[misc]
        return {number: job.result() for number, job in jobs.items()}

    def compute(self, work: Callable[[int], Result], number: int) -> Result:
        """Compute a shard when it has its turn."""
        try:
            with self.turn:
                part.set(Part(*self.places[number], lambda sums: self.meet(number, sums)))
                result = work(number)
                self.finished += 1
                self.check_meetings()
                return result
        except BaseException:
            self.barrier.abort()                                    # nobody waits for this shard any more
            raise

    def meet(self, number: int, sums: np.ndarray) -> np.ndarray:
        """Wait until all shards have come here with their sums; return those of the batch."""
        self.met[number] = sums
        self.waiting += 1
        self.check_meetings()
        if self.waiting == len(self.places):                        # the last one that comes adds up the sums of all
            self.total, self.waiting = self.add_up(self.met), 0
        self.turn.release()
        try:
            self.barrier.wait()
        finally:
            self.turn.acquire()
        return self.total.copy()                                    # nobody meets again before all have it

    def check_meetings(self) -> None:
        """Raise a RuntimeError where a shard waits for one that has finished, and will not come."""
        if self.waiting and self.finished:
            raise RuntimeError("distributed: a layer calls kernels.batch_sums for some shards of a batch and not for "
                               "others, where each waits for all. Expected as many calls for each.")
