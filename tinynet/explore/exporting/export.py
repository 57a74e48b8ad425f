"""`export_page`: the explorer's page as one file, with a model in it, that needs neither Python nor a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import tinynet
from tinynet.explore.changes import ACTIVATIONS, slot
from tinynet.explore.describe import describe_step
from tinynet.explore.exporting.document import as_document
from tinynet.explore.exporting.model_json import model_json, settings_of, shaped
from tinynet.explore.exporting.samples_json import as_many_as_fit, checked, samples_json
from tinynet.explore.samples import is_digit
from tinynet.files import atomic
from tinynet.files.atomic import StrPath
from tinynet.losses import CategoricalCrossentropy
from tinynet.training.model import Model

MAX_BYTES, MAX_BYTES_PER_PARAMETER = 500_000, 5.5
NOT_HERE = "This page is a file, without an engine that trains: study.explore(model) has one."


def export_page(model: Model, path: StrPath, x: ArrayLike | None = None) -> Path:
    """Write the explorer's page as one file: drawing, stepping, changing, forward and backward, in any browser.

    The file opens from a disk, and asks neither another file nor the network for anything; what the page computes, it
    computes by itself, in JavaScript, from the model's numbers inside it. It cannot train. Programs can ask it, too:
    after ``await window.tinynet.ready``, ``window.tinynet.forward(pixels)`` is the model's output, and
    ``window.tinynet.gradient(pixels, label)`` the gradient of the cross-entropy at a label, in nats, with respect to
    the pixels, without the penalties of regularizers; a model without a softmax at its end is taken to return logits.

    Parameters
    ----------
    model : a `Sequential` of tinynet's own layers. Its numbers are written as float32; a float64 model's are rounded to
        it, and the page then computes in float64.
    path : of the file; what is there is overwritten.
    x : samples to pick from on the page, as `predict` takes them; as many of the first ones are written as fit into
        0.5 MB with the page. None: drawn input only.

    Returns
    -------
    the path.

    Raises
    ------
    ValueError : for a layer of one's own, whose arithmetic the page does not know, a model that is not built, or
        samples that do not fit it.

    >>> import os, tempfile
    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(10, activation="softmax", input_shape=(784,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.path.getsize(export_page(model, folder + "/page.html")) < 500_000 + 5.5 * model.count_params()
    True
    """
    atomic.write(path, [page_of(model, x).encode()])
    return Path(path)


def page_of(model: Model, x: ArrayLike | None, book: str = "") -> str:
    """Return the page; `book` is the address of the book's folder, where its chapters are to be linked."""
    content, samples = contents(model), checked(model, x)

    def page(samples: np.ndarray) -> str:
        here = {**content["description"], "samples": {"count": len(samples), "labels": None}}
        return as_document({**content, "samples": samples_json(samples), "description": here}, title_of(model), book)
    room = int(MAX_BYTES + MAX_BYTES_PER_PARAMETER * model.count_params()) - len(page(samples[:0]).encode())
    return page(as_many_as_fit(samples, room))


def contents(model: Model) -> dict[str, Any]:
    """Return all that the page has of a model, without samples."""
    return {"model": model_json(model), "activations": activations(), "fromLogits": takes_logits(model),
            "samples": samples_json(checked(model, None)), "description": description(model)}


def description(model: Model) -> dict[str, Any]:
    """Return what the page is told before it asks for numbers, as `Session.describe` tells it."""
    rows = shaped(model.steps(), model.input_shape or ())
    return {"title": title_of(model), "dtype": str(model.dtype), "inputShape": rows[0][1],
            "parameterCount": model.count_params(), "tinynet": tinynet.__version__,
            "steps": [describe_step(*row, replaceable=slot(model, row[0]) is not None) for row in rows],
            "samples": {"count": 0, "labels": None}, "digits": is_digit(rows[0][1]),
            "can": {"train": NOT_HERE, "accuracy": NOT_HERE, "change": None, "nextStep": NOT_HERE},
            "activations": list(ACTIVATIONS), "optimizer": None, "scenarios": []}


def title_of(model: Model) -> str:
    """Return what the model is called on its page."""
    return model.name or type(model).__name__


def activations() -> dict[str, dict[str, Any]]:
    """Return the activations that a reader can put in another's place, by name."""
    layers = {name: make() for name, make in ACTIVATIONS.items()}
    return {name: {"kind": type(layer).__name__, "config": settings_of(layer)} for name, layer in layers.items()}


def takes_logits(model: Model) -> bool:
    """Return whether the model was compiled for outputs that are logits, so that its probabilities can be told."""
    return isinstance(model.loss, CategoricalCrossentropy) and model.loss.from_logits
