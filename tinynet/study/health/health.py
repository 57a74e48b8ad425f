"""The health of a model in training: dead units, vanishing and exploding gradients, and the size of its updates."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers import Layer, ReLU
from tinynet.steps.step import Step
from tinynet.steps.untouched import untouched
from tinynet.study.drawing import StrPath
from tinynet.study.formatting import percent, three_digits
from tinynet.study.health.findings import findings
from tinynet.study.health.health_figure import plot_health
from tinynet.study.health.histogram import histogram, magnitudes
from tinynet.study.health.measures import Measures, ParameterHealth, StepHealth
from tinynet.study.trace import Trace
from tinynet.tables import Table
from tinynet.training.data import as_samples, same_length
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Health(Measures):
    """The health of a model on some samples; ``print`` shows tables and findings, `plot` draws the histograms.

    Attributes
    ----------
    samples : number of samples.
    steps : one `StepHealth` each.
    parameters : one `ParameterHealth` each.
    """

    @property
    def findings(self) -> list[str]:
        """A sentence for each likely problem: see `tinynet.study.health.findings`."""
        return findings(self)

    def in_short(self) -> str:
        """Say on how much it was measured, and how much was found."""
        return f"{super().in_short()}; {len(self.findings) or 'no'} finding{'s' * (len(self.findings) != 1)}"

    def tables(self) -> list[Table]:
        """Return a table of the steps' outputs, and one of the parameters, with the findings below."""
        outputs = Table(["output", "zeros %", "dead %", "|gradient|"],
                        [[step.name, percent(step.zeros), percent(step.dead), three_digits(step.gradient_norm)]
                         for step in self.steps])
        parameters = Table(["parameter", "|value|", "|gradient|", "|update|/|value|"],
                           [[parameter.name, *map(three_digits, (parameter.norm, parameter.gradient_norm,
                                                                 parameter.update_ratio))]
                            for parameter in self.parameters],
                           below="\n".join(self.findings) or "nothing conspicuous")
        return [outputs, parameters]

    def __str__(self) -> str:
        outputs, parameters = self.tables()
        width = max(len(row[0]) for row in [*outputs.rows, *parameters.rows]) + 2
        return "\n".join([*outputs.lines(width, 9, 9, 12), "", *parameters.lines(width, 9, 21, 18), "",
                          parameters.below])

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw the histograms of outputs, of their gradients, and of the parameters' gradients, a row for each step."""
        return plot_health(self, path)


@singledispatch
def rectifies(layer: Layer) -> bool:
    """Return whether a layer outputs 0 on an interval and passes no gradient there, so that its units can be dead.

    A rule for a layer of your own is added with ``study.rectifies.register(Mine, lambda layer: True)``.

    >>> rectifies(ReLU())
    True
    """
    return False


@rectifies.register
def _(layer: ReLU) -> bool:
    return True


def health(model: Model, x: ArrayLike, y: ArrayLike) -> Health:
    """Run a compiled model forward and backward on some samples, and measure what training depends on.

    The gradients are those of the compiled loss with its penalties, with dropout off; the updates are those that the
    optimizer would make next. Parameters, ``grads``, optimizer and random generators are left as they are. A unit
    counts as dead if it is 0 for all samples given: with fewer than a few hundred, rarely active units do too.

    Parameters
    ----------
    model : compiled.
    x, y : samples and targets, as for `fit`.

    Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", for
    gradients by layer; the guide that an update should be about 1/1000 of the weights is Karpathy's, CS231n.

    Raises
    ------
    ValueError : for a model that is not compiled, or without samples.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, "relu", kernel_initializer="ones", bias_initializer="ones", input_dim=1)])
    >>> model.compile(optimizer="sgd", loss="mse")
    >>> model.params["dense_1/bias"] = np.float32([0, -9])
    >>> print(health(model, [[1.0], [3.0]], [[0.0, 0.0], [2.0, 0.0]]))
    output            zeros %   dead %  |gradient|
    dense_1               0.0        -       0.707
    dense_1/relu         50.0     50.0       0.707
    <BLANKLINE>
    parameter         |value|           |gradient|  |update|/|value|
    dense_1/kernel       1.41                    2            0.0141
    dense_1/bias            9                    1           0.00111
    <BLANKLINE>
    dead: 1 of 2 units (50 %) of dense_1/relu, 0 for all 2 samples: number 1.
    """
    x, y = as_samples(x, model.dtype), as_samples(y, None, "y")
    same_length(x=x, y=y)
    with untouched(model), np.errstate(all="ignore"):                       # so that exploded models can be examined
        trace = Trace(model, x)
        gradients = trace.loss_gradients(y)[1:]                             # of each step's output
        grads = dict(model.grads)
        updated = {key: array.copy() for key, array in model.trainable_params().items()}
        copy.deepcopy(model.optimizer).update(updated, grads)               # the optimizer's own slots stay as they are
        steps = [step_health(step, output, gradients[k] if k < len(gradients) else None)
                 for k, (step, output) in enumerate(zip(trace.steps, trace.outputs, strict=True))]
        parameters = [parameter_health(key, array, grads[key], updated.get(key))
                      for key, array in model.params.items()]
    return Health(len(x), steps, parameters)


def step_health(step: Step, output: np.ndarray, gradient: np.ndarray | None) -> StepHealth:
    """Measure one step's output (N, ...), and the gradient with respect to it."""
    axis = 1 if output.ndim == 4 else output.ndim - 1                       # (N, C, H, W) or (N, ..., units)
    always_0 = (output == 0).all(axis=tuple(a for a in range(output.ndim) if a != axis))
    return StepHealth(
        step.name, bool(step.layer.params), output.shape[axis], output.ndim == 4, float((output == 0).mean()),
        np.flatnonzero(always_0).tolist() if rectifies(step.layer) else None,
        histogram(output), None if gradient is None else magnitudes(gradient),
        None if gradient is None else l2_norm(gradient))


def parameter_health(name: str, value: np.ndarray, gradient: np.ndarray,
                     updated: np.ndarray | None) -> ParameterHealth:
    """Measure a parameter's gradient and its update; `updated` is its value after the update, None if it is frozen."""
    norm, ratio = l2_norm(value), None
    if updated is not None:
        change = l2_norm(updated - value)
        ratio = change / norm if norm else np.inf if change else 0.0
    return ParameterHealth(name, value.shape, norm, magnitudes(gradient), l2_norm(gradient), ratio)


def l2_norm(array: np.ndarray) -> float:
    """Return the root of the sum of squares, summed in float64, in which float32 numbers cannot overflow."""
    return float(np.sqrt(np.square(array, dtype=np.float64).sum()))
