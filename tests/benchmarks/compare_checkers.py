"""Put the same layers, wrong and right, before five gradient checkers, and print a table of what each sees.

Every formula stands here once, for NumPy, PyTorch and JAX alike, and goes into each library's own mechanism for a
custom gradient. Each checker is used with its documented defaults, in float64; JAX's and autograd's are told the
mode and the order, as a custom backward has no forward mode. Each row is tried on several drawn inputs; the time is
the median of one check, imports and first compilation left out.

None of the others is a dependency of tinynet. They go into an environment of their own::

    python -m venv checkers
    checkers/bin/pip install torch==2.13.0 jax autograd -e .
    checkers/bin/python tests/benchmarks/compare_checkers.py --markdown
"""

from __future__ import annotations

import argparse
import importlib.metadata
import multiprocessing
import os
import platform
import resource
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

# One thread each: times do not depend on who else uses the machine.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1",
                  XLA_FLAGS="--xla_cpu_multi_thread_eigen=false", JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")

import autograd
import autograd.test_util
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import torch

from tinynet.layers import Layer
from tinynet.testing import check_gradients

Array = Any                    # of NumPy, PyTorch or JAX
RATE = 0.4
MASK = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 1, 1]]) / 1.0


class Case(NamedTuple):
    """A layer: ``forward(xp, x, *params)`` and ``backward(xp, dy, x, *params)``, which returns all gradients.

    `xp` is numpy, torch or jax.numpy; `shapes` are those of x and of the parameters; `x` overwrites the drawn x.
    """

    name: str
    wrong: bool
    shapes: list[tuple[int, ...]]
    forward: Callable
    backward: Callable
    x: Callable[[np.ndarray], np.ndarray] = lambda x: x

    def arrays(self, seed: int) -> list[np.ndarray]:
        """Draw x and the parameters."""
        rng = np.random.default_rng(seed)
        x, *params = (rng.normal(size=shape) for shape in self.shapes)
        return [self.x(x), *params]


# What the three libraries write in different ways.

def put(array: Array, where: tuple, values: Array) -> Array:
    """Write into an array, as ``array[where] = values`` does; return it."""
    if isinstance(array, jax.Array):
        return array.at[where].set(values)
    array[where] = values
    return array


def constant(xp: Any, array: np.ndarray) -> Array:
    """Return a NumPy array as one of the library's own."""
    return torch.from_numpy(array) if xp is torch else xp.asarray(array)


def coin(xp: Any, x: Array) -> Array:
    """Draw zeros and ones from the library's global generator; JAX has none, and takes a key."""
    if xp is torch:
        return (torch.rand(x.shape) < 0.5).double()
    if xp is jnp:
        return (jax.random.uniform(jax.random.key(0), x.shape) < 0.5).astype(x.dtype)
    return (np.random.random(x.shape) < 0.5).astype(x.dtype)


# The layers.

def dense(xp, x, kernel, bias):
    return x @ kernel + bias


def dense_backward(spoil: Callable[..., Array] = lambda xp, g: g):
    def backward(xp, dy, x, kernel, bias):
        return dy @ kernel.T, spoil(xp, x.T @ dy), dy.sum(axis=0)
    return backward


def one_entry(factor: float):
    return dense_backward(lambda xp, g: put(g, (512, 17), factor * g[512, 17]))


def tanh_backward(factor: float):
    return lambda xp, dy, x: (factor * dy * (1 - xp.tanh(x) ** 2),)


def relu(xp, x):
    return xp.where(x > 0, x, 0.0)


def relu_backward(xp, dy, x):
    return (xp.where(x > 0, dy, 0.0),)


def dropout(xp, x):
    return x * constant(xp, MASK) / (1 - RATE)


def conv1d(xp, x, kernel):
    out = x.shape[1] - 2
    return sum(x[:, k:k + out] * kernel[k] for k in range(3))             # (N, L - 2)


def conv1d_backward(add: bool):
    def backward(xp, dy, x, kernel):
        out, dx = x.shape[1] - 2, xp.zeros_like(x)
        for k in range(3):
            window = (slice(None), slice(k, k + out))
            dx = put(dx, window, dy * kernel[k] + (dx[window] if add else 0))
        return dx, xp.stack([(x[:, k:k + out] * dy).sum() for k in range(3)])
    return backward


def square_backward_that_writes(xp, dy, x):
    x *= 2
    return (dy * x,)


def largest_of_two(xp, x):
    return xp.where(x[:, 0] >= x[:, 1], x[:, 0], x[:, 1])


def largest_of_two_backward(xp, dy, x):
    first = x[:, 0] >= x[:, 1]
    return (xp.stack([xp.where(first, dy, 0.0), xp.where(first, 0.0, dy)], -1),)


