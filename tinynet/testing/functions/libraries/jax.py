"""JAX: functions of its arrays, with and without custom_vjp, in double precision for the time of the check."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from tinynet.testing.functions.libraries.library import Flat, Library


class Jax(Library):
    """JAX."""

    title = "JAX"
    convention = "conjugate"
    words = ("the function", "its vjp")
    identity: Any = None                                     # compiled once for all checks

    def __init__(self) -> None:
        self.jax = sys.modules["jax"]
        self.numpy = import_module("jax.numpy")            # which jax itself has imported

    def owns(self, f: Any, args: tuple[Any, ...]) -> bool:
        """Return whether it is an object of JAX, jitted or with a custom_vjp, or takes arrays of JAX."""
        return type(f).__module__.split(".")[0] in ("jax", "jaxlib") or super().owns(f, args)

    def is_array(self, leaf: Any) -> bool:
        """Return whether this is an array of JAX."""
        return isinstance(leaf, self.jax.Array)

    def to_numpy(self, leaf: Any) -> Any:
        """Return a floating array as one of NumPy; bfloat16, which NumPy does not have, as float32."""
        if not self.is_array(leaf) or not self.numpy.issubdtype(leaf.dtype, self.numpy.inexact):
            return leaf
        return np.array(leaf.astype(np.float32) if leaf.dtype.name == "bfloat16" else leaf)

    def arrays(self, xs: list[Any]) -> tuple[Any, ...]:
        """Return NumPy arrays as arrays of JAX, by a compiled function: asarray takes ten times as long."""
        if Jax.identity is None:
            Jax.identity = self.jax.jit(lambda *xs: xs)
        return tuple(Jax.identity(*map(np.array, xs)))               # copies: JAX may keep the memory it is given

    def run(self, flat: Flat, xs: list[Any]) -> list[np.ndarray]:
        """Return the outputs."""
        return [np.asarray(y) for y in flat(*self.arrays(xs))]

    def pull(self, flat: Flat, dys: list[Any], xs: list[Any]) -> list[Any]:
        """Return the gradients."""
        ys, pullback = self.jax.vjp(flat, *self.arrays(xs))
        return [np.array(gradient) for gradient in pullback([
            self.numpy.asarray(dy, y.dtype) for dy, y in zip(dys, ys, strict=True)])]

    def derivative(self, flat: Flat, outputs: int) -> Flat:
        """Return the gradients as a function."""
        return lambda *given: list(self.jax.vjp(flat, *given[outputs:])[1](list(given[:outputs])))

    @contextmanager
    def session(self) -> Iterator[None]:
        """Allow float64, which JAX does not by default."""
        place = self.jax if hasattr(self.jax, "enable_x64") else import_module("jax.experimental")
        with place.enable_x64(True):
            yield
