"""The losses as functions of (y_true, y_pred), under the names that Keras has for them: one number for each sample.

As the loss of a model, function, name and class are interchangeable: ``compile(loss=losses.mean_squared_error)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinynet.losses.base import Loss
from tinynet.losses.binary import BinaryCrossentropy
from tinynet.losses.categorical import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.losses.divergence import KLDivergence
from tinynet.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from tinynet.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)

F = TypeVar("F", bound=Callable[..., np.ndarray])


def stands_for(kind: type[Loss]) -> Callable[[F], F]:
    """Let a function know the class of its loss, by which `compile` takes it."""
    def known(function: F) -> F:
        function.loss_class = kind                                    # type: ignore[attr-defined]
        return function
    return known


def each(loss: Loss, y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the loss of each sample, (N, ...)."""
    y_pred = np.asarray(y_pred)
    return loss.losses(loss.check_targets(y_true, y_pred.shape), y_pred)[0]


@stands_for(MeanSquaredError)
def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the mean of the squared differences of each sample.

    >>> mean_squared_error([[0.0, 0.0], [1.0, 1.0]], [[1.0, 3.0], [1.0, 1.0]])
    array([5., 0.])
    """
    return each(MeanSquaredError(), y_true, y_pred)


@stands_for(MeanAbsoluteError)
def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the mean of the absolute differences of each sample."""
    return each(MeanAbsoluteError(), y_true, y_pred)


@stands_for(Huber)
def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> np.ndarray:
    """Return Huber's loss of each sample."""
    return each(Huber(delta), y_true, y_pred)


@stands_for(LogCosh)
def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the logarithm of the hyperbolic cosine of the differences of each sample."""
    return each(LogCosh(), y_true, y_pred)


@stands_for(MeanAbsolutePercentageError)
def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the mean of the differences of each sample, in percent of its targets."""
    return each(MeanAbsolutePercentageError(), y_true, y_pred)


@stands_for(MeanSquaredLogarithmicError)
def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the mean of the squared differences of the logarithms of each sample."""
    return each(MeanSquaredLogarithmicError(), y_true, y_pred)


@stands_for(Poisson)
def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the Poisson loss of each sample."""
    return each(Poisson(), y_true, y_pred)


@stands_for(CosineSimilarity)
def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return minus the cosine of the angle between prediction and target of each sample."""
    return each(CosineSimilarity(), y_true, y_pred)


@stands_for(Hinge)
def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the hinge loss of each sample."""
    return each(Hinge(), y_true, y_pred)


@stands_for(SquaredHinge)
def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the squared hinge loss of each sample."""
    return each(SquaredHinge(), y_true, y_pred)


@stands_for(CategoricalHinge)
def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the hinge loss of each sample, with one-hot targets."""
    return each(CategoricalHinge(), y_true, y_pred)


@stands_for(KLDivergence)
def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the divergence of each sample's prediction from its target."""
    return each(KLDivergence(), y_true, y_pred)


@stands_for(BinaryCrossentropy)
def binary_crossentropy(y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0
                        ) -> np.ndarray:
    """Return the binary cross-entropy of each sample, the mean over its outputs."""
    return each(BinaryCrossentropy(from_logits, label_smoothing), y_true, y_pred)


@stands_for(CategoricalCrossentropy)
def categorical_crossentropy(y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False,
                             label_smoothing: float = 0.0) -> np.ndarray:
    """Return the cross-entropy of each sample, with one-hot targets."""
    return each(CategoricalCrossentropy(from_logits, label_smoothing), y_true, y_pred)


@stands_for(SparseCategoricalCrossentropy)
def sparse_categorical_crossentropy(y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False) -> np.ndarray:
    """Return the cross-entropy of each sample, with labels."""
    return each(SparseCategoricalCrossentropy(from_logits), y_true, y_pred)
