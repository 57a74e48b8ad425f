"""A function that differentiates itself: of PyTorch, JAX, autograd or MyGrad."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinynet.testing.functions.checking import Settings, check_pair, conclude
from tinynet.testing.functions.libraries import recognised
from tinynet.testing.functions.libraries.library import Flat, Flattened, Library
from tinynet.testing.functions.pair import Pair, constants_of
from tinynet.testing.functions.vjp import positions, with_training
from tinynet.testing.gradcheck.report import GradientReport
from tinynet.testing.gradcheck.targets import random_upstream


def check_function(f: Any, *args: Any, order: int = 1, wrt: int | Iterable[int] | None = None,
                   training: bool | None = None, as_if: Callable[..., Any] | None = None,
                   complex_convention: str | None = None, rtol: float = 1e-6, seed: int = 0, every: int = 100,
                   directions: int = 16, raises: bool = True) -> GradientReport:
    """Check the gradient of a function that differentiates itself, as its library computes it.

    The library is recognised from what is passed, and must have been imported:

    - PyTorch: a function of tensors, a Module with its parameters, a ``torch.autograd.Function`` or its ``apply``.
      Buffers and random state are put back before each run.
    - JAX: a function of its arrays, jitted or not, with or without a ``custom_vjp``. It is run in double precision.
    - autograd: a function of NumPy arrays, written with ``autograd.numpy``.
    - MyGrad: a function of its tensors.

    Parameters
    ----------
    f : the function.
    args : what to check it at: arrays of the library, and trees of them. Floating ones are passed on in float64, or
        complex128, where f takes these.
    order : 2 checks the second derivative as well: that the gradient, as a function of dy and the arguments, is
        differentiated rightly in turn.
    wrt : positions of the arguments to check; None checks every one that holds floating numbers, and the parameters.
    training : for a Module its mode; for a function, passed on as a keyword. None leaves both alone.
    as_if : slopes are measured on this function, which takes f's arguments, and returns the library's arrays. The
        parameters of a Module are then checked only if it is a Module with the same ones.
    complex_convention : see `check_vjp`; None takes that of the library.
    rtol, seed, every, directions, raises : see `check_vjp`.

    Returns
    -------
    GradientReport : printed, a table of the arguments, and of each failure the likely cause.

    Raises
    ------
    GradientMismatch : an AssertionError with the report in ``report``, unless `raises` is False.
    TypeError : for a function of plain NumPy, and for one of a library that was not recognised.
    ValueError : for an order that the library does not have.

    Examples
    --------
    With PyTorch: ``check_function(torch.nn.Linear(4, 3), torch.randn(2, 4))``.

    >>> check_function(np.sin, np.ones(3))
    Traceback (most recent call last):
    TypeError: check_function: expected a function of PyTorch, JAX, MyGrad, autograd, ... check_vjp(f, vjp, *args), ...
    """
    __tracebackhide__ = True
    library = recognised(f, args)
    if not 1 <= order <= library.highest_order:
        raise ValueError(f"order: expected a whole number from 1 to {library.highest_order}, which is as far as "
                         f"{library.title} differentiates. Received: {order}.")
    settings = Settings(rtol, seed, every, directions, complex_convention or library.convention)
    with library.session():
        report = check_orders(Call(library, f, args, wrt, training, as_if), order, settings)
    return conclude(report, raises)


class Call:
    """A function of a library with its arguments, in flat form.

    Attributes
    ----------
    run, measured : the function itself; and what slopes are measured on, if that is another.
    checked : which of its floating leaves are checked.
    """

    def __init__(self, library: Library, f: Any, args: tuple[Any, ...], wrt: int | Iterable[int] | None,
                 training: bool | None, as_if: Any):
        self.library, self.title = library, library.title_of(f)
        self.constants = constants_of(library.callable(f))
        self.flattened = Flattened(library, f, args)
        parameters = library.parameters(f)
        f = f if hasattr(f, "training") or training is None else with_training(f, training, always=True)
        self.run = self.flattened.flat(library.with_parameters(f, training))
        self.measured: Flat | None = None
        same = parameters.keys() == (library.parameters(as_if).keys() if as_if is not None else parameters.keys())
        if as_if is not None:
            self.measured = self.flattened.flat(library.with_parameters(as_if, training))
        wanted = range(len(args)) if wrt is None else positions(wrt, args)
        self.checked = [k for k, position in enumerate(self.flattened.positions)
                        if position in wanted or (position < 0 and same)]


def check_orders(call: Call, order: int, settings: Settings) -> GradientReport:
    """Check the first derivative and, if that is right, the second; return one report."""
    library, xs, names = call.library, call.flattened.xs, call.flattened.names
    pair = Pair(runner(library, call.run), puller(library, call.run), tuple(xs), names, call.checked,
                None if call.measured is None else runner(library, call.measured), call.title, library.words,
                reruns=True, constants=call.constants)
    report = check_pair(pair, settings)
    if order == 1 or not report.passed:
        return report
    ys = library.run(call.run, xs)
    gradient = library.derivative(call.run, len(ys))
    rng = settings.rng()
    dys = [drawn_like(y, rng) for y in ys]
    dy_names = ["dy" if len(ys) == 1 else f"dy[{k}]" for k in range(len(ys))]
    second = Pair(runner(library, gradient), puller(library, gradient), (*dys, *xs),
                  [f"order 2: {name}" for name in (*dy_names, *names)],
                  [*range(len(dys)), *(len(dys) + k for k in call.checked)], None, call.title,
                  ("the gradient", "its own gradient"), reruns=True, constants=call.constants)
    again = check_pair(second, settings)
    report.tensors += again.tensors
    report.failures += again.failures
    return report


def runner(library: Library, flat: Flat) -> Callable[..., Any]:
    """Return a flat function as one of NumPy arrays."""
    return lambda *xs: library.run(flat, list(xs))


def puller(library: Library, flat: Flat) -> Callable[..., Any]:
    """Return its vjp as a function of NumPy arrays."""
    return lambda dys, *xs: tuple(library.pull(flat, dys, list(xs)))


def drawn_like(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an upstream gradient for an output, of its dtype."""
    real = random_upstream(np.shape(y), rng)
    drawn = real + 1j * random_upstream(np.shape(y), rng) if np.asarray(y).dtype.kind == "c" else real
    return np.asarray(drawn).astype(np.asarray(y).dtype)
