"""Which explanation is whose: by the layer's class, if what runs is what its file shows."""

from __future__ import annotations

from typing import Any

from tinynet.explore.explanations.arithmetic import Arithmetic, arithmetic
from tinynet.explore.explanations.explanation import Explanation, Place
from tinynet.explore.explanations.numbers import StepNumbers
from tinynet.explore.explanations.own import OwnArithmetic
from tinynet.layers.base import Forward, Layer


def explainer(layer: Layer, run: Forward | None) -> type[Arithmetic[Any]]:
    """Return what explains a step: one's own layers, and those whose forward was replaced, explain themselves."""
    return arithmetic(layer) or OwnArithmetic if is_ours(run) else OwnArithmetic


def is_ours(run: Forward | None) -> bool:
    """Return whether a step runs a method of tinynet's layers, and none that somebody put in its place."""
    return getattr(getattr(run, "__func__", None), "__module__", "").startswith("tinynet.")


def explains(layer: Layer, run: Forward) -> bool:
    """Return whether a step has an inner arithmetic that can be shown."""
    return explainer(layer, run) is not OwnArithmetic or callable(getattr(type(layer), "explain", None))


def explain_output(step: StepNumbers[Any], at: Place) -> Explanation:
    """Explain one number of a step's output."""
    return explainer(step.layer, step.run)(step).forward(at)


def explain_input(step: StepNumbers[Any], at: Place) -> Explanation:
    """Explain the gradient of one number of a step's input."""
    return explainer(step.layer, step.run)(step).backward(at)


def explain_parameter(step: StepNumbers[Any], key: str, at: Place) -> Explanation:
    """Explain the gradient of one number of a step's parameter."""
    return explainer(step.layer, step.run)(step).of_parameter(key, at)
