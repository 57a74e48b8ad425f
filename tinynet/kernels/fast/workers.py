"""The threads that share a loop with its caller: how they are called, and how each waits for the other.

A thread that sleeps needs 50 to 100 us to wake, as long as a whole loop of some layer takes. So who waits stays awake
for a while, and looks at a number in memory. It does so outside the interpreter, and comes back when the other has
left it: to wait for the interpreter lock is to sleep, too.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue

from tinynet.kernels.fast.llvm.waiting import wait

AWAKE = 2e-3                 # seconds: what runs between two loops of a step takes less
HEAD_START = 8e-6            # seconds in which a caller has left the interpreter, or a thread that was called before
LINE = 64                    # bytes of a cache line, which no two numbers share: each is looked at by another thread
NUMBER = 8                   # bytes of one


class Job:
    """Work for another thread, in the caller's context (its ``np.errstate``); whoever claims it first does it.

    A caller that has finished all chunks by itself claims its jobs back, so it never waits for a thread that is busy
    with another caller's.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        self._run, self._context = run, copy_context()
        self.claimed, self.done = threading.Lock(), threading.Lock()
        self.done.acquire()
        self.error: BaseException | None = None
        self.taken = 0, 0                        # where the thread counts how often it has rested, and that number

    def work(self, rests: int, count: int) -> None:
        """Do the work, unless the caller has claimed it back."""
        self.taken = rests, count
        if self.claimed.acquire(blocking=False):
            try:
                self._context.run(self._run)
            except BaseException as error:
                self.error = error
            finally:
                self.done.release()


class Workers:
    """Threads that take jobs from a queue. In memory each has a line with its calls, and one with its rests."""

    def __init__(self, number: int, awake: bool) -> None:
        self._number, self._queue, self._wait = number, SimpleQueue[Job](), wait()
        self._memory = (ctypes.c_int64 * (2 * (number + 1) * LINE // NUMBER))()
        self._rounds = 0
        if awake:                                # otherwise others need the cores
            rounds, began = 2000, time.perf_counter()
            self._wait(*self._lines(0), 0, rounds, 0)
            self._rounds = int(rounds * AWAKE / (time.perf_counter() - began))
        for n in range(1, number + 1):
            threading.Thread(target=self._serve, args=(n,), name=f"tinynet_{n}", daemon=True).start()

    def call(self, jobs: list[Job]) -> None:
        """Hand out jobs."""
        for n, job in enumerate(jobs, 1):
            self._queue.put(job)
            if n <= self._number:
                self._count_of(self._lines(n)[1]).value += 1

    def finish(self, job: Job) -> None:
        """Wait for the thread that has claimed a job, if any; raise what it raised."""
        if not job.claimed.acquire(blocking=False):
            rests, count = job.taken
            self._wait(self._lines(0)[0], rests, count, self._rounds, 0)
            job.done.acquire()
            if job.error is not None:
                raise job.error

    def _serve(self, n: int) -> None:
        """Take jobs for ever, as the `n`-th thread."""
        rests, calls = self._lines(n)
        while True:
            seen = self._count_of(calls).value
            rounds = self._rounds if self._queue.empty() else 0
            called = self._wait(rests, calls, seen, rounds, int(n * HEAD_START / AWAKE * self._rounds))
            if called and self._queue.empty():
                continue                         # another thread was quicker
            self._queue.get().work(rests, self._count_of(rests).value)

    def _lines(self, n: int) -> tuple[int, int]:
        """Return where the `n`-th thread, or 0, the callers, count how often they rested, and have been called."""
        address = ctypes.addressof(self._memory) + 2 * n * LINE
        return address, address + LINE

    def _count_of(self, address: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(address)
