"""One unit of a dense layer, with every number that it is computed from, and its gradients term by term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import Dense, Flatten
from tinynet.layers.base import Shape
from tinynet.study.arguments import LayerOrName, expect_one
from tinynet.study.arithmetic.gradient_terms import GradientTerms, penalty_of
from tinynet.study.arithmetic.summands import largest, sum_of_others
from tinynet.study.arithmetic.weighted_steps import activation_after, find_weighted
from tinynet.study.drawing import StrPath, canvas, draw_sum, finish
from tinynet.study.trace import Trace, check_place
from tinynet.tables import Table, Tabular, signed
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SHOWN = 10                                      # products that are written out


@dataclass(frozen=True, repr=False)
class DenseStep(Tabular):
    """One element of a dense layer's output: ``z = sum_i x[i] kernel[i,u] + bias[u]``, ``y = activation(z)``.

    Attributes
    ----------
    name : of the layer in its model.
    sample, at : index of the sample, and of the element in its output; the last of `at` is the unit.
    inputs, weights, products : (I,) the unit's inputs, its column of the kernel, and their products.
    unflattened : shape of the inputs before a `Flatten`, such as (C, H, W); () if there was none.
    sum, bias : the sum of the products; the unit's bias, 0 if the layer has none.
    z : the engine's own output, before the activation: ``sum + bias``.
    activation, y : name of the activation, "" if there is none, and its output for z.
    """

    name: str
    sample: int
    at: tuple[int, ...]
    inputs: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    unflattened: Shape
    sum: float
    bias: float
    z: float
    activation: str
    y: float

    def parts(self) -> dict[str, float]:
        """Return the summands of z by name: the largest products, the sum of the others, and the bias."""
        shown = largest(self.products, MAX_SHOWN)
        shown = shown[self.products[shown] != 0]
        unit = self.at[-1]
        products = {f"{self.input_name(i)} * kernel[{i}, {unit}] = {self.inputs[i]:+.4f} * {self.weights[i]:+.4f}":
                    float(self.products[i]) for i in shown}
        return {**products, **sum_of_others(self.products, shown), "bias": self.bias}

    def input_name(self, i: int) -> str:
        """Write an input, and where it lay before it was flattened: ``x[27 = (1, 0, 2)]``, map 1, row 0, column 2."""
        where = tuple(map(int, np.unravel_index(i, self.unflattened))) if self.unflattened else ()
        return f"x[{i} = {where}]" if where else f"x[{i}]"

    def in_short(self) -> str:
        """Say which element this is."""
        return (f"{self.name}: unit {', '.join(map(str, self.at))}, sample {self.sample}, "
                f"{len(self.inputs)} inputs, {np.count_nonzero(self.inputs)} of them not 0")

    def tables(self) -> list[Table]:
        """Return a table of the summands, and of what they sum to."""
        numbers = {**self.parts(), "z, their sum": self.sum + self.bias, "the engine's z": self.z}
        if self.activation:
            numbers[f"{self.activation}(z)"] = self.y
        return [Table(["summand", "value"], signed(numbers.items()))]

    def __str__(self) -> str:
        rows = self.tables()[0].rows
        width = max(len(name) for name, _ in rows)
        return "\n".join([self.in_short(), *(f"  {name:<{width}} {number}" for name, number in rows)])

    def plot(self, ax: Axes | None = None, path: StrPath | None = None) -> Figure:
        """Draw the largest products, the sum of the others, the bias, z and y as bars."""
        bars = {**self.parts(), "z: their sum": self.z}
        if self.activation:
            bars[f"y: {self.activation}(z)"] = self.y
        figure, ax = canvas(ax, (8, 0.28 * len(bars) + 1.2))
        draw_sum(ax, bars, 1 + bool(self.activation))
        ax.set_xlabel("part of z", fontsize=9)
        ax.set_title(f"{self.name}, unit {', '.join(map(str, self.at))}, sample {self.sample}", fontsize=10)
        return finish(figure, path)


def dense_step(model: Model, layer: LayerOrName, x: ArrayLike, at: ArrayLike, sample: int = 0) -> DenseStep:
    """Show how one unit of a dense layer is computed: inputs, weights, products, sum, bias, activation.

    Parameters
    ----------
    layer : a `Dense` in the model, or the name of its step (``"dense_1"``).
    x : samples for the model.
    at : the unit; where the layer's samples have more axes, an index into its output, the unit last.
    sample : index of the sample.

    Raises
    ------
    ValueError : for a layer that is not a dense layer of the model, or an index out of range.

    >>> from tinynet import Sequential
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
    step, dense = find_weighted(trace, layer, Dense, "a dense layer")
    name, x, z = trace.steps[step].name, trace.inputs[step], trace.outputs[step]
    n, = check_place(sample, (len(x),), "sample")
    index = check_place(at, z.shape[1:], f"at, a unit of {name}")
    inputs, weights = x[(n, *index[:-1])], dense.params["kernel"][:, index[-1]]
    products = inputs.astype(np.float64) * weights
    bias = dense.params.get("bias", np.zeros(z.shape[-1]))[index[-1]]
    activation, y = activation_after(trace, step)
    return DenseStep(name, n, index, inputs, weights, products, unflattened(trace, step),
                     float(products.sum()), float(bias), float(z[(n, *index)]), activation, float(y[(n, *index)]))


