"""All cores for one step, without two thread pools fighting over them.

BLAS keeps threads of its own, which go on spinning for a while after each product; a second pool beside them
finds its core taken. So BLAS works with one thread while a kernel of ours runs, and the cores are shared out
here, by plain Python threads: compiled kernels and NumPy's products both let go of the interpreter lock.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
from threadpoolctl import ThreadpoolController


def count() -> int:
    """Count the threads in use: ``TINYNET_NUM_THREADS``, or one for each core this process may run on."""
    wanted = os.environ.get("TINYNET_NUM_THREADS")
    if wanted is not None:
        if not wanted.isdigit() or int(wanted) < 1:
            raise ValueError(f"TINYNET_NUM_THREADS: expected a whole number from 1. Received: {wanted!r}.")
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[int, int], object], n: int, piece: int) -> None:
    """Call ``work(start, stop)`` for all of range(n), `piece` at a time, on all cores.

    How the range is cut does not depend on the number of threads, so neither does any sum.
    """
    starts = iter(range(0, n, piece))        # handed out one by one: a thread that is done takes the next

    def run() -> None:
        for start in starts:
            work(start, min(start + piece, n))

    with one_blas_thread:
        spare = min(count(), -(-n // piece)) - 1
        helpers = [_pool().submit(copy_context().run, run) for _ in range(spare)]     # with the caller's np.errstate
        try:
            run()
        finally:
            for helper in helpers:
                if not helper.cancel():      # never started: nothing to wait for
                    helper.result()


def scratch(use: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return room for one `use` in one thread, with whatever was left in it: the same memory at every call.

    A fresh array of a megabyte costs more than filling it: the system hands its pages out zeroed, one by one. What
    is written here lives until this thread asks for the same use again, so nothing of it may be handed out.
    """
    room, size = _scratch.__dict__, math.prod(shape) * dtype.itemsize
    if use not in room or len(room[use]) < size:
        room[use] = np.empty(size, np.uint8)
    return room[use][:size].view(dtype).reshape(shape)


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
                    library.set_num_threads(1)

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for library, before in self._before:
                    library.set_num_threads(before)


_scratch = threading.local()
_made: dict[str, object] = {}                # the pool and the BLAS controller, made when first needed


def _pool() -> ThreadPoolExecutor:
    if "pool" not in _made:
        _made["pool"] = ThreadPoolExecutor(max(1, count() - 1), thread_name_prefix="tinynet")
    return _made["pool"]                     # type: ignore[return-value]


def _blas() -> list:
    if "blas" not in _made:
        _made["blas"] = ThreadpoolController().select(user_api="blas").lib_controllers
    return _made["blas"]                     # type: ignore[return-value]


one_blas_thread = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_made.clear)     # a child has none of its parent's threads
    os.register_at_fork(after_in_child=one_blas_thread.begin)
