"""Small things that scripts need: one-hot labels, and one seed for a whole run."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinynet.checks import check_int, check_labels, invalid

_seeds: np.random.SeedSequence | None = None


def set_random_seed(seed: int) -> None:
    """Make everything random that follows reproducible: weights, shuffling, dropout.

    Models made one after the other still differ; running the whole script again gives the same ones. NumPy's
    global random state is neither read nor changed.
    """
    global _seeds
    _seeds = np.random.SeedSequence(check_int(seed, "a seed", 0))


def new_generator(seed: int | None = None) -> np.random.Generator:
    """Return a generator: from `seed`, else the next one that `set_random_seed` leads to, else a fresh one."""
    if seed is not None:
        return np.random.default_rng(check_int(seed, "a seed", 0))
    return np.random.default_rng() if _seeds is None else np.random.default_rng(_seeds.spawn(1)[0])


def to_categorical(y: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = "float32") -> np.ndarray:
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
    labels = check_labels(y, "to_categorical")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max(initial=-1)) + 1
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise invalid("to_categorical", f"labels from 0 to {num_classes - 1}", f"{labels.min()} to {labels.max()}")
    one_hot = np.zeros((*labels.shape, num_classes), dtype)
    np.put_along_axis(one_hot, labels[..., None], 1, axis=-1)
    return one_hot
