"""autograd: functions of plain NumPy arrays, written with ``autograd.numpy``."""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from tinynet.testing.functions.libraries.library import Flat, Library
from tinynet.testing.functions.trees import is_floating, leaves


class Autograd(Library):
    """autograd, by the group formerly known as HIPS."""

    title = "autograd"
    convention = "conjugate"
    words = ("the function", "its vjp")

    def __init__(self) -> None:
        self.make_vjp = import_module("autograd").make_vjp
        self.tuple = import_module("autograd.builtins").tuple
        self.box = import_module("autograd.tracer").Box

    def is_array(self, leaf: Any) -> bool:
        """Return whether this is an array that autograd traces; a user passes none."""
        return isinstance(leaf, self.box)

    def differentiates(self, f: Any, args: tuple[Any, ...]) -> bool:
        """Return whether what f returns is traced when its arguments are."""
        traced: list[bool] = []

        def watch(*xs: Any) -> Any:
            y = f(*xs)
            traced.extend(self.is_array(leaf) for _, leaf in leaves(y))
            return self.tuple([y])
        positions = [k for k, arg in enumerate(args) if any(is_floating(leaf) for _, leaf in leaves(arg))]
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.make_vjp(watch, tuple(positions))(*args)
        return any(traced)

    def to_numpy(self, leaf: Any) -> Any:
        """Return a leaf as it is: arrays are NumPy's."""
        return leaf

    def run(self, flat: Flat, xs: list[Any]) -> list[np.ndarray]:
        """Return the outputs."""
        return flat(*xs)

    def pull(self, flat: Flat, dys: list[Any], xs: list[Any]) -> list[Any]:
        """Return the gradients."""
        return self.derivative(flat, len(dys))(*dys, *xs)

    def derivative(self, flat: Flat, outputs: int) -> Flat:
        """Return the gradients as a function."""
        def gradients(*given: Any) -> list[Any]:
            dys, xs = given[:outputs], given[outputs:]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Output seems independent of input")         # slopes will tell
                pullback, _ = self.make_vjp(lambda *xs: self.tuple(flat(*xs)), tuple(range(len(xs))))(*xs)
            return list(pullback(self.tuple(dys)))
        return gradients
