"""Checks of what people pass in, and the sentence that their errors have in common: what was expected, what came."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

MAX_AXES = 32                  # of an array


def invalid(owner: object, expected: str, received: object) -> ValueError:
    """Return the error to raise about a value; `owner`, whose setting or input it is, may be None.

    >>> raise invalid("Dense", "units, a positive whole number", -1)
    Traceback (most recent call last):
    ...
    ValueError: Dense: expected units, a positive whole number. Received: -1.
    """
    begin = "E" if owner is None else f"{owner}: e"
    return ValueError(f"{begin}xpected {expected}. Received: {received}.")


@contextmanager
def about(where: str) -> Iterator[None]:
    """``with about("validation_data"):`` errors about what was passed in begin with where it was."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if where and error.args and not str(error).startswith(where):                   # another may have said it
            error.args = (f"{where}: {error}",)
        raise


def warn(message: str) -> None:
    """Warn whoever called into this package: the line that is shown is theirs, however deep the call."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "tinynet":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def is_int(value: object, least: int) -> TypeGuard[int]:
    """Return whether a value is an int, Python's or NumPy's, but not a bool, and at least `least`."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


def check_int(value: object, what: str, least: int = 1) -> int:
    """Return a count as an int, or raise a ValueError."""
    if not is_int(value, least):
        raise invalid(None, f"{what}, a whole number from {least}", repr(value))
    return int(value)


def whole_number(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Return what an option of a command takes as its type: a whole number within limits."""
    import argparse  # which nothing but commands needs

    def parsed(text: str) -> int:
        try:
            if least <= int(text) <= most:
                return int(text)
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected a whole number from {least}"
                                         + (f" to {most}" if most < math.inf else "") + f". Received: {text}.")
    return parsed


def is_count(value: Any) -> bool:
    """Return whether a value is a positive whole number, be it a float: sizes may come out of a division, or a file."""
    try:
        return int(value) == value and value > 0 and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        return False


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a number, Python's or NumPy's, but not a bool."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def check_nonnegative(owner: object, what: str, value: object, below: float = math.inf) -> float:
    """Return a setting as a float, at least 0 and less than `below`, or raise a ValueError."""
    if not (is_number(value) and 0 <= value < below):
        raise invalid(owner, f"{what}, a number at least 0 and below {below}", repr(value))
    return float(value)


def check_positive(owner: object, what: str, value: object) -> float:
    """Return a setting as a float above 0, or raise a ValueError."""
    if not (is_number(value) and 0 < value < math.inf):
        raise invalid(owner, f"{what}, a number above 0", repr(value))
    return float(value)


def check_number(owner: object, what: str, value: object, least: float = -math.inf) -> float:
    """Return a setting as a float, finite and at least `least`, or raise a ValueError."""
    if not (is_number(value) and math.isfinite(value) and value >= least):
        raise invalid(owner, f"{what}, a number" + (f" from {least:g}" if math.isfinite(least) else ""), repr(value))
    return float(value)


def check_axes(owner: object, axis: object) -> tuple[int, ...]:
    """Return an axis or several as a tuple of ints, or raise a ValueError."""
    axes = tuple(axis) if isinstance(axis, Iterable) else (axis,)
    if not axes or not all(is_int(each, -MAX_AXES) for each in axes):
        raise invalid(owner, "axis, a whole number or several", repr(axis))
    return tuple(int(each) for each in axes)


def sample_axes(owner: object, axes: tuple[int, ...], input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return axes of samples of this shape, counted from 1 as 0 is the batch axis, or raise a ValueError.

    >>> sample_axes("Softmax", (-1, 1), (3, 28, 28))
    (1, 3)
    """
    rank = 1 + len(input_shape)
    counted = tuple(sorted({each % rank for each in axes}))
    if not all(-rank < each < rank for each in axes) or 0 in counted or len(counted) < len(axes):
        raise invalid(owner, f"different axes of samples {input_shape}, from 1 to {rank - 1}; 0 is that of the batch",
                      axes)
    return counted


def check_labels(y: ArrayLike, owner: str) -> np.ndarray:
    """Return class labels as an int64 array, or raise a ValueError."""
    labels = np.asarray(y)
    kind = labels.dtype.kind
    if kind not in "iub" and not (kind == "f" and (np.isfinite(labels) & (labels == np.round(labels))).all()):
        raise invalid(owner, "class labels, whole numbers from 0",
                      f"{labels.dtype} such as {labels.ravel()[:3].tolist()}")
    return labels.astype(np.int64, copy=False)
