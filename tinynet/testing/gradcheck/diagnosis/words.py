"""How axes, indices and choices between explanations are put into words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations


def axes_text(axes: tuple[int, ...]) -> str:
    """Return axes in words.

    >>> axes_text((0, 2))
    'axes 0 and 2'
    """
    return f"axis {axes[0]}" if len(axes) == 1 else "axes " + " and ".join(map(str, axes))


def some_axes(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield every choice of one axis, of two, ..., of all."""
    return chain.from_iterable(combinations(range(ndim), count) for count in range(1, ndim + 1))


def axis_name(is_input: bool, ndim: int, axis: int) -> str:
    """Return what the index along an axis counts: of a batch, or of a parameter."""
    if is_input:
        names = {2: ("sample", "feature"), 4: ("sample", "channel", "row", "column")}
    else:
        names = {1: ("unit",), 2: ("input", "unit"), 4: ("output channel", "input channel", "row", "column")}
    if is_input and axis == 0 and ndim > 1:
        return "sample"
    return names[ndim][axis] if ndim in names else f"index of axis {axis}"


def plural(name: str) -> str:
    """Return what several of them are called.

    >>> plural("sample"), plural("index of axis 2")
    ('samples', 'indices of axis 2')
    """
    return name.replace("index", "indices") if name.startswith("index") else name + "s"


def alternatives(explanations: list[str]) -> str:
    """Return one explanation as it is, and several as alternatives.

    >>> alternatives(["it is one.", "it is the other.", "it is one."])
    'it is one; or it is the other (either fits).'
    """
    explanations = list(dict.fromkeys(explanations))
    if len(explanations) == 1:
        return explanations[0]
    return "; or ".join(text.removesuffix(".") for text in explanations) + " (either fits)."


def joined(parts: list[str]) -> str:
    """Return alternatives in a clause.

    >>> joined(["a", "b", "c"])
    'a, b or c'
    """
    return " or ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
