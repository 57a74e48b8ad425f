"""Rules about what is written down and read again: configs and files."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import tinynet
from tinynet.layers.base import Layer
from tinynet.layers.own_function import Lambda, name_of
from tinynet.testing.contract.specimen import (
    Broken,
    BrokenToo,
    NotApplicable,
    Specimen,
    attempt,
    expect,
    expect_same,
    mode,
    reseed,
    run,
)
from tinynet.testing.tracebacks import exception_text


def config_round_trip(s: Specimen) -> None:
    """``from_config(get_config())``, by way of JSON, is the same layer but for its weights."""
    model = as_model(s)
    config = json.loads(json.dumps(model.get_config()))
    again = tinynet.Sequential.from_config(config, custom_layers=classes(model))
    again.set_weights(model.get_weights())
    expect_same_model(again, model, s)


def save_load(s: Specimen) -> None:
    """A model with the layer comes back from its file as it was."""
    try:
        config_round_trip(s)
    except Exception as error:
        raise BrokenToo(f"config_round_trip is broken: {error if isinstance(error, Broken) else exception_text(error)}",
                        [["config_round_trip"]],
                        NotApplicable("config_round_trip is broken, which a file needs too")) from None
    model = as_model(s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # of what is not in the file: what matters of it is compared
            model.save(path)
        expect_same_model(tinynet.load_model(path, custom_layers=classes(model)), model, s)


def as_model(s: Specimen) -> tinynet.Sequential:
    """Return a model of a fresh float32 copy of the layer alone, after one training forward: it may have learned."""
    layer = s.fresh(np.float32)
    layer.output_shape = s.run().y.shape[1:]
    model = tinynet.Sequential([layer], input_shape=s.input_shape)
    to_run(model, s).forward(s.x(dtype=np.float32), training=True)
    return model


def to_run(model: tinynet.Sequential, s: Specimen) -> Layer:
    """Return what is run on x: the model, or its only layer if x is whole numbers, of which a model makes floats."""
    return model.layers[0] if s.whole else model


def classes(model: tinynet.Sequential) -> dict[str, Any]:
    """Return the classes of a model's layers, and its functions of one's own, by name, as readers name theirs."""
    functions = {name_of(step.layer.function): step.layer.function for step in model.steps()
                 if isinstance(step.layer, Lambda)}
    return {**functions, **{type(layer).__name__: type(layer) for layer in model.leaves()}}


def expect_same_model(got: tinynet.Sequential, wanted: tinynet.Sequential, s: Specimen) -> None:
    """Raise Broken with what differs between two models: their configs, or what they compute."""
    for before, after in zip(wanted.layers, got.layers, strict=True):
        expect(after.get_config() == before.get_config(),
               f"get_config() was {before.get_config()}, and after the round trip is {after.get_config()}")
    for training in s.modes:
        with attempt(f"{mode(training)}, after the round trip"):
            once, again = (run(reseed(to_run(model, s)), s.x(dtype=np.float32), s.dy, training)
                           for model in (wanted, got))
            expect_same(again, once)
