"""Input: says what one sample looks like, and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Unpack

import numpy as np

from tinynet.layers.base import Backward, Forward, Layer, LayerOptions, Shape


class Input(Layer):
    """The shape of one sample, as the first entry of a model: ``Sequential([Input((1, 28, 28)), ...])``."""

    def __init__(self, shape: Iterable[int] | None = None, **kwargs: Unpack[LayerOptions]):
        if shape is not None:
            kwargs["input_shape"] = shape
        super().__init__(**kwargs)
        self.expect(self.input_shape is not None, "the shape of one sample, without the batch axis", None)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Return the shape unchanged."""
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def parts(self) -> Sequence[tuple[str, Forward | Layer]]:
        """List nothing: there is nothing to do."""
        return []

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (x, backward)."""
        return x, lambda dy: dy


InputLayer = Input                                            # Keras's name of the layer
