"""A copy to experiment on: in float64, and with randomness that can be played again."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinynet.layers.base import Layer
from tinynet.steps.untouched import StateSnapshot
from tinynet.training.model import Model

Weight = tuple[MutableMapping[str, np.ndarray], str]       # an array by the dict that holds it, and its key there
EMPTY_CELL = CellType()         # a closed-over variable that has no value yet


def clone(thing: Any) -> Any:
    """Copy an object with all that it holds; modules, and what cannot be copied (locks, files), are shared."""
    try:
        return copy.deepcopy(thing, _modules())
    except Exception:                                      # which of its parts cannot be copied is not said
        shared = {id(part): part for part in found(thing, object) if not can_be_copied(part)}
    try:
        return copy.deepcopy(thing, _modules() | shared)
    except Exception:
        return thing


def can_be_copied(part: Any) -> bool:
    """Return whether an object can be copied, whatever becomes of its parts."""
    try:
        copy.copy(part)
        if hasattr(part, "__deepcopy__"):
            copy.deepcopy(part)
    except Exception:
        return False
    return True


def float64_clone(layer: Any) -> Any:
    """Copy a layer with all that it holds; parameters and floating state become float64, wherever it refers to them.

    The models in it become models of that dtype.
    """
    memo = _modules()                                      # deepcopy's: what stands for which object in the copy
    before = weights_of(layer)
    wanted = [np.array(arrays[key], float64_unless_whole(arrays[key]), order="C") for arrays, key in before]
    for (arrays, key), array in zip(before, wanted, strict=True):
        memo[id(arrays[key])] = array
    copied = copy.deepcopy(layer, memo)
    for (arrays, key), array in zip(weights_of(copied), wanted, strict=True):
        if arrays[key] is not array:                       # a plain number, which deepcopy does not look up
            arrays[key] = array
    set_dtype_of_models(copied, np.float64)
    return copied


def set_dtype_of_models(thing: Any, dtype: DTypeLike) -> None:
    """Give the models that an object is or holds the dtype that their arrays were cast to: a call casts its input."""
    for model in found(thing, Model):
        model.dtype = np.dtype(dtype)


def weights_of(layer: Any) -> list[Weight]:
    """List what a layer has learned, each array as (dict, key); it may be anybody's, without a ``state``."""
    return [(arrays, key) for arrays in (layer.params, getattr(layer, "state", {})) for key in arrays]


def float64_unless_whole(array: Any) -> np.dtype:
    """Return float64 for floating numbers, else the array's own dtype."""
    dtype = np.asarray(array).dtype
    return np.dtype(np.float64) if dtype.kind == "f" else dtype


def _modules() -> dict[int, Any]:
    modules = list(sys.modules.values())
    return dict(zip(map(id, modules), modules, strict=True))           # thousands, for every copy


def generators(thing: Any) -> Iterator[Any]:
    """Find every NumPy random generator that an object holds, at whatever depth."""
    return found(thing, (np.random.Generator, np.random.RandomState))


def found(thing: Any, kind: type | tuple[type, ...], seen: set[int] | None = None) -> Iterator[Any]:
    """Find every instance of `kind` that an object is or holds, at whatever depth."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (type, ModuleType, np.ndarray, str, bytes)):
        return
    seen.add(id(thing))
    if isinstance(thing, kind):
        yield thing
    for part in parts_of(thing):
        yield from found(part, kind, seen)


def parts_of(thing: Any) -> Iterator[Any]:
    """Yield what an object holds: its items, its attributes; what a function was closed over, or is bound to."""
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set)):
        yield from thing
    elif isinstance(thing, partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, FunctionType):
        yield from (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
        yield from closed_over(thing).values()
    yield from list(getattr(thing, "__dict__", {}).values())


def closed_over(function: FunctionType) -> dict[str, Any]:
    """Return the variables that a function was closed over, by name, but for those that have no value yet."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if cell != EMPTY_CELL}


class Replay:
    """The random state of an object as it is now, and its layers' ``state``, to be put back before each experiment.

    NumPy's global state belongs to it too, for layers that draw from ``np.random``; but putting it back is slow, and
    most layers do not, so that it waits for `moved_globally` to see it happen.

    >>> rng = np.random.default_rng(0)
    >>> replay = Replay({"rng": rng})
    >>> first = rng.random()
    >>> replay.restore()
    >>> rng.random() == first
    True
    """

    def __init__(self, thing: Any):
        self.states = [(generator, state_of(generator)) for generator in generators(thing)]
        self.layer_state = StateSnapshot(thing.leaves() if isinstance(thing, Layer) else ())
        self.globally = np.random.get_state()
        self.draws_globally = False

    def restore(self) -> None:
        """Put every generator, and every layer's ``state``, back."""
        self.layer_state.restore()
        for generator, state in self.states:
            if isinstance(generator, np.random.RandomState):
                generator.set_state(state)
            else:
                generator.bit_generator.state = state
        if self.draws_globally:
            np.random.set_state(self.globally)

    def move(self) -> None:
        """Put everything back, then draw a number from each generator: what is drawn next is drawn anew."""
        self.restore()
        for generator, _ in self.states:
            generator.random()
        np.random.random()
        self.draws_globally = True

    def moved(self) -> bool:
        """Return whether anything has been drawn since the last `restore`."""
        return self.moved_globally() or any(str(state_of(generator)) != str(state) for generator, state in self.states)

    def moved_globally(self) -> bool:
        """Return whether anything has been drawn from NumPy's global state; remember that it happens."""
        now = np.random.get_state()
        moved = not all(np.array_equal(a, b) for a, b in zip(now, self.globally, strict=True))
        self.draws_globally |= moved
        return moved


def state_of(generator: Any) -> Any:
    """Return the state of a generator, of either of NumPy's two kinds."""
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    return generator.bit_generator.state


@contextmanager
def global_random_state_kept() -> Iterator[None]:
    """Leave NumPy's global random state behind as it was."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
