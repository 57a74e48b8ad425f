"""What `Sequential.save` and its relatives write and read: weights as plain arrays, all else in the document.

The contents of a model's file, as they stand in its document::

    kind        "model", "weights" (parameters alone) or "backup" (of a training, see `BackupAndRestore`)
    params      names of the parameters: the arrays a reader of such files looks for
    layer_state names of the arrays that the layers have learned without gradients
    model       how to build the layers: {"class", "config"}, see `configs`
    compiled    optimizer, loss and metrics, or null
    state       what the optimizer has accumulated, and the random generators, see `state`; where that is long, such as
                a history of many epochs, {"$json": the name of an array that holds it as JSON}
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinynet.checks import invalid
from tinynet.files import safefile, state, strict_json
from tinynet.files.atomic import StrPath
from tinynet.files.configs import plain
from tinynet.files.safefile import SafeFile
from tinynet.files.saveable import Saveable
from tinynet.files.unsaved import check_arguments, warn_of_unsaved
from tinynet.layers.base import cast_floats
from tinynet.layers.lock import reading, writing
from tinynet.layers.variables import overwrite
from tinynet.losses import FunctionLoss
from tinynet.metrics import is_object
from tinynet.registry import to_config

MAX_IN_HEADER = 2**20                               # bytes of a state; safefile.MAX_HEADER is for all of the header
SPILLED = "state"                                   # the array's name, which none of a layer or a state can have


def expect_none(path: StrPath, overwrite: bool) -> None:
    """Raise a FileExistsError if there is a file which may not be overwritten."""
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "expected no file there, as overwrite=False says", str(path))


def save_model(model: Saveable, path: StrPath) -> None:
    """Write a model into one file, from which `load_model` makes it again as it is."""
    write(path, manifest_of(model), model, lambda: model_state(model))


def manifest_of(model: Saveable) -> dict[str, Any]:
    """Return how a model is made and compiled, or raise a TypeError or ValueError for what no file can hold."""
    check_arguments(model)
    compiled = None
    if model.optimizer is not None:
        loss = model.loss.name if isinstance(model.loss, FunctionLoss) else plain(to_config(model.loss), "loss")
        compiled = {"optimizer": plain(to_config(model.optimizer), "optimizer"), "loss": loss,
                    "metrics": metric_entries(model.metrics)}
        if model.weighted_metrics:
            compiled["weighted_metrics"] = metric_entries(model.weighted_metrics)
    return {"kind": "model", "model": plain(to_config(model), str(model)), "compiled": compiled}


def metric_entries(metrics: Mapping[str, object]) -> list[object]:
    """Return metrics as a file has them: those that are objects by their config, functions by their name."""
    return [plain(to_config(metric), f"metric {name}") if is_object(metric) else name
            for name, metric in metrics.items()]


def save_weights(model: Saveable, path: StrPath) -> None:
    """Write a model's parameters and the state of its layers, and nothing else, into a file."""
    write(path, {"kind": "weights"}, model, dict)


def load_weights(model: Saveable, path: StrPath) -> None:
    """Overwrite parameters and layer state with those in a file of any kind, if all names, shapes and dtypes fit."""
    file = safefile.read(path)
    arrays = read_weights(file, model)
    file.verify()
    set_weights(model, arrays)


def model_state(model: Saveable) -> dict[str, Any]:
    """Return what an exact continuation needs besides the weights."""
    optimizer = model.optimizer
    return {"generators": state.random_state(model),
            "optimizer": None if optimizer is None else state.optimizer_state(optimizer, model.params)}


def check_model_state(model: Saveable, saved: Any) -> None:
    """Raise a ValueError unless `restore_model_state` can take this state."""
    state.require(isinstance(saved, dict) and {"optimizer", "generators"} <= saved.keys(), "a model's state", saved)
    state.require((model.optimizer is None) == (saved["optimizer"] is None), "the optimizer's state in a file of a "
                  "compiled model, and only there", saved["optimizer"])
    if model.optimizer is not None:
        state.check_optimizer(model.optimizer, saved["optimizer"], model.params)
    state.check_random(model, saved["generators"])


