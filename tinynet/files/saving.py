"""What `Sequential.save` and its kin write and read: parameters as plain arrays, all else in the document.

The contents of a model's file, as they stand in its document::

    kind        "model", "weights" (parameters alone) or "backup" (of a training, see `BackupAndRestore`)
    params      names of the parameters: the arrays a reader of such files looks for
    layer_state names of the arrays that the layers have learned without gradients
    model       how to build the layers: {"class", "config"}, see `configs`
    compiled    optimizer, loss and metrics, or null
    state       what the optimizer has accumulated, and the random generators, see `state`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet.files import safefile, state
from tinynet.files.configs import plain
from tinynet.files.safefile import Path, SafeFile
from tinynet.layers.base import cast_floats, overwrite
from tinynet.registry import to_config


def save_model(model: Any, path: Path) -> None:
    """Write a model into one file, from which `load_model` makes it again as it is."""
    compiled = None
    if model.optimizer is not None:
        compiled = {"optimizer": plain(to_config(model.optimizer), "optimizer"),
                    "loss": plain(to_config(model.loss), "loss"), "metrics": list(model.metrics)}
    told = {"kind": "model", "model": plain(to_config(model), str(model)), "compiled": compiled}
    write(path, told, model, model_state(model))


def save_weights(model: Any, path: Path) -> None:
    """Write a model's parameters and the state of its layers, and nothing else, into a file."""
    write(path, {"kind": "weights"}, model, {})


def load_weights(model: Any, path: Path) -> None:
    """Overwrite parameters and layer state with those in a file of any kind, if all names, shapes and dtypes fit."""
    file = safefile.read(path)
    arrays = read_weights(file, model)
    file.verify()
    set_weights(model, arrays)


def model_state(model: Any) -> dict[str, Any]:
    """Return what an exact continuation needs besides the weights."""
    optimizer = model.optimizer
    return {"generators": state.random_state(model),
            "optimizer": None if optimizer is None else state.optimizer_state(optimizer, model.params)}


def check_model_state(model: Any, saved: Any) -> None:
    """Raise a ValueError unless `set_model_state` can take this state."""
    state.expect(isinstance(saved, dict) and {"optimizer", "generators"} <= saved.keys(), "a model's state", saved)
    state.expect((model.optimizer is None) == (saved["optimizer"] is None), "the optimizer's state in a file of a "
                 "compiled model, and only there", saved["optimizer"])
    if model.optimizer is not None:
        state.check_optimizer(model.optimizer, saved["optimizer"], model.params)
    state.check_random(model, saved["generators"])


def set_model_state(model: Any, saved: dict[str, Any]) -> None:
    """Take back what `model_state` returned."""
    if model.optimizer is not None:
        state.set_optimizer(model.optimizer, saved["optimizer"])
    state.set_random(model, saved["generators"])


def write(path: Path, told: dict[str, Any], model: Any, saved: dict[str, Any]) -> None:
    """Write what is told of a model, its weights and a state of any depth, atomically."""
    params, layer_state = model.params, {name: np.asarray(array) for name, array in model.state.items()}
    for name, array in params.items():
        if array.dtype != model.dtype:
            raise ValueError(f"{model}: expected all parameters in the model's dtype, {model.dtype}. Received: "
                             f"{name} {array.dtype}.")
    cast_floats(layer_state, model.dtype)
    arrays = {**params, **layer_state}
    packed = state.pack(saved, "state", arrays)
    safefile.write(path, {**told, "params": list(params), "layer_state": list(layer_state), "state": packed}, arrays)


def read_weights(file: SafeFile, model: Any) -> dict[str, np.ndarray]:
    """Return the parameters and the layer state in a file, by name, if they are exactly those the model has.

    Raises a SavedFileError that says which is not.
    """
    model.expect(model.output_shape is not None, "a model whose input shape is known", "one without weights yet")
    found: dict[str, np.ndarray] = {}
    for key, what, wanted in ("params", "tensor", model.params), ("layer_state", "state", model.state):
        listed = contents(file)[key]
        for name, array in wanted.items():
            had = file.arrays.get(name) if name in listed else None
            if had is None or state.kind_of(had) != state.kind_of(np.asarray(array)):
                raise file.failure(f"{what} {name!r}, {state.kind_of(np.asarray(array))}",
                                   f"no such {what}" if had is None else state.kind_of(had))
            found[name] = had
        if extra := sorted(set(listed) - wanted.keys()):
            raise file.failure(f"{what}s {list(wanted)} and no others", f"{what} {extra[0]!r} as well")
    return found


def read_state(file: SafeFile) -> Any:
    """Return the state in a file; every array of the file that is no weight is in it."""
    told = contents(file)
    weights = {*told["params"], *told["layer_state"]}
    left = {name: array for name, array in file.arrays.items() if name not in weights}
    try:
        saved = state.unpack(told["state"], left)
    except (KeyError, TypeError, ValueError) as error:
        raise file.failure("a state whose arrays are in the file", repr(error)) from error
    if left:
        raise file.failure("tensors of weights and of the state alone", f"tensor {min(left)!r} as well")
    return saved


def contents(file: SafeFile) -> Mapping[str, Any]:
    """Return a file's contents, of which those that every kind has are there."""
    told = file.contents
    if isinstance(told, dict):
        told = {"layer_state": [], **told}                     # files from before layers had one
    if not (isinstance(told, dict) and {"kind", "params", "state"} <= told.keys()
            and all(isinstance(told[key], list) and all(isinstance(name, str) for name in told[key])
                    for key in ("params", "layer_state"))):
        raise file.failure("a document of kind, params, layer_state and state", safefile.brief(told))
    return told


def set_weights(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Overwrite parameters and layer state in place, by name."""
    for held in (model.params, model.state):
        for name in held:
            overwrite(held, name, arrays[name])
