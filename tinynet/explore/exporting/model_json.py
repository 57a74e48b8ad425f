"""A model as the page file has it: its flat list of steps with their settings, and all its numbers in base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import TypedDict

import numpy as np

from tinynet import layers
from tinynet.explore.explanations.elementwise import Linear
from tinynet.layers import Lambda, Layer, Residual
from tinynet.layers.base import Shape
from tinynet.registry import Config
from tinynet.steps.plan import steps_inside
from tinynet.steps.step import Step
from tinynet.training.model import Model

BUILT_IN = frozenset(kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, Layer)
                     ) - {Layer, Lambda} | {Linear}
# endings of settings that inference has no use for
UNUSED = ("_initializer", "_regularizer", "_constraint", "activation", "layers")


class LayerJson(TypedDict):
    """One step: the layer's class and settings, and where its arrays stand in the list of all."""

    name: str
    kind: str
    config: Config
    inputShape: list[int]
    outputShape: list[int]
    params: dict[str, int]
    state: dict[str, int]
    paramNames: dict[str, str]
    inner: list[LayerJson]


class ModelJson(TypedDict):
    """The whole model; `arrays` are the shapes of those that `weights` has, one after the other."""

    dtype: str
    layers: list[LayerJson]
    arrays: list[list[int]]
    weights: str


def model_json(model: Model) -> ModelJson:
    """Return a model for the page file, or raise a ValueError that names a layer which the page cannot compute.

    The numbers are float32, those of a float64 model rounded to it; what the page computes from them is of the model's
    dtype.
    """
    if model.output_shape is None:
        raise ValueError(f"{model}: expected a model that is built. Put an Input first, give its first layer "
                         f"input_shape=, or call build(input_shape).")
    arrays = Arrays()
    found = [layer_json(*row, arrays) for row in shaped(model.steps(), model.input_shape or ())]
    return {"dtype": str(model.dtype), "layers": found, "arrays": [list(array.shape) for array in arrays.arrays],
            "weights": as_base64(arrays.arrays)}


class Arrays:
    """All arrays of a model, each once, though a residual block and its layers both have it."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def places(self, named: dict[str, np.ndarray]) -> dict[str, int]:
        """Return where each of these stands, appended if it was not there."""
        return {key: self.place(array) for key, array in named.items()}

    def place(self, array: np.ndarray) -> int:
        """Return where an array stands."""
        for place, other in enumerate(self.arrays):
            if other is array:
                return place
        self.arrays.append(array)
        return len(self.arrays) - 1


def shaped(steps: Iterable[Step], shape: Shape) -> list[tuple[Step, Shape, Shape]]:
    """Pair each step with the shapes of its input and its output."""
    found = []
    for step in steps:
        before, shape = shape, step.layer.output_shape or shape           # an activation keeps the shape
        found.append((step, before, shape))
    return found


def layer_json(step: Step, input_shape: Shape, output_shape: Shape, arrays: Arrays, prefix: str = "") -> LayerJson:
    """Return one step; `prefix` is what its residual block puts before the names of its params."""
    layer = step.layer
    expect_known(step)
    return {"name": step.name, "kind": type(layer).__name__, "config": settings_of(layer),
            "inputShape": list(input_shape), "outputShape": list(output_shape),
            "params": arrays.places(layer.params), "state": arrays.places(layer.state),
            "paramNames": {key: f"{prefix}{key}" for key in layer.params},
            "inner": inner_json(layer, input_shape, arrays) if isinstance(layer, Residual) else []}


def settings_of(layer: Layer) -> Config:
    """Return the settings of a layer that its arithmetic needs."""
    return {key: value for key, value in layer.get_config().items() if not key.endswith(UNUSED)}


def inner_json(block: Residual, input_shape: Shape, arrays: Arrays) -> list[LayerJson]:
    """Return the steps inside a residual block."""
    return [layer_json(*row, arrays, f"{row[0].name}/") for row in shaped(steps_inside(block), input_shape)]


def expect_known(step: Step) -> None:
    """Raise a ValueError unless the page can compute a step: a layer of tinynet, as its file shows it."""
    kind = type(step.layer)
    if kind in BUILT_IN and "forward" not in vars(step.layer):
        return
    what = "a forward" if kind in BUILT_IN else kind.__name__
    raise ValueError(f"export_page: expected layers of tinynet.layers, which a page file computes by itself. Received: "
                     f"'{step.name}', {what} of your own. study.explore(model) shows such a model; or export what is "
                     f"before that layer, Sequential(model.layers[:n]).")


def as_base64(arrays: Iterable[np.ndarray]) -> str:
    """Return the numbers of arrays, one after the other, as float32 in base64."""
    return b64encode(b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)).decode("ascii")
