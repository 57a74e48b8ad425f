"""All cores for one step, without two thread pools fighting over them.

BLAS keeps threads of its own, which go on spinning for a while after each product; a second pool beside them
finds its core taken. So BLAS works with one thread while a kernel of ours runs, and the cores are shared out
here, by plain Python threads: compiled kernels and NumPy's products both let go of the interpreter lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from threadpoolctl import ThreadpoolController

SMALL = 5_000_000            # multiply-adds that one thread has done by the time a second one could have helped


def count() -> int:
    """Count the threads in use: ``TINYNET_NUM_THREADS``, or one for each core this process may run on."""
    wanted = os.environ.get("TINYNET_NUM_THREADS")
    if wanted is not None:
        if not wanted.isdigit() or int(wanted) < 1:
            raise ValueError(f"TINYNET_NUM_THREADS: expected a whole number from 1. Received: {wanted!r}.")
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[int, int], object], n: int, piece: int, alone: bool = False) -> None:
    """Call ``work(start, stop)`` for all of range(n), `piece` at a time, on all cores, or `alone` in this thread.

    How the range is cut does not depend on the number of threads, so neither does any sum.
    """
    if n <= piece:
        if n:
            work(0, n)
        return
    starts = iter(range(0, n, piece))        # handed out one by one: a thread that is done takes the next

    def run() -> None:
        for start in starts:
            work(start, min(start + piece, n))

    jobs = [] if alone else [_Job(run) for _ in range(min(count(), -(-n // piece)) - 1)]
    for job in jobs:
        _queue().put(job)
    try:
        run()
    finally:
        for job in jobs:
            job.finish()


class _Job:
    """Work for a helper, to be done with the caller's ``np.errstate``; of those who would begin it, the first does."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run, self._context = run, copy_context()
        self._begun, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()
        self._error: BaseException | None = None

    def help(self) -> None:
        """Do the work, unless the caller has been done before it was begun."""
        if self._begun.acquire(blocking=False):
            try:
                self._context.run(self._run)
            except BaseException as error:
                self._error = error
            finally:
                self._done.release()

    def finish(self) -> None:
        """Wait for a helper that has begun; raise what it raised."""
        if not self._begun.acquire(blocking=False):
            self._done.acquire()
            if self._error is not None:
                raise self._error


class _OneBlasThread:
    """``with one_blas_thread:`` NumPy's products use one thread; the last block to end restores what was."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Let nobody be inside."""
        self._lock, self._depth = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._before = [(library, library.num_threads) for library in _blas()]
                for library, _ in self._before:
                    _set_threads(library, 1)

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for library, before in self._before:
                    _set_threads(library, before)


_made: dict[str, Any] = {}                   # the helpers' queue and the BLAS controller, made when first needed


def _queue() -> SimpleQueue[_Job]:
    """Return the queue that the helpers wait at: a plain one, which wakes them 20 to 30 us sooner than an executor."""
    if "queue" not in _made:
        queue = _made["queue"] = SimpleQueue()
        for number in range(1, count()):
            threading.Thread(target=_help, args=(queue,), name=f"tinynet_{number}", daemon=True).start()
    return _made["queue"]


def _help(queue: SimpleQueue[_Job]) -> None:
    while True:
        queue.get().help()


def _blas() -> list:
    if "blas" not in _made:
        _made["blas"] = ThreadpoolController().select(user_api="blas").lib_controllers
    return _made["blas"]


def _set_threads(library: Any, number: int) -> None:
    """Set a BLAS's number of threads; threadpoolctl obeys one Python thread alone from 3.8 on, so none may own it."""
    disown = getattr(library, "clear_controlling_thread", lambda force: None)
    disown(force=True)
    library.set_num_threads(number)
    disown(force=True)


one_blas_thread = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_made.clear)     # a child has none of its parent's threads
    os.register_at_fork(after_in_child=one_blas_thread.begin)
