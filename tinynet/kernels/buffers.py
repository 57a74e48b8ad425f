"""A pool of memory for large arrays, so that each training step reuses what the step before has freed.

A fresh array of a megabyte costs more than filling it: the operating system zeroes and maps each page when it is first
written, and unmaps it when the array is freed. A training step allocates the same dozen large arrays every time; from
a pool they cost nothing.

Alignment matters too. A vector load that straddles two cache lines fetches both, so buffers are aligned to cache lines.
And arrays that begin at the same offset within a page, as all large arrays of the system do, suffer from 4K aliasing:
the processor first compares only the low 12 bits of addresses, so that a load from one array waits for a store to
another. So buffers begin at staggered offsets: Adam's pass over four arrays takes 0.16 ms instead of 0.40.

This file is not in ``fast/``: layers and optimizers allocate parameters with it without loading numba.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections import deque
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np

MIN_POOLED_BYTES = 1 << 16                 # smaller arrays come from the system, which is as fast; also the granularity
MAX_POOLED_BYTES = 1 << 26                 # larger ones are not kept
MAX_UNUSED_BYTES = 1 << 27                 # in the pool, of all sizes together, when another size is asked for
MAX_BYTES_OF_A_SIZE = 1 << 26              # in the pool at any time
CACHE_LINE, PAGE = 64, 4096                # bytes

staggered_offsets = cycle(range(0, PAGE, PAGE // 4))


class Pool(dict[int, "deque[Loan]"]):
    """The loans that have ended, by the size of their memory; the oldest of too many are let go."""

    def __missing__(self, size: int) -> deque[Loan]:
        return self.setdefault(size, deque(maxlen=MAX_BYTES_OF_A_SIZE // size))

    def bytes(self) -> int:
        """Return how much memory is unused."""
        return sum(size * len(loans) for size, loans in list(self.items()))


unused = Pool()


class Loan(weakref.ref):
    """Memory that is lent, where it begins, and what is called when the `holder` that has it is freed.

    It is put back by a method of deque, and not by a ``__del__``: in that, Python drops the exceptions that come from
    outside, such as the KeyboardInterrupt of Ctrl-C.
    """

    __slots__ = "address", "memory"
    memory: np.ndarray
    address: int


@cache
def holder(size: int) -> Any:
    """Return a type for so many bytes at an address, and for their `loan`.

    An array keeps the one alive whose bytes it has, and so does each view of the array.
    """
    return type("Holder", (ctypes.c_char * size,), {"__slots__": ("loan",)})


def allocate(size: int) -> np.ndarray:
    """Return fresh bytes (size,), aligned to a cache line, each time in the next quarter of a page."""
    memory = np.empty(size + PAGE, np.uint8)
    begin = -address(memory) % CACHE_LINE + next(staggered_offsets)
    return memory[begin:begin + size]


def address(memory: np.ndarray) -> int:
    """Return where bytes begin that may be written: their ``ctypes.data``, in a quarter of the time."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))                           # type: ignore[arg-type]


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialised array, as ``np.empty`` does; a large one in memory from the pool."""
    size = math.prod(shape) * dtype.itemsize
    if size < MIN_POOLED_BYTES:
        return np.empty(shape, dtype)
    if size > MAX_POOLED_BYTES:
        return allocate(size).view(dtype).reshape(shape)
    rounded = -(-size // MIN_POOLED_BYTES) * MIN_POOLED_BYTES
    try:
        ended = unused[rounded].pop()                       # atomic: two threads never get the same buffer
        memory, begin = ended.memory, ended.address
    except IndexError:
        if unused.bytes() > MAX_UNUSED_BYTES:
            unused.clear()                 # the model or the batch size has changed: these sizes are not asked for
        memory = allocate(rounded)
        begin = address(memory)
    held = holder(rounded).from_address(begin)
    loan = held.loan = Loan(held, unused[rounded].append)
    loan.memory, loan.address = memory, begin
    return np.ndarray(shape, dtype, held)


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return what `empty` does, aligned to a cache line however small: vectors that cross a line load half as fast."""
    size = math.prod(shape) * dtype.itemsize
    if size >= MIN_POOLED_BYTES:
        return empty(shape, dtype)
    memory = np.empty(size + CACHE_LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % CACHE_LINE)


def empty_like(array: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return what `empty` does, of an array's dtype, and its shape or another, lying as it lies: axes in its order."""
    axes, shape = axes_in_memory(array), array.shape if shape is None else shape
    lying = empty(tuple(shape[axis] for axis in axes), array.dtype)
    return lying.transpose(np.argsort(axes))


def copy(array: np.ndarray) -> np.ndarray:
    """Return a copy, as ``array.copy()`` does; a large one in memory from the pool."""
    fresh = empty(array.shape, array.dtype)
    fresh[...] = array
    return fresh


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of zeros, as ``np.zeros`` does."""
    array = empty(shape, dtype)
    array[...] = 0
    return array


def axes_in_memory(array: np.ndarray) -> list[int]:
    """Return the axes of an array in the order in which they lie in memory, that of the longest strides first."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
