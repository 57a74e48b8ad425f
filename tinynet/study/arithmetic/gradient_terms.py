"""One gradient as a sum: every product in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.arithmetic.summands import largest, sum_of_others
from tinynet.study.drawing import StrPath, colorbar_below, draw_sum, finish, grid, show_dotted
from tinynet.tables import Table, Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SHOWN = 12                                        # terms that are written out


@dataclass(frozen=True, repr=False)
class GradientTerms(Tabular):
    """One gradient as the sum of T products, each of an upstream gradient and the local derivative.

    ``str()`` shows the largest products in numbers and the sum of the others; `plot` shows the same as bars.

    Attributes
    ----------
    of : the variable of the derivative: ``"conv2d_1/kernel[3, 0, 1, 2]"``.
    names : of the two factors: ``("dy", "x")``.
    left_at, right_at : (T, k) indices of each factor in its array.
    left, right : (T,) the factors, in float64.
    gradient : the engine's own value, from ``grads`` or from the gradient of the layer's input.
    penalty : the contribution of the kernel's regularizer.
    maps : images (rows, columns) of the two factors and of their products, by title, for one sample; may be empty.
    """

    of: str
    names: tuple[str, str]
    left_at: np.ndarray
    right_at: np.ndarray
    left: np.ndarray
    right: np.ndarray
    gradient: float
    penalty: float = 0.0
    maps: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def terms(self) -> np.ndarray:
        """The products (T,)."""
        return self.left * self.right

    @property
    def total(self) -> float:
        """The sum of all terms and the penalty: equal to `gradient`, up to its rounding."""
        return float(self.terms.sum() + self.penalty)

    def largest(self, count: int = MAX_SHOWN) -> np.ndarray:
        """Return the indices of the largest terms, at most `count`; terms of 0 are included only if all terms fit."""
        order = largest(self.terms, count)
        return order if len(self.terms) <= count else order[self.terms[order] != 0]

    def label(self, term: int) -> str:
        """Write a term with the indices of its factors: ``dy[0, 3, 5, 5] * x[0, 0, 6, 7]``."""
        return " * ".join(f"{name}{at[term].tolist()}" for name, at in
                          zip(self.names, (self.left_at, self.right_at), strict=True))

    def rest(self, shown: np.ndarray) -> dict[str, float]:
        """Return by name what the terms that are shown leave out: the sum of the others, and the penalty."""
        penalty = {"the regularizer's part": self.penalty} if self.penalty else {}
        return {**sum_of_others(self.terms, shown), **penalty}

    def in_short(self) -> str:
        """Say of what this is the gradient, and of how many terms it is the sum."""
        return (f"d loss / d {self.of} is the sum of {len(self.terms)} terms {' * '.join(self.names)}, "
                f"{np.count_nonzero(self.terms)} of them not 0")

    def sums(self, shown: np.ndarray) -> dict[str, float]:
        """Return by name what follows the terms that are shown: the rest, the sum, and the engine's own number."""
        return {**self.rest(shown), "the sum of all": self.total, "the engine's gradient": self.gradient,
                "their difference": self.total - self.gradient}

    def tables(self) -> list[Table]:
        """Return a table of the largest terms, and of what they sum to with the others."""
        shown = self.largest()
        terms = [[self.label(k), f"{self.left[k]:+.4e}", f"{self.right[k]:+.6f}", f"{self.terms[k]:+.6e}"]
                 for k in shown]
        sums = [[name, "", "", f"{number:+.6e}"] for name, number in self.sums(shown).items()]
        return [Table(["term", *self.names, "product"], terms + sums)]

    def __str__(self) -> str:
        shown = self.largest()
        lines = [f"{self.in_short()}:"]
        width = max([len(self.label(k)) for k in shown] + [32])
        lines += [f"  {self.label(k):<{width}} = {self.left[k]:+.4e} * {self.right[k]:+11.6f} = {self.terms[k]:+.6e}"
                  for k in shown]
        return "\n".join(lines + [f"  {name:<{width + 30}} {number:+.6e}"
                                  for name, number in self.sums(shown).items()])

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the largest terms, the sum of the others, and the total as bars; above them the maps, if any."""
        shown = self.largest()
        bars = {self.label(k): float(self.terms[k]) for k in shown}
        bars |= {**self.rest(shown), "sum of all: the gradient": self.total}
        rows = 2 if self.maps else 1
        height = 0.24 * len(bars) + 1.1
        figure, axes = grid(rows, max(1, len(self.maps)), (9, height + 3.0 * bool(self.maps)),
                            height_ratios=[3.0, height][-rows:])
        for ax, (title, image) in zip(axes[0], self.maps.items(), strict=False):
            drawn = show_dotted(ax, image, image, 2.2 / max(image.shape))
            ax.set_aspect("auto" if max(image.shape) > 3 * min(image.shape) else "equal")
            ax.set_title(title, fontsize=9)
            colorbar_below(drawn, pad=0.03, shrink=0.8)
        for spare in axes[-1][1:]:
            spare.remove()
        ax = axes[-1, 0]
        if self.maps:
            ax.set_subplotspec(ax.get_gridspec()[1, :])
        draw_sum(ax, bars, 1)
        if not any(bars.values()):                                        # the axis would have no scale
            ax.set_xticks([0])
            ax.set_title("every term is 0", fontsize=9)
        ax.set_xlabel(f"part of d loss / d {self.of}", fontsize=9)
        return finish(figure, path)


def penalty_of(layer: Layer, at: tuple[int, ...]) -> float:
    """Return what a layer's regularizers add to the gradient of its kernel's element `at`; nothing if it is frozen."""
    return sum(float(term.gradient(layer.params[key])[at]) for key, term in layer.penalties()
               if key == "kernel" and layer.trainable)
