"""Convolutions of 3 x 3 windows done both ways, window by window and by Winograd's squares of 2 x 2 outputs, in turns.

    python tests/benchmarks/squares.py

For each: milliseconds forward, and backward, with the gradient of the input; and how far the outputs are from those in
float64, over their root mean square.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from tinynet.kernels import im2col
from tinynet.kernels.fast.convolutions.conv import Convolution
from tinynet.kernels.fast.convolutions.winograd import WinogradConvolution

SAME, VALID, ONCE = ((1, 1), (1, 1)), ((0, 0), (0, 0)), (1, 1)
LAYERS = [(120, 16, 32, 12, SAME), (120, 32, 48, 12, SAME), (120, 64, 96, 6, SAME), (120, 96, 128, 6, VALID),
          (64, 32, 32, 32, SAME), (64, 64, 64, 16, SAME), (32, 64, 64, 13, VALID), (32, 256, 256, 14, SAME)]
TURNS = 30


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)


def compare(N: int, C: int, F: int, size: int, margins: tuple) -> list[float]:
    """Return the times of both, forward and backward, and the errors of both."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, size, size, C), dtype=np.float32).transpose(0, 3, 1, 2)             # channels last
    kernel = rng.standard_normal((F, C, 3, 3), dtype=np.float32)
    ways = [lambda: Convolution(x, kernel, ONCE, ONCE, margins), lambda: WinogradConvolution(x, kernel, margins)]
    products = [way() for way in ways]
    outputs = [product.forward(None) for product in products]
    dy = rng.standard_normal(outputs[0].transpose(0, 2, 3, 1).shape, dtype=np.float32).transpose(0, 3, 1, 2)
    forward, backward = ([[], []] for _ in range(2))
    for _ in range(TURNS):
        for k in range(2):
            forward[k].append(milliseconds(lambda k=k: ways[k]().forward(None)))
            backward[k].append(milliseconds(lambda k=k: products[k].backward(dy, need_dx=True)))
    exact = im2col.conv2d(np.pad(x.astype(float), ((0, 0), (0, 0), *margins)), kernel.astype(float), ONCE, ONCE)
    errors = [np.sqrt(np.mean((y - exact) ** 2) / np.mean(exact ** 2)) for y in outputs]
    return [statistics.median(times) for times in (*forward, *backward)] + errors


def main() -> None:
    """Print the table."""
    print("| images, channels -> filters, size | forward: windows, ms | squares | ratio "
          "| backward: windows, ms | squares | ratio | error: windows | squares |\n" + "|---" * 9 + "|")
    for N, C, F, size, margins in LAYERS:
        f, f2, b, b2, error, error2 = compare(N, C, F, size, margins)
        print(f"| {N}, {C} -> {F}, {size} x {size} {'same' if margins == SAME else 'valid'} | {f:.2f} | {f2:.2f} | "
              f"{f / f2:.2f} | {b:.2f} | {b2:.2f} | {b / b2:.2f} | {error:.1e} | {error2:.1e} |", flush=True)


if __name__ == "__main__":
    main()
