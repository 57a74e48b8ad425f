"""Try `check_gradients` on right and on wrong functions, and count false alarms and misses::

    python tests/checker_trial/run.py            # every function with 20 seeds, 20 of them with 1000
    python tests/checker_trial/run.py --seeds 1 --many 0
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from functions import Function, Trial, inputs, right_ones

from tinynet.testing import check_gradients

WRONG_BY = {np.float64: 1e-3, np.float32: 1e-2, np.float16: 0.1}       # by how much one entry is off


def false_alarm(function: Function, scale: float, dtype: type, on_kinks: bool, seed: int) -> bool:
    """Return whether a right function is called wrong."""
    x = inputs(function, scale, dtype, on_kinks, np.random.default_rng(seed))
    return not check_gradients(Trial(function, dtype), x, seed=seed, raises=False).passed


def missed(function: Function, scale: float, dtype: type, on_kinks: bool, seed: int) -> bool:
    """Return whether the largest entry is off, and the function is called right."""
    def spoil(gradient: np.ndarray) -> np.ndarray:
        gradient.flat[np.abs(gradient).argmax()] *= 1 + WRONG_BY[dtype]
        return gradient
    x = inputs(function, scale, dtype, on_kinks, np.random.default_rng(seed))
    return check_gradients(Trial(function, dtype, spoil), x, seed=seed, raises=False).passed


def main() -> int:
    """Run the trial; return 1 if there are misses or false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--many", type=int, default=1000, help="seeds of every so-many-th function, 20 in all")
    parser.add_argument("--stride", type=int, default=1, help="try every so-many-th function only")
    options = parser.parse_args()
    cases, alarms, misses, checks = right_ones(), [], [], 0
    often = {case[0] for case in cases[::len(cases) // 20]}
    for name, *case in cases[::options.stride]:
        for seed in range(max(options.seeds, options.many if name in often else 0)):
            checks += 1
            if false_alarm(*case, seed):
                alarms.append(f"{name}, seed {seed}")
        if missed(*case, 0):
            misses.append(name)
    print(f"{len(cases)} right functions, {checks} checks: {len(alarms)} false alarms", *alarms, sep="\n    ")
    print(f"{len(cases)} wrong functions: {len(misses)} misses", *misses, sep="\n    ")
    return 1 if alarms or misses else 0


if __name__ == "__main__":
    sys.exit(main())
