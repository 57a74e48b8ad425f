"""Names to things: how a string, a config or an object becomes a layer, a loss, an optimizer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Config = dict[str, Any]                                 # constructor arguments, such as JSON can hold
Identifier = str | type | Mapping[str, Any]             # a name, a class or a config: what `resolve` makes an object of


def pick(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return ``known[name]``, or raise a ValueError that names the nearest known one.

    >>> pick("optimizer", "adm", {"adam": 1, "sgd": 2})
    Traceback (most recent call last):
    ...
    ValueError: Unknown optimizer 'adm'. Did you mean 'adam'? Known: 'adam', 'sgd'.
    """
    if name in known:
        return known[name]
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(map(repr, known))}.")


def resolve(kind: str, identifier: object, known: Mapping[str, type]) -> Any:
    """Return an object for a known name, a class, or a ``{"class", "config"}``; anything else as it is.

    Keras's key, ``"class_name"``, is taken for ``"class"``.
    """
    if isinstance(identifier, str):
        return pick(kind, identifier, known)()
    if isinstance(identifier, type):
        return identifier()
    if isinstance(identifier, Mapping):
        by_class = {cls.__name__: cls for cls in known.values()}
        config = identifier.get("config", {})
        cls = pick(kind, str(identifier.get("class", identifier.get("class_name"))), by_class)
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)
    return identifier


def to_config(thing: object) -> Config | None:
    """Return the ``{"class", "config"}`` that `resolve` makes `thing` from again; None for None."""
    if thing is None:
        return None
    if not hasattr(thing, "get_config"):
        raise TypeError(f"{thing!r} has no get_config(), so a config cannot hold it.")
    return {"class": class_name(thing), "config": thing.get_config()}


def class_name(thing: object) -> str:
    """Return the name of an object's class, or the ``class_name`` by which it wants to be known instead."""
    own = getattr(thing, "__dict__", {})                      # of a layer, a missing name takes long to say no
    return own.get("class_name", type(thing).__name__)


class Configured:
    """Base of what is defined by its constructor's arguments alone: initializers, schedules, losses, ..."""

    def get_config(self) -> Config:
        """Return the arguments that make this object again; they are its public attributes."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(repr(self))
