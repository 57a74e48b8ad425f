"""Running a model without side effects: what a forward or a backward changes is restored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from tinynet.layers.base import Layer


class StateSnapshot:
    """The ``state`` of layers as it is now, whether a forward writes into its arrays or replaces them."""

    def __init__(self, layers: Iterable[Layer]):
        self.layers = [layer for layer in layers if vars(layer).get("state")]          # a model has none of its own
        self._saved = [{key: (array, np.copy(array)) for key, array in layer.state.items()} for layer in self.layers]

    def restore(self) -> None:
        """Restore it: the same array objects, with the same values in them."""
        for layer, saved in zip(self.layers, self._saved, strict=True):
            layer.state.clear()
            for key, (array, values) in saved.items():
                if isinstance(array, np.ndarray):
                    array[...] = values
                layer.state[key] = array


class GradsSnapshot:
    """The ``grads`` of layers as they are now: a backward puts others in their place."""

    def __init__(self, layers: Iterable[Layer]):
        self._saved = [(layer, dict(layer.grads)) for layer in layers if "grads" in vars(layer)]   # a model has none

    def restore(self) -> None:
        """Restore them."""
        for layer, grads in self._saved:
            layer.grads = grads


@contextmanager
def untouched(model: Layer) -> Iterator[None]:
    """Restore the layers' ``grads``, ``state`` and random generators when the block ends."""
    grads, snapshot = GradsSnapshot(model.leaves()), StateSnapshot(model.leaves())
    generators = {id(rng): rng for leaf in model.leaves() if (rng := getattr(leaf, "rng", None)) is not None}
    states = {key: rng.bit_generator.state for key, rng in generators.items()}
    try:
        yield
    finally:
        grads.restore()
        snapshot.restore()
        for key, rng in generators.items():
            rng.bit_generator.state = states[key]
