"""A classifier's answers to samples beside the classes they are of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinynet.layers import Softmax
from tinynet.steps.plan import ends_in_probabilities
from tinynet.training.data import as_samples, same_length
from tinynet.utils import whole_numbers


class Answers(NamedTuple):
    """What a model says of N samples, and what they are: outputs (N, K), predicted and true classes (N,)."""

    outputs: np.ndarray
    predicted: np.ndarray
    true: np.ndarray


def answers(model: Any, x: Any, y: Any) -> Answers:
    """Let a model classify samples; the predicted class is that of the largest output.

    Parameters
    ----------
    x : samples (N, ...).
    y : their classes, one-hot (N, K) or as labels (N,) or (N, 1), whatever the compiled loss takes.
    """
    y = as_samples(y, None, "y")
    outputs = model.predict(x, batch_size=500)
    same_length(x=outputs, y=y)
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ValueError(f"Expected a model with outputs (N, classes). Received: {outputs.shape}.")
    classes = outputs.shape[1]
    if y.shape == outputs.shape:
        true = y.argmax(axis=1)
    elif y.shape in ((len(y),), (len(y), 1)):
        true = whole_numbers(y.reshape(-1), "y")
        if not 0 <= true.min() <= true.max() < classes:
            raise ValueError(f"y: expected labels from 0 to {classes - 1}. Received: {true.min()} to {true.max()}.")
    else:
        raise ValueError(f"y: expected labels (N,), or one-hot (N, {classes}). Received: {y.shape}.")
    return Answers(outputs, outputs.argmax(axis=1), true)


def probabilities(model: Any, outputs: np.ndarray) -> np.ndarray:
    """Return a model's outputs as probabilities: as they are after a softmax, through one if the loss takes logits."""
    if ends_in_probabilities(model.steps()):
        return outputs
    if getattr(model.loss, "from_logits", False):
        return Softmax()(outputs)
    raise ValueError(f"Expected a model that ends in softmax, or a loss with from_logits=True. "
                     f"Received: last step '{model.steps()[-1].name}', loss {model.loss}.")
