"""A model with its loss that is checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward, Layer
from tinynet.models.sequential import Sequential
from tinynet.testing.cloning import float64_clone
from tinynet.testing.gradcheck.targets.target import Gradients, Target, as_float64

SOURCE = "(source)"           # in parentheses, so that it is no layer's own name in the model


class ModelTarget(Target):
    """A model with its loss and penalties, run as `fit` runs it."""

    layer: Sequential
    rounding_scale = 1.0

    def __init__(self, model: Sequential, x: np.ndarray, y: ArrayLike, sample_weight: ArrayLike | None,
                 training: bool):
        self.layer, self.training, self.x = float64_clone(model), training, as_float64(x)
        self.y, self.sample_weight = np.asarray(y), sample_weight
        self.source: Source | None = None
        if self.x.dtype == np.float64:                     # then x can be a parameter, of a layer before all others
            self.source = Source(self.x)
            self.layer.layers.insert(0, self.source)
            self.layer.layer_names.insert(0, SOURCE)
        super().__init__()
        if self.source is None:
            self.add("x", self.x)
        for key, array in self.layer.params.items():
            self.add(key.removeprefix(SOURCE + "/"), array)

    def forward(self) -> tuple[float, Callable[[], None]]:
        """Run the model up to the value of its loss, with its random state restored."""
        self.replay.restore()
        value, _, backward = self.layer.objective(self.x, self.y, self.sample_weight, self.training)
        return value, backward

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Return the gradients of all parameters, and of x."""
        if self.source is not None and not need_dx:
            return self._without_source()
        _, backward = self.forward()
        if between:
            between()
        backward()
        return {key.removeprefix(SOURCE + "/"): np.array(array) for key, array in self.layer.grads.items()}

    def _without_source(self) -> Gradients:
        names, layers = self.layer.layer_names, self.layer.layers
        self.layer.layer_names, self.layer.layers = names[1:], layers[1:]
        try:
            self.forward()[1]()
            return {key: np.array(array) for key, array in self.layer.grads.items()}
        finally:
            self.layer.layer_names, self.layer.layers = names, layers

    def another_forward(self) -> object:
        """Run forward on the batch reversed along every axis."""
        x = np.flip(self.x).copy()
        if self.source is not None:
            self.source.params["x"] = x                    # another array: the first forward's backward keeps its own
        self.layer.objective(x, self.y, self.sample_weight, self.training)
        if self.source is not None:
            self.source.params["x"] = self.x
        return None

    def penalty(self, name: str) -> np.ndarray | None:
        """Return the gradient of the regularizers of this tensor."""
        terms = [term.gradient(self.tensors[key]) for key, term in self.layer.penalties() if key == name]
        return np.asarray(sum(terms)) if terms else None


class Source(Layer):
    """A layer that returns its parameter, whatever its input: it makes x of a model a parameter like the others."""

    def __init__(self, x: np.ndarray):
        super().__init__()
        self.params["x"] = x

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return the parameter and its backward; `x` is ignored."""
        def backward(dy: np.ndarray) -> np.ndarray:
            self.grads["x"] = dy
            return dy
        return self.params["x"], backward
