"""A model taken apart: its layers one by one, each checked at the very input that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinynet.layers.base import Layer
from tinynet.regularizers import counting_activity
from tinynet.steps.plan import leave_softmax_to_loss
from tinynet.steps.run import forwards, run_steps
from tinynet.steps.step import Step, steps_of
from tinynet.testing.gradcheck.report import Failure, TensorReport
from tinynet.testing.gradcheck.targets import LayerTarget, LossTarget, ModelTarget, Target

Check = Callable[[Target], tuple[list[TensorReport], list[Failure]]]


class Reached(NamedTuple):
    """A layer of a model, and the input that reaches it."""

    name: str
    layer: Layer
    x: np.ndarray


class LayerByLayer:
    """The layers of a model, and its loss; nothing is run before it is asked for.

    Parameters
    ----------
    target : a model, or a layer that is made of no others.
    check : checks one target by itself, and returns its table and its failures.
    """

    def __init__(self, target: Target, check: Check):
        self.target, self.check = target, check
        model, source = target.layer, getattr(target, "source", None)
        self.layers = [(name, layer) for name, layer in zip(
            getattr(model, "layer_names", ()), getattr(model, "layers", ()), strict=False) if layer is not source]

    @cached_property
    def reached(self) -> tuple[list[Reached], np.ndarray]:
        """The layers with the inputs that reach them, and the output of the last."""
        layers = [Step(name, layer, layer.forward) for name, layer in self.layers]
        self.target.replay.restore()
        ran = list(forwards(layers, self.target.x, self.target.training))
        return [Reached(step.name, step.layer, x) for step, x, _, _ in ran], ran[-1].y if ran else self.target.x

    @cached_property
    def chained(self) -> dict[str, np.ndarray]:
        """The gradients of the model, from its steps run one by one: nothing fused, nothing left out."""
        target = self.target
        steps = [step for _, layer in self.layers for step in steps_of(layer)]
        loss: Any = target.layer.loss if isinstance(target, ModelTarget) else None
        steps, _, loss = leave_softmax_to_loss(steps, loss)                # as the model's objective does
        target.replay.restore()
        y, backward = run_steps(steps, target.x, target.training)
        if isinstance(target, ModelTarget):
            with counting_activity([]):
                dx = backward(loss.forward(target.y, y, target.sample_weight)[1]())
        else:
            dx = backward(target.upstream.reshape(y.shape))
        gradients = {target.input_name: dx}
        for name, layer in self.layers:
            for key, array in layer.grads.items():
                penalty = target.penalty(f"{name}/{key}")
                gradients[f"{name}/{key}"] = array if penalty is None else array + penalty
        return gradients

    @cached_property
    def failures(self) -> dict[str, list[Failure]]:
        """What is wrong with each layer, and with the loss, by itself."""
        (reached, y), target, rng = self.reached, self.target, np.random.default_rng(0)
        failures = {name: self.check(LayerTarget(layer, x, target.training, rng))[1] for name, layer, x in reached}
        for found in failures.values():                    # that there is nothing to measure is no fault in a model
            found[:] = [failure for failure in found if failure.cause != "nothing measured"]
        if isinstance(target, ModelTarget):
            failures["the loss"] = self.check(LossTarget(target.layer.loss, y, target.y, target.sample_weight))[1]
        return failures

    def all_right_for(self, name: str) -> bool:
        """Return whether there are layers, and none of them is wrong in a way that reaches this tensor's gradient.

        A wrong parameter gradient stays where it is; whatever else is wrong is passed on to the layers before.
        """
        own = {layer_name: layer.params.keys() for layer_name, layer in self.layers}
        return bool(self.layers) and not any(
            failure.tensor not in own.get(layer_name, ()) or f"{layer_name}/{failure.tensor}" == name
            for layer_name, failures in self.failures.items() for failure in failures)

    def wrong_layers(self) -> tuple[str, str] | None:
        """Return cause and explanation where layers are wrong by themselves: which, and how the first is wrong."""
        wrong = {name: found for name, found in self.failures.items() if found} if self.layers else {}
        if not wrong:
            return None
        first = next(iter(wrong.values()))[0]
        what = ": ".join(filter(None, [first.tensor, first.explanation or first.message]))
        return "one layer", f"{' and '.join(wrong)} is wrong by itself: {what}"

    def wrong_between(self) -> tuple[str | None, str]:
        """Return cause and explanation where every layer is right by itself; (None, "") for what has no layers."""
        if not self.layers:
            return None, ""
        return "between the layers", ("every part is right by itself: it goes wrong where they are put together "
                                      "(chaining, fused steps, a penalty).")
