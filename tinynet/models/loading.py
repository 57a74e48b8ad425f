"""`load_model`: from a file, which is not trusted, to a model; or to an error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinynet import initializers, losses, metrics, optimizers
from tinynet.checks import about, invalid
from tinynet.files import configs, safefile, saving, strict_json
from tinynet.files.atomic import StrPath
from tinynet.files.safefile import SavedFileError
from tinynet.files.unsaved import expect_functions_of_different_names
from tinynet.layers.base import Layer
from tinynet.layers.own_function import Lambda, name_of
from tinynet.models.sequential import Sequential
from tinynet.registry import pick, to_config


def load_model(path: StrPath, custom_layers: Mapping[str, Any] | None = None, *,
               custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Sequential:
    """Return the model that `Sequential.save` wrote: its layers, weights, compile settings and optimizer's state.

    Training goes on as it would have, to the bit. A file can do no more than choose among the classes of this
    package and those in `custom_layers`; it brings no code, and what it costs to read is in proportion to its size.

    Parameters
    ----------
    path : the file.
    custom_layers : classes of your own by name, as ``{"Scale": Scale}``: layers, and what else of yours a model may
        hold: initializers, losses, metrics (functions), activations (functions), optimizers.
    custom_objects : the same, under the name that Keras has for it.
    compile : whether to compile it as it was; otherwise losses, metrics and optimizers of your own need not be known.

    Raises
    ------
    FileNotFoundError : if there is no such file.
    SavedFileError : a ValueError that says what was expected and what was found.

    >>> import tempfile
    >>> from tinynet.layers import Dense
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Sequential([Dense(2, input_dim=3)]).save(f"{folder}/m.safetensors")
    ...     load_model(f"{folder}/m.safetensors").layers
    [<Dense 'dense_1', 8 parameters>]
    """
    file = safefile.read(path)
    manifest = saving.read_manifest(file)
    if manifest["kind"] != "model" or not {"model", "compiled"} <= manifest.keys():
        raise file.failure("a model, written by model.save", f"kind {safefile.brief(manifest['kind'])}")
    state = saving.read_state(file)
    known = known_with(custom_layers=custom_layers, custom_objects=custom_objects)
    try:
        with initializers.parameter_budget(sum(array.size for array in file.arrays.values())):
            model = architecture(manifest["model"], known)
        if compile and manifest["compiled"] is not None:
            compile_from(manifest["compiled"], model, known)
        if not compile and isinstance(state, dict):
            state = {**state, "optimizer": None}
        params = saving.read_weights(file, model) if model.output_shape is not None else {}
        saving.check_model_state(model, state)
    except SavedFileError:
        raise
    except Exception as error:          # whatever a constructor raises for a setting in the file, the file is at fault
        raise SavedFileError(f"{file.path}: {error}") from error
    file.verify()                       # last, as what is wrong with the contents says more than a wrong checksum
    saving.set_weights(model, params)
    saving.restore_model_state(model, state)
    return model


def save_model(model: Sequential, filepath: StrPath) -> None:
    """Do what ``model.save(filepath)`` does."""
    model.save(filepath)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """Return a model of the architecture that ``model.to_json()`` wrote, with new weights, not compiled.

    >>> from tinynet.layers import Dense
    >>> model_from_json(Sequential([Dense(2, input_dim=3)]).to_json()).layers
    [<Dense 'dense_1', 8 parameters>]
    """
    if not isinstance(json_string, str):
        raise invalid("model_from_json", "a string, which model.to_json() wrote", safefile.brief(json_string))
    try:
        entry = strict_json.load(json_string.encode())
    except ValueError as error:
        raise invalid("model_from_json", "what model.to_json() wrote", f"{json_string[:50]!r}: {error}") from None
    known = known_with(custom_objects=custom_objects)
    with about("model_from_json"):
        return architecture(entry, known)


def known_with(**given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a config may name, with what a user has given, or raise a ValueError unless that has names."""
    for what, things in given.items():
        if things is not None and not (isinstance(things, Mapping) and all(map(is_class_or_function, things.values()))):
            raise invalid(None, f"{what}, classes and functions by name, such as {{'Scale': Scale}}", repr(things))
    return {**configs.KNOWN, "Sequential": Sequential, **{name: thing for things in given.values() if things
                                                          for name, thing in things.items()}}


