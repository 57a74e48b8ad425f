"""A digit for a model that may be another than the larger CNN: in the shape that it takes, and what its outputs say."""

from __future__ import annotations

import math

import numpy as np

from tinynet import Sequential, activations, study


def as_input(image: np.ndarray, model: Sequential) -> np.ndarray:
    """Return a digit (28, 28) as the one sample that the model takes: (1, 1, 28, 28), (1, 784), ...

    Raises
    ------
    ValueError : for a model that takes other than 784 numbers, or has other than ten outputs.
    """
    takes, returns = model.input_shape or (), model.output_shape or ()
    if math.prod(takes) != image.size:
        raise ValueError(f"The model does not take digits: expected samples of 28 x 28 = 784 numbers, such as "
                         f"(1, 28, 28) or (784,). Received: a model for samples {takes}.")
    if returns != (10,):
        raise ValueError("The model does not tell ten digits apart: expected 10 outputs. "
                         f"Received: a model with outputs {returns}.")
    return image.reshape(1, *takes).astype("float32")


def probabilities_of(model: Sequential, x: np.ndarray) -> np.ndarray:
    """Return the model's probabilities (10,) of the digits; outputs that are none go through a softmax, as logits."""
    outputs = model.predict(x)
    if not study.Trace(model, x).ends_in_probabilities:
        print("The outputs of this model are no probabilities: they are taken for logits, and go through a softmax.")
        outputs = activations.softmax(outputs)
    return outputs[0]
