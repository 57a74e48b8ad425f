"""One entry worked out by hand: an expression of the arguments, the same with its numbers, and what it gives."""

from __future__ import annotations

import re

import numpy as np

from tinynet.exercises.exercise import Task

LONGEST = 160                                    # characters of an expression that is written out whole
NAME = re.compile(r"\b[a-zA-Z_]\w*\b")
NEGATIVE = re.compile(r"(?<=\()\((-[\d.e+-]+)\)(?=\))|^\((-[\d.e+-]+)\)$")     # with brackets that it does not need
ENTRY = re.compile(r"\b([a-zA-Z_]\w*)\[([-\d, ]*)\]")


def worked_out(task: Task, index: tuple[int, ...], args: tuple[object, ...]) -> str:
    """Write an entry out: ``x[0, 1] * dy[0, 2] + x[1, 1] * dy[1, 2] = 1 * 2 + 3 * 4 = 14``."""
    if task.by_hand is None:
        return ""
    expression = task.by_hand(index, *args)
    return with_numbers(expression, dict(zip(task.arguments, args, strict=False)))


def with_numbers(expression: str, values: dict[str, object]) -> str:
    """Put the numbers into an expression.

    >>> with_numbers("x[0] * x[1]", {"x": np.array([2.0, 3.5])})
    'x[0] * x[1] = 2 * 3.5 = 7'
    >>> with_numbers("(size - 5) // stride", {"size": 28, "stride": 2})
    '(size - 5) // stride = (28 - 5) // 2 = 11'
    """
    def value(match: re.Match[str]) -> str:
        entry = np.asarray(values[match[1]])[tuple(int(k) for k in match[2].split(","))]
        return f"({entry:.4g})" if entry < 0 else f"{entry:.4g}"

    def number(match: re.Match[str]) -> str:
        return f"{values[match[0]]}" if isinstance(values.get(match[0]), (int, float)) else match[0]

    scope = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "max": max, **values}
    result = eval(expression, {"__builtins__": {}}, scope)           # written by the exercise, not by the learner
    if len(expression) > LONGEST:
        terms = expression.split(" + ")
        few = [expression[:LONGEST] + " ..."] if len(terms) <= 4 else [*terms[:3], f"... ({len(terms)} terms)"]
        short = " + ".join(few)
        return f"{short} = {result:.6g}"
    inserted = NEGATIVE.sub(r"\1\2", NAME.sub(number, ENTRY.sub(value, expression)))
    return f"{expression} = {inserted}" + ("" if ENTRY.fullmatch(expression) else f" = {result:.6g}")


def total(terms: list[str]) -> str:
    """Write a sum."""
    return " + ".join(terms) or "0"


def count(number: int, what: str) -> str:
    """Write how many there are of something.

    >>> count(1, "image"), count(3, "image")
    ('1 image', '3 images')
    """
    return f"{number} {what}" + ("s" if number != 1 else "")
