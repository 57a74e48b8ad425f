"""A function and its gradient, both written by hand in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from tinynet.testing.cloning import clone
from tinynet.testing.functions.checking import Settings, check_pair, conclude
from tinynet.testing.functions.pair import Pair, argument_names, constants_of, takes_keyword, title_of
from tinynet.testing.functions.trees import as_numpy, is_floating, leaves
from tinynet.testing.gradcheck.report import GradientReport


def check_vjp(f: Callable[..., Any], vjp: Callable[..., Any], *args: Any, wrt: int | Iterable[int] | None = None,
              training: bool | None = None, as_if: Callable[..., Any] | None = None,
              complex_convention: str | None = None, rtol: float = 1e-6, seed: int = 0, every: int = 100,
              directions: int = 16, raises: bool = True) -> GradientReport:
    """Check that ``vjp(dy, *args)`` is the gradient of ``sum(dy * f(*args))`` with respect to the arguments.

    Arguments and outputs are arrays or numbers, or tuples, lists and dicts of them, nested in any way. The upstream
    gradient dy has the form of f's output, and is random. Slopes are measured as `check_gradients` measures them, and
    what else a vjp must keep to is checked as well: it writes to nothing, and returns the same when called again.

    Parameters
    ----------
    f : ``f(*args)`` returns the output.
    vjp : ``vjp(dy, *args)`` returns one gradient for each argument, in order, nested as that is: None for whole-number
        ones. With a single argument the gradient alone will do.
    args : what to check it at. Floating numbers are passed as float64, or complex128, where f takes these; whole
        numbers and everything else stay as they are.
    wrt : positions of the arguments to check; None checks every one that holds floating numbers.
    training : passed on as a keyword, unless it is None.
    as_if : for a gradient that is not f's on purpose, such as that of a straight-through estimator: slopes are measured
        on this function, which takes f's arguments.
    complex_convention : ``"gradient"``, dL/d(real) + i dL/d(imag), with dy paired as Re(conj(dy) y), as in PyTorch;
        ``"conjugate"``, the conjugate of it, with dy paired as Re(dy y), as in JAX; None finds out which holds, and
        the report names it.
    rtol : by what fraction of itself an entry may be off, in addition to the error of its measurement.
    seed : makes everything random in the check repeat.
    every, directions : see `check_gradients`.
    raises : whether to raise `GradientMismatch` if something is wrong.

    Returns
    -------
    GradientReport : printed, a table of the arguments, and of each failure the likely cause.

    Raises
    ------
    GradientMismatch : an AssertionError with the report in ``report``, unless `raises` is False.
    TypeError, ValueError : for arguments that do not fit together.

    Examples
    --------
    >>> def dense(x, weights):
    ...     return np.tanh(x @ weights["kernel"] + weights["bias"])
    >>> def dense_vjp(dy, x, weights):
    ...     dz = dy * (1 - dense(x, weights) ** 2)
    ...     return dz @ weights["kernel"].T, {"kernel": x.T @ dz, "bias": dz.mean(axis=0)}
    >>> x, rng = np.array([[1.0, 2.0], [0.5, -1.0]]), np.random.default_rng(0)
    >>> weights = {"kernel": rng.normal(size=(2, 3)), "bias": np.zeros(3)}
    >>> report = check_vjp(dense, dense_vjp, x, weights, raises=False)
    >>> [(failure.tensor, failure.cause) for failure in report.failures]
    [("weights['bias']", 'batch size')]
    """
    __tracebackhide__ = True
    settings = Settings(rtol, seed, every, directions, complex_convention)
    names, constants = argument_names(f, args), constants_of(f, vjp)
    args = tuple(as_numpy(arg, name) for arg, name in zip(args, names, strict=True))
    checked = positions(wrt, args)
    f, vjp, as_if, copies = clone((f, vjp, as_if, args))
    if training is not None:
        f, vjp, as_if = (with_training(function, training, function is f) for function in (f, vjp, as_if))
    pair = Pair(f, vjp, copies, names, checked, as_if, title_of(f), constants=constants)
    return conclude(check_pair(pair, settings), raises)


def with_training(function: Any, training: bool, always: bool = False) -> Any:
    """Let a function be called with ``training=...``, if it takes that."""
    wanted = function is not None and (always or takes_keyword(function, "training"))
    return partial(function, training=training) if wanted else function


def positions(wrt: int | Iterable[int] | None, args: tuple[Any, ...]) -> list[int]:
    """Return the positions of the arguments to check, in order."""
    if not args:
        raise TypeError("expected the arguments to check it at, after the functions. Received: none.")
    if wrt is None:
        return [k for k, arg in enumerate(args) if any(is_floating(leaf) or isinstance(leaf, np.ndarray)
                                                       for _, leaf in leaves(arg))]
    wanted = [wrt] if isinstance(wrt, int) else list(wrt)
    for k in wanted:
        if not -len(args) <= k < len(args):
            raise ValueError(f"wrt: expected positions of the {len(args)} arguments. Received: {k}.")
    return sorted({k % len(args) for k in wanted})
