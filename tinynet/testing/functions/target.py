"""A function and its vjp as a `Target`: real float64 tensors in, a vector of real outputs out.

A complex array is two real ones, its real and its imaginary part. So there are two conventions for its gradient::

    "gradient"    g = dL/d(real) + i dL/d(imag)     dy paired as L = Re(conj(dy) y)     PyTorch, TensorFlow
    "conjugate"   g = dL/d(real) - i dL/d(imag)     dy paired as L = Re(dy y)           JAX, autograd

Each is the other with every complex dy and every complex gradient conjugated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinynet.testing.functions.pair import Function, Pair
from tinynet.testing.functions.trees import (
    WrongStructure,
    as_numpy,
    is_branch,
    is_floating,
    kind_of,
    leaves,
    matched,
    rebuild,
)
from tinynet.testing.gradcheck.targets import Gradients, Target, random_upstream


class Argument:
    """A floating leaf of the arguments: its tensors, and how to make what f is given from them.

    Parameters
    ----------
    name, value : the leaf.
    precise : whether f is given float64 (complex128), or the leaf's own dtype.
    """

    def __init__(self, name: str, value: Any, precise: bool):
        array = np.asarray(value)
        wide = np.dtype(np.complex128 if array.dtype.kind == "c" else np.float64)
        self.name, self.dtype, self.complex = name, wide if precise else array.dtype, wide.kind == "c"
        self.number = None if isinstance(value, np.ndarray) else type(value)
        parts = {f"{name}.real": array.real, f"{name}.imag": array.imag} if self.complex else {name: array}
        self.tensors = {key: np.array(part, np.float64, order="C") for key, part in parts.items()}
        self.passed: np.ndarray | None = None

    def make(self) -> Any:
        """Return what f is given: the tensor itself where it can be, so that what is written to it is seen."""
        real, *imag = self.tensors.values()
        whole = real + 1j * imag[0] if imag else real
        if self.number is not None:
            return self.number(whole) if self.number in (float, complex) else self.dtype.type(whole)
        self.passed = whole if whole.dtype == self.dtype else whole.astype(self.dtype)
        return self.passed

    def written(self) -> None:
        """Let the tensors take over what was written to the array that f was given."""
        if self.passed is not None and (self.complex or self.passed.dtype != np.float64):
            for tensor, part in zip(self.tensors.values(), (self.passed.real, self.passed.imag), strict=False):
                if not np.array_equal(tensor.astype(part.dtype), part, equal_nan=True):
                    tensor[...] = part

    def gradients(self, gradient: Any, conjugate: bool) -> Gradients:
        """Split a gradient as the tensors are."""
        if gradient is None:
            return dict.fromkeys(self.tensors)
        array = np.array(gradient)
        if not self.complex:
            return {self.name: array}
        imag = -array.imag if conjugate else array.imag
        return dict(zip(self.tensors, (array.real.copy(), np.array(imag)), strict=True))


class FunctionTarget(Target):
    """A `Pair`, under a random upstream gradient.

    Parameters
    ----------
    pair : what is checked.
    rng : draws the upstream gradient.
    conjugate : whether complex gradients follow the "conjugate" convention.
    precise : whether f is given float64 whatever the dtype of the arguments.
    """

    layer: Any

    def __init__(self, pair: Pair, rng: np.random.Generator, conjugate: bool = False, precise: bool = True):
        self.pair, self.conjugate = pair, conjugate
        self.layer = SimpleNamespace(**{**pair.constants, "functions": (pair.f, pair.vjp, pair.as_if)})
        super().__init__()
        self.replay = pair.replay = pair.replay or self.replay     # from before the first target of a pair
        self.replay.restore()
        self.leaves: list[Any] = []                        # of the arguments: an Argument, or what never changes
        self.positions: list[int] = []                     # the argument that each belongs to
        for position, (arg, name) in enumerate(zip(pair.args, pair.names, strict=True)):
            for leaf_name, leaf in leaves(arg, name):
                self.leaves.append(Argument(leaf_name, leaf, precise) if is_floating(leaf) else leaf)
                self.positions.append(position)
                self._add_tensors(self.leaves[-1], leaf_name, position in pair.wrt)
        self.no_branches = not any(map(is_branch, pair.args))
        self.input_name = next(iter(self.tensors), "")
        self.x = np.atleast_1d(next(iter(self.tensors.values()), np.zeros(0)))
        self.y = self._run(pair.f)
        y = self.flat(self.y)
        self._set_precision()
        self.upstream = self._rounded(random_upstream(y.shape, rng))
        ys = [np.asarray(leaf) for _, leaf in leaves(self.y) if is_floating(leaf)]
        alone = len(ys) == 1 and ys[0].dtype.kind == "f"
        self.dy = self.upstream.reshape(ys[0].shape) if alone else self.upstream

    def _add_tensors(self, leaf: Any, name: str, checked: bool) -> None:
        if isinstance(leaf, Argument) and checked:
            for key, tensor in leaf.tensors.items():
                self.add(key, tensor)
        elif isinstance(leaf, np.ndarray) and checked:
            self.add(name, leaf)                           # whole numbers: noted as not measured

    @property
    def is_complex(self) -> bool:
        """Whether any argument, or any output, is complex."""
        return (any(isinstance(leaf, Argument) and leaf.complex for leaf in self.leaves)
                or any(np.asarray(leaf).dtype.kind == "c" for _, leaf in leaves(self.y) if is_floating(leaf)))

    def _set_precision(self) -> None:
        coarse = {np.asarray(leaf).dtype for _, leaf in leaves(self.y) if is_floating(leaf)} - {
            np.dtype(np.float64), np.dtype(np.complex128)}
        if coarse:
            self.eps = max(float(np.finfo(dtype).eps) for dtype in coarse)
            dtypes = " and ".join(sorted(map(str, coarse)))
            self.notes["y"] = f"{self.pair.words[0]} returns {dtypes}: small errors cannot be seen"

    def arguments(self) -> tuple[Any, ...]:
        """Return the arguments as f is given them, with what the tensors hold now."""
        made = [leaf.make() if isinstance(leaf, Argument) else leaf for leaf in self.leaves]
        return tuple(made if self.no_branches else rebuild(self.pair.args, iter(made)))

    def _run(self, f: Function, args: tuple[Any, ...] | None = None) -> Any:
        self.replay.restore()
        y = as_numpy(f(*(self.arguments() if args is None else args)), "the output")
        if args is None:
            self._note_writes()
        return y

    def _note_writes(self) -> None:
        for leaf in self.leaves:
            if isinstance(leaf, Argument):
                leaf.written()

    def flat(self, y: object) -> np.ndarray:
        """Return all outputs as one new float64 vector (M,): real numbers, then of a complex array the imaginary."""
        if isinstance(y, np.ndarray) and y.dtype.kind == "f":          # as most are: it is run some thousand times
            return y.astype(np.float64).ravel()
        parts = []
        for _, leaf in leaves(y):
            if is_floating(leaf):
                array = np.asarray(leaf)
                parts += [array.real.ravel(), array.imag.ravel()] if array.dtype.kind == "c" else [array.ravel()]
        return np.concatenate(parts, dtype=np.float64) if parts else np.zeros(0)

    def forward(self) -> tuple[np.ndarray, Any]:
        """Run f, with the random state restored."""
        return self.flat(self._run(self.pair.f)), None

    def outputs(self) -> np.ndarray:
        """Run f, or what it is measured as, with the random state restored."""
        return self.flat(self._run(self.pair.as_if or self.pair.f))

    def upstream_tree(self, dy: np.ndarray) -> Any:
        """Return a vector (M,) in the form of f's outputs: arrays of the same dtypes, zeros for whole numbers."""
        rest = np.array(dy, np.float64).ravel()

        def next_leaf(leaf: Any) -> Any:
            nonlocal rest
            if not is_floating(leaf):
                return None if leaf is None else np.zeros_like(leaf)
            array = np.asarray(leaf)
            real, rest = rest[:array.size], rest[array.size:]
            if array.dtype.kind == "c":
                imag, rest = rest[:array.size], rest[array.size:]
                real = real + (-1j if self.conjugate else 1j) * imag
            whole = real.reshape(array.shape).astype(array.dtype)
            return whole if isinstance(leaf, np.ndarray) else type(leaf)(whole)
        return rebuild(self.y, map(next_leaf, [leaf for _, leaf in leaves(self.y)]))

    def _rounded(self, upstream: np.ndarray) -> np.ndarray:
        """Return what is left of the upstream gradient in the outputs' dtypes."""
        rounded = self.flat(self.upstream_tree(upstream))
        return np.copysign(rounded, upstream)              # the imaginary part of a conjugate has another sign

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Run f and vjp; return the gradients by the names of the tensors."""
        dy = np.asarray(self.dy if dy is None else dy)
        passed = self.upstream_tree(dy)
        before = self.flat(passed)
        self._run(self.pair.f)
        if between:
            between()
        if self.pair.reruns:
            self.replay.restore()
        returned = self.pair.vjp(passed, *self.arguments())
        self._note_writes()
        if self.pair.reruns:
            self.replay.restore()
        self.dy_changed = not np.array_equal(self.flat(passed), before, equal_nan=True)
        return self._by_name(returned)

    def _by_name(self, returned: object) -> Gradients:
        gradients: Gradients = {}
        per_argument = one_for_each(returned, self.pair)
        found: Iterator[object] = iter([
            leaf for arg, gradient, name in zip(self.pair.args, per_argument, self.pair.names, strict=True)
            for leaf in matched(arg, gradient, name)])
        for leaf, position, gradient in zip(self.leaves, self.positions, found, strict=True):
            if isinstance(leaf, Argument) and position in self.pair.wrt:
                gradients |= leaf.gradients(gradient, self.conjugate)
        return gradients

    def another_forward(self) -> object:
        """Run f on arguments in reverse order, or, where it does not take these, on arguments a little smaller."""
        for change in (lambda a: np.flip(a).copy(), lambda a: a * 0.984375):
            new = [changed(leaf.make(), change) if isinstance(leaf, Argument) else leaf for leaf in self.leaves]
            try:
                return self._run(self.pair.f, tuple(rebuild(self.pair.args, iter(new))))
            except Exception:                              # f may ask more of its arguments than their shape
                continue
        return None


def changed(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Return an array or a number changed, of the same type."""
    if isinstance(value, np.ndarray):
        return change(value).astype(value.dtype)
    return type(value)(change(np.asarray(value)))