class Drawn:
    """A dropout that draws its mask in forward, and keeps it for backward."""

    def forward(self, xp, x):
        self.mask = 2 * coin(xp, x)
        return x * self.mask

    def backward(self, xp, dy, x):
        return (dy * self.mask,)


def with_a_tiny_feature(x):
    return np.where(np.arange(1000) == 512, 1e-8, x)


def with_zeros(x):
    return np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, 0.0, x)


def bias_backward(xp, dy, x, bias):
    return 1.0 * dy, dy.sum(axis=0)                                       # (T, F), where bias is (F,)


SMALL, LARGE, DRAWN = [(3, 4), (4, 5), (5,)], [(1, 1000), (1000, 1000), (1000,)], Drawn()
CASES = [
    Case("kernel gradient 0.1 % too large", True, SMALL, dense, dense_backward(lambda xp, g: 1.001 * g)),
    Case("one entry of 1000 x 1000 doubled", True, LARGE, dense, one_entry(2)),
    Case("one entry of 1000 x 1000 off by 1 %", True, LARGE, dense, one_entry(1.01)),
    Case("one entry of 1000 x 1000, 1e-8, doubled", True, LARGE, dense, one_entry(2), with_a_tiny_feature),
    Case("gradient of size 1e-7 doubled", True, [(3, 4)], lambda xp, x: 1e-7 * xp.tanh(x), tanh_backward(2e-7)),
    Case("sign", True, [(3, 4)], lambda xp, x: xp.tanh(x), tanh_backward(-1)),
    Case("bias summed over the batch alone", True, [(3, 2, 4), (4,)], lambda xp, x, bias: x + bias,
         bias_backward),
    Case("ReLU passes gradient at negatives", True, [(3, 4)], relu, lambda xp, dy, x: (1.0 * dy,)),
    Case("dropout scale forgotten", True, [(3, 5)], dropout, lambda xp, dy, x: (dy * constant(xp, MASK),)),
    Case("col2im assigns instead of adding", True, [(2, 6), (3,)], conv1d, conv1d_backward(add=False)),
    Case("square kernel's gradient transposed", True, [(3, 4), (4, 4), (4,)], dense,
         dense_backward(lambda xp, g: g.T)),
    Case("NaN: 0/0 where x is 0", True, [(3, 4)], lambda xp, x: x * xp.abs(x),
         lambda xp, dy, x: (2 * dy * x * x / xp.abs(x),), with_zeros),
    Case("backward writes to x", True, [(3, 4)], lambda xp, x: x * x, square_backward_that_writes),
    Case("dense", False, SMALL, dense, dense_backward()),
    Case("dense, kernel 1000 x 1000", False, LARGE, dense, dense_backward()),
    Case("convolution", False, [(2, 6), (3,)], conv1d, conv1d_backward(add=True)),
    Case("ReLU with x exactly 0 in places", False, [(3, 4)], relu, relu_backward, with_zeros),
    Case("ReLU with x 1e-7 from 0 in places", False, [(3, 4)], relu, relu_backward, lambda x: with_zeros(x) + 1e-7),
    Case("maximum of two equal numbers", False, [(4, 2)], largest_of_two, largest_of_two_backward,
         lambda x: x[:, :1] * np.ones(2)),
    Case("dropout that draws its mask", False, [(3, 5)], DRAWN.forward, DRAWN.backward),
    Case("steep: tanh(1000 x)", False, [(3, 4)], lambda xp, x: xp.tanh(1000 * x),
         lambda xp, dy, x: (1000 * dy * (1 - xp.tanh(1000 * x) ** 2),), lambda x: x / 1000),
    Case("large outputs: x + 1e8", False, [(3, 4)], lambda xp, x: x + 1e8, lambda xp, dy, x: (1.0 * dy,)),
    Case("computes in float32, returns float64", False, [(3, 4)], lambda xp, x: through_float32(xp, x),
         tanh_backward(1)),
]


def through_float32(xp, x):
    if xp is torch:
        return torch.tanh(x.float()).double()
    return xp.tanh(x.astype(np.float32)).astype(np.float64)


# The checkers: each puts the case into its library, and raises if it sees something wrong.

class CannotHappen(Exception):  # noqa: N818
    """The mistake cannot be made in this library."""


def check_tinynet(case: Case, arrays: list[np.ndarray], seed: int) -> None:
    class Formula(Layer):
        def forward(self, x, training=False):
            def backward(dy):
                dx, *grads = case.backward(np, dy, x, *self.params.values())
                self.grads.update(zip(self.params, grads, strict=True))
                return dx
            return case.forward(np, x, *self.params.values()), backward
    layer = Formula()
    layer.params = {f"p{i}": array for i, array in enumerate(arrays[1:])}
    check_gradients(layer, arrays[0], seed=seed)


