"""Names to things: how a string, a config or an object becomes a layer, a loss, an optimizer."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Config = dict[str, Any]                                 # constructor arguments, such as JSON can hold
Identifier = str | type | Mapping[str, Any]             # a name, a class or a config: what `resolve` makes an object of
RENAMED = {                                             # arguments that scripts for older versions of Keras use
    "lr": "learning_rate", "alpha": "negative_slope", "border_mode": "padding", "subsample": "strides",
    "init": "kernel_initializer", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint", "bias": "use_bias", "batch_shape": "shape",
    "batch_input_shape": "input_shape", "epsilon": "min_delta", "period": "save_freq",
}


def pick(kind: str, name: str, known: Mapping[str, T]) -> T:
    """Return ``known[name]``, or raise a ValueError that names the nearest known one.

    >>> pick("optimizer", "adm", {"adam": 1, "sgd": 2})
    Traceback (most recent call last):
    ...
    ValueError: Unknown optimizer 'adm'. Did you mean 'adam'? Known: 'adam', 'sgd'.
    """
    if name in known:
        return known[name]
    raise ValueError(f"Unknown {kind} {name!r}.{hint(name, list(known))} Known: {', '.join(map(repr, known))}.")


def hint(name: object, known: list[str]) -> str:
    """Return a question whether the nearest known name was meant, the first of several, or nothing if none is near."""
    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, other, str(name)).ratio()
    near = max(known, key=likeness, default="")
    return f" Did you mean '{near}'?" if likeness(near) >= 0.6 else ""


def spelled(name: str, known: Mapping[str, object]) -> str:
    """Return how a known thing is spelled here, given its name or that of its class, or the name as it is.

    >>> spelled("HeNormal", {"he_uniform": 1, "he_normal": 2})
    'he_normal'
    """
    def letters(text: str) -> str:
        return text.replace("_", "").lower()
    return name if name in known else next((other for other in known if letters(other) == letters(name)), name)


def constructor_arguments(cls: type) -> dict[str, inspect.Parameter]:
    """Return what the constructor of a class takes by name, and those of its bases as far as they are passed on."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[:-1]:                                                  # the last is object
        if "__init__" in vars(base):
            parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]        # without self
            found = {**{p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}, **found}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return found


def refuse_unknown(cls: type, given: Mapping[str, object]) -> None:
    """Raise a TypeError if a class was called with arguments that it does not have."""
    for name in given:
        known, renamed = list(constructor_arguments(cls)), RENAMED.get(name)
        meant = f" Did you mean '{renamed}'?" if renamed in known else hint(name, known)
        raise TypeError(f"{cls.__name__}: expected no argument {name!r}.{meant} Known: {', '.join(known)}.")


def refuse_call(cls: type, instead: str) -> None:
    """Raise a TypeError if a class defines ``call``, as one for Keras does, and not what is called here instead."""
    if "call" in vars(cls) and instead.partition("(")[0] not in vars(cls):
        raise TypeError(f"{cls.__name__}: expected {instead}. Received: call, which nothing calls here.")


def resolve(kind: str, identifier: object, known: Mapping[str, type]) -> Any:
    """Return an object for a known name, a class, or a ``{"class", "config"}``; anything else as it is.

    Keras's key, ``"class_name"``, is taken for ``"class"``.
    """
    if isinstance(identifier, str):
        return pick(kind, spelled(identifier, known), known)()
    if isinstance(identifier, type):
        return identifier()
    if isinstance(identifier, Mapping):
        if not is_config(identifier):
            raise ValueError(f"Expected the config of one {kind}, {{'class': ..., 'config': {{...}}}}. Received: "
                             f"{identifier!r}.")
        by_class = {cls.__name__: cls for cls in known.values()}
        config = identifier.get("config", {})
        cls = pick(kind, str(identifier.get("class", identifier.get("class_name"))), by_class)
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)
    return identifier


def is_config(identifier: Mapping[str, Any]) -> bool:
    """Return whether a mapping says of which class an object is to be."""
    return "class" in identifier or "class_name" in identifier


def lacking(thing: object, name: str, of_base: str) -> AttributeError:
    """Return the error about an attribute that there is not; `of_base` is one that the base's constructor sets."""
    kind = type(thing).__name__
    if of_base not in vars(thing):
        return AttributeError(f"{kind}: expected super().__init__(...) first in its __init__. Received: no such call.")
    return AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=thing)


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
