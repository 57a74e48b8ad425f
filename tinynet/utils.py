"""Small things that scripts need: one-hot labels, one seed for a whole run, batches by number, data in two parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def to_categorical(x: ArrayLike, num_classes: int | None = None, dtype: DTypeLike = "float32") -> np.ndarray:
    """Turn class labels (N, ...) into one-hot rows (N, ..., num_classes).

    Parameters
    ----------
    x : whole numbers from 0; a last axis of size 1 is dropped.
    num_classes : length of a row; None means the largest label + 1.

    Raises
    ------
    ValueError : for labels that are not whole, negative, or not below num_classes.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    labels = check_labels(x, "to_categorical")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max(initial=-1)) + 1
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise invalid("to_categorical", f"labels from 0 to {num_classes - 1}", f"{labels.min()} to {labels.max()}")
    one_hot = np.zeros((labels.size, num_classes), dtype)
    one_hot[np.arange(labels.size), labels.ravel()] = 1
    return one_hot.reshape(*labels.shape, num_classes)


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> np.ndarray:
    """Divide by the norm along an axis, the largest absolute value for an `order` of infinity; zeros stay zeros.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)


class Sequence:
    """Base of an object that has the batches of an epoch by number, for `fit`, `evaluate` and `predict`.

    ``__len__`` says how many there are, ``__getitem__(number)`` returns one, ``(x, y)`` or ``(x, y, sample_weight)``.
    Unlike a generator's they can be seen in another order each epoch, and a training that was interrupted goes on with
    the batch it would have seen next.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__().")

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(number).")

    def on_epoch_end(self) -> None:
        """Called after each epoch of a training."""


PyDataset = Sequence                      # Keras 3's name


def train_test_split(*arrays: ArrayLike, test_size: float = 0.25, stratify: ArrayLike | None = None,
                     seed: int | None = None) -> list[np.ndarray]:
    """Shuffle arrays of one length alike, and cut each in two: ``x, x_test, y, y_test = train_test_split(x, y)``.

    Parameters
    ----------
    arrays : of N samples each.
    test_size : fraction of the samples in the second parts.
    stratify : labels (N,), of which each has its share in both parts, to within one sample; None for any.
    seed : makes the split repeat; None takes the next that `set_random_seed` leads to.

    >>> train, test = train_test_split([0, 0, 0, 0, 1, 1, 1, 1], test_size=0.5, stratify=[0, 0, 0, 0, 1, 1, 1, 1])
    >>> sorted(test.tolist())
    [0, 0, 1, 1]
    """
    parts = [np.atleast_1d(np.asarray(array)) for array in arrays]
    lengths = {len(part) for part in parts}
    if len(lengths) != 1:
        raise invalid("train_test_split", "arrays of one length", ", ".join(str(len(part)) for part in parts) or "none")
    n, rng = lengths.pop(), new_generator(seed)
    test, order = round(test_size * n), rng.permutation(n)
    if not 0 < test < n:
        raise invalid("train_test_split", f"a test_size that leaves both parts of {n} samples something", test_size)
    if stratify is not None:
        labels = np.asarray(stratify)
        if labels.shape != (n,):
            raise invalid("train_test_split", f"stratify, a label for each of {n} samples", f"shape {labels.shape}")
        order = evenly(labels, order)
    train, held_out = rng.permutation(order[test:]), rng.permutation(order[:test])
    return [half for part in parts for half in (part[train], part[held_out])]


def evenly(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return an order in which any first part has each label's share, to within one sample."""
    place = np.empty(len(order))
    for label in np.unique(labels):
        of_label = order[labels[order] == label]
        place[of_label] = (np.arange(len(of_label)) + 0.5) / len(of_label)
    return order[np.argsort(place[order], kind="stable")]


if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        """Return `study.plot_model`, which Keras has here; `study` lies above, and is loaded when it is asked for."""
        if name == "plot_model":
            from tinynet.study import plot_model
            return plot_model
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
