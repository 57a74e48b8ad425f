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
    rounds: int = 12


FRESH = ((memory, "SMALL", 1 << 60),)            # every array from the system
NO_SHARING = ((conv_relu_pool, "SHORT_RUN", 0), (conv_relu_pool, "FEW_FILTERS", 0))      # a row for every place
NO_WINNERS = ((conv_relu_pool, "SMALL_KERNEL", 0),)                                      # by whole products
STEPS = [
    Step("the definition: loops in Python", "naive", 1, False, images=1, rounds=1),
    Step("im2col: one matrix product, in NumPy", "im2col", 2, False, rounds=4),
    Step("compiled, pieces that fit the cache, 1 thread", "fast", 1, False, FRESH),
    Step("2 threads", "fast", 2, False, FRESH),
    Step("convolution, ReLU and pooling as one", without=FRESH + NO_SHARING + NO_WINNERS),
    Step("memory used again", without=NO_SHARING + NO_WINNERS),
    Step("one row for all of a pooling window", without=NO_WINNERS),
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
    for _ in range(1 if step.images == 1 else 6):
        start = time.perf_counter()
        run_steps(steps, x)[1](dy, need_dx=need_dx)
        times.append(1e3 * (time.perf_counter() - start) * 200 / step.images)
    return statistics.median(times[1:] or times)                 # the first one compiles


def main() -> None:
    """Time the steps, taking turns, and print how much each gained."""
    found: dict[tuple[int, int], list[float]] = {}
    for turn in range(max(step.rounds for step in STEPS)):
        for number, step in enumerate(STEPS):
            if turn < step.rounds:
                os.environ["TINYNET_NUM_THREADS"] = str(step.threads)
                with kernels.use(step.kernel_set), switched_off(step.without):
                    for column, case in enumerate(CASES):
                        found.setdefault((number, column), []).append(milliseconds(step, *case))
    print(f"{'':<48}{'gray, 5x5: ms':>14}{'gain':>8}{'30 maps, 3x3: ms':>18}{'gain':>8}")
    before = [0.0] * len(CASES)
    for number, step in enumerate(STEPS):
        now = [statistics.median(found[number, column]) for column in range(len(CASES))]
        gains = [f"{old / new:.1f}x" if old else "" for old, new in zip(before, now, strict=True)]
        print(f"{step.title:<48}{now[0]:>14.1f}{gains[0]:>8}{now[1]:>18.1f}{gains[1]:>8}", flush=True)
        before = now


if __name__ == "__main__":
    main()
