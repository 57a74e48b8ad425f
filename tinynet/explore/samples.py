"""What the page can show and train on: the learner's own samples, or MNIST where the input is 28 x 28."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.layers.base import Shape
from tinynet.losses import SparseCategoricalCrossentropy
from tinynet.training.data import as_samples, same_length
from tinynet.training.model import Model
from tinynet.utils import to_categorical

TESTED = 1000                                          # samples that an accuracy is measured on
DIGITS = [(1, 28, 28), (28, 28), (784,)]               # input shapes that are one image of MNIST


class Samples(NamedTuple):
    """Samples with their targets, as `fit` takes them; there may be none, and may be no targets.

    Pixels stay as small as they are stored: they are divided when they are taken.
    """

    x: np.ndarray
    y: np.ndarray | None
    divisor: float = 1.0

    def take(self, where: slice | np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return some of the samples, as a model takes them."""
        taken = self.x[where].astype(dtype)
        return taken if self.divisor == 1 else taken / dtype.type(self.divisor)

    def labels(self) -> np.ndarray | None:
        """Return the class of each sample (N,), from labels or from one-hot rows; None where targets are no classes."""
        if self.y is None:
            return None
        y = self.y
        if y.ndim == 2 and y.shape[1] > 1:
            one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
            return y.argmax(axis=1).astype(np.int32) if one_hot else None
        y = y.reshape(len(y), -1)
        whole = y.shape[1] == 1 and bool((y == np.round(y)).all() and (y >= 0).all())
        return y[:, 0].astype(np.int32) if whole else None


class Data(NamedTuple):
    """What is trained on, and what is tested and shown."""

    train: Samples
    test: Samples


def is_digit(shape: Shape) -> bool:
    """Return whether samples are images of MNIST."""
    return shape in DIGITS


def gather(model: Model, x: ArrayLike | None, y: ArrayLike | None) -> Data:
    """Return the samples for a built model: those given, split 9:1; MNIST where none are and the input is 28 x 28."""
    shape = model.input_shape or ()
    if x is None:
        if y is not None:
            raise invalid("explore", "x, the samples, with y", "y alone")
        none = Samples(np.empty((0, *shape), model.dtype), None)
        return digits(model, shape) if is_digit(shape) else Data(none, none)
    samples, targets = as_samples(x, None), None if y is None else as_samples(y, None, "y")
    if samples.shape[1:] != shape or not len(samples):
        raise invalid("explore", f"samples x (N, {', '.join(map(str, shape))}), at least one", samples.shape)
    if targets is not None:
        same_length(x=samples, y=targets)
    last = math.ceil(len(samples) / 10)                                  # one sample is shown, and trained on as well
    train, test = (slice(None, -last), slice(-last, None)) if len(samples) > 1 else (slice(None), slice(None))
    return Data(*(Samples(samples[part], None if targets is None else targets[part]) for part in (train, test)))


def digits(model: Model, shape: Shape) -> Data:
    """Return MNIST in the form of a model's input, its labels as the model's loss takes them."""
    from tinynet.datasets import mnist
    parts = []
    for images, labels in mnist.load_data():
        targets = labels if isinstance(model.loss, SparseCategoricalCrossentropy) else to_categorical(labels, 10)
        parts.append(Samples(images.reshape(len(images), *shape), targets, 255.0))
    return Data(*parts)
