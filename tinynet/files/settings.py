"""What a training was set to, as text by name: by it a backup knows its own training from another."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.files.configs import is_entry
from tinynet.files.saveable import Saveable
from tinynet.layers.base import Layer
from tinynet.metrics import is_object
from tinynet.registry import constructor_arguments

Settings = dict[str, str]                   # {"dropout_1, rate": "0.25", "loss": "MeanSquaredError()", ...}


def settings_of(model: Saveable) -> Settings:
    """Return how a model is made and compiled: every argument of its layers and its optimizer, loss and metrics."""
    return {**{f"{path}, {name}".strip(", "): value for path, layer in layers_by_path(model)
               for name, value in arguments(layer).items()
               if name != "layers" or layer.leaves() == [layer]},           # a model's are listed one by one
            **{f"optimizer, {name}": value for name, value in arguments(model.optimizer).items()},
            "loss": text(model.loss), "metrics": of_metrics(model.metrics),
            **({"weighted_metrics": of_metrics(model.weighted_metrics)} if model.weighted_metrics else {})}


def of_metrics(metrics: Mapping[str, object]) -> str:
    """Write metrics: those that are objects with their settings, functions by their names."""
    return text([metric if is_object(metric) else name for name, metric in metrics.items()])


def check_same(now: Mapping[str, object], then: Mapping[str, object]) -> None:
    """Raise a ValueError that names the first setting that differs."""
    for name in sorted({**now, **then}, key=lambda name: name not in now or name not in then):     # those of both first
        if now.get(name, "none") != then.get(name, "none"):
            raise ValueError(f"expected {name}: {now.get(name, 'none')}. Found: {then.get(name, 'none')}")


def layers_by_path(layer: Any, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield a layer, and those inside it, as ``dense_1/relu``."""
    yield path, layer
    for name, part in layer.parts():
        if isinstance(part, Layer):
            yield from layers_by_path(part, f"{path}/{name}".strip("/"))


def arguments(thing: object) -> Settings:
    """Return the class and the arguments of an object as text, from its config and from attributes of their names."""
    kept = getattr(thing, "__dict__", {})
    given = {name: kept[name] for name in constructor_arguments(type(thing)) if name in kept}
    with contextlib.suppress(Exception):           # it has no config, or a function in it, or the user's own goes wrong
        given.update(thing.get_config())                                            # type: ignore[attr-defined]
    return {"class": type(thing).__name__, **{name: short(text(value)) for name, value in sorted(given.items())}}


def text(setting: object) -> str:
    """Write a setting, the same in every process: an object by its class and arguments, a function by its name."""
    if setting is None or isinstance(setting, (bool, int, float, str)):
        return repr(setting)
    if isinstance(setting, np.dtype):
        return repr(str(setting))
    if isinstance(setting, (np.ndarray, np.generic)):
        return text(setting.tolist())
    if isinstance(setting, (list, tuple)):
        return f"[{', '.join(map(text, setting))}]"
    if is_entry(setting):
        return call(setting["class"], {name: text(value) for name, value in setting["config"].items()})
    if isinstance(setting, Mapping):
        return f"{{{', '.join(sorted(f'{text(key)}: {text(value)}' for key, value in setting.items()))}}}"
    if hasattr(setting, "get_config"):
        given = arguments(setting)
        return call(given.pop("class"), given)
    return getattr(setting, "__qualname__", type(setting).__qualname__)


def call(name: str, given: Settings) -> str:
    """Write the call that makes an object."""
    return f"{name}({', '.join(f'{argument}={value}' for argument, value in sorted(given.items()))})"


def short(value: str) -> str:
    """Shorten a long text, such as that of an array, so that different ones stay different."""
    return value if len(value) <= 300 else f"{value[:100]}... (SHA-256 {hashlib.sha256(value.encode()).hexdigest()})"