def one_for_each(returned: Any, pair: Pair) -> list[Any]:
    """Return what vjp returned as a list of one gradient for each argument, None for those that are not checked.

    With a single argument, or a single one that can have a gradient, it may be the gradient alone; as many gradients
    as arguments are checked are those of these.
    """
    args = pair.args
    with_slopes = [k for k, arg in enumerate(args) if any(is_floating(leaf) for _, leaf in leaves(arg))]
    if len(args) == 1 and not wrapped(args[0], returned):
        return [returned]
    if isinstance(returned, (tuple, list)) and len(returned) == len(args):
        return list(returned)
    for wanted in (pair.wrt, with_slopes):
        if isinstance(returned, (tuple, list)) and len(returned) == len(wanted) and not (
                len(wanted) == 1 and not wrapped(args[wanted[0]], returned)):
            return spread(returned, wanted, len(args))
        if len(wanted) == 1 and not wrapped(args[wanted[0]], returned):
            return spread([returned], wanted, len(args))
    raise WrongStructure(f"expected {len(args)} gradients, one for each of {', '.join(pair.names)}. "
                         f"Received: {kind_of(returned)}")


def spread(gradients: Any, positions: list[int], count: int) -> list[Any]:
    """Return a list of `count` with the gradients at these positions and None elsewhere."""
    found = dict(zip(positions, gradients, strict=True))
    return [found.get(k) for k in range(count)]


def wrapped(arg: object, returned: Any) -> bool:
    """Return whether what was returned for one argument is a tuple or list that holds its gradient."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 1:
        return False
    try:
        matched(arg, returned)
    except WrongStructure:
        return True
    return False
