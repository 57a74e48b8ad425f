"""From the loops to the engine, step by step: two convolutions with ReLU and 2x2 pooling, forward and backward.

They are the simple CNN's, (200, 1, 28, 28) -> 32 kernels of 5x5 -> (200, 32, 12, 12), without its input gradient;
and the larger CNN's second, (200, 30, 12, 12) -> 15 kernels of 3x3 -> (200, 15, 5, 5), with it. The loops run on one
image and are counted 200 times.

    python tests/benchmarks/steps.py
"""

from __future__ import annotations

import os
import statistics
import time
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from tinynet import kernels
from tinynet.fusing import fuse
from tinynet.kernels import conv_relu_pool, memory
from tinynet.layers import Conv2D, MaxPool2D
from tinynet.layers.base import run_steps
from tinynet.sequential import Sequential


class Step(NamedTuple):
    """One step on the way: which kernel set, how many threads, and what of the engine is switched off still."""

    title: str
    kernel_set: str = "fast"
    threads: int = 2
    fused: bool = True
    without: tuple = ()                # (module, constant, value) triples
    images: int = 200
    repeat: int = 30


FRESH = (memory, "SMALL", 1 << 60)               # every array from the system
NO_SHARING = (conv_relu_pool, "SHORT_RUN", 0)    # a row for every place of a pooling window
NO_WINNERS = (conv_relu_pool, "L1_BYTES", 0)     # gradients by whole products
STEPS = [
    Step("the definition: loops in Python", "naive", 1, False, images=1, repeat=0),
    Step("im2col: one matrix product, in NumPy", "im2col", 2, False, repeat=7),
    Step("compiled, pieces that fit the cache, 1 thread", "fast", 1, False, (FRESH,), repeat=15),
    Step("2 threads", "fast", 2, False, (FRESH,)),
    Step("convolution, ReLU and pooling as one", without=(FRESH, NO_SHARING, NO_WINNERS)),
    Step("memory used again", without=(NO_SHARING, NO_WINNERS)),
    Step("one row for a pooling window of a gray image", without=(NO_WINNERS,)),
    Step("back from the winners alone"),
]
CASES = [((1, 28, 28), 32, 5, False), ((30, 12, 12), 15, 3, True)]


@contextmanager
def switched_off(without: tuple):
    """Set constants of the engine for a while."""
    before = [getattr(module, name) for module, name, _ in without]
    for module, name, value in without:
        setattr(module, name, value)
    yield
    for (module, name, _), value in zip(without, before, strict=True):
        setattr(module, name, value)


def milliseconds(step: Step, shape: tuple, filters: int, kernel: int, need_dx: bool) -> float:
    """Return the median time of forward and backward on 200 images, in ms, measured on `step.images` of them."""
    model = Sequential([Conv2D(filters, kernel, activation="relu"), MaxPool2D()], input_shape=shape, seed=0)
    rng = np.random.default_rng(0)
    x, dy = (rng.random((step.images, *size), np.float32) for size in (shape, model.output_shape))
    steps, times = fuse(model.steps()) if step.fused else model.steps(), []
    for _ in range(step.repeat + 1):
        start = time.perf_counter()
        run_steps(steps, x)[1](dy, need_dx=need_dx)
        times.append(1e3 * (time.perf_counter() - start) * 200 / step.images)
    return statistics.median(times[1:] or times)


def main() -> None:
    """Time each step, and print how much it gained."""
    before = [0.0] * len(CASES)
    print(f"{'':<48}{'gray, 5x5: ms':>14}{'gain':>8}{'30 maps, 3x3: ms':>18}{'gain':>8}")
    for step in STEPS:
        os.environ["TINYNET_NUM_THREADS"] = str(step.threads)
        with kernels.use(step.kernel_set), switched_off(step.without):
            now = [milliseconds(step, *case) for case in CASES]
        gains = [f"{old / new:.1f}x" if old else "" for old, new in zip(before, now, strict=True)]
        print(f"{step.title:<48}{now[0]:>14.1f}{gains[0]:>8}{now[1]:>18.1f}{gains[1]:>8}", flush=True)
        before = now


if __name__ == "__main__":
    main()
