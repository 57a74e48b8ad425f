"""What an exception means to somebody who writes layers: NumPy's own advice is often about other things."""

from __future__ import annotations

import re
from collections.abc import Callable

Shape = tuple[int, ...]
SHAPE = r"\(([\d, ]*)\)"


def meaning(message: str) -> str:
    """Say what an exception's message means, or "" for one that says it itself.

    >>> meaning("NameError: name 'np' is not defined")
    'NumPy is not imported in this file: import numpy as np belongs at its top.'
    """
    for pattern, words in MEANINGS:
        if (match := re.search(pattern, message)) is not None:
            return words(match) if callable(words) else match.expand(words)
    return ""


def shape(text: str) -> Shape:
    """Read a shape from a message.

    >>> shape("3, 4"), shape("2,")
    ((3, 4), (2,))
    """
    return tuple(int(size) for size in text.split(",") if size.strip())


def not_broadcast(match: re.Match[str]) -> str:
    """Two shapes do not go together, number by number."""
    one, other = shape(match[1]), shape(match[2])
    told = "shapes are lined up from the right, and sizes must be equal there, or 1."
    for short, long in ((one, other), (other, one)):
        places = [axis for axis in range(len(long) - len(short)) if long[axis:axis + len(short)] == short]
        if places and short:
            after = len(long) - len(short) - places[0]
            told += f" To lay {short} along axis {places[0]} of {long}, give it axes of size 1 behind its own: " \
                    f"[{', '.join([':'] * len(short) + ['None'] * after)}], or keepdims=True in the sum or mean that " \
                    "it comes from."
            break
    if len(one) == len(other) == 2 and one[1] == other[0]:
        told += f" If a matrix product is meant, that is @: {one} @ {other}."
    return told


def not_stored(match: re.Match[str]) -> str:
    """An array does not fit where it is to be stored."""
    room = shape(match[2])
    empty = " That is no place at all: a slice is empty that begins where it ends, as [p:-p] with p = 0." \
        if 0 in room else ""
    return f"what you store has the shape {shape(match[1])}, and the place for it {room}.{empty}"


def not_reshaped(match: re.Match[str]) -> str:
    """A reshape would lose numbers, or would have to make some up."""
    return f"a reshape keeps every number: the sizes of the new shape, multiplied, must be {match[1]} (or one is -1)."


MEANINGS: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    ("truth value of an array",
     "`if`, `and`, `or`, max(a, b) and min(a, b) ask one question, and here every number of an array has an answer of "
     "its own. np.where(condition, a, b) chooses for each, np.maximum(a, b) takes the larger of each two."),
    ("name 'np' is not defined", "NumPy is not imported in this file: import numpy as np belongs at its top."),
    ("inhomogeneous",
     "you computed with a tuple or a list of arrays as if it were one array. A function that returns several things is "
     "taken apart first: one, other = f(x)."),
    (f"broadcast together with shapes {SHAPE} {SHAPE}", not_broadcast),
    (f"broadcast input array from shape {SHAPE} into shape {SHAPE}", not_stored),
    (r"cannot reshape array of size (\d+)", not_reshaped),
    (r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
     r"counting begins at 0, so that a size of \3 has no index \1. Is axis \2 the one that you meant, and the index "
     "one that runs over it?"),
    (r"axis (\d+) is out of bounds for array of dimension (\d+)",
     r"an array with \2 axes has none with the number \1: they are counted from 0, and each sum without keepdims takes "
     "one away."),
    (r"matmul: .*\(size (\d+) is different from (\d+)\)",
     r"a product (A, B) @ (B, C) sums over the axis where the two meet, and there are sizes \2 and \1 there. Write "
     "both shapes down: which of the two needs a transpose, or is the order the other?"),
    (r"'(list|tuple)' object has no attribute",
     r"a \1 came where an array is needed. If it is what an answer of yours returns, make an array of it there: "
     "np.array(...)."),
    (r"positional arguments? but \d+ w",
     "the first line of the function, with all its arguments, must stay as it was."),
    ("zero-size array",
     "there is nothing in it: a slice that ends before it begins, or begins behind the last number, is empty."),
    ("Cannot cast ufunc",
     "the array was made for whole numbers, and cannot take others in place: np.zeros(shape) makes one of floats."),
]