def is_class_or_function(thing: object) -> bool:
    """Return whether something can be what a name in a config stands for, which a layer itself cannot."""
    return callable(thing) and not isinstance(thing, Layer)


def clone_model(model: Sequential) -> Sequential:
    """Return a model of the same architecture, with new weights, not compiled; the two share nothing.

    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, input_dim=3)])
    >>> clone_model(model).count_params(), bool((clone_model(model).layers[0].kernel == model.layers[0].kernel).any())
    (8, False)
    """
    if not isinstance(model, Sequential):
        raise invalid("clone_model", "a model", repr(model))
    expect_functions_of_different_names(model)
    return architecture(to_config(model), {**configs.KNOWN, "Sequential": Sequential, **things_in(model)})


def things_in(model: Sequential) -> dict[str, Any]:
    """Return what a model's config names, one's own too: the classes of its layers and their settings, functions."""
    found: dict[str, Any] = {}
    for leaf in model.leaves():
        for thing in (leaf, *vars(leaf).values()):
            if isinstance(thing, Lambda):
                found[name_of(thing.function)] = thing.function
            if hasattr(thing, "get_config"):
                found[type(thing).__name__] = type(thing)
    return found


def architecture(entry: object, known: Mapping[str, Any]) -> Sequential:
    """Build the layers."""
    entry = configs.plain(entry, "model")
    if not configs.is_entry(entry):
        raise ValueError(f"expected a model's config. Found: {safefile.brief(entry)}.")
    model = configs.rebuild(entry, known)
    if not isinstance(model, Sequential):
        raise ValueError(f"expected a Sequential. Found: {safefile.brief(model)}.")
    return model


def compile_from(compiled: Mapping[str, Any], model: Sequential, known: Mapping[str, Any]) -> None:
    """Compile a model as the manifest says."""
    optimizer = configs.rebuild(configs.plain(compiled["optimizer"], "optimizer"), known)
    named = dict(metric_from(entry, known) for entry in compiled["metrics"])
    weighted = metrics.weighted_from(metric_from(entry, known) for entry in compiled.get("weighted_metrics", ()))
    model.compile(optimizers.get(optimizer), loss_from(compiled["loss"], known))
    model.metrics, model.weighted_metrics = named, weighted


def loss_from(entry: object, known: Mapping[str, Any]) -> losses.LossLike:
    """Return the loss that a file describes: a config, or the name of a function of one's own."""
    if not isinstance(entry, str):
        return losses.get(configs.rebuild(configs.plain(entry, "loss"), known))
    try:
        return losses.get(pick("loss", entry, own_of(known)))
    except ValueError as error:
        raise ValueError(f"{error} A loss of your own is named in custom_objects={{{entry!r}: ...}}, the function "
                         f"itself.") from None


def own_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the things of one's own among those that are known."""
    return {key: thing for key, thing in known.items() if key not in configs.KNOWN}


def metric_from(entry: object, known: Mapping[str, Any]) -> tuple[str, metrics.MetricLike]:
    """Return the name and the metric that a file describes: a config, or the name of a function."""
    if isinstance(entry, str):
        own = entry in own_of(known)
        return entry, metric_named(entry if own else entry.removeprefix("weighted_"), known)
    made = configs.rebuild(configs.plain(entry, "metric"), {**metrics.CLASSES, **own_of(known)})
    return metrics.get(made)


def metric_named(name: str, known: Mapping[str, Any]) -> metrics.MetricLike:
    """Return the metric that is known by a name: one's own, which is a function or a class of them, or tinynet's."""
    try:
        metric = pick("metric", name, {**metrics.KNOWN, **own_of(known)})
    except ValueError as error:
        raise ValueError(f"{error} A metric of your own is named in custom_layers={{{name!r}: ...}}, the function "
                         f"itself.") from None
    return metric() if isinstance(metric, type) else metric
