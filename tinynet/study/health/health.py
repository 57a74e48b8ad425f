"""How a model fares in training: dead units, vanishing and exploding gradients, and the size of its updates."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from tinynet.layers import Layer, ReLU
from tinynet.steps.untouched import untouched
from tinynet.study.drawing import Path
from tinynet.study.health.findings import findings
from tinynet.study.health.health_figure import plot_health
from tinynet.study.health.histogram import Histogram, histogram, magnitudes
from tinynet.study.trace import Trace
from tinynet.training.data import as_samples, same_length


@dataclass(frozen=True)
class StepHealth:
    """What a step put out, and the gradient of the loss with respect to that.

    Attributes
    ----------
    name : the step's: ``"conv2d_1"``, ``"conv2d_1/relu"``.
    weighted : whether the step's layer has parameters.
    units : number of filters of a step that makes images, of numbers in the last axis of others.
    zeros : share of the output that is 0.
    makes_images : whether its units are filters.
    dead_units : the units that are 0 for every sample, so that no gradient comes through them; None for a step that
        does not rectify.
    activation : `Histogram` of the output.
    gradient, gradient_norm : `Histogram` and length of d loss / d output, over the whole batch; None for a softmax
        that the loss bypasses.
    """

    name: str
    weighted: bool
    units: int
    makes_images: bool
    zeros: float
    dead_units: list[int] | None
    activation: Histogram
    gradient: Histogram | None
    gradient_norm: float | None

    @property
    def dead(self) -> float | None:
        """Share of the units that are dead; None for a step that does not rectify."""
        return None if self.dead_units is None else len(self.dead_units) / self.units


@dataclass(frozen=True)
class ParameterHealth:
    """The gradient of a parameter, and what the next update would do to it.

    Attributes
    ----------
    name, shape : the parameter's, as in ``model.params``.
    norm : its length, the root of the sum of squares.
    gradient, gradient_norm : `Histogram` and length of d loss / d parameter.
    update_ratio : |update| / |parameter|; infinite for a parameter of zeros, None for one that is frozen.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    gradient: Histogram
    gradient_norm: float
    update_ratio: float | None


@dataclass(frozen=True)
class Health:
    """The health of a model on some samples; ``print`` shows tables and findings, `plot` draws the histograms.

    Attributes
    ----------
    samples : how many.
    steps : one `StepHealth` each.
    parameters : one `ParameterHealth` each.
    """

    samples: int
    steps: list[StepHealth]
    parameters: list[ParameterHealth]

    @property
    def findings(self) -> list[str]:
        """What is conspicuous, a sentence each: see `tinynet.study.health.findings`."""
        return findings(self)

    def __str__(self) -> str:
        names = [*(step.name for step in self.steps), *(parameter.name for parameter in self.parameters)]
        width = max(map(len, names)) + 2
        lines = [f"{'output':<{width}}{'zeros %':>9}{'dead %':>9}{'|gradient|':>12}"]
        lines += [f"{step.name:<{width}}{100 * step.zeros:>9.1f}{percent(step.dead):>9}{short(step.gradient_norm):>12}"
                  for step in self.steps]
        lines += ["", f"{'parameter':<{width}}{'|value|':>9}{'':>9}{'|gradient|':>12}{'|update|/|value|':>18}"]
        lines += [f"{parameter.name:<{width}}{short(parameter.norm):>9}{'':>9}{short(parameter.gradient_norm):>12}"
                  f"{short(parameter.update_ratio):>18}" for parameter in self.parameters]
        return "\n".join([*lines, "", *(self.findings or ["nothing conspicuous"])])

    def plot(self, path: Path | None = None) -> Any:
        """Draw the histograms of outputs, of their gradients, and of the parameters' gradients, a row for each step."""
        return plot_health(self, path)


@singledispatch
def rectifies(layer: Layer) -> bool:
    """Tell whether a layer cuts to 0, and passes no gradient where it does, so that its units can be dead.

    A rule for a layer of one's own is added with ``study.rectifies.register(Mine, lambda layer: True)``.

    >>> rectifies(ReLU())
    True
    """
    return False


@rectifies.register
def _(layer: ReLU) -> bool:
    return True


def health(model: Any, x: Any, y: Any) -> Health:
    """Run a compiled model forward and backward on some samples, and measure what training depends on.

    The gradients are those of the compiled loss with its penalties, with dropout off; the updates are those that the
    optimizer would make of them next. Parameters, ``grads``, optimizer and generators stay as they are. A unit is
    called dead that is 0 for all samples given: take some hundreds, or rare units will seem so.

    Parameters
    ----------
    model : compiled.
    x, y : samples and targets, as for `fit`.

    Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", for
    gradients by layer; the guide that an update should be about 1/1000 of the weights is Karpathy's, CS231n.

    Raises
    ------
    ValueError : for a model that is not compiled, or no samples.

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
    with untouched(model), np.errstate(all="ignore"):                        # what has exploded can be looked at too
        trace = Trace(model, x)
        gradients = trace.loss_gradients(y)[1:]                             # of each step's output
        grads = dict(model.grads)
        updated = {key: array.copy() for key, array in model.trainable_params().items()}
        copy.deepcopy(model.optimizer).update(updated, grads)
        steps = [step_health(step, output, gradients[k] if k < len(gradients) else None)
                 for k, (step, output) in enumerate(zip(trace.steps, trace.outputs, strict=True))]
        parameters = [parameter_health(key, array, grads[key], updated.get(key))
                      for key, array in model.params.items()]
    return Health(len(x), steps, parameters)


def step_health(step: Any, output: np.ndarray, gradient: np.ndarray | None) -> StepHealth:
    """Measure one step's output (N, ...), and its gradient."""
    axis = 1 if output.ndim == 4 else output.ndim - 1                       # (N, C, H, W) or (N, ..., units)
    silent = (output == 0).all(axis=tuple(a for a in range(output.ndim) if a != axis))
    return StepHealth(
        step.name, bool(step.layer.params), output.shape[axis], output.ndim == 4, float((output == 0).mean()),
        np.flatnonzero(silent).tolist() if rectifies(step.layer) else None,
        histogram(output), None if gradient is None else magnitudes(gradient),
        None if gradient is None else length(gradient))


def parameter_health(name: str, value: np.ndarray, gradient: np.ndarray,
                     updated: np.ndarray | None) -> ParameterHealth:
    """Measure one parameter's gradient, and its update."""
    norm, ratio = length(value), None
    if updated is not None:
        change = length(updated - value)
        ratio = change / norm if norm else np.inf if change else 0.0
    return ParameterHealth(name, value.shape, norm, magnitudes(gradient), length(gradient), ratio)


def length(array: np.ndarray) -> float:
    """Return the root of the sum of squares."""
    return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def percent(value: float | None) -> str:
    """Write a share in percent, or a dash where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"


def short(value: float | None) -> str:
    """Write a number in three digits, or a dash where there is none."""
    return "-" if value is None else f"{value:.3g}"
