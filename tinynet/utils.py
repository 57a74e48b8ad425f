"""Small things that scripts need: one-hot labels, and one seed for a whole run."""

from __future__ import annotations

from typing import Any

import numpy as np

_seeds: np.random.SeedSequence | None = None


def set_random_seed(seed: int) -> None:
    """Make everything random that follows repeat: weights, shuffling, dropout.

    Models made one after the other still differ; running the whole script again gives the same ones. NumPy's
    global random state is neither read nor changed.
    """
    global _seeds
    _seeds = np.random.SeedSequence(_as_seed(seed))


def new_generator(seed: int | None = None) -> np.random.Generator:
    """Return a generator: from `seed`, else the next one that `set_random_seed` leads to, else a fresh one."""
    if seed is not None:
        return np.random.default_rng(_as_seed(seed))
    return np.random.default_rng() if _seeds is None else np.random.default_rng(_seeds.spawn(1)[0])


def _as_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"Expected a seed: a whole number from 0. Received: {seed!r}.")
    return int(seed)


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Turn class labels (N, ...) into one-hot rows (N, ..., num_classes).

    Parameters
    ----------
    y : whole numbers from 0; a last axis of size 1 is dropped.
    num_classes : length of a row; None means the largest label + 1.

    Raises
    ------
    ValueError : for labels that are not whole, negative, or not below num_classes.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    labels = whole_numbers(y, "to_categorical")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max(initial=-1)) + 1
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"to_categorical: expected labels from 0 to {num_classes - 1}. "
                         f"Received: {labels.min()} to {labels.max()}.")
    one_hot = np.zeros((*labels.shape, num_classes), dtype)
    np.put_along_axis(one_hot, labels[..., None], 1, axis=-1)
    return one_hot


def whole_numbers(y: Any, owner: str) -> np.ndarray:
    """Return labels as an int64 array, or raise a ValueError naming `owner`."""
    labels = np.asarray(y)
    if labels.dtype.kind not in "iubf" or not (np.isfinite(labels) & (labels == np.round(labels))).all():
        raise ValueError(f"{owner}: expected class labels, whole numbers from 0. "
                         f"Received: {labels.dtype} such as {labels.ravel()[:3].tolist()}.")
    return labels.astype(np.int64)
