"""The dicts of a model's layers as one: what ``model.params``, ``model.grads`` and ``model.state`` are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np


class Joined(dict):
    """The dicts of several layers as one, keys ``layer/key``; setting an entry sets it in its layer's dict.

    In a plain copy what is written would be lost: ``model.params["dense_1/kernel"] = array`` has to reach the layer. It
    is read like a plain dict, as it was when it was made, and each access to ``model.params`` makes another.
    """

    def __init__(self, named: Iterable[tuple[str, dict[str, np.ndarray]]]):
        self.parts = dict(named)
        super().__init__({f"{name}/{key}": array for name, part in self.parts.items() for key, array in part.items()})

    def __setitem__(self, key: str, array: np.ndarray) -> None:
        name, _, rest = key.partition("/")
        self.parts[name][rest] = array
        super().__setitem__(key, array)

    def update(self, other: Mapping[str, np.ndarray]) -> None:     # type: ignore[override]
        """Set every entry of another dict; dict's own would not call ``__setitem__``."""
        for key, array in other.items():
            self[key] = array
