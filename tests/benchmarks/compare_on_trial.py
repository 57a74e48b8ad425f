"""Put a sample of the checker's trial before five gradient checkers, and count false alarms and misses.

The functions and their wrong gradients are NumPy's, from `tests/checker_trial`, and enter each library by its own
mechanism for a custom gradient: ``torch.autograd.Function``, ``jax.custom_vjp`` with ``jax.pure_callback``,
autograd's ``primitive`` and ``defvjp``, and our `check_vjp`. Each checker has its default tolerances, in float64;
JAX's and autograd's are told the mode and the order, as a backward written by hand has no forward mode::

    python -m venv checkers
    checkers/bin/pip install torch==2.13.0 jax autograd -e .
    checkers/bin/python tests/benchmarks/compare_on_trial.py
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

# One thread each, and float64 in JAX.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1",
                  XLA_FLAGS="--xla_cpu_multi_thread_eigen=false", JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
sys.path.insert(0, str(Path(__file__).parents[1] / "checker_trial"))

import numpy as np

try:
    import autograd
    import autograd.test_util
    import jax
    import jax.test_util
    import torch
    from torch.autograd.gradcheck import GradcheckError
except ImportError as error:
    sys.exit(f"{error}. This comparison needs torch, jax and autograd: pip install torch==2.13.0 jax autograd")

from cases import Array, Backward, Case, right_cases
from mistakes import MILLION, mistakes

from tinynet.testing import check_vjp

Forward = Callable[..., Array]
EACH = 40                                                # right functions, and wrong gradients


def with_tinynet(forward: Forward, backward: Backward, arrays: list[Array], seed: int) -> None:
    """Raise if tinynet's checker calls the pair wrong."""
    def f(*arrays: Array) -> Array:
        return forward(*arrays)

    def vjp(dy: Array, *arrays: Array) -> tuple[Array, ...]:
        return backward(dy, *arrays)
    check_vjp(f, vjp, *arrays, seed=seed)


