"""What explains a layer: its output, its input's gradient, and its parameters' gradients, number by number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, Generic

import numpy as np

from tinynet.explore.explanations.explanation import Explanation, Factor, Line, Place, sum_of_products, written
from tinynet.explore.explanations.links import Axis, links_where
from tinynet.explore.explanations.numbers import AnyLayer, StepNumbers
from tinynet.layers.base import Layer


class Arithmetic(Generic[AnyLayer]):
    """Base of all: a subclass explains one kind of layer."""

    def __init__(self, step: StepNumbers[AnyLayer]):
        self.step = step

    def forward(self, at: Place) -> Explanation:
        """Explain one number of the output."""
        raise NotImplementedError

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of one number of the input."""
        raise NotImplementedError

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of one number of a parameter."""
        raise NotImplementedError

    # What the subclasses have in common.

    def output(self, at: Place) -> str:
        """Name a number of the output."""
        return written(self.step.name, at)

    def input_gradient(self, at: Place) -> str:
        """Name the gradient of a number of the input."""
        return f"""d objective / d {written(f"{self.step.name}'s input", at)}"""

    def parameter_gradient(self, key: str, at: Place) -> str:
        """Name the gradient of a number of a parameter."""
        return f"d objective / d {written(f'{self.step.name}/{key}', at)}"

    def penalty(self, key: str, at: Place) -> list[Line]:
        """Return the line of what the regularizer of a parameter adds to its gradient; none if there is none."""
        if key not in self.step.penalties:
            return []
        return [Line("the regularizer's part", float(self.step.penalties[key][at]))]

    def summed(self, key: str, at: Place, how: str, left: Factor, right: Factor | None = None) -> Explanation:
        """Explain a parameter's gradient that is a sum of products, and the part of its regularizer."""
        return sum_of_products(self.parameter_gradient(key, at), how, self.step.grads[key][at], left, right,
                               *self.penalty(key, at))


@singledispatch
def arithmetic(layer: Layer) -> type[Arithmetic[Any]] | None:
    """Return what explains a layer, None if nothing does."""
    return None


class Weighing(Arithmetic[AnyLayer]):
    """Explains a layer whose outputs are weighted sums of its inputs: a subclass lists its links and its weights."""

    sums, spreads = "Each pixel under the window times the weight on it.", "Every output that the pixel went into."

    def axes(self) -> Sequence[Axis]:
        """List the links along the axes of the layer's arrays."""
        raise NotImplementedError

    def weights(self, at: np.ndarray, out: np.ndarray) -> Factor:
        """Return the weights of links, at places (T, k), on their way to outputs at (T, r)."""
        return self.step.weights("kernel", at)

    def rest(self, at: Place) -> list[Line]:
        """Return what is added to the sum of one output."""
        bias = self.step.layer.params.get("bias")
        return [] if bias is None else [Line("bias", float(bias[at[self.unit_axis]]))]

    @property
    def unit_axis(self) -> int:
        """The axis of the output along which each unit, or filter, has its own bias."""
        return 0 if self.step.y.ndim == 3 else -1

    def forward(self, at: Place) -> Explanation:
        """Explain an output: the products of inputs and weights, and the bias."""
        links = links_where(self.axes(), "out", at)
        left, right = self.step.inputs(links.in_), self.weights(links.weight, links.out)
        found = sum_of_products(self.output(at), self.sums, self.step.y[at], left, right, *self.rest(at))
        return found.by_channel(links.in_[:, 0]) if self.step.x.ndim == 3 else found

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: every output that it is a part of, times the weight it had there."""
        links = links_where(self.axes(), "in", at)
        left, right = self.step.upstreams(links.out), self.weights(links.weight, links.out)
        found = sum_of_products(self.input_gradient(at), self.spreads, self.step.downstream[at], left, right)
        return found.by_channel(links.out[:, 0]) if self.step.y.ndim == 3 else found

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a weight: every place at which it was used; of a bias: all that it was added to."""
        if key == "bias":
            places = places_of_unit(self.step.upstream.shape, self.unit_axis, at[0])
            return self.summed(key, at, "It was added to every output of its unit, so their gradients add up.",
                               self.step.upstreams(places))
        links = links_where(self.axes(), "weight", at)
        how = "Every product that the weight was in: the gradient of the output, times the input it multiplied."
        return self.summed(key, at, how, self.step.upstreams(links.out), self.step.inputs(links.in_))


def places_of_unit(shape: tuple[int, ...], axis: int, unit: int) -> np.ndarray:
    """Return the places (T, k) of an array that are those of one unit, along an axis."""
    places = np.indices(shape).reshape(len(shape), -1).T
    return places[places[:, axis] == unit]


def axes_of_sample(shape: tuple[int, ...], axes: Sequence[int]) -> list[int]:
    """Return a layer's axes, which count the batch axis as 0, as those of one sample of this shape."""
    return sorted(axis % (len(shape) + 1) - 1 for axis in axes)


def beside(shape: tuple[int, ...], axes: Sequence[int], at: Place) -> np.ndarray:
    """Return the places (n, k) of a sample that differ from the one at a place along a layer's axes alone."""
    own = axes_of_sample(shape, axes)
    places = np.indices([size if axis in own else 1 for axis, size in enumerate(shape)]).reshape(len(shape), -1).T
    return places + [0 if axis in own else i for axis, i in enumerate(at)]


def computed(name: str, values: np.ndarray) -> Factor:
    """Return factors that are in no array that is shown."""
    return Factor(name, np.asarray(values, np.float64))


def upstream_at(step: StepNumbers[Any], at: Place) -> Factor:
    """Return the one gradient of the output at a place."""
    return step.upstreams(np.array([at]))


def input_at(step: StepNumbers[Any], at: Place) -> Factor:
    """Return the one input at a place."""
    return step.inputs(np.array([at]))

