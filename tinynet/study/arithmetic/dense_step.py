"""One unit of a dense layer, with every number that it is made of, and where its gradients come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.study.arithmetic.conv_step import after
from tinynet.study.arithmetic.gradient_terms import GradientTerms, penalty_of
from tinynet.study.drawing import Path, canvas, draw_sum, finish
from tinynet.study.trace import Trace, check_place

SHOWN = 10                                          # products that are written out, the largest of them


@dataclass(frozen=True)
class DenseStep:
    """One number of a dense layer's output: ``z = sum_i x[i] kernel[i,u] + bias[u]``, ``y = activation(z)``.

    Attributes
    ----------
    name : the layer's name in its model.
    sample, at : which sample, and which number of its output; the last of `at` is the unit.
    inputs, weights, products : (I,) what the unit is given, its column of the kernel, and each times the other.
    sum, bias : the products, summed; the unit's bias, 0 if the layer has none.
    z : the engine's own output, before the nonlinearity: ``sum + bias``.
    activation, y : the nonlinearity's name, "" if there is none, and what it makes of z.
    """

    name: str
    sample: int
    at: tuple[int, ...]
    inputs: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    sum: float
    bias: float
    z: float
    activation: str
    y: float

    def parts(self) -> dict[str, float]:
        """Name the largest products, the sum of the others, and the bias: what z is the sum of."""
        largest = np.argsort(-np.abs(self.products), kind="stable")[:SHOWN]
        largest = largest[self.products[largest] != 0]
        parts = {f"x[{i}] * kernel[{i}, {self.at[-1]}] = {self.inputs[i]:+.4f} * {self.weights[i]:+.4f}":
                 float(self.products[i]) for i in largest}
        others = np.delete(self.products, largest)
        if others.any():
            parts[f"the other {np.count_nonzero(others)} that are not 0"] = float(others.sum())
        return {**parts, "bias": self.bias}

    def __str__(self) -> str:
        numbers = {**self.parts(), "z, their sum": self.sum + self.bias, "the engine's z": self.z}
        if self.activation:
            numbers[f"{self.activation}(z)"] = self.y
        width = max(map(len, numbers))
        return "\n".join([f"{self.name}: unit {', '.join(map(str, self.at))}, sample {self.sample}, "
                          f"{len(self.inputs)} inputs, {np.count_nonzero(self.inputs)} of them not 0",
                          *(f"  {name:<{width}} {number:+.6f}" for name, number in numbers.items())])

    def plot(self, ax: Any = None, path: Path | None = None) -> Any:
        """Draw the largest products, the sum of the others, the bias, z and y as bars."""
        bars = {**self.parts(), "z: their sum": self.z}
        if self.activation:
            bars[f"y: {self.activation}(z)"] = self.y
        figure, ax = canvas(ax, (8, 0.28 * len(bars) + 1.2))
        draw_sum(ax, bars, 1 + bool(self.activation))
        ax.set_xlabel("part of z", fontsize=9)
        ax.set_title(f"{self.name}, unit {', '.join(map(str, self.at))}, sample {self.sample}", fontsize=10)
        return finish(figure, path)


def dense_step(model: Any, layer: Layer | str, x: Any, at: Any, sample: int = 0) -> DenseStep:
    """Take one unit of a dense layer apart: inputs, weights, products, sum, bias, nonlinearity.

    Parameters
    ----------
    layer : a `Dense` in the model, or the name of its step (``"dense_1"``).
    x : samples for the model.
    at : the unit; where the layer's samples have more axes, an index into its output, the unit last.
    sample : which of the samples.

    Raises
    ------
    ValueError : for a layer that is no dense one of the model, or a place that is not there.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, kernel_initializer="ones", activation="relu", input_dim=3)])
    >>> print(dense_step(model, "dense_1", [[1, 0, -3]], at=1))
    dense_1: unit 1, sample 0, 3 inputs, 2 of them not 0
      x[2] * kernel[2, 1] = -3.0000 * +1.0000 -3.000000
      x[0] * kernel[0, 1] = +1.0000 * +1.0000 +1.000000
      bias                                    +0.000000
      z, their sum                            -2.000000
      the engine's z                          -2.000000
      relu(z)                                 +0.000000
    """
    trace = Trace(model, x)
    place = find_dense(trace, layer)
    step, given, made = trace.steps[place], trace.inputs[place], trace.outputs[place]
    n, = check_place(sample, (len(given),), "sample")
    index = check_place(at, made.shape[1:], f"at, a unit of {step.name}")
    inputs, weights = given[(n, *index[:-1])], step.layer.params["kernel"][:, index[-1]]
    products = inputs.astype(np.float64) * weights
    bias = step.layer.params.get("bias", np.zeros(made.shape[-1]))[index[-1]]
    activation, y = after(trace, place)
    return DenseStep(step.name, n, index, inputs, weights, products, float(products.sum()), float(bias),
                     float(made[(n, *index)]), activation, float(y[(n, *index)]))


def dense_gradient(model: Any, layer: Layer | str, x: Any, y: Any = None, *, weight: Any = None, unit: Any = None,
                   sample: int = 0, upstream: Any = None) -> GradientTerms:
    """Return every term of the gradient of one weight of a dense layer, or of one of its inputs.

    With dy the upstream gradient of the sum, before the nonlinearity::

        d loss / d kernel[i,u] = sum_n x[n,i] dy[n,u]         one term a sample: each used the weight once
        d loss / d x[n,i]      = sum_u dy[n,u] kernel[i,u]    one term a unit: each saw the input

    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `Dense` in the model, or the name of its step.
    x : samples for the model.
    y : targets for the compiled loss; or give `upstream`, the gradient of the model's output.
    weight : the weight, (input, unit); or give `unit`, an index into the layer's input of one `sample`.

    Raises
    ------
    ValueError : for a layer that is not dense, a place that is not there, or both or neither of `weight` and `unit`, or
        of `y` and `upstream`.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, kernel_initializer="ones", input_dim=3)])
    >>> terms = dense_gradient(model, "dense_1", [[1.0, 2.0, 3.0]], unit=0, upstream=[[0.5, -2.0]])
    >>> terms.terms.tolist(), terms.total
    ([0.5, -2.0], -1.5)
    """
    if (weight is None) == (unit is None):
        raise ValueError(f"Expected either weight=(input, unit) or unit=, a place in the layer's input. "
                         f"Received: {'neither' if weight is None else 'both'}.")
    trace = Trace(model, x)
    place = find_dense(trace, layer)
    step, given = trace.steps[place], trace.inputs[place]
    n, = check_place(sample, (len(given),), "sample")
    gradients = trace.gradients(y, upstream)
    dy, dx, kernel = gradients[place + 1], gradients[place], step.layer.params["kernel"]
    if weight is not None:
        i, u = check_place(weight, kernel.shape, f"weight, a place in the kernel of {step.name}")
        rows = np.array(list(np.ndindex(given.shape[:-1])))                        # (T, 1): every sample; or more axes
        return GradientTerms(
            of=f"{step.name}/kernel[{i}, {u}]", names=("dy", "x"),
            left_at=np.insert(rows, rows.shape[1], u, axis=1), right_at=np.insert(rows, rows.shape[1], i, axis=1),
            left=dy[..., u].astype(np.float64).ravel(), right=given[..., i].astype(np.float64).ravel(),
            gradient=float(step.layer.grads["kernel"][i, u]), penalty=penalty_of(step.layer, (i, u)))
    at = (n, *check_place(unit, given.shape[1:], f"unit, a place in the input of {step.name}"))
    units = np.arange(kernel.shape[1])
    return GradientTerms(
        of=f"{step.name}'s input{list(at)}", names=("dy", "kernel"),
        left_at=np.array([(*at[:-1], u) for u in units]), right_at=np.array([(at[-1], u) for u in units]),
        left=dy[at[:-1]].astype(np.float64), right=kernel[at[-1]].astype(np.float64), gradient=float(dx[at]))


def find_dense(trace: Trace, layer: Layer | str) -> int:
    """Return the place of a dense layer in the model's steps, or raise a ValueError."""
    place = trace.place(layer)
    step = trace.steps[place]
    if hasattr(step.layer, "windows") or step.run != getattr(step.layer, "linear", 0):
        raise ValueError(f"Expected a dense layer: a Dense of the model, or its name. Received: {step.layer}, "
                         f"step '{step.name}'.")
    return place
