"""Configs: how a layer, an initializer, an optimizer, ... is written as JSON, and rebuilt from it.

A config is a scalar, a list of configs, or ``{"class": name, "config": {argument: config}}`` with a name from a closed
registry: the classes of this package, and those of your own that you pass in. Nothing is imported by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from tinynet import constraints, initializers, layers, losses, optimizers, regularizers, schedules
from tinynet.registry import Config, pick

# no limit is reached by a model that somebody trains; all of them bound what an untrusted file can cost to build
MAX_LIST, MAX_ENTRIES, MAX_DEPTH = 1_000, 3_000, 40

KNOWN: dict[str, Any] = {
    **{name: getattr(layers, name) for name in layers.__all__},
    **{cls.__name__: cls for module in (initializers, regularizers, constraints, schedules, losses, optimizers)
       for cls in module.KNOWN.values()},
}


def plain(config: object, what: str) -> Any:
    """Return a config as JSON can hold it: tuples as lists, NumPy's scalars as Python's.

    Raises a TypeError that begins with `what` for values that no config may hold, and for too many of them.
    """
    entries = 0

    def walk(value: object, depth: int = 0) -> object:
        nonlocal entries
        if isinstance(value, (np.bool_, np.integer, np.floating)):
            value = value.item()
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (int, float)) and math.isfinite(value) and abs(value) < 2**63:
            return value
        if isinstance(value, (list, tuple)) and len(value) <= MAX_LIST and depth < MAX_DEPTH:
            return [walk(item, depth + 1) for item in value]
        if is_entry(value) and entries < MAX_ENTRIES and depth < MAX_DEPTH:
            entries += 1
            return {"class": value["class"],
                    "config": {key: walk(item, depth + 1) for key, item in value["config"].items()}}
        raise TypeError(f"{what}: expected a config of finite numbers, strings, lists (of at most {MAX_LIST:,}) and "
                        f"{{'class': ..., 'config': ...}} (at most {MAX_ENTRIES:,}), at most {MAX_DEPTH} deep. "
                        f"Received: {str(value)[:100]}.")
    return walk(config)


def is_entry(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether this is a ``{"class": name, "config": {argument: ...}}``."""
    return (isinstance(value, Mapping) and value.keys() == {"class", "config"} and isinstance(value["class"], str)
            and isinstance(value["config"], Mapping) and all(isinstance(key, str) for key in value["config"]))


def rebuild(entry: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Make what a ``{"class", "config"}`` describes, and first what such entries inside its config describe.

    A class of your own that defines ``from_config`` receives the config as it is, and rebuilds what is inside itself.
    """
    name, config = entry["class"], entry["config"]
    try:
        cls = pick("layer", name, known)
    except ValueError as error:
        raise ValueError(f"{error} A class of your own is named in custom_layers={{{name!r}: ...}}.") from None
    if callable(cls) and not isinstance(cls, type) and not config:
        return cls                                            # a function of one's own, known by its name alone
    if not isinstance(cls, type):
        raise ValueError(f"Expected a class under the name {name!r}. Received: {cls!r}.")
    own = getattr(cls, "from_config", None)
    if own is not None and not own.__module__.startswith("tinynet."):
        return own(config)
    return cls(**arguments(config, known))


def arguments(config: Mapping[str, Any], known: Mapping[str, Any]) -> Config:
    """Return a config's arguments, everything that they describe rebuilt."""
    def rebuilt(value: object) -> object:
        if isinstance(value, list):
            return [rebuilt(item) for item in value]
        return rebuild(value, known) if is_entry(value) else value
    return {key: rebuilt(value) for key, value in config.items()}
