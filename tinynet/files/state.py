"""What training has changed besides the parameters, as a tree of plain values and arrays; and back.

`pack` and `unpack` put any such tree (dicts, lists, scalars, arrays) into the document and the arrays of a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.files import safefile
from tinynet.files.saveable import HasGenerator, Saveable
from tinynet.optimizers import Optimizer

# what JSON lacks: {"$array": its name in the file}, {"$stack": that of an array of equal ones, of which there may be a
# great many}, {"$scalar": [NumPy's dtype, its value]}, {"$number": "nan", "inf" or "-inf"}, and, for a dict whose order
# is not that of its keys, {"$items": [[key, value], ...]}
ARRAY, STACK, SCALAR, NUMBER, ITEMS = "$array", "$stack", "$scalar", "$number", "$items"


def pack(value: object, name: str, arrays: dict[str, np.ndarray]) -> object:
    """Return `value` as JSON can hold it; the arrays in it are added to `arrays`, under names that begin with `name`.

    Raises TypeError for what is neither None, a bool, a number, a string or an array, nor a list, a tuple or a
    dict with string keys of those; a tuple comes back as a list.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {NUMBER: repr(float(value))}
    if isinstance(value, np.generic) and value.dtype.str[1:] in safefile.CODES:
        return {SCALAR: [value.dtype.str[1:], pack(value.item(), name, arrays)]}
    if isinstance(value, list) and len(value) > 1 and isinstance(value[0], np.ndarray) and len(
            {kind_of(item) for item in value}) == 1:
        return {STACK: pack(np.stack(value), name, arrays)}
    if isinstance(value, (np.ndarray, np.generic)):
        if name in arrays:
            raise ValueError(f"Two arrays have the name {name!r}.")
        arrays[name] = np.asarray(value)
        return {ARRAY: name}
    if isinstance(value, (list, tuple)):
        return [pack(item, f"{name}/{number}", arrays) for number, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        packed = {key: pack(item, f"{name}/{key}", arrays) for key, item in value.items()}
        in_order = list(packed) == sorted(packed)                     # the only order that canonical JSON keeps
        return packed if in_order else {ITEMS: [list(item) for item in packed.items()]}
    raise TypeError(f"{name}: expected scalars, strings, arrays, and lists or dicts (with strings for keys) of them. "
                    f"Received: {value!r}.")


def unpack(packed: object, arrays: dict[str, np.ndarray]) -> Any:
    """Return what `pack` was given, its arrays popped from `arrays` and copied; scalars of NumPy are so again."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if packed.keys() == {NUMBER}:
        return float(packed[NUMBER])
    if packed.keys() == {SCALAR}:
        code, value = packed[SCALAR]
        return np.dtype(safefile.DTYPES[safefile.CODES[code]]).type(unpack(value, arrays))
    if packed.keys() == {STACK}:
        return [item.copy() for item in unpack(packed[STACK], arrays)]
    if packed.keys() == {ITEMS}:
        return {key: unpack(item, arrays) for key, item in packed[ITEMS]}
    if packed.keys() == {ARRAY}:
        array = arrays.pop(packed[ARRAY])
        return array.astype(array.dtype.newbyteorder("="))[()]       # [()] makes a scalar of an array without axes
    return {key: unpack(item, arrays) for key, item in packed.items()}


# The optimizer: its updates so far, its learning rate where that is a number, and its running arrays.

def optimizer_state(optimizer: Optimizer, params: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what an optimizer has accumulated for these parameters."""
    rate = optimizer.learning_rate
    slots = {name: slots for name, slots in sorted(optimizer.slots.items())
             if name in params and all(slot.shape == params[name].shape for slot in slots.values())}
    return {"class": type(optimizer).__name__, "iterations": optimizer.iterations,
            "learning_rate": None if callable(rate) else rate, "slots": slots}


def check_optimizer(optimizer: Optimizer, state: Any, params: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless `restore_optimizer` can take this state."""
    require(isinstance(state, dict) and state.keys() == {"class", "iterations", "learning_rate", "slots"},
            "an optimizer's state", state)
    kind, iterations, rate = type(optimizer).__name__, state["iterations"], state["learning_rate"]
    require(state["class"] == kind, f"the state of the optimizer {kind}", state["class"])
    require(type(iterations) is int and 0 <= iterations < 2**63, "a count of updates", iterations)
    require((rate is None) == callable(optimizer.learning_rate), "a learning rate, unless a schedule gives it", rate)
    if rate is not None:
        optimizer.check_nonnegative("learning_rate", rate)
    require(isinstance(state["slots"], dict), "slots by parameter", state["slots"])
    for name, slots in state["slots"].items():
        require(name in params, f"slots of parameters {sorted(params)}", name)
        require(isinstance(slots, dict) and slots.keys() == set(optimizer.slot_names),
                f"slots {optimizer.slot_names} of {name!r}", slots)
        for slot, array in slots.items():
            require(kind_of(array) == kind_of(params[name]),
                    f"slot {slot!r} of {name!r}, {kind_of(params[name])}", kind_of(array))


def restore_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Restore what `optimizer_state` returned."""
    optimizer.iterations, optimizer.slots = state["iterations"], state["slots"]
    if state["learning_rate"] is not None:
        optimizer.learning_rate = state["learning_rate"]


# The random generators: the model's own, and those of layers that were built in another model or have their own.

def owners(model: Saveable) -> list[HasGenerator]:
    """List the model, and those of its layers that have a generator, ``rng``; models inside it never use theirs."""
    layers: list[Any] = [leaf for leaf in model.leaves() if leaf is model or leaf.leaves() == [leaf]]
    return [layer for layer in layers if isinstance(getattr(layer, "rng", None), np.random.Generator)]


def random_state(model: Saveable) -> dict[str, Any]:
    """Return the state of every generator in a model, and which of them each layer uses."""
    generators = [owner.rng for owner in owners(model)]
    distinct = list(dict.fromkeys(generators))                        # by identity
    return {"of": [distinct.index(generator) for generator in generators],
            "states": [generator_state(generator) for generator in distinct]}


def generator_state(generator: np.random.Generator) -> dict[str, int]:
    """Return the state of a generator of `np.random.default_rng`."""
    state: Any = generator.bit_generator.state
    require(state["bit_generator"] == "PCG64", "a generator of np.random.default_rng, PCG64", state["bit_generator"])
    return {"has_uint32": state["has_uint32"], "inc": state["state"]["inc"], "state": state["state"]["state"],
            "uinteger": state["uinteger"]}


def check_generator_state(saved: Any) -> None:
    """Raise a ValueError unless `restore_generator` can take this state."""
    limits = {"has_uint32": 2, "inc": 2**128, "state": 2**128, "uinteger": 2**32}
    require(isinstance(saved, dict) and saved.keys() == limits.keys()
            and all(type(saved[key]) is int and 0 <= saved[key] < limit for key, limit in limits.items()),
            "the state of a PCG64 generator", saved)


def restore_generator(generator: np.random.Generator, saved: Mapping[str, int]) -> np.random.Generator:
    """Restore what `generator_state` returned; return the generator."""
    generator.bit_generator.state = {
        "bit_generator": "PCG64", "state": {"state": saved["state"], "inc": saved["inc"]},
        "has_uint32": saved["has_uint32"], "uinteger": saved["uinteger"]}
    return generator


def check_random(model: Saveable, saved: Any) -> None:
    """Raise a ValueError unless `restore_random` can take this state."""
    require(isinstance(saved, dict) and saved.keys() == {"of", "states"} and isinstance(saved["states"], list)
            and isinstance(saved["of"], list), "the states of generators", saved)
    for state in saved["states"]:
        check_generator_state(state)
    wanted, of = len(owners(model)), saved["of"]
    require(len(of) == wanted and all(type(n) is int and 0 <= n < len(saved["states"]) for n in of),
            f"the generators of {wanted} layers", of)


def restore_random(model: Saveable, saved: Mapping[str, Any]) -> None:
    """Restore what `random_state` returned; layers that shared a generator share one again."""
    generators = {saved["of"][0]: model.rng}                          # the first owner is the model itself
    for owner, number in zip(owners(model), saved["of"], strict=True):
        owner.rng = generators.setdefault(number, np.random.default_rng())
    for number, generator in generators.items():
        restore_generator(generator, saved["states"][number])


def kind_of(array: object) -> str:
    """Write an array's dtype and shape: ``float32 (784, 10)``."""
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)[:100]


def require(condition: bool, expected: str, found: object) -> None:
    """Raise a ValueError unless `condition` holds."""
    if not condition:
        raise ValueError(f"expected {expected}. Found: {str(found)[:200]}")
