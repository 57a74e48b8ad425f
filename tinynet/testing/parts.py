"""A model taken apart: its layers one by one, each at the very input that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinynet.testing.report import Failure
from tinynet.testing.subjects import LayerSubject, LossSubject, ModelSubject, Subject


class Part(NamedTuple):
    """A layer of a model, the input that reaches it, and the backward of that forward."""

    name: str
    layer: Any
    x: np.ndarray
    backward: Callable


class Parts:
    """The layers of a model, and its loss; nothing is run before somebody asks.

    Parameters
    ----------
    subject : a model, or a layer (which has no parts).
    check : checks a subject by itself, and returns its table and its failures.
    """

    def __init__(self, subject: Subject, check: Callable[[Subject], tuple[list, list[Failure]]]):
        self.subject, self.check = subject, check

    @cached_property
    def run(self) -> tuple[list[Part], np.ndarray]:
        """Run the layers forward one by one; return them, and the output of the last."""
        model, x = self.subject.layer, self.subject.x
        parts = []
        self.subject.replay.restore()
        for name, layer in zip(getattr(model, "layer_names", ()), getattr(model, "layers", ()), strict=False):
            if layer is not getattr(self.subject, "source", None):
                y, backward = layer.forward(x, self.subject.training)
                parts.append(Part(name, layer, x, backward))
                x = y
        return parts, x

    @cached_property
    def chained(self) -> dict[str, np.ndarray]:
        """The gradients of the model, from the backwards of its layers chained one by one."""
        (parts, y), subject, gradients = self.run, self.subject, {}
        if isinstance(subject, ModelSubject):
            dy = subject.layer.loss.forward(subject.y, y, subject.sample_weight)[1]()
        else:
            dy = subject.upstream.reshape(y.shape)
        for part in reversed(parts):
            dy = part.backward(dy)
            for key, array in part.layer.grads.items():
                name = f"{part.name}/{key}"
                gradients[name] = array + (0 if (penalty := subject.penalty(name)) is None else penalty)
        return {**gradients, subject.input_name: dy}

    @cached_property
    def failures(self) -> dict[str, list[Failure]]:
        """What is wrong with each part by itself."""
        (parts, y), subject, rng = self.run, self.subject, np.random.default_rng(0)
        failures = {part.name: self.check(LayerSubject(part.layer, part.x, subject.training, rng))[1]
                    for part in parts}
        if isinstance(subject, ModelSubject):
            failures["the loss"] = self.check(LossSubject(subject.layer.loss, y, subject.y, subject.sample_weight))[1]
        return failures

    @property
    def all_right(self) -> bool:
        """Whether there are parts, and nothing is wrong with any."""
        return bool(self.run[0]) and not any(self.failures.values())

    def blame(self) -> tuple[str, str] | None:
        """Name the parts that are wrong by themselves, and what is wrong with the first."""
        guilty = {name: found for name, found in self.failures.items() if found} if self.run[0] else {}
        if not guilty:
            return None
        first = next(iter(guilty.values()))[0]
        why = first.explanation or first.message
        return "one layer", f"{' and '.join(guilty)} is wrong by itself: {first.tensor}: {why}"

    def acquittal(self) -> tuple[str | None, str]:
        """Say that the parts are right, where there are any: what is wrong lies between them."""
        if not self.run[0]:
            return None, ""
        return "between the layers", ("every layer is right by itself, and so is the loss: it goes wrong where they "
                                      "are put together (chaining, fused steps, a penalty).")
