"""One loop on all cores, without two thread pools competing for them.

BLAS has a thread pool of its own, whose threads spin for a while after each product; a second pool would find its
cores taken. So BLAS is limited to one thread while a kernel runs, and the cores are shared out here, to plain Python
threads: compiled kernels and NumPy's products both release the interpreter lock.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from tinynet.kernels.buffers import address
from tinynet.kernels.fast.llvm.chunks import Loop
from tinynet.kernels.fast.llvm.waiting import ALONE, IN_ORDER, LAUNCHED, functions
from tinynet.kernels.fast.workers import Job, Workers
from tinynet.kernels.streams import here, stop_launching, synchronize

Result = TypeVar("Result")
# The environment, in the dict that os.environ has, if it has one: to find nothing there takes a fortieth of the time,
# as os.environ raises two exceptions.
VARIABLES: Any = getattr(os.environ, "_data", os.environ)
WANTED: Any = "TINYNET_NUM_THREADS" if VARIABLES is os.environ else os.environ.encodekey("TINYNET_NUM_THREADS")
NUM_CHUNKS = 8               # of a batch, whatever the number of threads, where each chunk has sums of its own
NUM_PIECES = 16              # of what has none: a thread that comes late, from Python, finds the last ones small
MAX_THREADS = 8              # unless told otherwise: with 16, on 16 cores, steps took a tenth longer
MIN_PARALLEL = 5_000_000     # multiply-adds that one thread does in the time that it takes to wake a second one


def num_threads() -> int:
    """Return the number of threads to use: ``TINYNET_NUM_THREADS``, or one for each core this process may run on, up to
    `MAX_THREADS`.
    """
    return as_number_of_threads(VARIABLES.get(WANTED))


@cache                                       # many loops of a step ask
def as_number_of_threads(wanted: bytes | str | None) -> int:
    """Return what was `wanted`, or as many threads as there are cores, up to `MAX_THREADS`."""
    if wanted is None:
        return min(_cores(), MAX_THREADS)
    wanted = os.fsdecode(wanted)
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"TINYNET_NUM_THREADS: expected a whole number from 1. Received: {wanted!r}.")
    return int(wanted)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_for(work: Callable[[int, int], object], n: int, chunk_size: int, serial: bool = False) -> None:
    """Call ``work(start, stop)`` for each chunk of range(n), on all cores, or `serial` in this thread alone.

    The chunks do not depend on the number of threads, so neither does the order of any sum. A loop inside another one's
    work stays in its thread.
    """
    synchronize()
    if n <= chunk_size:
        if n:
            work(0, n)
        return
    # Shared by all threads, and advanced under the interpreter lock: a thread that is done takes the next chunk.
    starts = iter(range(0, n, chunk_size))

    nested = here.running

    def run() -> None:
        here.running = True
        try:
            for start in starts:
                work(start, min(start + chunk_size, n))
        finally:
            here.running = nested

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


def for_chunks(run: Callable[..., None], n: int, chunk_size: int, *args: Any, alive: Any = ()) -> None:
    """Run a `chunked` loop with these arguments over range(n), on all cores, as `parallel_for` does for Python.

    In a stream it may be launched, and done later. What it gets by address must be kept `alive` until then.
    """
    size = max(1, chunk_size)
    place, most, mode = shared_out(-(-n // size))
    loop = Loop(n, size, place, most, functions().begin, mode)
    if mode == LAUNCHED:
        here.stream.keep(loop, args, alive)                              # type: ignore[union-attr]
    run(ctypes.addressof(loop), 0, *args)


def for_calls(function: int, calls: np.ndarray, *more: int, alive: Any = ()) -> None:
    """Do calls (n, numbers) on all cores: `function` is the address of one made by `write_calls`.

    They may be launched, too, see `for_chunks`.
    """
    place, most, mode = shared_out(len(calls))
    arguments = (ctypes.c_int64 * (2 + len(more)))(len(calls), address(calls), *more)
    if mode == LAUNCHED:
        here.stream.keep(calls, alive)                                   # type: ignore[union-attr]
    functions().share(place, most, function, ctypes.addressof(arguments), ctypes.sizeof(arguments), mode)


def shared_out(chunks: int) -> tuple[int, int, int]:
    """Return in which queue to put a loop of so many chunks, 0 for none, how many threads may take part, and its mode;
    wake those that sleep.
    """
    stream, others = here.stream, num_threads() - 1
    launches = stream is not None and stream.launches
    if here.running or not others or (chunks <= 1 and not launches):
        synchronize()
        return 0, 0, ALONE
    workers, helpers = _workers(), min(others, max(1, chunks - 1))
    workers.wake(helpers)
    return workers.place, 1 + helpers, LAUNCHED if launches else ALONE if stream is None else IN_ORDER


def in_stream(run: Callable[[], Result]) -> Result:
    """Call a function whose loops may be launched, see `Stream`; all have ended when it returns."""
    if here.running or here.stream is not None or num_threads() == 1:
        return run()
    workers = _workers()
    if not functions().claim(workers.place):                             # another thread has it
        return run()
    try:
        here.stream = workers.stream
        return run()
    except BaseException:                            # Ctrl-C may have arrived while loops were waited for
        leave_stream()
        raise
    finally:
        leave_stream()
        workers.owner.value = 0


def leave_stream() -> None:
    """Wait for all loops of this thread, from now on for each."""
    stop_launching()
    here.stream = None


def samples_per_chunk(N: int, chunks: int = NUM_CHUNKS) -> int:
    """Return how many samples of a batch one thread takes at a time: a batch is so many chunks."""
    return max(1, -(-N // chunks))


def on_one_blas_thread(run: Callable[[], Result]) -> Result:
    """Call a function while NumPy's products use one thread; whatever interrupts it, the setting is restored."""
    try:
        with one_blas_thread:
            return run()
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
        self._before: list[tuple[BlasThreads, int]] = []                 # what is to be restored

    @property
    def _depth(self) -> int:
        return len(self._inside)

    def __enter__(self) -> None:
        with self._lock:
            self._inside.add(threading.get_ident())
            if not self._before:
                self._before = [(of_library, of_library.get()) for of_library in _blas_threads()]
            if self._depth == 1:
                for of_library, _ in self._before:
                    of_library.set(1)

    def __exit__(self, *exception: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Let this thread be inside no more, if it is."""
        with self._lock:
            self._inside.discard(threading.get_ident())
            if self._depth == 0:
                for of_library, before in self._before:
                    of_library.set(before)
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


def symbol(library: LibController, name: str) -> Any:
    """Return a function of a BLAS library, which some builds give a prefix or a suffix; None where it is not found."""
    for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
        if function := getattr(library.dynlib, f"{prefix}{name}{suffix}", None):
            return function
    return None


class BlasThreads(NamedTuple):
    """The functions that get and set a BLAS library's number of threads."""

    get: Callable[[], int]
    set: Callable[[int], object]


def _blas_threads() -> list[BlasThreads]:
    if "blas threads" not in _shared:
        _shared["blas threads"] = [blas_threads_of(library) for library in blas_libraries()]
    return _shared["blas threads"]


def blas_threads_of(library: LibController) -> BlasThreads:
    """Return a library's own functions, or those of threadpoolctl, which take eight times as long.

    From threadpoolctl 3.8 on a library obeys only the Python thread that set it first, its controlling thread: it must
    have none, before and after.
    """
    own = [symbol(library, f"openblas_{verb}_num_threads") for verb in ("get", "set")]
    if all(own) and library.threading_layer == "pthreads":            # with OpenMP each thread has a number of its own
        return BlasThreads(*own)
    release = getattr(library, "clear_controlling_thread", lambda force: None)

    def set_threads(number: int) -> None:
        release(force=True)
        library.set_num_threads(number)
        release(force=True)
    return BlasThreads(lambda: library.num_threads, set_threads)


one_blas_thread = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.clear)   # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=as_number_of_threads.cache_clear)                # and perhaps other cores
    os.register_at_fork(after_in_child=one_blas_thread.reset)