def restore_model_state(model: Saveable, saved: Mapping[str, Any]) -> None:
    """Restore what `model_state` returned."""
    with writing(model):
        if model.optimizer is not None:
            state.restore_optimizer(model.optimizer, saved["optimizer"])
        state.restore_random(model, saved["generators"])


def write(path: StrPath, manifest: Mapping[str, object], model: Saveable, state_of: Callable[[], Mapping[str, object]]
          ) -> None:
    """Write a manifest, a model's weights and a state of any depth into one file, atomically.

    Weights and state are copied while nobody changes them: another thread may be training the model.
    """
    warn_of_unsaved(model)
    with reading(model):
        params, layer_state = model.params, {name: np.asarray(array) for name, array in model.state.items()}
        for name, array in params.items():
            if array.dtype != model.dtype:
                raise invalid(model, f"all parameters in the model's dtype, {model.dtype}", f"{name} {array.dtype}")
        cast_floats(layer_state, model.dtype)
        arrays = {**params, **layer_state}
        packed = spill(state.pack(state_of(), "state", arrays), arrays)
        arrays = {name: np.array(array) for name, array in arrays.items()}
    names = {"params": list(params), "layer_state": list(layer_state)}
    safefile.write(path, {**manifest, **names, "state": packed}, arrays)


def spill(packed: object, arrays: dict[str, np.ndarray]) -> object:
    """Return a state as the document holds it; one that is long goes into an array, as the header has a limit."""
    text = strict_json.dump(packed)
    if len(text) <= MAX_IN_HEADER:
        return packed
    arrays[SPILLED] = np.frombuffer(text, np.uint8)
    return {"$json": SPILLED}


def read_weights(file: SafeFile, model: Saveable) -> dict[str, np.ndarray]:
    """Return the parameters and the layer state in a file, by name, if they are exactly those the model has.

    Raises a SavedFileError that names the first that is missing, different, or not the model's.
    """
    model.expect(model.output_shape is not None, "a model whose input shape is known", "one without weights yet")
    found: dict[str, np.ndarray] = {}
    for key, what, wanted in ("params", "tensor", model.params), ("layer_state", "state", model.state):
        listed = read_manifest(file)[key]
        for name, array in wanted.items():
            saved = file.arrays.get(name) if name in listed else None
            if saved is None or state.kind_of(saved) != state.kind_of(np.asarray(array)):
                raise file.failure(f"{what} {name!r}, {state.kind_of(np.asarray(array))}",
                                   f"no such {what}" if saved is None else state.kind_of(saved))
            found[name] = saved
        if extra := sorted(set(listed) - wanted.keys()):
            raise file.failure(f"{what}s {list(wanted)} and no others", f"{what} {extra[0]!r} as well")
    return found


def read_state(file: SafeFile) -> Any:
    """Return the state in a file; all of the file's arrays that are not weights belong to it."""
    manifest = read_manifest(file)
    weights = {*manifest["params"], *manifest["layer_state"]}
    left = {name: array for name, array in file.arrays.items() if name not in weights}
    try:
        packed = manifest["state"]
        if packed == {"$json": SPILLED}:
            packed = strict_json.load(left.pop(SPILLED).tobytes())
        saved = state.unpack(packed, left)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise file.failure("a state whose arrays are in the file", repr(error)) from error
    if left:
        raise file.failure("tensors of weights and of the state alone", f"tensor {min(left)!r} as well")
    return saved


def read_manifest(file: SafeFile) -> Mapping[str, Any]:
    """Return a file's manifest, or raise a SavedFileError unless it has the entries that every kind of file has."""
    manifest = file.contents
    if isinstance(manifest, dict):
        manifest = {"layer_state": [], **manifest}             # files from before layers had a state
    if not (isinstance(manifest, dict) and {"kind", "params", "state"} <= manifest.keys()
            and all(isinstance(manifest[key], list) and all(isinstance(name, str) for name in manifest[key])
                    for key in ("params", "layer_state"))):
        raise file.failure("a document of kind, params, layer_state and state", safefile.brief(manifest))
    return manifest


def set_weights(model: Saveable, arrays: Mapping[str, np.ndarray]) -> None:
    """Overwrite parameters and layer state in place, by name."""
    with writing(model):
        for weights in (model.params, model.state):
            for name in weights:
                overwrite(weights, name, arrays[name])
