"""What a file would lose of layers, optimizers, ... of one's own: told when it is written, not when it is needed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.checks import invalid
from tinynet.files.configs import KNOWN, rebuild
from tinynet.files.saveable import Saveable
from tinynet.files.settings import layers_by_path
from tinynet.layers.base import Layer
from tinynet.layers.own_function import Lambda, name_of
from tinynet.registry import constructor_arguments, refuse_unknown

OF_EVERY_LAYER = {*vars(Layer()), "rng"}                # saved by other means, or the model's business


def check_arguments(model: Saveable) -> None:
    """Raise a ValueError where ``get_config`` leaves out an argument, which would come back as its default.

    The same where it has more than the constructor takes. Weights alone can be saved all the same.
    """
    expect_functions_of_different_names(model)
    for thing in own_things(model):
        owner = thing if isinstance(thing, Layer) else type(thing).__name__
        for name in left_out(thing):
            raise invalid(owner, f"all arguments of its constructor in get_config(), so that it can be made again: "
                                 f"return {{**super().get_config(), {name!r}: self.{name}}}", f"none for {name!r}")
        config, constructor = thing.get_config(), type(thing).__init__
        try:
            inspect.signature(type(thing)).bind(**config)
            if getattr(constructor, "__module__", "").startswith("tinynet."):      # ours take others, to tell of them
                taken = constructor_arguments(type(thing))
                refuse_unknown(type(thing), {key: value for key, value in config.items() if key not in taken})
        except TypeError as error:
            raise invalid(owner, "in get_config() what its constructor takes", error) from None


def expect_functions_of_different_names(model: Saveable) -> None:
    """Raise a ValueError where two functions have one name, by which alone a config tells them apart."""
    found: dict[str, object] = {}
    for _, layer in layers_by_path(model):
        for thing in (layer, *vars(layer).values()):
            if isinstance(thing, Lambda):
                name = name_of(thing.function)
                if found.setdefault(name, thing.function) is not thing.function:
                    raise invalid(layer, "functions with names of their own, def ...: a config has their names alone",
                                  f"two that are called {name}")


def left_out(thing: Any) -> list[str]:
    """Return the arguments that a config lacks, but for those that have their defaults.

    Of those that are passed on to a class of this package, it is known which that puts into the config.
    """
    config, kept, taken = thing.get_config(), vars(thing), constructor_arguments(type(thing))
    ours = next((base for base in type(thing).__mro__ if base.__module__.startswith("tinynet.")), object)
    passed_on = constructor_arguments(ours)
    own = [name for name, parameter in taken.items()
           if name not in passed_on and not (name in kept and same(kept[name], parameter.default))]
    needed = [*own, *(name for name in taken if name in passed_on and name in ours.get_config(thing))]         # type: ignore[attr-defined]
    return [name for name in needed if name not in {*config, "name", "input_shape"}]       # a model names its layers


def own_things(model: Saveable) -> Iterator[Any]:
    """Yield everything that a config of the model describes, and that is not of a class of this package."""
    parts: list[object] = [model.optimizer, model.loss, *model.metrics.values(), *model.weighted_metrics.values()]
    for _, layer in layers_by_path(model):
        parts += [layer, *vars(layer).values()]
    for thing in {id(part): part for part in parts}.values():
        if hasattr(thing, "get_config") and not isinstance(thing, type) and is_own(type(thing)):
            yield thing


def is_own(cls: type) -> bool:
    """Return whether a class is the user's, and leaves it to this package to make objects of it again."""
    from_config = getattr(cls, "from_config", None)
    return not cls.__module__.startswith("tinynet.") and (from_config is None
                                                          or from_config.__module__.startswith("tinynet."))


def warn_of_unsaved(model: Saveable) -> None:
    """Warn of numbers that layers keep where no file has them: outside ``params`` and ``state``, and changed since."""
    for path, layer in layers_by_path(model):
        names = unsaved(layer) if is_own(type(layer)) else []
        if names:
            warnings.warn(f"{path}: {', '.join(names)} will not be in the file, as only params and state are, and "
                          f"start anew when it is loaded. What a layer learns belongs in self.state; what it need not "
                          f"keep may have a name that begins with an underscore, and be made by forward.", stacklevel=5)


def unsaved(layer: Layer) -> list[str]:
    """Return the names of attributes with numbers that a layer made from the same arguments has otherwise."""
    kind, kept = type(layer).__name__, vars(layer)
    try:
        config = {**layer.get_config(), **{name: kept[name] for name in left_out(layer)}}
        fresh = rebuild({"class": kind, "config": config}, {**KNOWN, kind: type(layer)})
        if layer.output_shape is not None and layer.input_shape is not None:
            fresh.build(layer.input_shape, np.random.default_rng(0))
    except Exception:                                   # it cannot be made again, which `load_model` will say
        return []
    return [name for name, value in kept.items()
            if name not in OF_EVERY_LAYER and changed(vars(fresh).get(name), value, cache=name.startswith("_"))]


def changed(before: object, now: object, cache: bool) -> bool:
    """Return whether numbers are others than before, or there where nothing was, unless that is a cache."""
    if not is_numbers(now) or isinstance(now, bool):
        return False
    if before is None:
        return isinstance(now, np.ndarray) and not cache
    return is_numbers(before) and not same(before, now)


def is_numbers(value: object) -> bool:
    """Return whether a value is a number, or an array or a list of numbers."""
    if not isinstance(value, (int, float, np.generic, np.ndarray, list, tuple)):
        return False
    try:
        return np.asarray(value).dtype.kind in "iufc"
    except ValueError:                                  # lists of different lengths
        return False


def same(one: object, other: object) -> bool:
    """Return whether two values are equal, arrays entry by entry."""
    try:
        return one is other or np.array_equal(one, other)                      # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
