"""Rules about the backward that forward returns."""

from __future__ import annotations

import numpy as np

from tinynet.testing.contract.specimen import (
    Broken,
    BrokenToo,
    NotApplicable,
    Specimen,
    expect_equal,
    expect_same,
    finish,
    run,
)
from tinynet.testing.gradcheck.gradients import check_gradients

# Causes in the report of `check_gradients` that are no wrong numbers, and the rules that are to tell them.
TOLD_BY = {
    "writes to its input": ("inputs_not_written",),
    "accumulates": ("backward_overwrites", "backward_repeatable"),
    "stale": ("live_forwards",),
    "not repeatable": ("backward_repeatable", "inference_repeatable", "random_from_build"),
    "missing": ("gradient_keys",),
    "unknown": ("gradient_keys",),
}


def gradients(s: Specimen) -> None:
    """The gradients are the slopes of forward, as `check_gradients` measures them."""
    s.expect_gradients()
    report = check_gradients(s.fresh(), s.x(3), raises=False)
    if report.failures:
        reason = f"no slope can be measured, as {report.failures[0].message}".rstrip(".")
        measured = any(tensor.measurements for tensor in report.tensors)
        raise BrokenToo(str(report), [TOLD_BY.get(failure.cause or "", ()) for failure in report.failures],
                        otherwise=None if measured else NotApplicable(reason))


def backward_linear(s: Specimen) -> None:
    """Backward is linear in dy, however large dy is."""
    s.expect_gradients()
    for training in s.modes:
        y = s.run(training=training).y
        dys = s.dy(y), s.dy(y, seed=3), 1000 * s.dy(y) - s.dy(y, seed=3)
        first, second, both = (s.run(dy=dy, training=training).named() for dy in dys)
        for name in [name for name in both if name != "y"]:
            expect_equal(both[name], 1000 * first[name] - second[name],
                         f"{name}(1000 dy1 - dy2) is not 1000 {name}(dy1) - {name}(dy2)", tolerance=1e-9)


def backward_repeatable(s: Specimen) -> None:
    """Backward can run again, and gives the same dx and grads for the same dy."""
    s.expect_gradients()
    others = []
    for training in s.modes:
        layer = s.fresh()
        y, backward = layer.forward(s.x(), training)
        first = finish(layer, y, backward, s.dy(y), s.whole).copy()
        second = finish(layer, y, backward, s.dy(y), s.whole).copy()
        backward(s.dy(y, seed=3))
        for again in second, finish(layer, y, backward, s.dy(y), s.whole):
            again = again._replace(y=first.y)
            expect_same(again, first._replace(grads={}), "when backward runs again")
            try:
                expect_same(again, first, "when backward runs again")
            except Broken as broken:
                others.append(BrokenToo(str(broken), [["backward_overwrites"]]))
    if others:                                        # last, for they may be left out
        raise others[0]


def backward_overwrites(s: Specimen) -> None:
    """Backward replaces what `grads` held; it does not add to it."""
    for training in s.modes:
        layer = s.fresh()
        for key, array in layer.params.items():
            layer.grads[key] = np.full_like(array, 7)
        again = run(layer, s.x(), s.dy, training)
        expect_same(again, s.run(training=training), "when grads held sevens before")


def live_forwards(s: Specimen) -> None:
    """Two forwards can be alive at once: neither disturbs the backward of the other."""
    for training in s.modes:
        layer = s.fresh()
        y, backward = layer.forward(s.x(), training)
        layer.forward(s.x(seed=3), training)
        expect_same(finish(layer, y, backward, s.dy(y), s.whole), s.run(training=training),
                    "when another forward ran before its backward")
