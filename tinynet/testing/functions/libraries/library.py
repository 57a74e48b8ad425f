"""What a library must be able to do, so that its functions can be checked as pairs of NumPy functions.

A call of the user's function is brought to a flat form first: floating leaves in, floating leaves out, everything else
held fixed. Each library then says how to run such a function and how to differentiate it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.testing.functions.pair import argument_names, title_of
from tinynet.testing.functions.trees import is_floating, leaves, rebuild

Flat = Callable[..., list[Any]]        # flat(*floating leaves) -> floating leaves, both the library's own arrays

FLOATING = object()                    # stands for a leaf that is perturbed


class Library:
    """A library; the methods that raise NotImplementedError are what it must say of itself.

    Attributes
    ----------
    title : its name.
    convention : that of its complex gradients; see `tinynet.testing.functions.target`.
    words : what the report calls the function, and its gradient.
    highest_order : how often it can differentiate.
    """

    title = ""
    convention = "gradient"
    words = ("forward", "backward")
    highest_order = 2

    def owns(self, f: Any, args: tuple[Any, ...]) -> bool:
        """Return whether the function, or an array among its arguments, is the library's own."""
        return any(self.is_array(leaf) for _, leaf in leaves(args))

    def differentiates(self, f: Any, args: tuple[Any, ...]) -> bool:
        """Return whether a function of NumPy arrays turns out to be the library's own when it is called."""
        try:
            return any(self.is_array(leaf) for _, leaf in leaves(f(*args)))
        except Exception:
            return False

    def is_array(self, leaf: Any) -> bool:
        """Return whether this is an array of the library."""
        raise NotImplementedError

    def to_numpy(self, leaf: Any) -> Any:
        """Return an array of the library as one of NumPy, if it is floating; anything else as it is."""
        raise NotImplementedError

    def run(self, flat: Flat, xs: list[Any]) -> list[np.ndarray]:
        """Return the outputs of a flat function for NumPy arrays."""
        raise NotImplementedError

    def pull(self, flat: Flat, dys: list[Any], xs: list[Any]) -> list[Any]:
        """Return the gradient of a flat function for each of its NumPy arguments, under an upstream gradient."""
        raise NotImplementedError

    def derivative(self, flat: Flat, outputs: int) -> Flat:
        """Return the flat function (*dys, *xs) -> gradients, to be differentiated in turn."""
        raise NotImplementedError

    def callable(self, f: Any) -> Any:
        """Return what is called, for a function in whatever form it was passed."""
        return f

    def title_of(self, f: Any) -> str:
        """Return what the report calls a function."""
        return title_of(f)

    def names(self, f: Any, args: tuple[Any, ...]) -> list[str]:
        """Return what the report calls its arguments."""
        return argument_names(f, args)

    def parameters(self, f: Any) -> dict[str, Any]:
        """Return what else than its arguments a function depends on: the parameters of a module."""
        return {}

    def with_parameters(self, f: Any, training: bool | None) -> Callable[..., Any]:
        """Return the function as one of (parameters by name, *arguments)."""
        called = self.callable(f)
        return lambda parameters, *args: called(*args)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold for the whole check what it must leave behind as it was, such as a random state."""
        yield


class Flattened:
    """A call of a function, in flat form.

    Attributes
    ----------
    names, xs : the floating leaves, as NumPy arrays or numbers: first the parameters, then the arguments.
    positions : the argument of each, -1 for parameters.
    """

    def __init__(self, library: Library, f: Any, args: tuple[Any, ...]):
        parameters = library.parameters(f)
        self.library, self.tree = library, (parameters, *args)
        self.names: list[str] = []
        self.xs: list[Any] = []
        self.positions: list[int] = []
        self.fixed: list[Any] = []                         # of all leaves: FLOATING where an x goes
        named = [(name, -1, leaf) for name, leaf in parameters.items()]
        for k, (arg, name) in enumerate(zip(args, library.names(f, args), strict=True)):
            named += [(leaf_name, k, leaf) for leaf_name, leaf in leaves(arg, name)]
        taken = set(parameters)
        for name, position, leaf in named:
            array = library.to_numpy(leaf)
            if is_floating(array):
                self.names.append(f"argument {name}" if position >= 0 and name in taken else name)
                self.xs.append(array)
                self.positions.append(position)
            self.fixed.append(FLOATING if is_floating(array) else leaf)

    def flat(self, f: Callable[..., Any], with_parameters: bool = True) -> Flat:
        """Return a function of (parameters, *arguments), or of the arguments alone, in flat form."""
        def run(*xs: Any) -> list[Any]:
            rest = iter(xs)
            parameters, *args = rebuild(self.tree, (next(rest) if leaf is FLOATING else leaf for leaf in self.fixed))
            y = f(parameters, *args) if with_parameters else f(*args)
            return [leaf for _, leaf in leaves(y) if has_slopes(leaf)]
        return run


def has_slopes(leaf: Any) -> bool:
    """Return whether an output is floating or complex; by its dtype, as it may be traced and have no numbers."""
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (float, complex)) if dtype is None else "float" in str(dtype) or "complex" in str(dtype)
