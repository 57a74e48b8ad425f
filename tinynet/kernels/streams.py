"""Loops that are launched, and done while Python goes on: what a thread has launched and not yet waited for.

Python takes some microseconds between any two loops of a training step. Where each loop is waited for, all cores wait
for Python: on 8 of them for half of a step of the three models. In a stream, loops are done one after the other, each
on all cores, while Python prepares the next. What they read and write must not be touched before they have ended, but
by other loops; whoever does so says `synchronize()` first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_int64
from functools import cache
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")


class Stream:
    """The loops of a thread, in the order in which they were launched.

    Parameters
    ----------
    pushed, ended : how many loops have been put into the queue of `tinynet.kernels.fast.llvm.waiting`, and have ended.
    help : helps with them until so many have ended.

    Attributes
    ----------
    launches : whether loops are waited for by `synchronize` alone, and not by whoever runs them.
    """

    def __init__(self, pushed: c_int64, ended: c_int64, help: Callable[[int], None]):
        self.launches = False
        self._pushed, self._ended, self._help = pushed, ended, help
        self._kept = deque[tuple[int, Any]]()                            # each until so many loops have ended

    def keep(self, *what: Any) -> None:
        """Keep what the next loop needs in memory until it has ended."""
        kept, ended = self._kept, self._ended.value
        while kept and kept[0][0] <= ended:
            kept.popleft()
        kept.append((self._pushed.value + 1, what))

    @property
    def launched(self) -> int:
        """How many loops there were so far."""
        return self._pushed.value

    def wait(self, number: int) -> None:
        """Help with loops until so many have ended."""
        self._help(number)

    def synchronize(self) -> None:
        """Help with the loops that were launched, until all have ended."""
        if self._kept:
            self.wait(self.launched)
            self._kept.clear()

    def allow(self, launches: bool) -> None:
        """Let loops be launched, or not any more."""
        self.launches = launches
        if not launches:
            self.synchronize()


class Here(threading.local):
    """What a thread knows of its loops."""

    running = False                          # whether it is inside a piece of one in Python
    stream: Stream | None = None


here = Here()


def synchronize() -> None:
    """Wait for the loops that this thread has launched, if any."""
    if here.stream is not None:
        here.stream.synchronize()


def reshaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array in another shape: a view, or, where it does not lie so, a copy of what loops have filled."""
    if not array.flags.c_contiguous:
        synchronize()
    return array.reshape(shape)


def current_stream() -> Stream | None:
    """Return the stream of this thread, None if it has none: then each loop is waited for."""
    return here.stream


def launches() -> bool:
    """Return whether this thread's loops are launched now."""
    return here.stream is not None and here.stream.launches


def stop_launching() -> None:
    """Wait for the loops that this thread has launched, if any, and from now on for each."""
    if here.stream is not None:
        here.stream.allow(False)


def waiting(run: Callable[[], Result]) -> Callable[[], Result]:
    """Return a function that waits for the loops launched so far, and not for later ones, before it runs; once."""
    stream = here.stream
    if stream is None or not stream.launches:
        return run
    number = stream.launched

    def after_loops() -> Result:
        stream.wait(number)
        return run()
    return cache(after_loops)


@contextmanager
def launching_loops(condition: bool = True) -> Iterator[None]:
    """Let loops be launched in a stream, if there is one; what was launched may still be under way afterwards.

    If not so, on a `condition`, all that was launched before has ended.
    """
    if here.stream is None:
        yield
        return
    here.stream.allow(condition)
    try:
        yield
    finally:
        if here.stream is not None:
            here.stream.launches = False


def launching(function: Any) -> Any:
    """Mark a step's function: it, and the backward that it returns, touch arrays by loops alone, or `synchronize`."""
    function.launches = True
    return function
