"""Hypothesis strategies for shapes, arrays and trees of arrays, on kinks or away from them, in any memory layout."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.extra.numpy import arrays as numpy_arrays
from hypothesis.strategies import DrawFn, SearchStrategy
from hypothesis.vendor.pretty import IDKey, RepresentationPrinter
from numpy.typing import DTypeLike

from tinynet.testing.contract.specimen import LAYOUTS

Shape = tuple[int, ...]

# Larger images, windows and strides have no bugs of their own, only slower tests.
MAX_SIDE, MAX_WINDOW, MAX_STRIDE = 8, 4, 3

TINY = 2.0 ** -20           # 1e-6, exact beside 1 in float32 too


def shapes(min_dims: int = 1, max_dims: int = 3) -> SearchStrategy[Shape]:
    """Draw shapes of one sample: (features,), (time steps, features), and most often images (C, H, W)."""
    side = st.integers(1, MAX_SIDE)
    kinds: dict[int, list[SearchStrategy]] = {
        1: [st.tuples(side)], 2: [st.tuples(side, side)], 3: 2 * [image_shapes()]}
    return any_of([shape for dims in range(min_dims, max_dims + 1) for shape in kinds[dims]])


def any_of(choices: list[SearchStrategy]) -> SearchStrategy:
    """Draw from any of the strategies, the simplest first; one that is listed twice is drawn twice as often."""
    return st.integers(0, len(choices) - 1).flatmap(choices.__getitem__)         # shrinks towards the first


def image_shapes() -> SearchStrategy[Shape]:
    """Draw shapes (C, H, W) of small images, seldom square, most of them larger than a window."""
    sides = pairs((MAX_SIDE, MAX_SIDE)) | pairs((MAX_SIDE, MAX_SIDE), least=MAX_WINDOW)
    return st.tuples(st.integers(1, 3), sides).map(lambda drawn: (drawn[0], *drawn[1]))


def pairs(most: Shape, least: int = 1) -> SearchStrategy[Shape]:
    """Draw (height, width) of images, windows or strides, each from `least` to its own most, the simplest first.

    Both come from one draw. Of two, Hypothesis would often make the second a copy of the first, and what mistakes
    height for width is right for squares; these are drawn half as often as the others.
    """
    every = list(product(*(range(least, side + 1) for side in most)))
    return st.sampled_from(every + [(height, width) for height, width in every if height != width])


@st.composite
def tie_free_arrays(draw: DrawFn, shape: Shape | SearchStrategy[Shape], dtype: DTypeLike = np.float64) -> np.ndarray:
    """Draw arrays without equal numbers and without zero: away from the kinks of a ReLU and of a maximum.

    The numbers are evenly spaced between -2 and 2, the nearest half a spacing away from zero, in any order; the
    simplest is sorted.
    """
    shape = draw(shape) if isinstance(shape, SearchStrategy) else shape
    size = math.prod(shape)
    seed = draw(st.integers(0, 2**32 - 1))
    order = np.random.default_rng(seed).permutation(size) if seed else np.arange(size)
    spacing = 2.0 ** -math.ceil(math.log2(max(4, size) / 4))        # a power of two: exact in float32 too
    return ((order - size // 2 + 0.5) * spacing).reshape(shape).astype(dtype)


@st.composite
def tied_arrays(draw: DrawFn, shape: Shape | SearchStrategy[Shape], dtype: DTypeLike = np.float64) -> np.ndarray:
    """Draw arrays of 0, 1 and -1, and of numbers a millionth above and below these; the simplest is all zeros.

    Many are equal, many nearly equal: on the kinks of ReLU, abs, maximum and sort, and right beside them. Arrays of
    more than 64 numbers repeat one of them in most places, for speed.
    """
    shape = draw(shape) if isinstance(shape, SearchStrategy) else shape
    values = st.sampled_from([kink + offset for kink in (0.0, 1.0, -1.0) for offset in (0.0, TINY, -TINY)] + [-0.0])
    fill = st.nothing() if math.prod(shape) <= 64 else values
    return draw(numpy_arrays(dtype, shape, elements=values, fill=fill))


@st.composite
def strided_arrays(draw: DrawFn, arrays: SearchStrategy[np.ndarray]) -> np.ndarray:
    """Draw what another strategy draws, in another memory layout: negative strides, read-only, ...

    A failing example has the NumPy calls that make the array: ``np.asfortranarray(np.array([[0.0, 1.0]]))``.
    """
    array = draw(arrays)
    if array.ndim == 0:
        return array                                         # a number has but one layout
    layout = draw(st.sampled_from(list(LAYOUTS)))
    laid_out = LAYOUTS[layout](array)
    print_as(LAYOUT_CALLS[layout].format(array_call(array), array.shape), laid_out)
    return laid_out


LAYOUT_CALLS = {                                             # what gives an array each of LAYOUTS, with NumPy alone
    "C-ordered": "{}",
    "Fortran-ordered": "np.asfortranarray({})",
    "every other number of a larger array": "np.repeat({}, 2, axis=-1)[..., ::2]",
    "with negative strides": "np.flip(np.flip({}).copy())",
    "read-only": "np.broadcast_to({}, {})",                  # to its own shape: what this returns is read-only
}


def array_call(array: np.ndarray) -> str:
    """Return the call that makes the array, with all digits: ``np.array([[0.0, 1.0]])``."""
    dtype = str(array.dtype)
    if array.size == 0:
        return f"np.zeros({array.shape}, {dtype!r})"         # [] would leave axes out
    numbers = array.tolist()
    text = re.sub("nan|inf", r"np.\g<0>", str(numbers)) if array.dtype.kind == "f" else str(numbers)
    return f"np.array({text})" if np.array(numbers).dtype == array.dtype else f"np.array({text}, {dtype!r})"


def print_as(call: str, thing: object) -> None:
    """Let Hypothesis print a thing as this call; `constructed` does not do, which prefers a repr that is shorter."""
    def write(thing: object, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(call)
    current_build_context().known_object_printers[IDKey(thing)].append(write)


# Arguments of functions.

def argument_trees(arrays: SearchStrategy[np.ndarray] | None = None, max_arrays: int = 5) -> SearchStrategy[Any]:
    """Draw arrays in tuples, lists and dicts, nested, one bare array the simplest: arguments of plain functions.

    For a function with its gradient written by hand, ``f(tree) -> y`` and ``vjp(tree, dy) -> gradient``: the gradient
    is nested as the tree is, each array of it with the shape of that in the tree.

    Parameters
    ----------
    arrays : draws the arrays; None draws them tie-free, in float64, of shapes from () to (3, 3).
    max_arrays : how many arrays there are in a tree at most; one at least.
    """
    if arrays is None:
        arrays = tie_free_arrays(st.lists(st.integers(1, 3), max_size=2).map(tuple))

    def nested(trees: SearchStrategy[Any]) -> SearchStrategy[Any]:
        lists = st.lists(trees, min_size=1, max_size=3)
        return lists.map(tuple) | lists | st.dictionaries(st.sampled_from("abc"), trees, min_size=1, max_size=3)
    return st.recursive(arrays, nested, max_leaves=max_arrays)
