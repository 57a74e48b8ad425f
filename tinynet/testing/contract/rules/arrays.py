"""Rules about what goes in and what comes out: shapes, keys, dtypes."""

from __future__ import annotations

from itertools import product

import numpy as np

from tinynet.testing.contract.specimen import (
    PRECISION,
    BrokenToo,
    NotApplicable,
    Specimen,
    attempt,
    expect,
    expect_same,
    mode,
)


def runs(s: Specimen) -> None:
    """Build, forward and backward work, and return arrays; else no other rule is tried."""
    for dtype, training in product(PRECISION, s.modes):
        with attempt(f"{mode(training)}, with {dtype.__name__} arrays"):
            y, backward = s.fresh(dtype).forward(s.x(dtype=dtype), training)
            expect(isinstance(y, np.ndarray), f"forward returned a {type(y).__name__} for y, not an array")
            dx = backward(s.dy(y))
            expect(isinstance(dx, np.ndarray) or s.whole, f"backward returned a {type(dx).__name__}, not the array dx")


def output_shape(s: Specimen) -> None:
    """Build returns the shape of what forward returns, without the batch axis."""
    declared, y = s.build()[1], s.run().y
    expect(isinstance(declared, tuple) and y.shape == (s.batch_size, *declared),
           f"build returned {declared}, and a batch of {s.batch_size} gave y of shape {y.shape}")


def gradient_keys(s: Specimen) -> None:
    """After backward, `grads` has the keys of `params`."""
    for training in s.modes:
        params, grads = sorted(s.built.params), sorted(s.run(training=training).grads)
        expect(params == grads, f"params has the keys {params}, grads has {grads}")


def gradient_shapes(s: Specimen) -> None:
    """The input gradient has the shape of x, and every gradient the shape of its parameter."""
    missing = []
    for training in s.modes:
        x = s.x()
        _, dx, grads = s.run(x, training=training)
        if dx is not None:
            expect(dx.shape == x.shape, f"dx has the shape {dx.shape}, x has {x.shape}")
        for key, param in s.built.params.items():
            if key not in grads:
                missing.append(key)
                continue
            shape = grads[key].shape
            expect(shape == param.shape, f"grads[{key!r}] has the shape {shape}, its parameter {param.shape}")
    if missing:                                       # last, for it may be left out
        raise BrokenToo(f"grads has no {missing[0]!r}", [["gradient_keys"]])


def float32_parameters(s: Specimen) -> None:
    """Build makes every parameter a float32 array."""
    for key, array in s.built.params.items():
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        expect(kind == np.float32, f"params[{key!r}] is {kind}, not float32")


def dtype_kept(s: Specimen) -> None:
    """Where x, dy and params are float32, so are y, dx and grads; the same with float64."""
    if s.whole and not s.built.params:
        raise NotApplicable("whole numbers have no precision, and the layer has no parameters")
    floats = f"x is {s.x().dtype} and params" if s.whole else "x and params"
    for dtype, training in product(PRECISION, s.modes):
        for name, array in s.run(dtype=dtype, training=training).named().items():
            expect(array.dtype == dtype, f"{name} is {array.dtype} where {floats} are {dtype.__name__}")


def float32_agrees(s: Specimen) -> None:
    """In inference float32 gives the same numbers as float64, to its precision."""
    single, double = s.run(dtype=np.float32), s.run()         # in training they may draw other noise
    expect_same(single, double, "in float32 as in float64", PRECISION[np.float32])
