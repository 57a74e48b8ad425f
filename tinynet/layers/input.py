"""Input: says what one sample looks like; and what layers will make of it that are called on it, one on the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn, Unpack

import numpy as np

from tinynet.layers.base import Backward, Forward, Layer, LayerOptions, Shape


class Symbol:
    """Base of what stands for numbers that are not there yet: ``layer(symbol)`` is another, after one more layer.

    Attributes
    ----------
    source, called : the `Input` that it began with, and the layers that were called since.
    """

    source: Input
    called: tuple[Layer, ...]

    def followed_by(self, layer: Layer) -> Chain:
        """Return what a layer will make of it."""
        return Chain(self.source, (*self.called, layer))

    def refuse(self, *others: object) -> NoReturn:
        """Raise a TypeError: layers are all that can be done to it."""
        raise TypeError("expected layers called one on the other, x = layer(x). Received: arithmetic on what they will "
                        "make, or several at once. x + f(x) is Residual([...]), x * 2 is Rescaling(2), a function "
                        "of one's own is a Lambda; other branches are a layer of one's own, which calls others.")

    __array__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = refuse
    __neg__ = __pow__ = __getitem__ = refuse


class Chain(Symbol):
    """What layers will make of an `Input`, the last one called on what the one before returned."""

    def __init__(self, source: Input, called: tuple[Layer, ...]):
        self.source, self.called = source, called

    def __repr__(self) -> str:
        return f"<Chain: {', '.join(map(str, (self.source, *self.called)))}>"


class Input(Layer, Symbol):
    """The shape of one sample, as the first entry of a model: ``Sequential([Input((1, 28, 28)), ...])``.

    Layers may be called on it, too, see `tinynet.Model`.
    """

    called = ()

    def __init__(self, shape: Iterable[int] | None = None, **kwargs: Unpack[LayerOptions]):
        if shape is not None:
            kwargs["input_shape"] = shape
        super().__init__(**kwargs)
        self.expect(self.input_shape is not None, "the shape of one sample, without the batch axis", None)

    @property
    def source(self) -> Input:                                    # type: ignore[override]
        """Itself."""
        return self

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