def check_torch(case: Case, arrays: list[np.ndarray], seed: int, fast_mode: bool = False) -> None:
    class Formula(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return case.forward(torch, *tensors)

        @staticmethod
        def backward(ctx, dy):
            return case.backward(torch, dy, *ctx.saved_tensors)
    torch.manual_seed(seed)
    tensors = tuple(torch.tensor(array, requires_grad=True) for array in arrays)
    torch.autograd.gradcheck(Formula.apply, tensors, fast_mode=fast_mode)
    if case.backward is bias_backward:                                  # torch's engine sums it to the bias's shape
        raise CannotHappen


def check_torch_fast(case: Case, arrays: list[np.ndarray], seed: int) -> None:
    check_torch(case, arrays, seed, fast_mode=True)


def check_jax(case: Case, arrays: list[np.ndarray], seed: int) -> None:
    if case.backward is square_backward_that_writes:                    # arrays cannot be written to
        raise CannotHappen

    @jax.custom_vjp
    def formula(*tensors):
        return case.forward(jnp, *tensors)
    formula.defvjp(lambda *tensors: (case.forward(jnp, *tensors), tensors),
                   lambda tensors, dy: tuple(case.backward(jnp, dy, *tensors)))
    jax.test_util.check_grads(formula, tuple(map(jnp.asarray, arrays)), order=1, modes=["rev"])


def check_autograd(case: Case, arrays: list[np.ndarray], seed: int) -> None:
    @autograd.extend.primitive
    def formula(*tensors):
        return case.forward(np, *tensors)
    autograd.extend.defvjp(formula, *(lambda y, *tensors, i=i: lambda dy: case.backward(np, dy, *tensors)[i]
                                      for i in range(len(arrays))))
    np.random.seed(seed)
    everything = tuple(range(len(arrays)))
    autograd.test_util.check_grads(formula, everything, modes=["rev"], order=1)(*arrays)


CHECKERS = {
    "tinynet": check_tinynet,
    "torch": check_torch,
    "torch, fast": check_torch_fast,
    "jax": check_jax,
    "autograd": check_autograd,
}


# Running them.

def judge(check: Callable, case: Case, seeds: int) -> str:
    """Say what a checker sees of a case, over some seeds, and in what time."""
    raised, times, why = 0, [], ""
    for seed in [0, *range(seeds)]:                                     # the first run warms up
        start = time.perf_counter()
        try:
            check(case, case.arrays(seed), seed)
            complaint = None
        except CannotHappen:
            return "cannot happen"
        except Exception as error:
            complaint = f"{type(error).__name__}: {error}"
        times.append(time.perf_counter() - start)
        if len(times) > 1:
            raised, why = raised + (complaint is not None), complaint or why
    good, bad = ("caught", "missed") if case.wrong else ("false alarm", "right")
    words = good if raised == seeds else bad if not raised else f"{good} {raised} of {seeds}"
    seconds = sorted(times[1:])[seeds // 2]
    return f"{words}, {seconds:.2g} s|{' '.join(why.split())[:150]}"


def in_a_child(out: Any, checker: str, case: int, seeds: int) -> None:
    """Run one checker on one case, with no more than 12 GB, and send what it says."""
    resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, resource.RLIM_INFINITY))
    warnings.simplefilter("ignore")
    out.send(judge(CHECKERS[checker], CASES[case], seeds))


def judge_within(limit: float, checker: str, case: int, seeds: int) -> str:
    """Run a checker on a case in a process of its own; stop it at the limit."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(False)
    child = context.Process(target=in_a_child, args=(there, checker, case, seeds))
    child.start()
    there.close()
    try:
        words = here.recv() if here.poll(limit) else f"stopped after {limit:.0f} s"
    except EOFError:
        words = "out of memory"
    child.kill()
    child.join()
    return words


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="inputs drawn for each row")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a check is stopped")
    parser.add_argument("--markdown", action="store_true", help="print the table as the guide shows it")
    parser.add_argument("--why", action="store_true", help="print what each checker complained of")
    options = parser.parse_args()

    packages = ("tinynet", "torch", "jax", "autograd", "numpy")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    print(f"{versions}; Python {platform.python_version()}; {os.cpu_count()} cores\n")
    bar = "| " if options.markdown else ""
    widths = [46] + [28] * len(CHECKERS)

    def line(cells):
        print(bar + f" {bar or ' '}".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)),
              flush=True)
    line(["", *CHECKERS])
    if options.markdown:
        line(["---"] * len(widths))
    for number, case in enumerate(CASES):
        found = []
        for name, check in CHECKERS.items():
            if case.shapes is LARGE:                                    # may take too long, or too much memory
                found.append(judge_within(options.limit, name, number, options.seeds))
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found.append(judge(check, case, options.seeds))
        line([f"{'wrong' if case.wrong else 'right'}: {case.name}", *(words.partition("|")[0] for words in found)])
        if options.why:
            for name, words in zip(CHECKERS, found, strict=True):
                print(f"        {name}: {words.partition('|')[2]}")


if __name__ == "__main__":
    main()
