"""What a person changes in the model, and how it is undone: a weight, a filter switched off, another activation."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from tinynet.checks import invalid
from tinynet.explore.explanations.elementwise import Linear
from tinynet.explore.serving.request import Request
from tinynet.layers import BatchNormalization, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, SeparableConv2D
from tinynet.layers import activations as known
from tinynet.layers.activations import Activation
from tinynet.layers.base import Layer
from tinynet.layers.lock import writing
from tinynet.layers.stack import Stack
from tinynet.layers.weighted import Weighted
from tinynet.steps.step import Step
from tinynet.training.model import Model

MOST = 1000                                            # changes at a time: a page may be open for long
Index = tuple[Any, ...]
Part = tuple[str, Index]                               # of a parameter: its key, and an index into it


ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "linear": Linear, **{name: make for name, make in known.KNOWN.items() if name not in ("softmax", "swish")}}


class Change(NamedTuple):
    """What was done, in words, what undoes it, and to what it was done."""

    words: str
    undo: Callable[[], None]
    what: tuple[object, ...]


class Changes:
    """The changes made to a model, in order."""

    def __init__(self, model: Model):
        self.model = model
        self.made: list[Change] = []

    def apply(self, request: Request, step: Step) -> None:
        """Do what a request asks for."""
        if len(self.made) >= MOST:
            raise ValueError(f"There are {MOST:,} changes already: undo some, or begin anew.")
        kinds = {"weight": self.edit, "filter": self.switch, "activation": self.replace}
        request.choice("kind", kinds)(request, step)

    def undo(self) -> None:
        """Take the last change back, if there is one."""
        if self.made:
            self.made.pop().undo()

    def undo_all(self) -> None:
        """Take all changes back, the last first."""
        while self.made:
            self.undo()

    def words(self) -> list[str]:
        """Say what was changed, in order."""
        return [change.words for change in self.made]

    def edit(self, request: Request, step: Step) -> None:
        """Set one number of a parameter."""
        key = request.choice("param", {key: key for key in step.layer.params})
        array = step.layer.params[key]
        at, value = request.place("at", array.shape), request.number("value")
        with np.errstate(over="ignore"):
            if not np.isfinite(array.dtype.type(value)):
                raise invalid(None, f"value, a number that {array.dtype} can hold", value)
        what = step.name, key, at
        if self.made and self.made[-1].what == what:             # a slider, say: one change, from where it began
            self.undo()
        words = f"{step.name}/{key}{list(at)}: {array[at]:.6g} to {value:.6g}"
        self.made.append(Change(words, self.set({key: (at, value)}, step.layer), what))

    def switch(self, request: Request, step: Step) -> None:
        """Switch a filter or unit off, its parameters all 0, or on again."""
        step = self.weighed(step)
        shape = step.layer.output_shape or (1,)
        unit = request.whole("channel", shape[-1 if isinstance(step.layer, Dense) else 0])
        which = step.name, unit
        off = next((change for change in self.made if change.what == which), None)
        if request.flag("on") and off is not None:
            off.undo()
            self.made.remove(off)
        elif not request.flag("on") and off is None:
            undo = self.set({key: (index, 0.0) for key, index in unit_parts(step.layer, unit)}, step.layer)
            self.made.append(Change(f"{step.name}: number {unit} switched off", undo, which))

    def replace(self, request: Request, step: Step) -> None:
        """Put another activation in the place of a step's."""
        name = request.choice("name", {name: name for name in ACTIVATIONS})
        put = slot(self.model, step)
        if put is None:
            raise invalid(None, "a step that is an activation", step.name)
        old, new = step.layer, ACTIVATIONS[name]()
        new.name, new.input_shape, new.output_shape = old.name, old.input_shape, old.output_shape
        put(new)
        self.made.append(Change(f"{step.name}: {name} in its place", lambda: put(old), (step.name,)))

    def set(self, parts: dict[str, tuple[Index, float]], layer: Layer) -> Callable[[], None]:
        """Set parts of a layer's parameters to numbers; return what puts back what was there."""
        before = {key: (index, np.copy(layer.params[key][index])) for key, (index, _) in parts.items()}

        def put(numbers: dict[str, tuple[Index, Any]]) -> None:
            with writing(self.model):
                for key, (index, value) in numbers.items():
                    layer.params[key][index] = value
        put(parts)
        return lambda: put(before)

    def weighed(self, step: Step) -> Step:
        """Return the step that has the parameters of a filter: that before an activation, or itself."""
        owner, _, activation = step.name.rpartition("/")
        steps = {each.name: each for each in self.model.steps()}
        if not step.layer.params and activation and owner in steps:
            step = steps[owner]
        unit_parts(step.layer, 0)
        return step


@singledispatch
def unit_parts(layer: Layer, unit: int) -> list[Part]:
    """Return the parts of a layer's parameters that make one filter or unit, or raise a ValueError."""
    raise invalid(None, "a filter of a convolution, a unit of a dense layer, or a channel of batch normalisation, to "
                        "switch off", layer)


@unit_parts.register
def _(layer: Dense, unit: int) -> list[Part]:
    return present(layer, ("kernel", (slice(None), unit)), ("bias", (unit,)))


@unit_parts.register
def _(layer: Conv2D, unit: int) -> list[Part]:
    return present(layer, ("kernel", (unit,)), ("bias", (unit,)))


@unit_parts.register
def _(layer: Conv2DTranspose, unit: int) -> list[Part]:
    return present(layer, ("kernel", (slice(None), unit)), ("bias", (unit,)))


@unit_parts.register
def _(layer: DepthwiseConv2D, unit: int) -> list[Part]:
    channel, m = divmod(unit, layer.depth_multiplier)
    return present(layer, ("kernel", (m, channel)), ("bias", (unit,)))


@unit_parts.register
def _(layer: SeparableConv2D, unit: int) -> list[Part]:
    return present(layer, ("pointwise_kernel", (unit,)), ("bias", (unit,)))


@unit_parts.register
def _(layer: BatchNormalization, unit: int) -> list[Part]:
    if "gamma" not in layer.params:
        raise invalid(None, "batch normalisation with a gamma, to switch a channel off", f"{layer} without one")
    return present(layer, ("gamma", (unit,)), ("beta", (unit,)))


def present(layer: Layer, *parts: Part) -> list[Part]:
    """Return those parts whose parameters the layer has."""
    return [(key, index) for key, index in parts if key in layer.params]


def slot(model: Model, step: Step) -> Callable[[Layer], None] | None:
    """Return what puts another activation in a step's place; None for a step that is none, or gives the answer."""
    layer = step.layer
    if layer.params or getattr(layer, "gives_probabilities", None) == "softmax":
        return None
    for owner in model.leaves():
        if isinstance(owner, (Weighted, Activation)) and owner.activation is layer:
            return lambda new, owner=owner: setattr(owner, "activation", new)          # type: ignore[misc]
        if isinstance(owner, Stack) and isinstance(layer, tuple(KINDS)):
            for k, own in enumerate(owner.layers):
                if own is layer:
                    return lambda new, owner=owner, k=k: owner.layers.__setitem__(k, new)      # type: ignore[misc]
    return None


KINDS = {type(make()) for make in ACTIVATIONS.values()}
