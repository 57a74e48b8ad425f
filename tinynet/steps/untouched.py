"""Running a model without a trace: what a forward or a backward changes is put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from tinynet.layers.base import Layer


class StateSnapshot:
    """The ``state`` of layers as it is now, whether a forward writes into its arrays or puts others in their place."""

    def __init__(self, layers: Iterable[Layer]):
        self.layers = [layer for layer in layers if vars(layer).get("state")]          # a model has none of its own
        self._saved = [{key: (array, np.copy(array)) for key, array in layer.state.items()} for layer in self.layers]

    def restore(self) -> None:
        """Put it back: the same arrays, with the same numbers in them."""
        for layer, saved in zip(self.layers, self._saved, strict=True):
            layer.state.clear()
            for key, (array, numbers) in saved.items():
                if isinstance(array, np.ndarray):
                    array[...] = numbers
                layer.state[key] = array


@contextmanager
def untouched(model: Layer) -> Iterator[None]:
    """Put the layers' ``grads``, ``state`` and random generators back as they were when the block ends."""
    leaves = [leaf for leaf in model.leaves() if "grads" in vars(leaf)]             # a model has none of its own
    grads, snapshot = [dict(leaf.grads) for leaf in leaves], StateSnapshot(leaves)
    generators = {id(rng): rng for leaf in model.leaves() if (rng := getattr(leaf, "rng", None)) is not None}
    states = {key: rng.bit_generator.state for key, rng in generators.items()}
    try:
        yield
    finally:
        for leaf, before in zip(leaves, grads, strict=True):
            leaf.grads = before
        snapshot.restore()
        for key, rng in generators.items():
            rng.bit_generator.state = states[key]
