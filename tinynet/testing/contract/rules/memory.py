"""Rules about memory: who may write where, and how arrays may lie in it."""

from __future__ import annotations

from itertools import product

import numpy as np

from tinynet.testing.contract.specimen import (
    LAYOUTS,
    PRECISION,
    Specimen,
    attempt,
    expect,
    expect_equal,
    expect_same,
    finish,
    named,
    run,
)


def inputs_not_written(s: Specimen) -> None:
    """Forward and backward leave x, dy and the parameters as they are."""
    for training in s.modes:
        layer, x = s.fresh(), s.x()
        y, backward = layer.forward(x, training)
        dy = s.dy(y)
        for who in "forward", "backward":
            expect_equal(x, s.x(), f"{who} wrote to x")
            for name, before in named("params", s.fresh().params).items():
                expect_equal(named("params", layer.params)[name], before, f"{who} wrote to {name}")
            if who == "forward":
                backward(dy)
        expect_equal(dy, s.dy(y), "backward wrote to dy")


def outputs_not_overwritten(s: Specimen) -> None:
    """What forward and backward hand out, grads included, later runs leave as it is."""
    for training in s.modes:
        layer = s.fresh()
        y, backward = layer.forward(s.x(), training)
        kept_y = y.copy()
        first = finish(layer, y, backward, s.dy(y))
        kept = first.copy()._replace(y=kept_y)
        run(layer, s.x(seed=3), lambda y: s.dy(y, seed=4), training)
        expect_same(first, kept, "after the backward, or another run", tolerance=0)


def no_aliasing(s: Specimen) -> None:
    """Outputs are no views of parameters, and gradients are views of nothing."""
    for training in s.modes:
        layer, x = s.fresh(), s.x()
        y, backward = layer.forward(x, training)
        dy = s.dy(y)
        out, params = finish(layer, y, backward, dy).named(), named("params", layer.params)
        for name, array in out.items():
            others = {"x": x, "dy": dy, **out, **params} if name.startswith("grads") else params
            for other, memory in others.items():
                expect(name == other or not np.shares_memory(array, memory),
                       f"{name} shares memory with {other}")


def memory_layout(s: Specimen) -> None:
    """Strided, Fortran-ordered or read-only x and dy give what plain ones give."""
    for training, (dtype, tolerance) in product(s.modes, PRECISION.items()):
        plain = s.run(s.x(dtype=dtype), training=training)
        for layout, lay_out in LAYOUTS.items():
            with attempt(f"with {dtype.__name__} x and dy {layout}"):
                again = s.run(lay_out(s.x(dtype=dtype)), lay_out(s.dy(plain.y)), training=training)
                expect_same(again, plain, tolerance=tolerance)
