"""A function and what pulls a gradient back through it, with the arguments to check it at."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tinynet.testing.cloning import Replay, closed_over

Function = Callable[..., Any]


@dataclass
class Pair:
    """What is checked, in the form that every public function here brings it to.

    Attributes
    ----------
    f : ``f(*args)`` returns the outputs, a tree of NumPy arrays and numbers.
    vjp : ``vjp(dy, *args)`` returns one gradient for each argument, None for those that have none.
    args : the arguments, trees.
    names : what each is called in the report.
    wrt : positions of the arguments to check.
    as_if : slopes are measured on this function, or on f if None.
    title : what the report calls f.
    words : what the report calls f and vjp in a sentence.
    reruns : whether vjp runs f once more by itself, and so draws the random numbers that f draws.
    constants : plain numbers that f works with, such as a rate, by name: they may explain a wrong factor.
    replay : the random state, to be put back before each run.
    """

    f: Function
    vjp: Function
    args: tuple[Any, ...]
    names: list[str]
    wrt: list[int]
    as_if: Function | None = None
    title: str = "f"
    words: tuple[str, str] = ("f", "vjp")
    reruns: bool = False
    constants: dict[str, float] = field(default_factory=dict)
    replay: Replay | None = None


def title_of(f: object) -> str:
    """Return what a function is called."""
    if isinstance(f, functools.partial):
        return title_of(f.func)
    name = getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or type(f).__name__
    return str(name).rpartition("<locals>.")[2]


def argument_names(f: object, args: tuple[Any, ...]) -> list[str]:
    """Return the names of the parameters that positional arguments go to.

    >>> argument_names(lambda x, *weights: x, (1.0, 2.0, 3.0))
    ['x', 'weights[0]', 'weights[1]']
    """
    try:
        parameters = list(inspect.signature(f).parameters.values())          # type: ignore[arg-type]
    except (TypeError, ValueError):                                           # written in C, without a signature
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), "args")
    return [names[k] if k < len(names) else f"{rest}[{k - len(names)}]" for k in range(len(args))]


def takes_keyword(f: object, name: str) -> bool:
    """Return whether a function takes a keyword of this name, as far as its signature tells."""
    try:
        parameters = inspect.signature(f).parameters.values()                # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return any(p.kind == p.VAR_KEYWORD or p.name == name for p in parameters)


def constants_of(*functions: object) -> dict[str, float]:
    """Return the plain numbers that functions were closed over or have for defaults, such as a rate, by name."""
    found: dict[str, float] = {}
    for f in functions:
        if isinstance(f, functools.partial):
            found |= constants_of(f.func) | _floats(f.keywords)
        elif inspect.ismethod(f):
            found |= constants_of(f.__func__) | _floats(getattr(f.__self__, "__dict__", {}))
        elif inspect.isfunction(f):
            read = {name: f.__globals__[name] for name in f.__code__.co_names if name in f.__globals__}
            names, values = f.__code__.co_varnames[:f.__code__.co_argcount], f.__defaults__ or ()
            defaults = zip(names[len(names) - len(values):], values, strict=True)
            found |= _floats(read) | _floats(closed_over(f)) | _floats(defaults) | _floats(f.__kwdefaults__ or {})
    return found


def _floats(values: Any) -> dict[str, float]:
    return {str(name): value for name, value in dict(values).items() if type(value) is float}
