"""The step in which a layer with weights computes its weighted sum, and the activation after it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tinynet.layers import Conv2D
from tinynet.layers.weighted import Weighted
from tinynet.study.arguments import LayerOrName
from tinynet.study.trace import Trace

WeightedLayer = TypeVar("WeightedLayer", bound=Weighted)


def find_weighted(trace: Trace, layer: LayerOrName, kind: type[WeightedLayer],
                  expected: str) -> tuple[int, WeightedLayer]:
    """Return the index of the step in which a layer of a kind computes its sum, and the layer, or raise a ValueError.

    Parameters
    ----------
    layer : the layer, or the name of its step.
    kind : `Conv2D` or `Dense`.
    expected : what the error says was expected.
    """
    index = trace.place(layer)
    step = trace.steps[index]
    # The step of an activation has the activation as its layer, or a `run` other than `linear`.
    if not isinstance(step.layer, kind) or step.run != step.layer.linear:
        raise ValueError(f"Expected {expected}: a {kind.__name__} of the model, or its name. Received: {step.layer}, "
                         f"step '{step.name}'.")
    return index, step.layer


def find_convolution(trace: Trace, layer: LayerOrName) -> tuple[int, Conv2D]:
    """Return the index of the step in which a convolution computes its sum, and the layer, or raise a ValueError."""
    index, conv = find_weighted(trace, layer, Conv2D, "a convolution")
    if conv.groups != 1:
        raise ValueError(f"Expected a convolution of one group, whose filters see all channels. Received: {conv} of "
                         f"{conv.groups} groups.")
    return index, conv


def activation_after(trace: Trace, index: int) -> tuple[str, np.ndarray]:
    """Return the name of the activation after a layer's sum, and its output; "" and the sum itself without one."""
    name, following = trace.steps[index].name, trace.steps[index + 1:index + 2]
    if following and following[0].name.startswith(f"{name}/"):
        return following[0].name.removeprefix(f"{name}/"), trace.outputs[index + 1]
    return "", trace.outputs[index]
