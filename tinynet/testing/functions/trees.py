"""Trees: arrays and numbers in tuples, lists and dicts, nested in any way."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Leaves = list[tuple[str, object]]          # (name, leaf): ("x[0]['w']", array([1.0, 2.0]))


class WrongStructure(Exception):           # noqa: N818  (told in the report, not raised to the user)
    """A gradient is not nested as its argument is."""


def leaves(tree: object, name: str = "") -> Leaves:
    """List the leaves of a tree with their names, in order; what is no tuple, list or dict is a leaf.

    >>> leaves(({"w": 1.0, "b": [2.0, 3.0]}, 4.0), "x")
    [("x[0]['w']", 1.0), ("x[0]['b'][0]", 2.0), ("x[0]['b'][1]", 3.0), ('x[1]', 4.0)]
    """
    if not is_branch(tree):
        return [(name, tree)]
    return [leaf for key, part in items(tree) for leaf in leaves(part, f"{name}[{key!r}]")]


def is_branch(tree: object) -> bool:
    """Return whether something has parts: a tuple, a list or a dict."""
    return isinstance(tree, (tuple, list, dict))


def items(tree: Any) -> Iterable[tuple[object, object]]:
    """Return the parts of a branch, each with its key or index."""
    return tree.items() if isinstance(tree, dict) else enumerate(tree)


def rebuild(tree: Any, new: Iterator[Any]) -> Any:
    """Return a tree like this one with other leaves, taken in order.

    >>> rebuild(({"w": 1.0, "b": [2.0, 3.0]}, 4.0), iter("abcd"))
    ({'w': 'a', 'b': ['b', 'c']}, 'd')
    """
    if not is_branch(tree):
        return next(new)
    if isinstance(tree, dict):
        rebuilt = copy.copy(tree)                          # an OrderedDict stays one
        for key, part in tree.items():
            rebuilt[key] = rebuild(part, new)
        return rebuilt
    parts = [rebuild(part, new) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)       # a named tuple, or not


def matched(tree: object, other: Any, name: str = "") -> list[object]:
    """List the leaves of another tree that stand where the leaves of the first do; None stands for None throughout.

    Raises
    ------
    WrongStructure : where the two are not nested in the same way; for numbers in a list, an array of them will do.

    >>> matched({"w": 1.0, "b": (2.0, 3.0)}, {"b": (5.0, 6.0), "w": 4.0})
    [4.0, 5.0, 6.0]
    >>> matched({"w": 1.0, "b": (2.0, 3.0)}, {"w": 4.0, "b": (5.0,)}, "x")
    Traceback (most recent call last):
    tinynet.testing.functions.trees.WrongStructure: x['b']: expected a tuple of 2. Received: a tuple of 1
    """
    if not is_branch(tree):
        if is_branch(other):
            raise WrongStructure(f"{name}: expected an array or a number. Received: {kind_of(other)}")
        return [other]
    if other is None:
        return [None for _ in leaves(tree)]
    keys = [key for key, _ in items(tree)]
    if isinstance(tree, dict) != isinstance(other, dict) or keys_of(other) != set(keys):
        raise WrongStructure(f"{name}: expected {kind_of(tree)}. Received: {kind_of(other)}")
    return [leaf for key, part in items(tree) for leaf in matched(part, other[key], f"{name}[{key!r}]")]


def keys_of(tree: object) -> set[object]:
    """Return the keys or indices of a branch, or of an array along its first axis."""
    if isinstance(tree, np.ndarray):
        return set(range(len(tree))) if tree.ndim else set()
    return {key for key, _ in items(tree)} if is_branch(tree) else set()


def kind_of(tree: object) -> str:
    """Say what something is.

    >>> kind_of({"w": 1.0}), kind_of([1.0, 2.0]), kind_of(np.ones((2, 3))), kind_of(None)
    ("a dict of 'w'", 'a list of 2', 'an array of shape (2, 3)', 'None')
    """
    if isinstance(tree, dict):
        return f"a dict of {', '.join(map(repr, tree))}"
    if isinstance(tree, (tuple, list)):
        return f"a {type(tree).__name__} of {len(tree)}"
    return f"an array of shape {tree.shape}" if isinstance(tree, np.ndarray) else repr(tree)


def as_numpy(tree: Any, name: str = "") -> Any:
    """Return a tree with the arrays of other libraries, such as JAX, as NumPy's; tensors of PyTorch are refused.

    A function of tensors would not take what it is given instead.
    """
    def converted(leaf_name: str, leaf: Any) -> Any:
        if isinstance(leaf, (np.ndarray, np.generic)) or not hasattr(leaf, "__array__"):
            return leaf
        if type(leaf).__module__.split(".")[0] == "torch":
            raise TypeError(f"expected NumPy arrays. Received: a {type(leaf).__name__} of torch, in {leaf_name}. For "
                            "what PyTorch differentiates, use check_function; for a pair, convert in f and vjp.")
        return np.array(leaf) if getattr(leaf.dtype, "kind", "O") in "fciub" else leaf
    return tree if isinstance(tree, np.ndarray) else rebuild(tree, (converted(*leaf) for leaf in leaves(tree, name)))


def is_floating(leaf: object) -> bool:
    """Return whether a leaf has slopes: a floating or complex array, or number; whole numbers have none."""
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind in "fc"
    return isinstance(leaf, (float, complex))
