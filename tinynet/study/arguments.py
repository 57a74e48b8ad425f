"""The arguments of this package's functions: names for their types, and the checks that several functions share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Layer, Shape
from tinynet.training.model import Model

LayerOrName = Layer | str                            # a layer of the model, or the name of one of its steps
Target = ArrayLike | None                            # a class for all samples, or one for each; None: the top logit


def expect(condition: object, expected: str, received: object, caller: str = "") -> None:
    """Raise a ValueError that names the calling function, unless the condition holds.

    >>> expect(False, "count from 1", 0, "exciting_patches")
    Traceback (most recent call last):
    ...
    ValueError: exciting_patches: expected count from 1. Received: 0.
    """
    if not condition:
        raise ValueError(f"{caller + ': e' if caller else 'E'}xpected {expected}. Received: {received}.")


def expect_one(expected: str, first: object, second: object) -> None:
    """Raise a ValueError unless exactly one of two optional arguments is given."""
    expect((first is None) != (second is None), f"either {expected}", "neither" if first is None else "both")


def check_images(x: np.ndarray, caller: str) -> None:
    """Raise a ValueError unless `x` is a batch of images."""
    expect(x.ndim == 4, "images (N, C, H, W)", x.shape, caller)


def built_input_shape(model: Model, caller: str) -> Shape:
    """Return the shape of one sample, or raise a ValueError if the model is not built yet, or is none."""
    expect(isinstance(model, Layer), "a model", type(model).__name__, caller)
    if model.input_shape is None:
        raise ValueError(f"{caller}: expected a model whose input shape is known. Received: {model}, not built yet.")
    return model.input_shape


def expect_logits_for_loss(model: Model) -> None:
    """Raise a ValueError unless the loss of a model that does not end in a softmax takes its outputs as logits."""
    expect(getattr(model.loss, "from_logits", False), "a model that ends in softmax, or a loss with from_logits=True",
           f"last step '{model.steps()[-1].name}', loss {model.loss}")
