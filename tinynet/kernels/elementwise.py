"""Formulas that are computed number by number, written for NumPy's arrays, and run by the kernel set in use.

    @elementwise
    def tanh_gradient(dy, y):
        return dy * (1 - y * y)

Called with arrays, NumPy makes a pass over memory for each operation of a formula; ``fast`` compiles it, and makes one
pass for all of them. So are layers computed, and, in place, the steps of optimizers. Nothing here loads numba.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from tinynet import kernels


class elementwise:  # noqa: N801  (reads as what it is: a decorator)
    """Let a formula be run by the kernel set in use.

    A formula takes arrays, and after them numbers. The arrays are floating, of one dtype and of one shape, but for
    those of the shape of a single sample, which stand for all samples; its result is of the first one's shape. It
    consists of arithmetic, comparisons, NumPy's functions, `polynomial`, numbers that have a name in its module, and
    plain functions there that do the same. It may return several results. With ``out``, one of the arrays or a tuple of
    them, its results are put in their place, rounded as NumPy rounds.

    >>> import numpy as np
    >>> @elementwise
    ... def leaky(x, slope):
    ...     return np.where(x > 0, x, slope * x)
    >>> leaky(np.array([[-1.0, 2.0]]), 0.1)
    array([[-0.1,  2. ]])
    >>> leaky(x := np.array([-2.0, 3.0]), 0.5, out=x)
    >>> x
    array([-1.,  3.])
    """

    def __init__(self, formula: Callable[..., Any]):
        self.formula = formula
        update_wrapper(self, formula)

    def __call__(self, *args: np.ndarray | float, out: np.ndarray | tuple[np.ndarray, ...] = ()) -> Any:
        return kernels.current().elementwise(self.formula, *args, out=(out,) if isinstance(out, np.ndarray) else out)

    def sum(self, *args: np.ndarray | float) -> float:
        """Return the sum of all numbers of its result, in float64, where squares of float32 do not overflow.

        >>> square.sum(np.array([2.0 ** 100], np.float32)) == 2.0 ** 200
        True
        """
        return kernels.current().elementwise_sum(self.formula, *args)


def computed(formula: Callable[..., Any], args: tuple[np.ndarray | float, ...], out: tuple[np.ndarray, ...]) -> Any:
    """Compute a formula by NumPy; put its results into the arrays of `out`, if there are any."""
    results = formula(*args)
    if not out:
        return results
    for array, result in zip(out, results if isinstance(results, tuple) else (results,), strict=True):
        array[...] = result
    return None


def summed(formula: Callable[..., Any], args: tuple[np.ndarray | float, ...]) -> float:
    """Return the sum of a formula's results by NumPy, in float64."""
    with np.errstate(all="ignore"):                                  # as compiled loops
        return float(np.sum(formula(*[np.asarray(arg, np.float64) for arg in args])))


@elementwise
def square(x: np.ndarray) -> np.ndarray:
    """Return x^2."""
    return x * x


def polynomial(terms: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """Return the polynomial of x, from -1 to 1, with these terms, that of the highest power first, by Horner's rule.

    >>> polynomial((2.0, 0.0, 1.0), np.array([0.5]))
    array([1.5])
    """
    total = terms[0] * x + terms[1]
    for term in terms[2:]:
        total = total * x + term
    return total
