"""Rules about memory: who may write where, and how arrays may lie in it."""

from __future__ import annotations

import copy
from itertools import product
from types import FunctionType, ModuleType

import numpy as np

from tinynet.layers.base import Layer
from tinynet.testing.contract.specimen import (
    LAYOUTS,
    PRECISION,
    Specimen,
    attempt,
    expect,
    expect_equal,
    expect_same,
    finish,
    mode,
    named,
    run,
)


def inputs_not_written(s: Specimen) -> None:
    """Forward and backward leave x, dy and params as they are; only in training is `state` changed."""
    for training in s.modes:
        layer, x, before = s.fresh(), s.x(), weights_of(s.fresh())
        y, backward = layer.forward(x, training)
        dy = s.dy(y)
        if training:
            before |= named("state", copy.deepcopy(layer.state))
        for who in "forward", "backward":
            expect_equal(x, s.x(), f"{who} wrote to x")
            for name, array in before.items():
                expect_equal(weights_of(layer)[name], array, f"{who} wrote to {name} {mode(training)}")
            if who == "forward":
                backward(dy)
        expect_equal(dy, s.dy(y), "backward wrote to dy")


def weights_of(layer: Layer) -> dict[str, np.ndarray]:
    """Return a layer's parameters and state under the names that messages use."""
    return named("params", layer.params) | named("state", layer.state)


def state_declared(s: Specimen) -> None:
    """What a training forward changes is in `state`: no other array of the layer, but for grads."""
    layer = s.fresh()
    before = {name: array.copy() for name, array in other_arrays(layer).items()}
    layer.forward(s.x(), True)
    for name, array in other_arrays(layer).items():
        old = before.get(name)
        same = old is not None and old.shape == array.shape and bool(((old == array) | (old != old)).all())
        expect(same, f"forward(x, training=True) changed the attribute {name}, which is not saved, restored or "
                     f"counted. What a layer learns without gradients belongs in self.state[...]: made in build, and "
                     f"changed in forward where training is true. What backward needs, it closes over")


def other_arrays(layer: Layer) -> dict[str, np.ndarray]:
    """Find the arrays, and NumPy's numbers, that a layer holds outside params, grads and state, at whatever depth."""
    seen = {id(vars(leaf).get(name)) for leaf in layer.leaves() for name in ("params", "grads", "state")}
    found: dict[str, np.ndarray] = {}

    def look(name: str, thing: object) -> None:
        if isinstance(thing, (np.ndarray, np.generic)):
            found[name] = np.asarray(thing)
        elif id(thing) not in seen and not isinstance(thing, (type, ModuleType, FunctionType)):
            seen.add(id(thing))
            items = list(thing.items()) if isinstance(thing, dict) else []
            items += list(enumerate(thing)) if isinstance(thing, (list, tuple)) else []
            for key, part in items:
                look(f"{name}[{key!r}]", part)
            for key, part in getattr(thing, "__dict__", {}).items():
                look(f"{name}.{key}".lstrip("."), part)
    look("", layer)
    return found


def outputs_not_overwritten(s: Specimen) -> None:
    """Later runs leave what forward and backward returned, grads included, as it is."""
    for training in s.modes:
        layer = s.fresh()
        y, backward = layer.forward(s.x(), training)
        kept_y = y.copy()
        first = finish(layer, y, backward, s.dy(y), s.whole)
        kept = first.copy()._replace(y=kept_y)
        run(layer, s.x(seed=3), lambda y: s.dy(y, seed=4), training)
        expect_same(first, kept, "after the backward, or another run", tolerance=0)


def no_aliasing(s: Specimen) -> None:
    """Outputs are no views of parameters, and gradients are views of nothing."""
    for training in s.modes:
        layer, x = s.fresh(), s.x()
        y, backward = layer.forward(x, training)
        dy = s.dy(y)
        out, params = finish(layer, y, backward, dy, s.whole).named(), named("params", layer.params)
        for name, array in out.items():
            others = {"x": x, "dy": dy, **out, **params} if name.startswith("grads") else params
            for other, memory in others.items():
                expect(name == other or not np.shares_memory(array, memory),
                       f"{name} shares memory with {other}")


def memory_layout(s: Specimen) -> None:
    """Strided, Fortran-ordered or read-only x and dy give what plain ones give."""
    for training, (dtype, tolerance) in product(s.modes, PRECISION.items()):
        plain = s.run(training=training, dtype=dtype)
        for layout, lay_out in LAYOUTS.items():
            with attempt(f"with {dtype.__name__} x and dy {layout}"):
                x, dy = lay_out(s.x(dtype=dtype)), lay_out(s.dy(plain.y))
                again = s.run(x, dy, training=training, dtype=dtype)
                expect_same(again, plain, tolerance=tolerance)
