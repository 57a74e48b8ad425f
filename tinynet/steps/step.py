"""The flat list of steps that a model is: which functions run, in which order, and to which layer each belongs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tinynet.layers.base import ActivityRegularization, Forward, Layer


class Step(NamedTuple):
    """One entry of a model's flat list: a function ``run(x, training) -> (y, backward)``, and the layer it belongs to.

    `name` is that of the layer for its main step, with "/relu" after it for its activation.
    """

    name: str
    layer: Layer
    run: Forward


def steps_of(layer: Layer, name: str = "") -> list[Step]:
    """List what a layer called `name` does, flat.

    A forward that was replaced, by a subclass, on the class or on the instance, takes precedence over the layer's
    parts: it runs by itself, as one step.
    """
    steps: list[Step] = []
    _add(steps, layer, name)
    return steps


def without_penalties(steps: Iterable[Step]) -> list[Step]:
    """Return the steps that compute something, without those that only add a penalty to the loss."""
    return [step for step in steps if not isinstance(step.layer, ActivityRegularization)]


def steps_of_parts(layer: Layer, name: str = "") -> list[Step]:
    """List what the parts of a layer called `name` do, flat."""
    steps: list[Step] = []
    _add_parts(steps, layer, name)
    return steps


# A model lists its steps for each batch, so all are added to one list, rather than many short ones joined, and made as
# the tuples that they are, in half of the time.

new = tuple.__new__

def _add(steps: list[Step], layer: Layer, name: str) -> None:
    cls = type(layer)
    if "forward" in layer.__dict__ or cls.forward is not cls.composed_forward:
        steps.append(new(Step, (name, layer, layer.forward)))
    else:
        _add_parts(steps, layer, name)
    if layer.activity_penalty is not None:
        steps.append(Step(f"{name}/activity_regularizer", layer.activity_penalty, layer.activity_penalty.forward))


def _add_parts(steps: list[Step], layer: Layer, name: str) -> None:
    for own, part in layer.parts():
        full = f"{name}/{own}" if name and own else name or own
        if isinstance(part, Layer):
            _add(steps, part, full)
        else:
            steps.append(new(Step, (full, layer, part)))
