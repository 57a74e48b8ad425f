"""The forms of targets, for losses and metrics: each is checked before the first update, and told what would fit.

Throughout, `owner` is whose targets they are, and `shape` that of the predictions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_labels, invalid


def with_axis(y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return targets (N, ...) of a single output as (N, ..., 1), all others as they are."""
    y_true = np.asarray(y_true)
    return y_true[..., None] if len(shape) > 1 and shape[-1] == 1 and y_true.shape == tuple(shape[:-1]) else y_true


def as_values(owner: str, y_true: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return targets of the predictions' shape (N, ..., K), or raise a ValueError; (N, ...) do for a single output."""
    y_true = with_axis(y_true, shape)
    if y_true.shape != tuple(shape):
        raise invalid(owner, f"targets of the predictions' shape, {batch(shape)}", y_true.shape)
    return y_true


def as_binary(owner: str, y_true: ArrayLike, shape: tuple[int, ...], instead: str) -> np.ndarray:
    """Return targets of the predictions' shape, all from 0 to 1, or raise a ValueError; else what to use `instead`."""
    y_true = as_values(owner, y_true, shape)
    if ((y_true < 0) | (y_true > 1)).any():
        raise invalid(owner, "targets from 0 to 1, of two classes",
                      f"{y_true.min():g} to {y_true.max():g}. For other numbers use {instead}")
    return y_true


def as_one_hot(owner: str, y_true: ArrayLike, shape: tuple[int, ...], instead: str) -> np.ndarray:
    """Return one-hot targets (N, ..., K), or raise a ValueError; for labels it says what to use `instead`."""
    expect_classes(owner, shape)
    y_true = np.asarray(y_true)
    if y_true.shape != tuple(shape) and y_true.shape in (shape[:-1], (*shape[:-1], 1)):
        raise invalid(owner, f"one-hot targets {batch(shape)}",
                      f"labels {y_true.shape}. Use {instead}, or to_categorical(y, {shape[-1]})")
    return as_values(owner, y_true, shape)


def as_labels(owner: str, y_true: ArrayLike, shape: tuple[int, ...], instead: str) -> np.ndarray:
    """Return labels (N, ...), or raise a ValueError; for one-hot targets it says what to use `instead`."""
    expect_classes(owner, shape)
    y_true, classes = np.asarray(y_true), shape[-1]
    if y_true.shape == (*shape[:-1], 1) and len(shape) == y_true.ndim:
        y_true = y_true[..., 0]
    if y_true.shape == tuple(shape):
        raise invalid(owner, f"labels {batch(shape[:-1])}",
                      f"one-hot targets {y_true.shape}. Use {instead}, or y.argmax(axis=-1)")
    if y_true.shape != tuple(shape[:-1]):
        raise invalid(owner, f"labels {batch(shape[:-1])}", y_true.shape)
    labels = check_labels(y_true, owner)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise invalid(owner, f"labels from 0 to {classes - 1}", f"{labels.min()} to {labels.max()}")
    return labels


def expect_classes(owner: str, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless predictions of `shape` are of two classes or more."""
    if shape[-1] < 2:
        raise invalid(owner, "predictions of two classes or more, such as those of Dense(2, activation='softmax') (the "
                      "share of a single class is always 1, and nothing is learned; for one output, a sigmoid's, there "
                      "is loss='binary_crossentropy')", batch(shape))


def batch(shape: tuple[int, ...]) -> str:
    """Write a shape with its batch axis as N."""
    return "(" + ", ".join(["N", *map(str, shape[1:])]) + ("," if len(shape) == 1 else "") + ")"
