"""What `Sequential.save` and its kin write and read: parameters as plain arrays, all else in the document.

The contents of a model's file, as they stand in its document::

    kind        "model", "weights" (parameters alone) or "backup" (of a training, see `BackupAndRestore`)
    params      names of the parameters: the arrays a reader of such files looks for
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
    """Write a model's parameters, and nothing else, into a file."""
    write(path, {"kind": "weights"}, model, {})


def load_weights(model: Any, path: Path) -> None:
    """Overwrite a model's parameters with those in a file of any kind, if all names, shapes and dtypes fit."""
    file = safefile.read(path)
    params = read_params(file, model)
    file.verify()
    set_params(model, params)


def model_state(model: Any) -> dict[str, Any]:
    """Return what an exact continuation needs besides the parameters."""
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
    """Write what is told of a model, its parameters and a state of any depth, atomically."""
    params = model.params
    for name, array in params.items():
        if array.dtype != model.dtype:
            raise ValueError(f"{model}: expected all parameters in the model's dtype, {model.dtype}. Received: "
                             f"{name} {array.dtype}.")
    arrays = dict(params)
    packed = state.pack(saved, "state", arrays)
    safefile.write(path, {**told, "params": list(params), "state": packed}, arrays)


def read_params(file: SafeFile, model: Any) -> dict[str, np.ndarray]:
    """Return the parameters in a file, if they are exactly those the model has; else a SavedFileError says which not.
    """
    model.expect(model.output_shape is not None, "a model whose input shape is known", "one without weights yet")
    listed = contents(file)["params"]
    found = {name: file.arrays.get(name) for name in listed}
    for name, array in model.params.items():
        if found.get(name) is None or state.kind_of(found[name]) != state.kind_of(array):
            had = "no such tensor" if found.get(name) is None else state.kind_of(found[name])
            raise file.failure(f"tensor {name!r}, {state.kind_of(array)}", had)
    if extra := sorted(found.keys() - model.params.keys()):
        raise file.failure(f"tensors {list(model.params)} and no others", f"tensor {extra[0]!r} as well")
    return found                                                                  # type: ignore[return-value]


def read_state(file: SafeFile) -> Any:
    """Return the state in a file; every array of the file that is no parameter is in it."""
    told = contents(file)
    left = {name: array for name, array in file.arrays.items() if name not in told["params"]}
    try:
        saved = state.unpack(told["state"], left)
    except (KeyError, TypeError, ValueError) as error:
        raise file.failure("a state whose arrays are in the file", repr(error)) from error
    if left:
        raise file.failure("tensors of parameters and of the state alone", f"tensor {min(left)!r} as well")
    return saved


def contents(file: SafeFile) -> Mapping[str, Any]:
    """Return a file's contents, of which those that every kind has are there."""
    told = file.contents
    if not (isinstance(told, dict) and {"kind", "params", "state"} <= told.keys() and isinstance(told["params"], list)
            and all(isinstance(name, str) for name in told["params"])):
        raise file.failure("a document of kind, params and state", safefile.brief(told))
    return told


def set_params(model: Any, params: Mapping[str, np.ndarray]) -> None:
    """Overwrite parameters in place."""
    for name, array in model.params.items():
        array[...] = params[name]
