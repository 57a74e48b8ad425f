"""Read the lists and arrays of a pickle without running it: a pickle is a program, and may call whatever there is.

It is a list of instructions for a machine that has a stack and a numbered memory. Here is as much of that machine as
plain values need: numbers, strings, lists, dictionaries. Where a pickle looks a function up, its name alone is kept;
where it calls one, a note of with what, a `Call`. `array_of` knows one of these, NumPy's arrays of bytes. Any other
instruction is refused.

Source: Python's Lib/pickletools.py tells all instructions; these are the ones that Python 2 writes, in protocol 2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tinynet.datasets.idx import StrPath, file_error

__all__ = ["array_of", "read_pickle"]

Value = TypeVar("Value")
_MOST_STEPS = 2**20                      # five times those of CIFAR's largest file: they bound the time and the memory
_ARRAY, _DTYPE = "numpy.core.multiarray._reconstruct", "numpy.dtype"


@dataclass(frozen=True)
class Name:
    """What a pickle would look up."""

    name: str


@dataclass(eq=False)
class Call:
    """What a pickle would call, with which arguments, and the state that it would give to the result."""

    function: object
    arguments: object
    state: object = None


def read_pickle(data: bytes, file: StrPath) -> object:
    """Return the value in the bytes of a pickle; strings are bytes, as in Python 2. `file` is its name in errors.

    Raises a ValueError for anything but plain values and notes of calls: instructions that do more, that are not
    there, that take from the stack what is not on it, or that are more than a million.

    >>> read_pickle(bytes([0x80, 2]) + b"(K" + bytes([7]) + b"U" + bytes([3]) + b"catt.", "example")
    (7, b'cat')
    """
    machine = _Machine(data)
    try:
        for _ in range(_MOST_STEPS):
            code = machine.take(1)
            if code == b".":
                return machine.pop(1)[0]
            if not (machine.push(code) or machine.combine(code)):
                raise file_error(file, "a pickle of numbers, strings, lists and arrays, which is not run to be read",
                                 f"the instruction 0x{code.hex()} before byte {machine.place}")
    except LookupError:
        raise file_error(file, "a complete, intact pickle",
                         f"an instruction that cannot be before byte {machine.place} of {len(data)}") from None
    raise file_error(file, f"a pickle of at most {_MOST_STEPS:,} instructions", "more")


def array_of(value: object, file: StrPath) -> np.ndarray:
    """Return the array of bytes (rows, columns) that a pickle has a note of, or raise a ValueError.

    NumPy writes an array as a call that makes an empty one, and its state: (version, shape, dtype, whether the first
    axis changes fastest, bytes).
    """
    match value:
        case Call(Name(name=str(function)), _, (int(), (int(rows), int(columns)), dtype, bool(first_fastest),
                                                bytes(values))) if (
                function == _ARRAY and _is_bytes(dtype) and rows >= 0 and rows * columns == len(values)):
            return np.frombuffer(values, np.uint8).reshape((rows, columns), order="F" if first_fastest else "C")
    raise file_error(file, "NumPy's note of an array of uint8, with as many bytes as its shape says", "something else")


def _is_bytes(dtype: object) -> bool:
    match dtype:
        case Call(Name(name=str(function)), (bytes(kind), *_), _):
            return function == _DTYPE and kind == b"u1"
    return False


class _Machine:
    """The stack, the memory, and the place in the bytes of the pickle; a LookupError tells what is not there."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0
        self.values: list[object] = []                        # the stack, down to the last mark on it
        self.below: list[list[object]] = []                   # what is below each mark
        self.memory: dict[int, object] = {}

    def push(self, code: bytes) -> bool:
        """Put a value on the stack, which follows in the bytes or is in the memory; False for other instructions."""
        value: object
        match code:
            case b"K" | b"M" | b"J":
                value = self.number({b"K": "B", b"M": "H", b"J": "i"}[code])
            case b"\x8a":
                value = int.from_bytes(self.take(self.number("B")), "little", signed=True)
            case b"U" | b"T":
                value = self.take(self.number("B" if code == b"U" else "I"))
            case b"N" | b"\x88" | b"\x89":
                value = {b"N": None, b"\x88": True, b"\x89": False}[code]
            case b"]" | b"}" | b")":
                value = {b"]": list, b"}": dict, b")": tuple}[code]()
            case b"c":
                value = Name(f"{self.line()}.{self.line()}")
            case b"h" | b"j":
                value = self.memory[self.number("B" if code == b"h" else "I")]
            case _:
                return False
        self.values.append(value)
        return True

    def combine(self, code: bytes) -> bool:
        """Do something with what is on the stack; False for other instructions."""
        match code:
            case b"\x80":
                return self.take(1) == b"\2"                  # the protocol
            case b"q" | b"r":
                self.memory[self.number("B" if code == b"q" else "I")] = self.top(object)
            case b"(":
                self.below.append(self.values)
                self.values = []
            case b"\x85" | b"\x86" | b"\x87" | b"t":
                items = self.pop_to_mark() if code == b"t" else self.pop(code[0] - 0x84)
                self.values.append(tuple(items))
            case b"a" | b"e":
                items = self.pop(1) if code == b"a" else self.pop_to_mark()
                self.top(list).extend(items)
            case b"s" | b"u":
                items = self.pop(2) if code == b"s" else self.pop_to_mark()
                _update(self.top(dict), items)
            case b"R":
                self.values.append(Call(*self.pop(2)))
            case b"b":
                (state,) = self.pop(1)
                self.top(Call).state = state
            case _:
                return False
        return True

    def take(self, size: int) -> bytes:
        """Take the next bytes."""
        taken = self.data[self.place:self.place + size]
        if len(taken) < size:
            raise LookupError
        self.place += size
        return taken

    def number(self, form: str) -> int:
        """Take a number, of a form that `struct` knows."""
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0]

    def line(self) -> str:
        """Take a line; the names that are looked up are short."""
        end = self.data.find(b"\n", self.place, self.place + 100)
        if end < 0:
            raise LookupError
        return self.take(end + 1 - self.place)[:-1].decode("latin-1")

    def top(self, kind: type[Value]) -> Value:
        """Return the last value, which is of a kind."""
        last = self.values[-1]
        if not isinstance(last, kind):
            raise LookupError
        return last

    def pop(self, count: int) -> list[object]:
        """Take the last values off the stack."""
        if len(self.values) < count:
            raise LookupError
        popped = self.values[-count:]
        del self.values[-count:]
        return popped

    def pop_to_mark(self) -> list[object]:
        """Take all values off the stack down to the last mark."""
        popped, self.values = self.values, self.below.pop()
        return popped


def _update(target: dict[bytes, object], items: list[object]) -> None:
    """Put keys and values, in turns, into a dictionary."""
    if len(items) % 2:
        raise LookupError
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, bytes):                        # the hash of tuples of tuples may take for ever
            raise LookupError
        target[key] = value
