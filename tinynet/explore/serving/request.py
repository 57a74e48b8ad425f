"""What a request asks for, checked: every number finite, every index within its array, every name a known one."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tinynet.checks import invalid, is_int, is_number
from tinynet.registry import pick

T = TypeVar("T")


class Request:
    """The fields of one request; each method takes one out, or raises a ValueError that says what was expected."""

    def __init__(self, fields: Mapping[str, Any]):
        self.fields = fields

    def has(self, name: str) -> bool:
        """Return whether a field is there, and not null."""
        return self.fields.get(name) is not None

    def whole(self, name: str, below: int, least: int = 0) -> int:
        """Return a whole number from `least` to below `below`."""
        value = self.fields.get(name)
        if not is_int(value, least) or value >= below:
            raise invalid(None, f"{name}, a whole number from {least} to {below - 1}", received(value))
        return value

    def number(self, name: str, least: float = -math.inf, most: float = math.inf) -> float:
        """Return a finite number."""
        value = self.fields.get(name)
        if not is_number(value) or not abs(value) < 1e300 or not least <= value <= most:
            raise invalid(None, f"{name}, a finite number" + (f" from {least:g} to {most:g}" if least > -math.inf else
                                                              ""), received(value))
        return float(value)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self.fields.get(name)
        if not isinstance(value, bool):
            raise invalid(None, f"{name}, true or false", received(value))
        return value

    def choice(self, name: str, known: Mapping[str, T]) -> T:
        """Return what a name stands for."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise invalid(None, f"{name}, one of {', '.join(known)}", received(value))
        return pick(name, value[:100], known)

    def place(self, name: str, shape: Sequence[int]) -> tuple[int, ...]:
        """Return an index into an array of a shape."""
        value = self.fields.get(name)
        if not (isinstance(value, list) and len(value) == len(shape)
                and all(is_int(i, 0) and i < size for i, size in zip(value, shape, strict=True))):
            raise invalid(None, f"{name}, a place in an array of shape {tuple(shape)}", received(value))
        return tuple(value)

    def array(self, name: str, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return as many numbers as a shape has, finite in a dtype: a list, or their bytes (float32) in base64."""
        value = self.fields.get(name)
        try:
            array = (np.frombuffer(self.decoded(name), "<f4") if isinstance(value, str)
                     else np.array(value, np.float64) if isinstance(value, list) else np.array([]))
            with np.errstate(over="ignore"):
                array = array.astype(dtype)
        except (TypeError, ValueError, OverflowError):
            array = np.array([])
        if array.shape != (math.prod(shape),) or not np.isfinite(array).all():
            raise invalid(None, f"{name}, a list of {math.prod(shape):,} finite numbers, row by row", received(value))
        return array.reshape(shape)

    def levels(self, name: str, shape: Sequence[int]) -> np.ndarray:
        """Return grey levels from 0 to 255, of a shape: a list of them, or their bytes in base64."""
        value = self.fields.get(name)
        try:
            array = (np.frombuffer(self.decoded(name), np.uint8) if isinstance(value, str)
                     else np.array(value, np.float64))
        except (TypeError, ValueError, OverflowError):
            array = np.array([])
        if array.shape != (math.prod(shape),) or not ((array >= 0) & (array <= 255)).all():
            raise invalid(None, f"{name}, {math.prod(shape):,} grey levels from 0 to 255", received(value))
        return array.reshape(shape)

    def decoded(self, name: str) -> bytes:
        """Return the bytes that are sent in base64."""
        value = self.fields.get(name)
        try:
            return base64.b64decode(value if isinstance(value, str) else "-", validate=True)
        except (binascii.Error, ValueError):
            raise invalid(None, f"{name}, bytes in base64", received(value)) from None


def received(value: object) -> str:
    """Write what came, shortened."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
