"""The flat list of steps that a model is: which functions run, in which order, and to which layer each belongs."""

from __future__ import annotations

from typing import NamedTuple

from tinynet.layers.base import Forward, Layer


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
    if "forward" in vars(layer) or type(layer).forward is not type(layer).composed_forward:
        return [Step(name, layer, layer.forward)]
    return steps_of_parts(layer, name)


def steps_of_parts(layer: Layer, name: str = "") -> list[Step]:
    """List what the parts of a layer called `name` do, flat."""
    steps = []
    for own, part in layer.parts():
        full = f"{name}/{own}" if name and own else name or own
        steps += steps_of(part, full) if isinstance(part, Layer) else [Step(full, layer, part)]
    return steps