def unflattened(trace: Trace, step: int) -> Shape:
    """Return the shape that a step's input had before a `Flatten`; () without one, dropout between them aside."""
    for k in reversed(range(step)):
        if isinstance(trace.steps[k].layer, Flatten):
            return trace.inputs[k].shape[1:]
        if trace.inputs[k].shape != trace.outputs[k].shape:
            return ()
    return ()


def dense_gradient(model: Model, layer: LayerOrName, x: ArrayLike, y: ArrayLike | None = None, *,
                   weight: ArrayLike | None = None, unit: ArrayLike | None = None, sample: int = 0,
                   upstream: ArrayLike | None = None) -> GradientTerms:
    """Return every term of the gradient of one weight of a dense layer, or of one of its inputs.

    With dy the gradient with respect to the weighted sum, before the activation::

        d loss / d kernel[i,u] = sum_n x[n,i] dy[n,u]         one term a sample: each used the weight once
        d loss / d x[n,i]      = sum_u dy[n,u] kernel[i,u]    one term a unit: each had the input in its sum

    Afterwards the layers' ``grads`` are those of this loss. Dropout is off.

    Parameters
    ----------
    layer : a `Dense` in the model, or the name of its step.
    x : samples for the model.
    y : targets for the compiled loss; or give `upstream`, the gradient with respect to the model's output.
    weight : the weight, (input, unit); or give `unit`, an index into the layer's input of one `sample`.

    Raises
    ------
    ValueError : for a layer that is not dense, an index out of range, or both or neither of `weight` and `unit`, or of
        `y` and `upstream`.

    >>> from tinynet import Sequential
    >>> model = Sequential([Dense(2, kernel_initializer="ones", input_dim=3)])
    >>> terms = dense_gradient(model, "dense_1", [[1.0, 2.0, 3.0]], unit=0, upstream=[[0.5, -2.0]])
    >>> terms.terms.tolist(), terms.total
    ([0.5, -2.0], -1.5)
    """
    expect_one("weight=(input, unit) or unit=, an index into the layer's input", weight, unit)
    trace = Trace(model, x)
    index, dense = find_weighted(trace, layer, Dense, "a dense layer")
    name, inputs, kernel = trace.steps[index].name, trace.inputs[index], dense.params["kernel"]
    n, = check_place(sample, (len(inputs),), "sample")
    gradients = trace.gradients(y, upstream)
    dx, dy = gradients[index:index + 2]
    if weight is not None:
        i, u = check_place(weight, kernel.shape, f"weight (input, unit) of {name}")
        rows = np.array(list(np.ndindex(inputs.shape[:-1])))                       # (T, 1): every sample; or more axes
        return GradientTerms(
            of=f"{name}/kernel[{i}, {u}]", names=("dy", "x"),
            left_at=np.insert(rows, rows.shape[1], u, axis=1), right_at=np.insert(rows, rows.shape[1], i, axis=1),
            left=dy[..., u].astype(np.float64).ravel(), right=inputs[..., i].astype(np.float64).ravel(),
            gradient=float(dense.grads["kernel"][i, u]), penalty=penalty_of(dense, (i, u)))
    at = (n, *check_place(unit, inputs.shape[1:], f"unit, an element of the input of {name}"))
    units = np.arange(kernel.shape[1])
    return GradientTerms(
        of=f"{name}'s input{list(at)}", names=("dy", "kernel"),
        left_at=np.array([(*at[:-1], u) for u in units]), right_at=np.array([(at[-1], u) for u in units]),
        left=dy[at[:-1]].astype(np.float64), right=kernel[at[-1]].astype(np.float64), gradient=float(dx[at]))
