"""From the loops to the engine, step by step: a convolution with ReLU and 2x2 pooling, forward and backward.

The layer is the simple CNN's, on 200 images: (200, 1, 28, 28) -> 32 kernels of 5 x 5 -> (200, 32, 12, 12). The
loops run on one image and are counted 200 times.

    python tests/benchmarks/steps.py
"""

from __future__ import annotations

import os
import statistics
import time

import numpy as np

from tinynet import kernels
from tinynet.fusing import fuse
from tinynet.layers import Conv2D, MaxPool2D
from tinynet.layers.base import run_steps
from tinynet.sequential import Sequential

FLOPS = 2 * 2 * 200 * 32 * 25 * 24 * 24             # the products forward, and those of the kernel's gradient


def milliseconds(images: int, fused: bool, repeat: int) -> float:
    """Return the median time of forward and backward on 200 images, in ms, measured on `images` of them."""
    model = Sequential([Conv2D(32, 5, activation="relu"), MaxPool2D()], input_shape=(1, 28, 28), seed=0)
    rng = np.random.default_rng(0)
    x, dy = rng.random((images, 1, 28, 28), np.float32), rng.random((images, 32, 12, 12), np.float32)
    steps, times = fuse(model.steps()) if fused else model.steps(), []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        run_steps(steps, x)[1](dy, need_dx=False)
        times.append(1e3 * (time.perf_counter() - start) * 200 / images)
    return statistics.median(times[1:] or times)


def main() -> None:
    """Time each step, and print how much it gained."""
    before = None
    print(f"{'':<50}{'ms':>10}{'gain':>9}{'GFLOP/s':>9}")
    for title, name, threads, images, fused, repeat in (
            ("the definition, loops in Python", "naive", 1, 1, False, 0),
            ("im2col: one matrix product, NumPy", "im2col", 2, 200, False, 7),
            ("compiled, in pieces that fit the cache, 1 thread", "fast", 1, 200, False, 15),
            ("the same, 2 threads", "fast", 2, 200, False, 15),
            ("convolution, ReLU and pooling as one, 1 thread", "fast", 1, 200, True, 30),
            ("the same, 2 threads", "fast", 2, 200, True, 30)):
        os.environ["TINYNET_NUM_THREADS"] = str(threads)
        with kernels.use(name):
            now = milliseconds(images, fused, repeat)
        gain = "" if before is None else f"{before / now:.1f}x"
        print(f"{title:<50}{now:>10.1f}{gain:>9}{FLOPS / now / 1e6:>9.2f}", flush=True)
        before = now


if __name__ == "__main__":
    main()
