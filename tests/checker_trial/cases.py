"""The right ones of the trial: a function, a size of its input, the precision it computes in, on kinks or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from functions import FUNCTIONS, Function
from layers import LAYERS, LayerPair

from tinynet.testing import check_vjp

Array = np.ndarray
Backward = Callable[..., tuple[Array, ...]]
PRECISIONS = (np.float64, np.float32, np.float16)


class Case(NamedTuple):
    """A right pair: ``forward(*arrays)`` in the precision `dtype`, ``backward(dy, *arrays)``, and `draw(rng)`."""

    name: str
    family: str
    dtype: type
    forward: Callable[..., Array]
    backward: Backward
    draw: Callable[[np.random.Generator], list[Array]]

    def arrays(self, seed: int) -> list[Array]:
        """Draw float64 arrays that are exact in the precision of forward."""
        return [array.astype(self.dtype).astype(np.float64) for array in self.draw(np.random.default_rng(seed))]

    def outputs(self, *arrays: Array) -> Array:
        """Return float64, whatever it is computed in."""
        return self.forward(*(array.astype(self.dtype) for array in arrays)).astype(np.float64)


def passes(case: Case, backward: Backward, arrays: list[Array], seed: int) -> bool:
    """Return whether the checker calls a backward of the case's function right."""
    def f(*arrays: Array) -> Array:
        return case.outputs(*arrays)

    def vjp(dy: Array, *arrays: Array) -> tuple[Array, ...]:
        return backward(dy, *arrays)
    return check_vjp(f, vjp, *arrays, seed=seed, raises=False).passed


def false_alarm(case: Case, seed: int) -> bool:
    """Return whether a right function is called wrong."""
    return not passes(case, case.backward, case.arrays(seed), seed)


def sizes_and_kinks(scale: float, shape: tuple[int, ...], signed: bool, rng: np.random.Generator) -> Array:
    """Draw numbers of a size, of both signs or positive, away from kinks."""
    return rng.uniform(0.3, 2, shape) * (rng.choice([-1, 1], shape) if signed else 1) * scale


def suits(dtype: type, scale: float) -> bool:
    """Return whether numbers of a size are far from a precision's largest and smallest."""
    least, most = {np.float64: (0, np.inf), np.float32: (1e-7, 1e8), np.float16: (1e-3, 1e2)}[dtype]
    return least < scale < most


def of_function(name: str, scale: float, dtype: type, on_kinks: bool) -> Case:
    """Return the case of one array (3, 6)."""
    function: Function = FUNCTIONS[name]

    def draw(rng: np.random.Generator) -> list[Array]:
        x = sizes_and_kinks(scale, (3, 6), function.kinks, rng)
        if on_kinks:
            x[0, :3] = x[0, 0]
            x[1] = np.where(rng.random(6) < 0.5, 0, x[1])
        return [x]
    family = "on kinks" if on_kinks else "with kinks" if function.kinks else "smooth"
    return Case(f"{name}, {scale:.0e}, {dtype.__name__}{', on kinks' * on_kinks}", family, dtype, function.forward,
                lambda dy, x: (function.backward(x, dy),), draw)


def of_layer(name: str, scale: float, dtype: type, on_kinks: bool) -> Case:
    """Return the case of a layer; on kinks, half of its inputs are 0."""
    layer: LayerPair = LAYERS[name]

    def draw(rng: np.random.Generator) -> list[Array]:
        x, *others = (sizes_and_kinks(1.0, shape, True, rng) for shape in layer.shapes)
        return [scale * (x * (rng.random(x.shape) < 0.5) if on_kinks else x), *others]
    return Case(f"layer {name}, {scale:.0e}, {dtype.__name__}{', on kinks' * on_kinks}", "layers", dtype,
                layer.forward, layer.backward, draw)


def right_cases() -> list[Case]:
    """List the right ones: each function with a third of what suits it, each layer with half."""
    return list(combined(FUNCTIONS, of_function, 3)) + list(combined(LAYERS, of_layer, 2))


def combined(pairs: dict[str, Function] | dict[str, LayerPair], make: Callable[..., Case],
             stride: int) -> Iterator[Case]:
    """Combine pairs with sizes, precisions and kinks; of each pair keep every so-manieth along each of these."""
    for i, (name, pair) in enumerate(pairs.items()):
        least = np.finfo(getattr(pair, "least", np.float16)).eps
        fitting = [(s + p + k, scale, dtype, on_kinks)
                   for s, scale in enumerate(pair.scales) for p, dtype in enumerate(PRECISIONS)
                   for k, on_kinks in enumerate((False, True) if pair.kinks else (False,))
                   if np.finfo(dtype).eps <= least and suits(dtype, scale)]
        kept = [combination for diagonal, *combination in fitting if (diagonal + i) % stride == 0]
        for combination in kept or [fitting[0][1:]]:
            yield make(name, *combination)
