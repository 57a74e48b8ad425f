"""The threads that share a loop with its caller: how they are called, and how each waits for the other.

A thread that sleeps needs 50 to 100 us to wake, as long as a whole loop of some layer takes. So who waits stays awake
for a while, and looks at two places in memory. At one a compiled loop is shared out: that needs no interpreter. At the
other it is called to a job in Python. It comes back to that when the caller has left the interpreter: to wait for the
interpreter lock is to sleep, too.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue

from tinynet.kernels.fast.llvm import waiting
from tinynet.kernels.fast.llvm.waiting import FIRST, LINE, PLACE_BYTES
from tinynet.kernels.streams import Stream

AWAKE = 2e-3                 # seconds: what runs between two loops of a step takes less
HEAD_START = 8e-6            # seconds in which a caller has left the interpreter, or a thread that was called before


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


class Awakening:
    """What is in the queue in the place of a job, to wake a thread: it looks for a compiled loop to help with."""

    def work(self, rests: int, count: int) -> None:
        """Do nothing more."""


class Workers:
    """Threads that take jobs from a queue, and help with compiled loops.

    In memory each has a line of the cache with its calls, and one with its rests, after two queues of loops: the one
    where they are shared out, and one that stays empty, for callers that wait.

    Attributes
    ----------
    place : the address of the queue of compiled loops, see `tinynet.kernels.fast.llvm.waiting`.
    owner : 1 while a thread has the queue.
    stream : the loops that it has launched.
    """

    def __init__(self, number: int, awake: bool) -> None:
        self._number, self._queue = number, SimpleQueue[Job | Awakening]()
        self._wait, _, help_, *_ = waiting.functions()
        self._memory = (ctypes.c_char * (FIRST + PLACE_BYTES + (2 * number + 3) * LINE))()
        self._nobodys = -(-ctypes.addressof(self._memory) // LINE) * LINE
        self.place = self._nobodys + FIRST
        self._awake, self._rounds = self._count_of(self.place + waiting.AWAKE), 1
        pushed, ended, self.owner = (self._count_of(self.place + offset)
                                     for offset in (waiting.PUSHED, waiting.ENDED, waiting.OWNER))
        self.stream = Stream(pushed, ended, partial(help_, self.place))
        for place in (self._nobodys, self.place):
            self._count_of(place + waiting.YIELD).value = address_of_yield()
        if awake:                                # otherwise others need the cores
            rounds, began = 2000, time.perf_counter()
            self._wait(*self._lines(0), 0, rounds, 0, self._nobodys)
            self._rounds = int(rounds * AWAKE / (time.perf_counter() - began))
        for n in range(1, number + 1):
            threading.Thread(target=self._serve, args=(n,), name=f"tinynet_{n}", daemon=True).start()

    def call(self, jobs: list[Job]) -> None:
        """Hand out jobs."""
        for n, job in enumerate(jobs, 1):
            self._queue.put(job)
            if n <= self._number:
                self._count_of(self._lines(n)[1]).value += 1

    def wake(self, wanted: int) -> None:
        """Wake as many threads as are wanted, but not awake, to help with compiled loops."""
        asleep = min(wanted, self._number) - self._awake.value
        for _ in range(asleep - self._queue.qsize() if asleep > 0 else 0):
            self._queue.put(Awakening())

    def finish(self, job: Job) -> None:
        """Wait for the thread that has claimed a job, if any; raise what it raised."""
        if not job.claimed.acquire(blocking=False):
            rests, count = job.taken
            self._wait(self._lines(0)[0], rests, count, self._rounds, 0, self._nobodys)
            job.done.acquire()
            if job.error is not None:
                raise job.error

    def _serve(self, n: int) -> None:
        """Take jobs for ever, as the `n`-th thread."""
        rests, calls = self._lines(n)
        while True:
            seen = self._count_of(calls).value
            rounds = self._rounds if self._queue.empty() else 1
            called = self._wait(rests, calls, seen, rounds, int(n * HEAD_START / AWAKE * self._rounds), self.place)
            if called and self._queue.empty():
                continue                         # another thread was quicker
            self._queue.get().work(rests, self._count_of(rests).value)

    def _lines(self, n: int) -> tuple[int, int]:
        """Return where the `n`-th thread, or 0, the callers, count how often they rested, and have been called."""
        address = self.place + PLACE_BYTES + 2 * n * LINE
        return address, address + LINE

    def _count_of(self, address: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(address)


def address_of_yield() -> int:
    """Return the address of the system's function that lets another thread have the core; 0 where POSIX has none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0
