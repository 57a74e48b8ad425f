"""What the page is told of the model before it asks for numbers."""

from __future__ import annotations

import math
from typing import Any

from tinynet import layers
from tinynet.explore.explanations import explains
from tinynet.layers.augmentation.base import Augmentation
from tinynet.layers.base import Layer
from tinynet.layers.noise import Noise
from tinynet.layers.normalization import Normalizing
from tinynet.layers.pooling import GlobalPooling, Pooling
from tinynet.layers.weighted import Weighted
from tinynet.layers.windows import Windows
from tinynet.steps.step import Step

CHAPTERS: dict[type[Layer], str] = {                     # the first that a layer is one of
    layers.Dense: "dense.html", Weighted: "convolution.html", layers.UpSampling2D: "convolution.html",
    layers.ZeroPadding2D: "convolution.html", Pooling: "pooling.html", GlobalPooling: "pooling.html",
    Noise: "dropout.html", Augmentation: "augmentation.html", Normalizing: "your-own-layer.html",
    layers.Residual: "backpropagation.html", layers.Flatten: "tensors.html", layers.Reshape: "tensors.html",
    layers.Rescaling: "tensors.html", layers.ReLU: "losses.html", layers.Softmax: "losses.html",
}
SHOWN = ("units", "rate", "stddev", "epsilon", "negative_slope", "alpha", "size", "interpolation", "padding",
         "target_shape", "scale", "offset")              # settings that are told of layers without windows


def describe_step(step: Step, input_shape: tuple[int, ...], output_shape: tuple[int, ...],
                  replaceable: bool) -> dict[str, Any]:
    """Return what the page is told of a step."""
    layer = step.layer
    arrays = [(name, array, False) for name, array in layer.params.items()]
    arrays += [(name, array, True) for name, array in layer.state.items()]
    return {"name": step.name, "layer": owner(step), "kind": type(layer).__name__,
            "settings": settings(layer), "inputShape": input_shape, "outputShape": output_shape,
            "params": [{"name": name, "shape": array.shape, "size": math.prod(array.shape), "state": state}
                       for name, array, state in arrays],
            "differsInTraining": bool(layer.differs_in_training), "explains": explains(layer, step.run),
            "chapter": next((page for kind, page in CHAPTERS.items() if isinstance(layer, kind)), None),
            "activation": replaceable}


def owner(step: Step) -> str:
    """Return the name of the layer that a step belongs to: its own, or the one before the name of an activation."""
    before, _, last = step.name.rpartition("/")
    return before if before and last != step.layer.name else step.name


def settings(layer: Layer) -> str:
    """Write what a layer was made with, in short.

    >>> settings(layers.Conv2D(8, (5, 3), padding="same")), settings(layers.Dropout(0.5)), settings(layers.ReLU())
    ('5 x 3, stride 1, same', 'rate 0.5', '')
    """
    windows = getattr(layer, "windows", None)
    if isinstance(windows, Windows):
        parts = [times(windows.size), f"stride {one(windows.strides)}", windows.padding]
        parts += [f"dilation {one(windows.dilation)}"] * (windows.dilation != (1, 1))
        groups = getattr(layer, "groups", 1)
        return ", ".join(parts + [f"{groups} groups"] * (groups > 1))
    if isinstance(layer, layers.Residual):
        return "x + " + ", ".join(layer.layer_names)
    if (isinstance(layer, layers.ReLU) and layer.plain) or (isinstance(layer, layers.Softmax) and layer.over_last):
        return ""
    try:
        config = layer.get_config()
    except Exception:                                    # somebody's own, which may need what it does not have
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {short(config[name])}" for name in SHOWN if name in config)


def times(pair: tuple[int, int]) -> str:
    """Write a pair of sizes: ``5 x 3``."""
    return f"{pair[0]} x {pair[1]}"


def one(pair: tuple[int, int]) -> str:
    """Write a pair of steps: one number where both are the same."""
    return str(pair[0]) if pair[0] == pair[1] else times(pair)


def short(value: object) -> str:
    """Write a setting."""
    return f"{value:g}" if isinstance(value, float) else str(value) if len(str(value)) < 30 else "..."
