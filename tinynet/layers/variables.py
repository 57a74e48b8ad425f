"""Variables: a layer's arrays, one by one, as Keras has them: ``layer.kernel``, ``model.weights``."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike

from tinynet.checks import invalid
from tinynet.layers.lock import HasLeaves, reading, writing

Arrays = MutableMapping[str, np.ndarray]


class Variable(NDArrayOperatorsMixin):
    """One array that a layer has learned, wherever it is kept; NumPy takes it for that array.

    It stands for the entry of ``params`` or ``state``, so that it has the numbers of now, whatever has been put there.

    Attributes
    ----------
    name, path : ``kernel``, and its name in the ``params`` of the model that was asked for it, ``dense_1/kernel``.
    trainable : whether an optimizer would change it, when it was asked for.
    value : the array itself; what is written into it, the layer has.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> for weight in Sequential([Dense(2, input_dim=3)]).weights:
    ...     print(weight.path, weight.shape)
    dense_1/kernel (3, 2)
    dense_1/bias (2,)
    """

    def __init__(self, layer: HasLeaves, arrays: Arrays, name: str, trainable: bool, path: str | None = None):
        self._layer, self._arrays = layer, arrays
        self.name, self.path, self.trainable = name, path or name, trainable

    def inside(self, name: str) -> Variable:
        """Return it as a model knows it that has its layer under a name."""
        return Variable(self._layer, self._arrays, self.name, self.trainable, f"{name}/{self.path}")

    @property
    def value(self) -> np.ndarray:
        """The array itself."""
        return self._arrays[self.name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return np.shape(self.value)                                # state may come to hold a plain number

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return np.size(self.value)

    @property
    def dtype(self) -> np.dtype:
        """Of the array."""
        return np.asarray(self.value).dtype

    def numpy(self) -> np.ndarray:
        """Return a copy of the array."""
        with reading(self._layer):
            return np.array(self.value)

    def assign(self, value: ArrayLike) -> None:
        """Overwrite the array with another of the same shape."""
        new = np.asarray(value)
        if new.shape != self.shape:
            raise invalid(self.path, f"an array of shape {self.shape}", new.shape)
        with writing(self._layer):
            self.overwrite(new)

    def overwrite(self, new: np.ndarray) -> None:
        """Do so, for one whose turn it is already, with what is known to fit."""
        overwrite(self._arrays, self.name, new)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.value, dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] = (),
                        **kwargs: Any) -> Any:
        outputs = {"out": arrays_of(out)} if out else {}                 # of layer.kernel += 1, which gets it back
        result = getattr(ufunc, method)(*arrays_of(inputs), **outputs, **kwargs)
        return out[0] if len(out) == 1 else result

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<Variable {self.path}, shape {self.shape}, {self.dtype}>"


def arrays_of(things: Iterable[Any]) -> tuple[Any, ...]:
    """Return the arrays that variables stand for, and other things as they are."""
    return tuple(thing.value if isinstance(thing, Variable) else thing for thing in things)


def count_numbers(weights: Iterable[Variable]) -> int:
    """Count the numbers in some variables."""
    return sum(weight.size for weight in weights)


def overwrite(arrays: Arrays, key: str, new: np.ndarray) -> None:
    """Write `new` into an array of a dict in place; a NumPy scalar, as ``state`` may come to hold, is replaced."""
    if isinstance(arrays[key], np.ndarray):
        arrays[key][...] = new
    else:
        arrays[key] = np.array(new, np.asarray(arrays[key]).dtype)
