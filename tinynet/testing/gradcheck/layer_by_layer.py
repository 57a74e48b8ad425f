"""A model taken apart: its layers one by one, each at the very input that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinynet.steps.plan import leave_softmax_to_loss
from tinynet.steps.run import forwards, run_steps
from tinynet.steps.step import Step, steps_of
from tinynet.testing.gradcheck.report import Failure
from tinynet.testing.gradcheck.targets import LayerSubject, LossSubject, ModelSubject, Subject


class Part(NamedTuple):
    """A layer of a model, and the input that reaches it."""

    name: str
    layer: Any
    x: np.ndarray


class Parts:
    """The layers of a model, and its loss; nothing is run before somebody asks.

    Parameters
    ----------
    subject : a model, or a layer (which has no parts).
    check : checks a subject by itself, and returns its table and its failures.
    """

    def __init__(self, subject: Subject, check: Callable[[Subject], tuple[list, list[Failure]]]):
        self.subject, self.check = subject, check
        model, source = subject.layer, getattr(subject, "source", None)
        self.layers = [(name, layer) for name, layer in zip(
            getattr(model, "layer_names", ()), getattr(model, "layers", ()), strict=False) if layer is not source]

    @cached_property
    def parts(self) -> tuple[list[Part], np.ndarray]:
        """The layers with the inputs that reach them, and the output of the last."""
        layers = [Step(name, layer, layer.forward) for name, layer in self.layers]
        self.subject.replay.restore()
        ran = list(forwards(layers, self.subject.x, self.subject.training))
        return [Part(step.name, step.layer, x) for step, x, _, _ in ran], ran[-1].y if ran else self.subject.x

    @cached_property
    def chained(self) -> dict[str, np.ndarray]:
        """The gradients of the model, from its steps run one by one: nothing fused, nothing left out."""
        subject = self.subject
        steps = [step for _, layer in self.layers for step in steps_of(layer)]
        loss: Any = subject.layer.loss if isinstance(subject, ModelSubject) else None
        steps, _, loss = leave_softmax_to_loss(steps, loss)                # as the model's objective does
        subject.replay.restore()
        y, backward = run_steps(steps, subject.x, subject.training)
        if isinstance(subject, ModelSubject):
            dy = loss.forward(subject.y, y, subject.sample_weight)[1]()
        else:
            dy = subject.upstream.reshape(y.shape)
        gradients = {subject.input_name: backward(dy)}
        for name, layer in self.layers:
            for key, array in layer.grads.items():
                penalty = subject.penalty(f"{name}/{key}")
                gradients[f"{name}/{key}"] = array if penalty is None else array + penalty
        return gradients

    @cached_property
    def failures(self) -> dict[str, list[Failure]]:
        """What is wrong with each part by itself."""
        (parts, y), subject, rng = self.parts, self.subject, np.random.default_rng(0)
        failures = {part.name: self.check(LayerSubject(part.layer, part.x, subject.training, rng))[1]
                    for part in parts}
        if isinstance(subject, ModelSubject):
            failures["the loss"] = self.check(LossSubject(subject.layer.loss, y, subject.y, subject.sample_weight))[1]
        return failures

    def vouch_for(self, name: str) -> bool:
        """Say whether there are parts, and none of them is wrong in a way that reaches this tensor's gradient.

        A wrong parameter gradient stays where it is; whatever else is wrong is handed on to the layers before.
        """
        own = {part: layer.params.keys() for part, layer in self.layers}
        return bool(self.layers) and not any(
            failure.tensor not in own.get(part, ()) or f"{part}/{failure.tensor}" == name
            for part, failures in self.failures.items() for failure in failures)

    def blame(self) -> tuple[str, str] | None:
        """Name the parts that are wrong by themselves, and what is wrong with the first."""
        guilty = {name: found for name, found in self.failures.items() if found} if self.layers else {}
        if not guilty:
            return None
        first = next(iter(guilty.values()))[0]
        what = ": ".join(filter(None, [first.tensor, first.explanation or first.message]))
        return "one layer", f"{' and '.join(guilty)} is wrong by itself: {what}"

    def acquittal(self) -> tuple[str | None, str]:
        """Say that the parts are right, where there are any: what is wrong lies between them."""
        if not self.layers:
            return None, ""
        return "between the layers", ("every part is right by itself: it goes wrong where they are put together "
                                      "(chaining, fused steps, a penalty).")
