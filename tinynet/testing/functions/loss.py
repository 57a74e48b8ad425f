"""A whole loss, with its gradient: a training loss of a tree of parameters, or what an optimizer of SciPy takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.testing.cloning import clone
from tinynet.testing.functions.checking import Settings, check_pair, conclude
from tinynet.testing.functions.pair import Function, Pair, argument_names, constants_of, title_of
from tinynet.testing.functions.trees import as_numpy, matched, rebuild
from tinynet.testing.gradcheck.report import GradientReport


def check_loss(value_and_grad: Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]], params: Any, *,
               args: tuple[Any, ...] = (), as_if: Callable[..., Any] | None = None, rtol: float = 1e-6, seed: int = 0,
               every: int = 100, directions: int = 16, raises: bool = True) -> GradientReport:
    """Check the gradient of a whole loss with respect to all parameters.

    Parameters
    ----------
    value_and_grad : ``value_and_grad(params)`` returns ``(value, grads)``, grads nested as params are: a training loss,
        or what ``scipy.optimize.minimize`` takes with ``jac=True``. Or a pair ``(fun, jac)``, as it takes otherwise;
        where fun returns a vector (M,), as for ``least_squares``, jac returns a matrix (M, N).
    params : where to check it: an array, or a tuple, list or dict of arrays, nested in any way.
    args : further arguments, passed on after params, as SciPy does.
    as_if : slopes are measured on this function, which takes the same arguments and returns the value.
    rtol, seed, every, directions, raises : see `check_vjp`.

    Returns
    -------
    GradientReport : printed, a table of the parameters, and of each failure the likely cause.

    Raises
    ------
    GradientMismatch : an AssertionError with the report in ``report``, unless `raises` is False.
    TypeError, ValueError : for arguments that do not fit together.

    Examples
    --------
    >>> def squares(params):
    ...     errors = params["slope"] * np.arange(3) + params["offset"] - np.array([1.0, 3.0, 4.5])
    ...     return (errors ** 2).mean(), {"slope": 2 * (errors * np.arange(3)).mean(), "offset": errors.mean()}
    >>> report = check_loss(squares, {"slope": 1.0, "offset": 0.5}, raises=False)
    >>> [(failure.tensor, failure.cause) for failure in report.failures]
    [("params['offset']", 'factor 2')]

    >>> check_loss((lambda x: (x ** 4).sum(), lambda x: 4 * x ** 3), np.array([1.0, -2.0])).passed
    True
    """
    __tracebackhide__ = True
    settings = Settings(rtol, seed, every, directions)
    title = value_and_grad[0] if isinstance(value_and_grad, tuple) else value_and_grad
    name = (argument_names(title, (params,)) if callable(title) else ["params"])[0]
    constants = constants_of(*(value_and_grad if isinstance(value_and_grad, tuple) else (value_and_grad,)))
    functions, as_if, params, args = clone((value_and_grad, as_if, as_numpy(params, name), args))
    value, jacobian, words = separated(functions)

    def vjp(dy: Any, params: Any) -> Any:
        gradients = jacobian(params, *args)
        found = [pulled_back(dy, gradient) for gradient in matched(params, gradients, name)]
        return (rebuild(params, iter(found)),)
    pair = Pair(lambda params: value(params, *args), vjp, (params,), [name], [0],
                None if as_if is None else lambda params: value_alone(as_if(params, *args)),
                title_of(title), words, constants=constants)
    return conclude(check_pair(pair, settings), raises)


def separated(functions: Any) -> tuple[Function, Function, tuple[str, str]]:
    """Return what gives the value, what gives its gradients, and what the report calls the two."""
    if callable(functions):
        name = title_of(functions)
        return (lambda *args: both(functions(*args))[0]), (lambda *args: both(functions(*args))[1]), (name, name)
    if isinstance(functions, (tuple, list)) and len(functions) == 2 and all(map(callable, functions)):
        return functions[0], functions[1], ("fun", "jac")
    raise TypeError("check_loss: expected a function that returns (value, grads), or a pair (fun, jac). "
                    f"Received: {functions!r}.")


def both(returned: Any) -> tuple[Any, Any]:
    """Return a value and its gradients, if that is what was returned."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 2:
        raise TypeError("check_loss: expected value_and_grad(params) to return (value, grads). "
                        f"Received: {type(returned).__name__}. For two functions, pass the pair (fun, jac).")
    return returned[0], returned[1]


def value_alone(returned: Any) -> Any:
    """Return the value, of a function that may return its gradients too."""
    return returned[0] if isinstance(returned, tuple) else returned


def pulled_back(dy: Any, gradient: Any) -> Any:
    """Return dy times the gradient of a value, or of each of a vector of values (M, ...)."""
    if gradient is None or np.asarray(gradient).dtype.kind not in "fiuc":
        return gradient
    return np.tensordot(np.asarray(dy), np.asarray(gradient), axes=np.ndim(dy))
