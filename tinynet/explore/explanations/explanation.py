"""What is said of one number: the terms that it is made of, what is done with their sum, and the engine's number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self

import numpy as np

Place = tuple[int, ...]
Form = Literal["products", "maximum", "mean", "softmax", "elementwise", "normalisation", "copy", "sum", "unknown"]


class Source(NamedTuple):
    """Where the factors of terms are found: in the values or gradients of a step's input or output, or a parameter."""

    where: Literal["values", "gradients", "parameter"]
    place: int                                    # of the array in values or gradients; of the step, for a parameter
    name: str = ""                                # of the parameter

    def described(self) -> dict[str, Any]:
        """Return it as the page reads it."""
        if self.where == "parameter":
            return {"where": self.where, "step": self.place, "name": self.name}
        return {"where": self.where, "index": self.place}


@dataclass(frozen=True)
class Factor:
    """One of the two numbers that each term multiplies: T numbers, their name, and where they are found.

    Attributes
    ----------
    values : (T,) float64.
    at : (T, k) their places in the array that `source` names; None where it is none that is shown.
    """

    name: str
    values: np.ndarray
    at: np.ndarray | None = None
    source: Source | None = None

    @classmethod
    def taken(cls, name: str, array: np.ndarray, at: np.ndarray, source: Source | None = None) -> Self:
        """Take the numbers at places (T, k) of an array."""
        return cls(name, array[tuple(at.T)].astype(np.float64), at, source)


class Line(NamedTuple):
    """A line of the arithmetic: what it is, its number, and how that follows from the lines above it."""

    name: str
    value: float
    formula: str = ""


@dataclass(frozen=True)
class Explanation:
    """How one number is made.

    Attributes
    ----------
    of : the number: ``"conv2d_1[3, 10, 12]"``.
    how : a sentence.
    form : what is done with the terms.
    value : the engine's own number.
    total : the same by the terms and the lines, computed in float64.
    left, right, product : the terms: T numbers, each the product of two, or made of one.
    lines : what leads from the terms to the number.
    group, group_names : (T,) to which part of the sum each term belongs, and the names of the parts.
    """

    of: str
    how: str
    form: Form
    value: float
    total: float
    left: Factor | None = None
    right: Factor | None = None
    product: np.ndarray | None = None
    lines: Sequence[Line] = ()
    group: np.ndarray | None = None
    group_names: Sequence[str] = field(default_factory=tuple)

    def by_channel(self, channels: np.ndarray) -> Explanation:
        """Return it with its terms in groups, by the channel (T,) that each comes from."""
        names, group = np.unique(channels, return_inverse=True)
        return replace(self, group=group, group_names=[f"channel {name}" for name in names])

    def described(self) -> dict[str, Any]:
        """Return it as the page reads it."""
        return {"of": self.of, "how": self.how, "form": self.form, "terms": self._terms(),
                "lines": [line._asdict() for line in self.lines], "total": self.total, "value": self.value}

    def _terms(self) -> Mapping[str, Any] | None:
        if self.left is None or self.product is None:
            return None
        left, right = self.left, self.right
        return {"left": left.values, "right": right and right.values, "product": self.product,
                "leftAt": left.at, "rightAt": right and right.at,
                "leftName": left.name, "rightName": right and right.name,
                "leftIn": left.source and left.source.described(),
                "rightIn": right and right.source and right.source.described(),
                "group": self.group, "groupNames": list(self.group_names) if self.group is not None else None}


def sum_of_products(of: str, how: str, value: float, left: Factor, right: Factor | None, *more: Line,
                    form: Form = "products") -> Explanation:
    """Explain a number that is the sum of products, or of the left factors alone, and of the lines that follow."""
    product = left.values * right.values if right is not None else left.values
    total = float(product.sum())
    name = "sum of the products" if right is not None else "sum of the terms"
    return Explanation(of, how, form, float(value), total + sum(line.value for line in more), left, right, product,
                       [Line(name, total), *more])


def unknown(of: str, how: str, value: float) -> Explanation:
    """Say that a number has no inner arithmetic to show."""
    return Explanation(of, how, "unknown", float(value), float(value),
                       lines=[Line("the engine's number", float(value))])


def written(name: str, at: Sequence[int]) -> str:
    """Write an element of an array: ``conv2d_1[3, 10, 12]``."""
    return f"{name}{list(map(int, at))}"