def with_torch(forward: Forward, backward: Backward, arrays: list[Array], seed: int, fast_mode: bool = False) -> None:
    """Raise if PyTorch's checker calls the pair wrong."""
    class Formula(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return torch.from_numpy(forward(*(tensor.detach().numpy() for tensor in tensors)))

        @staticmethod
        def backward(ctx, dy):
            gradients = backward(dy.numpy(), *(tensor.detach().numpy() for tensor in ctx.saved_tensors))
            return tuple(torch.from_numpy(np.array(gradient, np.float64)) for gradient in gradients)
    torch.manual_seed(seed)
    torch.autograd.gradcheck(Formula.apply, tuple(torch.tensor(array, requires_grad=True) for array in arrays),
                             fast_mode=fast_mode)


def with_torch_fast(forward: Forward, backward: Backward, arrays: list[Array], seed: int) -> None:
    """Raise if PyTorch's checker calls the pair wrong in its fast mode."""
    with_torch(forward, backward, arrays, seed, fast_mode=True)


def with_jax(forward: Forward, backward: Backward, arrays: list[Array], seed: int) -> None:
    """Raise if JAX's checker calls the pair wrong; it draws its directions without a seed of ours."""
    def as_float64(values: Array) -> Array:
        return np.asarray(values, np.float64)

    def call(*tensors):
        shape = jax.ShapeDtypeStruct(forward(*arrays).shape, np.float64)
        return jax.pure_callback(lambda *a: as_float64(forward(*map(np.asarray, a))), shape, *tensors)

    def call_back(tensors, dy):
        shapes = tuple(jax.ShapeDtypeStruct(array.shape, np.float64) for array in arrays)
        return jax.pure_callback(lambda dy, *a: tuple(map(as_float64, backward(np.asarray(dy), *map(np.asarray, a)))),
                                 shapes, dy, *tensors)
    formula = jax.custom_vjp(call)
    formula.defvjp(lambda *tensors: (call(*tensors), tensors), call_back)
    jax.test_util.check_grads(formula, tuple(map(jax.numpy.asarray, arrays)), order=1, modes=["rev"])


def with_autograd(forward: Forward, backward: Backward, arrays: list[Array], seed: int) -> None:
    """Raise if autograd's checker calls the pair wrong."""
    formula = autograd.extend.primitive(forward)
    autograd.extend.defvjp(formula, *(lambda y, *tensors, i=i: lambda dy: np.array(backward(dy, *tensors)[i], float)
                                      for i in range(len(arrays))))
    np.random.seed(seed)
    autograd.test_util.check_grads(formula, tuple(range(len(arrays))), modes=["rev"], order=1)(*arrays)


CHECKERS = {"tinynet": with_tinynet, "torch": with_torch, "torch, fast": with_torch_fast, "jax": with_jax,
            "autograd": with_autograd}


def kind(case: Case) -> str:
    """Say what may be hard about a right function."""
    if case.dtype != np.float64:
        return "computes in float32 or float16"
    if case.name.endswith("on kinks"):
        return "on kinks"
    return "of ordinary size" if ", 1e+00," in case.name else "large or small numbers"


def sample() -> list[tuple[str, Case, Callable[[list[Array]], Backward]]]:
    """Spread over the trial's right functions and wrong gradients; of the wrong, those with small arrays."""
    right, wrong = right_cases(), [mistake for mistake in mistakes() if mistake.family != MILLION]
    wrong = [mistake for mistake in wrong if "(40, 50)" not in mistake.case.name]      # one by one takes too long
    return ([(f"right: {kind(case)}", case, lambda arrays, case=case: case.backward) for case in spread(right)]
            + [(f"wrong: {mistake.family}", mistake.case, mistake.spoil) for mistake in spread(wrong)])


def spread(items: list) -> list:
    """Return `EACH` items at even distances."""
    return [items[i * len(items) // EACH] for i in range(EACH)]


def complains(check: Callable[..., None], case: Case, backward: Backward) -> tuple[bool, float]:
    """Return whether a checker raises, and after how many seconds of processor time."""
    arrays, start = case.arrays(0), time.process_time()
    try:
        check(case.outputs, backward, arrays, 0)
        raised = False
    except (AssertionError, GradcheckError):
        raised = True
    return raised, time.process_time() - start


def main() -> None:
    """Print the table as the guide shows it."""
    warnings.simplefilter("ignore")
    counts: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number, (group, case, spoil) in enumerate(pairs := sample()):
        verdict = group.partition(":")[0]
        backward = spoil(case.arrays(0))
        for checker, check in CHECKERS.items():
            raised, seconds = complains(check, case, backward)
            times[verdict][checker].append(seconds)
            counts[group][checker].append(raised == (verdict == "right"))
            if verdict == "wrong":
                counts["blind"][checker].append(not raised or complains(check, case, case.backward)[0])
        print(f"{number + 1} of {len(pairs)}", end="\r", file=sys.stderr)
    print(f"| | functions | {' | '.join(CHECKERS)} |\n|{'---|' * (len(CHECKERS) + 2)}")
    for first, what in (("right", "false alarms"), ("wrong", "misses")):
        groups = sorted(group for group in counts if group.startswith(first))
        for group in groups:
            print(row(f"{what}, {group.partition(': ')[2]}", [counts[group]]))
        print(row(f"**{what} in all**", [counts[group] for group in groups]))
    print(row("missed, or the right gradient is called wrong as well", [counts["blind"]]))
    for verdict in ("right", "wrong"):
        cells = (f"{1000 * median(times[verdict][name]):.3g}" for name in CHECKERS)
        print(f"| median time of a {verdict} one, ms | | {' | '.join(cells)} |")


def row(title: str, groups: list[dict[str, list[bool]]]) -> str:
    """Format the counts of some groups."""
    numbers = [sum(sum(group[name]) for group in groups) for name in CHECKERS]
    return f"| {title} | {sum(len(group['tinynet']) for group in groups)} | {' | '.join(map(str, numbers))} |"


if __name__ == "__main__":
    main()
