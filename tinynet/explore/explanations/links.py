"""Which input meets which weight on its way to which output: what every layer that multiplies and adds is made of.

A weighted sum, ``y[out] = sum x[in] weight[...]``, is a list of links (out, in, weight). That of one output has the
products it is the sum of; read backward, that of one input, or of one weight, has the terms of its gradient::

    y[out]              = sum over the links with this out      of  x[in] weight
    d loss / d x[in]    = sum over the links with this in       of  dy[out] weight
    d loss / d weight   = sum over the links with this weight   of  dy[out] x[in]

Links of images are products of three lists: of channels, of rows and of columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np

from tinynet.explore.explanations.explanation import Place

Role = Literal["out", "in", "weight"]


class Links(NamedTuple):
    """T links: the places (T, k) of each one's output, input and weight."""

    out: np.ndarray
    in_: np.ndarray
    weight: np.ndarray

    def of(self, role: Role) -> np.ndarray:
        """Return the places of the outputs, the inputs or the weights."""
        return {"out": self.out, "in": self.in_, "weight": self.weight}[role]


class Axis(Protocol):
    """The links along some of the axes."""

    def width(self, role: Role) -> int:
        """Return how many numbers of a place in the outputs, the inputs or the weights belong to these axes."""

    def where(self, role: Role, at: Place) -> Links:
        """Return the links whose output, input or weight is at this place."""


class Table:
    """All links along some axes, written out."""

    def __init__(self, out: np.ndarray, in_: np.ndarray, weight: np.ndarray):
        count = max(len(out), len(in_), len(weight))
        self.links = Links(*(np.asarray(part, int).reshape(count, -1) for part in (out, in_, weight)))

    def width(self, role: Role) -> int:
        """Return how many numbers of a place belong to these axes."""
        return self.links.of(role).shape[1]

    def where(self, role: Role, at: Place) -> Links:
        """Return the links whose output, input or weight is at this place."""
        here = (self.links.of(role) == np.array(at, int)).all(axis=1)
        return Links(*(part[here] for part in self.links))


class Dot:
    """Every output is linked with every input: weights (inputs, outputs), or the other way round."""

    def __init__(self, inputs: int, outputs: int, weight: Literal["in, out", "out, in"] = "in, out"):
        self.inputs, self.outputs, self.order = inputs, outputs, 1 if weight == "in, out" else -1

    def width(self, role: Role) -> int:
        """Return how many numbers of a place belong to this axis."""
        return 2 if role == "weight" else 1

    def where(self, role: Role, at: Place) -> Links:
        """Return the links whose output, input or weight is at this place."""
        i, o = at[::self.order] if role == "weight" else (at[0], at[0])
        ins = np.arange(self.inputs) if role == "out" else np.array([i])
        outs = np.arange(self.outputs) if role == "in" else np.array([o])
        ins, outs = np.broadcast_arrays(ins, outs)
        weights = np.stack([ins, outs][::self.order], axis=1)
        return Links(outs[:, None], ins[:, None], weights)


def apart(size: int) -> Table:
    """Return the links of an axis along which nothing is summed: each place with itself, the weights the same."""
    along = np.arange(size)
    return Table(along, along, np.empty((size, 0)))


def sliding(at: np.ndarray, size: int) -> Table:
    """Return the links of windows along an axis: window p sees position ``at[p, i]`` (P, k) with tap i, if inside."""
    p, i = np.nonzero((at >= 0) & (at < size))
    return Table(p, at[p, i], i)


def spreading(at: np.ndarray, size: int) -> Table:
    """Return the links of a transposed window: input h adds to position ``at[h, i]`` with tap i, if inside."""
    h, i = np.nonzero((at >= 0) & (at < size))
    return Table(at[h, i], h, i)


def links_where(axes: Sequence[Axis], role: Role, at: Place) -> Links:
    """Return the links with this output, input or weight: every combination of those along the axes, the last fastest.

    >>> row = sliding(np.array([[0, 1], [1, 2]]), 3)                     # two windows of two, over three pixels
    >>> links_where([row], "in", (1,))
    Links(out=array([[0],
           [1]]), in_=array([[1],
           [1]]), weight=array([[1],
           [0]]))
    """
    found = []
    for axis in axes:
        width = axis.width(role)
        found.append(axis.where(role, at[:width]))
        at = at[width:]
    counts = [len(links.out) for links in found]
    picks = np.indices(counts).reshape(len(counts), -1)                  # (axes, T): which link of each
    return Links(*(np.concatenate([part[pick] for part, pick in zip(parts, picks, strict=True)], axis=1)
                   for parts in zip(*found, strict=True)))
