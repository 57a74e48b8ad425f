"""A layer that is checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.layers.base import Backward
from tinynet.steps.run import without_dx
from tinynet.testing.cloning import Replay, float64_clone
from tinynet.testing.gradcheck.targets.protocols import LayerLike
from tinynet.testing.gradcheck.targets.target import Gradients, Target, as_float64, random_upstream


class LayerTarget(Target):
    """A layer, under a random upstream gradient."""

    layer: LayerLike

    def __init__(self, layer: LayerLike, x: np.ndarray, training: bool, rng: np.random.Generator):
        self.layer, self.training, self.x = float64_clone(layer), training, as_float64(x)
        super().__init__()
        self.input_name = "x" if "x" not in self.layer.params else "input"
        self.add(self.input_name, self.x)
        for key, array in self.layer.params.items():
            self.add(key, array)
        y = np.asarray(self.forward()[0])
        if y.dtype in (np.float32, np.float16):
            self.eps = float(np.finfo(y.dtype).eps)
            self.notes["y"] = f"forward computes in {y.dtype} though x is float64: small errors cannot be seen"
        self.dy = random_upstream(y.shape, rng)
        self.upstream = self.dy.ravel()

    def forward(self, x: np.ndarray | None = None) -> tuple[np.ndarray, Backward]:
        """Run the layer with its random state restored."""
        self.replay.restore()
        return self.layer.forward(self.x if x is None else x, self.training)

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Return what backward returns and sets, by name."""
        _, backward = self.forward()
        if between:
            between()
        dy = np.asarray(self.dy if dy is None else dy)
        passed = dy.copy()
        dx = (backward if need_dx else without_dx(backward))(passed)
        self.dy_changed = not np.array_equal(passed, dy)
        grads = {key: array if array is None else np.array(array) for key, array in self.layer.grads.items()}
        return {self.input_name: dx if dx is None else np.array(dx)} | grads

    def another_forward(self) -> object:
        """Run forward on the batch reversed along every axis."""
        return self.forward(np.flip(self.x).copy())

    def measure_as(self, other: Any) -> None:
        """Measure slopes on another layer, whose parameters of the same names are ours, or on g(x) or g(x, params)."""
        params = dict(self.layer.params)
        if hasattr(other, "forward"):
            other = float64_clone(other)
            other.params.update({name: array for name, array in params.items() if name in other.params})
            self.replay.states += Replay(other).states
            self.as_if, depends_on = (lambda: other.forward(self.x, self.training)[0]), set(other.params)
        elif takes_two(other):
            self.as_if, depends_on = (lambda: other(self.x, params)), set(params)
        else:
            self.as_if, depends_on = (lambda: other(self.x)), set()
        for name in params.keys() - depends_on:
            if self.tensors.pop(name, None) is not None:
                self.notes[name] = "not checked: as_if does not depend on it"
        self.same_outputs()


def takes_two(function: Callable[..., object]) -> bool:
    """Return whether a function takes a second argument that it does not have a value for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):                        # written in C, without a signature
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
               for p in parameters) > 1


def floats_if_followed(layer: LayerLike, x: np.ndarray) -> np.ndarray:
    """Return whole numbers as float64 if the layer computes with them, and does between whole numbers too.

    One that uses them as an index, or rounds what it gets, has no slopes along them.
    """
    if x.dtype.kind not in "iub":
        return x
    run = float64_clone(layer)
    replay = Replay(run)

    def outputs(x: np.ndarray) -> np.ndarray:
        replay.restore()
        return np.array(run.forward(x.copy(), False)[0], np.float64)
    try:
        whole, same = outputs(x), outputs(x.astype(np.float64))
        rounds = np.array_equal(outputs(x + 0.125), outputs(x + 0.25))
    except Exception:                                      # an index must be whole
        return x
    return x if rounds or not np.allclose(whole, same, rtol=1e-4) else x.astype(np.float64)
