"""From the loops to the engine, step by step: two convolutions with ReLU and 2x2 pooling, forward and backward.

They are the simple CNN's, (200, 1, 28, 28) -> 32 kernels of 5x5 -> (200, 32, 12, 12), without its input gradient;
and the larger CNN's second, (200, 30, 12, 12) -> 15 kernels of 3x3 -> (200, 15, 5, 5), with it. The loops run on one
image and are counted 200 times. The second step's loops are the first's, compiled.

    python tests/benchmarks/steps.py
    python tests/benchmarks/steps.py --one-thread    # im2col in cache, beside tiles
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import columns
import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from tinynet import kernels
from tinynet.kernels import buffers, geometry, naive
from tinynet.layers import Conv2D, MaxPool2D
from tinynet.models.sequential import Sequential
from tinynet.steps.plan import fuse
from tinynet.steps.run import run_steps


@contextmanager
def compiled_loops():
    """Let numba compile a convolution written as the definition is, and use it in the naive set's place."""
    @njit
    def conv2d(x, kernel, y):
        for n, f, p, q in np.ndindex(y.shape):
            for c, i, j in np.ndindex(kernel.shape[1:]):
                y[n, f, p, q] += kernel[f, c, i, j] * x[n, c, p + i, q + j]

    @njit
    def kernel_gradient(x, dy, dkernel):
        for n, f, p, q in np.ndindex(dy.shape):
            for c, i, j in np.ndindex(dkernel.shape[1:]):
                dkernel[f, c, i, j] += dy[n, f, p, q] * x[n, c, p + i, q + j]

    @njit
    def input_gradient(dy, kernel, dx):
        for n, f, p, q in np.ndindex(dy.shape):
            for c, i, j in np.ndindex(kernel.shape[1:]):
                dx[n, c, p + i, q + j] += dy[n, f, p, q] * kernel[f, c, i, j]

    def filled(loops, shape, *arrays):
        result = np.zeros(shape, arrays[0].dtype)
        loops(*arrays, result)
        return result

    before = {name: getattr(naive, name) for name in NAMES}
    naive.conv2d = lambda x, kernel, s, d: filled(
        conv2d, (len(x), len(kernel), *geometry.output_size(x.shape[2:], kernel.shape[2:], s, d)), x, kernel)
    naive.conv2d_kernel_gradient = lambda x, dy, size, s, d: filled(
        kernel_gradient, (dy.shape[1], x.shape[1], *size), x, dy)
    naive.conv2d_input_gradient = lambda dy, kernel, size, s, d: filled(
        input_gradient, (len(dy), kernel.shape[1], *size), dy, kernel)
    fast = kernels.import_module(kernels.NAMES["fast"])
    naive.max_pool2d, naive.max_pool2d_gradient = fast.max_pool2d, fast.max_pool2d_gradient
    yield
    for name, function in before.items():
        setattr(naive, name, function)


NAMES = ("conv2d", "conv2d_kernel_gradient", "conv2d_input_gradient", "max_pool2d", "max_pool2d_gradient")


@contextmanager
def fresh_memory():
    """Allocate every array by the system, none from the pool."""
    before, buffers.MIN_POOLED_BYTES = buffers.MIN_POOLED_BYTES, 1 << 60
    yield
    buffers.MIN_POOLED_BYTES = before


class Step(NamedTuple):
    """One step on the way: which kernel set, how many threads, and what is different while it runs."""

    title: str
    kernel_set: str = "fast"
    threads: int = 2
    fused: bool = True
    under: object = nullcontext
    images: int = 200
    rounds: int = 12


STEPS = [
    Step("the definition: loops in Python", "naive", 1, False, images=1, rounds=1),
    Step("the same loops, compiled", "naive", 1, False, compiled_loops, rounds=3),
    Step("im2col: one matrix product, in NumPy", "im2col", 2, False, rounds=4),
    Step("tiles in registers, no columns; 1 thread", "fast", 1, False, fresh_memory),
    Step("convolution, ReLU and pooling as one; 1 thread", "fast", 1, True, fresh_memory),
    Step("2 threads", "fast", 2, True, fresh_memory),
    Step("memory used again"),
]
ON_ONE_THREAD = [
    Step("im2col of all images, in NumPy", "im2col", 1, False, lambda: threadpool_limits(1)),
    Step("im2col of two images at a time, in cache", "fast", 1, True, columns.instead_of_tiles),
    Step("tiles", "fast", 1, True, fresh_memory),
]
CASES = [((1, 28, 28), 32, 5, False), ((30, 12, 12), 15, 3, True)]


def milliseconds(step: Step, shape: tuple, filters: int, kernel: int, need_dx: bool,
                 clock=time.perf_counter, pick=statistics.median) -> float:
    """Return the median time of forward and backward on 200 images, in ms, measured on `step.images` of them."""
    os.environ["TINYNET_NUM_THREADS"] = str(step.threads)
    with kernels.use(step.kernel_set), step.under():
        model = Sequential([Conv2D(filters, kernel, activation="relu"), MaxPool2D()], input_shape=shape, seed=0)
        rng = np.random.default_rng(0)
        x, dy = (rng.random((step.images, *size), np.float32) for size in (shape, model.output_shape))
        steps, times = fuse(model.steps()) if step.fused else model.steps(), []
        for _ in range(1 if step.images == 1 else 6):
            start = clock()
            run_steps(steps, x)[1](dy, need_dx=need_dx)
            times.append(1e3 * (clock() - start) * 200 / step.images)
    return pick(times[1:] or times)                              # the first one compiles


def on_one_thread(turns: int = 30) -> None:
    """Print the shortest of many turns in processor time, which other work on the machine hardly changes."""
    found = [[[milliseconds(step, *case, time.thread_time, min) for case in CASES] for step in ON_ONE_THREAD]
             for _ in range(turns)]
    shortest = np.min(found, axis=0)                                                   # (steps, cases)
    print(f"{'':<50}{'gray, 5x5: ms':>14}{'ratio':>8}{'30 maps, 3x3: ms':>18}{'ratio':>8}")
    for step, (gray, maps), ratios in zip(ON_ONE_THREAD, shortest, shortest / shortest[-1], strict=True):
        print(f"{step.title:<50}{gray:>14.1f}{ratios[0]:>8.2f}{maps:>18.1f}{ratios[1]:>8.2f}")


def main() -> None:
    """Time the steps, taking turns, and print how much each gained."""
    found: dict[tuple[int, int], list[float]] = {}
    for turn in range(max(step.rounds for step in STEPS)):
        for number, step in enumerate(STEPS):
            if turn < step.rounds:
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
    on_one_thread() if "--one-thread" in sys.argv[1:] else main()
