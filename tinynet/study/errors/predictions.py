"""The predicted and the true classes of samples, which all functions of this room start from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_labels
from tinynet.layers import Softmax
from tinynet.steps.plan import ends_in_probabilities
from tinynet.steps.step import without_penalties
from tinynet.study.arguments import expect, expect_logits_for_loss
from tinynet.training.data import as_samples, same_length
from tinynet.training.model import Model


class Predictions(NamedTuple):
    """A classifier's outputs for N samples (N, K), and their predicted and true classes (N,)."""

    outputs: np.ndarray
    predicted: np.ndarray
    true: np.ndarray


def predictions(model: Model, x: ArrayLike, y: ArrayLike) -> Predictions:
    """Classify samples; the predicted class is that of the largest output.

    Parameters
    ----------
    x : samples (N, ...).
    y : their classes, one-hot (N, K) or as labels (N,) or (N, 1), whatever the compiled loss takes.
    """
    y = as_samples(y, None, "y")
    outputs = model.predict(x, batch_size=500)
    same_length(x=outputs, y=y)
    expect(outputs.ndim == 2 and outputs.shape[1] > 1, "a model with outputs (N, classes)", outputs.shape)
    return Predictions(outputs, outputs.argmax(axis=1), true_classes(y, outputs.shape))


def true_classes(y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return labels or one-hot targets as classes (N,), or raise a ValueError; `shape` is that of the outputs."""
    N, classes = shape
    if y.shape == shape:
        return y.argmax(axis=1)
    expect(y.shape in ((N,), (N, 1)), f"labels (N,), or one-hot (N, {classes})", y.shape, "y")
    labels = check_labels(y.reshape(-1), "y")
    low, high = labels.min(), labels.max()
    expect(0 <= low <= high < classes, f"labels from 0 to {classes - 1}", f"{low} to {high}", "y")
    return labels


def probabilities(model: Model, outputs: np.ndarray) -> np.ndarray:
    """Return a model's outputs as probabilities: unchanged after a softmax; their softmax if the loss takes logits."""
    if ends_in_probabilities(without_penalties(model.steps())):
        return outputs
    expect_logits_for_loss(model)
    return Softmax()(outputs)
