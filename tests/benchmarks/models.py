"""What is timed, as plain data that every engine's worker builds from: input shape, layers, batch size."""

from __future__ import annotations

import math
from typing import NamedTuple


class Case(NamedTuple):
    """One model at one batch size; layers are ("conv", filters, kernel), ("pool",), ("dropout", rate), ("dense", n)."""

    name: str
    shape: tuple[int, ...]
    layers: tuple[tuple, ...]
    batch: int = 200
    threads: int = 2
    digits: bool = False                   # of MNIST, four of five pixels 0; or pixels drawn at random, none of them 0


MODELS = [
    Case("MLP", (784,), (("dense", 784), ("dense", 10)), digits=True),
    Case("simple CNN", (1, 28, 28),
         (("conv", 32, 5), ("pool",), ("dropout", 0.2), ("flatten",), ("dense", 128), ("dense", 10)), digits=True),
    Case("larger CNN", (1, 28, 28),
         (("conv", 30, 5), ("pool",), ("conv", 15, 3), ("pool",), ("dropout", 0.2), ("flatten",), ("dense", 128),
          ("dense", 50), ("dense", 10)), digits=True),
]


def small(name: str, channels: int = 1, filters: int = 16, kernel: int = 5, size: int = 28, **more) -> Case:
    """Return a convolution, pooling and a dense layer: what the growth of cost is measured on."""
    layers = (("conv", filters, kernel), ("pool",), ("flatten",), ("dense", 10))
    return Case(name, (channels, size, size), layers, **more)


GRID = [
    *(small(f"batch {n}", batch=n) for n in (1, 8, 32, 128, 512, 2048)),
    *(small(f"image {n}x{n}", size=n, batch=16) for n in (28, 56, 112, 224)),
    *(small(f"channels {n}", channels=n, filters=n, kernel=3, batch=16) for n in (1, 4, 16, 64, 256)),
    *(small(f"kernel {n}x{n}", channels=16, kernel=n, batch=64) for n in (1, 3, 5, 7)),
    *(MODELS[0]._replace(name=f"MLP, {pixels}", digits=pixels == "digits") for pixels in ("digits", "random pixels")),
    *(MODELS[1]._replace(name=f"simple CNN, {n} thread{'s' * (n > 1)}", threads=n) for n in (1, 2)),
]


def multiply_adds(case: Case, training: bool) -> int:
    """Count the multiply-adds of one sample: forward, and in training both gradients, less that of the input."""
    shape, layers = case.shape, []
    for kind, *arguments in case.layers:
        if kind == "conv":
            filters, k = arguments
            C, H, W = shape
            shape = (filters, H - k + 1, W - k + 1)
            layers.append(filters * C * k * k * shape[1] * shape[2])
        elif kind == "pool":
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        elif kind == "flatten":
            shape = (math.prod(shape),)
        elif kind == "dense":
            layers.append(shape[0] * arguments[0])
            shape = (arguments[0],)
    return 3 * sum(layers) - layers[0] if training else sum(layers)
