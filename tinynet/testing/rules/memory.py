"""Rules about memory: who may write where, and how arrays may lie in it."""

from __future__ import annotations

from tinynet.testing.specimen import LAYOUTS, Specimen, attempt, expect, expect_equal, expect_same, finish, named, run
import numpy as np


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
    """What forward and backward handed out, grads included, is not changed by the runs that follow."""
    for training in s.modes:
        layer = s.fresh()
        first = run(layer, s.x(), s.dy, training)
        kept = first.copy()
        run(layer, s.x(seed=3), s.dy, training)
        expect_same(first, kept, "after another forward and backward", tolerance=0)


def no_aliasing(s: Specimen) -> None:
    """Outputs are not views of parameters, and gradients are views of nothing: an update changes its own array."""
    for training in s.modes:
        layer, x = s.fresh(), s.x()
        y, backward = layer.forward(x, training)
        dy = s.dy(y)
        out, params = finish(layer, y, backward, dy).named(), named("params", layer.params)
        for name, array in out.items():
            others = {"x": x, "dy": dy, **out, **params} if name.startswith("grads") else params
            for other, memory in others.items():
                expect(name == other or not np.shares_memory(array, memory), f"{name} shares memory with {other}")


def memory_layout(s: Specimen) -> None:
    """Strided, Fortran-ordered and read-only arrays give what plain ones give, as x and as dy."""
    for training in s.modes:
        plain = s.run(training=training)
        for layout, lay_out in LAYOUTS.items():
            with attempt(f"with x and dy {layout}"):
                expect_same(s.run(lay_out(s.x()), lay_out(s.dy(plain.y)), training=training), plain)
