"""One loop on all cores, without two thread pools competing for them.

BLAS has a thread pool of its own, whose threads spin for a while after each product; a second pool would find its
cores taken. So BLAS is limited to one thread while a kernel runs, and the cores are shared out here, to plain Python
threads: compiled kernels and NumPy's products both release the interpreter lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from tinynet.kernels.buffers import address
from tinynet.kernels.fast.llvm.chunks import Loop
from tinynet.kernels.fast.llvm.waiting import functions
from tinynet.kernels.fast.workers import Job, Workers

Result = TypeVar("Result")
NUM_CHUNKS = 8               # of a batch, whatever the number of threads
MAX_THREADS = 8              # unless told otherwise: with 16, on 16 cores, steps took a tenth longer
MIN_PARALLEL = 5_000_000     # multiply-adds that one thread does in the time that it takes to wake a second one


def num_threads() -> int:
    """Return the number of threads to use: ``TINYNET_NUM_THREADS``, or one for each core this process may run on, up to
    `MAX_THREADS`.
    """
    wanted = os.environ.get("TINYNET_NUM_THREADS")
    if wanted is not None:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise ValueError(f"TINYNET_NUM_THREADS: expected a whole number from 1. Received: {wanted!r}.")
        return int(wanted)
    return min(_cores(), MAX_THREADS)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_for(work: Callable[[int, int], object], n: int, chunk_size: int, serial: bool = False) -> None:
    """Call ``work(start, stop)`` for each chunk of range(n), on all cores, or `serial` in this thread alone.

    The chunks do not depend on the number of threads, so neither does the order of any sum. A loop inside another one's
    work stays in its thread.
    """
    if n <= chunk_size:
        if n:
            work(0, n)
        return
    # Shared by all threads, and advanced under the interpreter lock: a thread that is done takes the next chunk.
    starts = iter(range(0, n, chunk_size))

    nested = getattr(_loops, "running", False)

    def run() -> None:
        _loops.running = True
        try:
            for start in starts:
                work(start, min(start + chunk_size, n))
        finally:
            _loops.running = nested

    jobs = [] if serial or nested else [Job(run) for _ in range(min(num_threads(), -(-n // chunk_size)) - 1)]
    if not jobs:
        run()
        return
    workers = _workers()
    workers.call(jobs)
    try:
        run()
    finally:
        for job in jobs:
            workers.finish(job)


def for_chunks(loop: Callable[..., None], n: int, chunk_size: int, *args: Any) -> None:
    """Run a `chunked` loop with these arguments over range(n), on all cores, as `parallel_for` does for Python."""
    size = max(1, chunk_size)
    shared: tuple[int, ...] = ()
    if helpers := helpers_for(-(-n // size)):
        workers = _workers()
        shared = workers.place, helpers, workers.open, workers.close
    numbers = np.array(Loop(n, size, *shared))
    loop(address(numbers), 0, *args)


def for_calls(function: int, calls: np.ndarray, *more: int) -> None:
    """Do calls (n, numbers) on all cores: `function` is the address of one made by `write_calls`."""
    helpers = helpers_for(len(calls))
    arguments = np.array([0, len(calls), address(calls), *more])
    functions().share(_workers().place if helpers else 0, helpers, function, address(arguments))


def helpers_for(chunks: int) -> int:
    """Return how many threads may help with so many chunks of a compiled loop, and wake those that sleep."""
    if chunks <= 1 or getattr(_loops, "running", False) or not (others := num_threads() - 1):
        return 0
    helpers = min(others, chunks - 1)
    _workers().wake(helpers)
    return helpers


def samples_per_chunk(N: int) -> int:
    """Return how many samples of a batch one thread takes at a time: a batch is `NUM_CHUNKS` chunks."""
    return max(1, -(-N // NUM_CHUNKS))


_loops = threading.local()                   # whether this thread is inside one


def on_one_blas_thread(product: Callable[[], Result]) -> Result:
    """Call a function while NumPy's products use one thread; whatever interrupts it, the setting is restored."""
    try:
        with one_blas_thread:
            return product()
    except BaseException:                        # Ctrl-C may have arrived in __enter__ or __exit__, halfway
        one_blas_thread.leave()
        raise


class _OneBlasThread:
    """``with one_blas_thread:`` NumPy's products use one thread; the last thread to leave restores the setting.

    Entering and leaving can both be broken off anywhere, and leaving be done again.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with no thread inside."""
        self._lock = threading.RLock()
        self._inside: set[int] = set()                                   # the threads that are
        self._before: list[tuple[LibController, int]] = []               # what is to be restored

    @property
    def _depth(self) -> int:
        return len(self._inside)

    def __enter__(self) -> None:
        with self._lock:
            self._inside.add(threading.get_ident())
            if not self._before:
                self._before = [(library, library.num_threads) for library in blas_libraries()]
            if self._depth == 1:
                for library, _ in self._before:
                    _set_threads(library, 1)

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Let this thread be inside no more, if it is."""
        with self._lock:
            self._inside.discard(threading.get_ident())
            if self._depth == 0:
                for library, before in self._before:
                    _set_threads(library, before)
                self._before = []


_shared: dict[str, Any] = {}                 # the workers and the BLAS libraries, looked up when first needed


def _workers() -> Workers:
    if "workers" not in _shared:
        number = num_threads()
        _shared["workers"] = Workers(number - 1, awake=number <= _cores())
    return _shared["workers"]


def blas_libraries() -> list[LibController]:
    """Return the BLAS libraries that are loaded."""
    if "blas" not in _shared:
        _shared["blas"] = ThreadpoolController().select(user_api="blas").lib_controllers
    return _shared["blas"]


def _set_threads(library: LibController, number: int) -> None:
    """Set a BLAS's number of threads, from any thread.

    From threadpoolctl 3.8 on a library obeys only the Python thread that set it first, its controlling thread: it must
    have none, before and after.
    """
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


one_blas_thread = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.clear)   # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=one_blas_thread.reset)
