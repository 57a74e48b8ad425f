"""The processes that train together, and what they say to each other: one alone, or those that mpiexec has started."""

from __future__ import annotations

import atexit
import pickle
import sys
import time
import traceback
from types import TracebackType
from typing import Any

import numpy as np

PATIENCE = 2000                # questions whether a message has come, before the processor is left to others
NAP = 5e-5                     # seconds between two questions, then
FAREWELL = 1                   # the tag of the message that a process sends when its script ends
GRACE = 5.0                    # seconds that one waits for a process that has said farewell


class Processes:
    """One process, which has nobody to talk to; `MPIProcesses` overrides what it says to others.

    Attributes
    ----------
    rank, size : the number of this process, from 0, and how many there are.
    """

    rank, size = 0, 1

    def all_of(self, value: Any) -> list[Any]:
        """Return what each process has passed, by rank."""
        return [value]

    def from_one(self, value: Any, rank: int = 0) -> Any:
        """Return what one process has passed."""
        return value

    def fail(self, error: BaseException) -> None:
        """End all processes, as one cannot go on; alone, the error says all."""


class MPIProcesses(Processes):
    """The processes of an MPI communicator.

    All waiting is done here, with questions: whoever waits lets others compute, where there are fewer cores than
    processes, and sees it where one that it waits for has ended.
    """

    def __init__(self, mpi: Any):
        self.mpi, self.comm = mpi, mpi.COMM_WORLD.Dup()
        self.pieces, self.gathering = self.comm.Dup(), self.comm.Dup()          # for the two messages of `gradients`
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.first_ones: dict[int, Any] = {}
        self.before = sys.excepthook
        sys.excepthook = self.uncaught
        atexit.register(self.say_farewell)

    def wait(self, request: Any) -> None:
        """Wait until a message has come, or has gone."""
        asked, gone_since = 0, None
        while not request.Test():
            asked += 1
            if asked > PATIENCE:
                time.sleep(NAP)
            if asked % 1000 == 0 and asked > PATIENCE:
                gone_since = gone_since or self.somebody_gone()
                if gone_since and time.monotonic() - gone_since[1] > GRACE:
                    self.fail(RuntimeError(f"process {gone_since[0]} ended while others wait for it"))

    def somebody_gone(self) -> tuple[int, float] | None:
        """Return which process has said farewell, and when that was noticed; None if none has."""
        status = self.mpi.Status()
        if self.comm.Iprobe(tag=FAREWELL, status=status):
            return status.Get_source(), time.monotonic()
        return None

    def say_farewell(self) -> None:
        """Tell the others that this process's script has ended."""
        for rank in range(self.size):
            if rank != self.rank:
                self.comm.Isend(np.zeros(1, np.uint8), rank, FAREWELL)

    def all_of(self, value: Any) -> list[Any]:
        """Return what each process has passed, by rank."""
        mine = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = self.all_alike(np.array([mine.size]))
        sizes = sizes.reshape(-1)
        texts = np.empty(int(sizes.sum()), np.uint8)
        self.wait(self.comm.Iallgatherv(mine, [texts, sizes.tolist()]))
        stops = np.cumsum(sizes)
        return [pickle.loads(texts[stop - size:stop].tobytes()) for size, stop in zip(sizes, stops, strict=True)]

    def all_alike(self, array: np.ndarray, among: int | None = None) -> np.ndarray:
        """Return the arrays of all processes, or of the first ones, as one: (processes, ...), all of one shape."""
        comm, size = (self.comm, self.size) if among is None else (self.first(among), among)
        arrays = np.empty((size, *array.shape), array.dtype)
        self.wait(comm.Iallgather(np.ascontiguousarray(array), arrays))
        return arrays

    def from_one(self, value: Any, rank: int = 0) -> Any:
        """Return what one process has passed."""
        text = np.frombuffer(pickle.dumps(value), np.uint8) if rank == self.rank else np.empty(0, np.uint8)
        size = np.array([text.size])
        self.wait(self.comm.Ibcast(size, rank))
        if rank != self.rank:
            text = np.empty(int(size[0]), np.uint8)
        self.wait(self.comm.Ibcast(text, rank))
        return pickle.loads(text.tobytes())

    def first(self, size: int) -> Any:
        """Return a communicator of the first processes, as many as are needed."""
        if size not in self.first_ones:
            group = self.comm.Get_group().Incl(list(range(size)))
            self.first_ones[size] = self.comm if size == self.size else self.comm.Create_group(group)
        return self.first_ones[size]

    def fail(self, error: BaseException) -> None:
        """Say what happened, and where; end all processes."""
        time.sleep(0.5 * (self.rank > 0))          # where the same happened to all, the first one says it
        traceback.print_exception(error)
        print(f"tinynet.distributed: process {self.rank} of {self.size} (counted from 0) failed, and all end with it: "
              f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        self.comm.Abort(1)

    def uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """End all processes, instead of this one, for which the others would wait."""
        if issubclass(kind, KeyboardInterrupt):
            self.before(kind, error, trace)
        self.fail(error)


def of_mpi() -> Processes:
    """Return the processes that this one was started with, or raise an ImportError that says what is missing."""
    try:
        from mpi4py import MPI
    except (ImportError, OSError, RuntimeError) as error:
        raise ImportError(f"distributed.use('mpi'): expected mpi4py and an MPI library. Received: {error}. "
                          f"Install both by: pip install 'tinynet[mpi]'") from error
    if MPI.Query_thread() < MPI.THREAD_SERIALIZED:
        raise ImportError("distributed.use('mpi'): expected an MPI that threads may call (MPI_THREAD_SERIALIZED). "
                          "Received: one without.")
    return MPIProcesses(MPI) if MPI.COMM_WORLD.Get_size() > 1 else Processes()
