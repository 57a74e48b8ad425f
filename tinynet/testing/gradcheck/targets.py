"""What is checked, seen as one thing: named tensors that can be moved, outputs that follow, gradients that claim how.

A layer, a loss and a model with its loss each become a `Subject`: a float64 copy, its random state replayed
before every forward, so that it is a plain function of its tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.layers.base import Layer
from tinynet.steps.run import without_dx
from tinynet.testing.cloning import Replay, clone, float64_clone


class Subject:
    """Base of the three.

    Attributes
    ----------
    layer : the copy that is run: a layer, a model or a loss.
    tensors : what is moved: float64 arrays, each changed in its place.
    notes : what the report is to mention, by name: why a tensor is not moved, for one.
    dy : the upstream gradient, for a layer.
    upstream : the weight of each output (M,); the gradients are those of ``upstream . outputs``.
    x, input_name : the input, a batch, and its name among the tensors.
    unit : see `differences.slope`.
    digits : the relative precision of the outputs.
    """

    layer: Any
    x: np.ndarray
    input_name = "x"
    training = False
    dy: np.ndarray | None = None
    unit = 0.0

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.originals: dict[str, np.ndarray] = {}
        self.notes: dict[str, str] = {}
        self.dy_changed = False
        self.upstream = np.ones(1)
        self.digits = float(np.finfo(np.float64).eps)
        self.replay = Replay(self.layer)

    def add(self, name: str, array: np.ndarray) -> None:
        """Enter a tensor that can be moved, or the reason why it cannot."""
        if array.dtype == np.float64:
            self.tensors[name], self.originals[name] = array, array.copy()
        else:
            self.notes[name] = f"not checked: {array.dtype} numbers have no slope"

    def restore_tensors(self) -> list[str]:
        """Put back what was written to; return the names."""
        written = [name for name, array in self.tensors.items() if not np.array_equal(array, self.originals[name])]
        for name in written:
            self.tensors[name][...] = self.originals[name]
        return written + ["dy"] * self.dy_changed

    def forward(self) -> tuple[Any, Callable]:
        """Run forward with the random state replayed; return the outputs and the backward."""
        raise NotImplementedError

    def outputs(self) -> np.ndarray:
        """Run forward; return all outputs as a new float64 array (M,), (1,) for a loss."""
        return np.array(self.forward()[0], np.float64).ravel()

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> dict[str, Any]:
        """Run forward and backward; return what backward claims, whatever it is, by name.

        Parameters
        ----------
        dy : the upstream gradient, `upstream` unless given.
        between : called after forward, before backward.
        need_dx : False runs backward as training does, which has no use for the input's gradient.
        """
        raise NotImplementedError

    def another_forward(self) -> object:
        """Run forward on another batch, the present one turned round, while this one waits for its backward."""
        raise NotImplementedError

    def penalty(self, name: str) -> np.ndarray | None:
        """Return the gradient of what a regularizer adds for this tensor, if one does."""
        return None


class LayerSubject(Subject):
    """A layer, under a random upstream gradient."""

    def __init__(self, layer: Any, x: np.ndarray, training: bool, rng: np.random.Generator):
        self.layer, self.training, self.x = float64_clone(layer), training, movable(x)
        super().__init__()
        self.input_name = "x" if "x" not in self.layer.params else "input"
        self.add(self.input_name, self.x)
        for key, array in self.layer.params.items():
            self.add(key, array)
        y = np.asarray(self.forward()[0])
        if y.dtype in (np.float32, np.float16):
            self.digits = float(np.finfo(y.dtype).eps)
            self.notes["y"] = f"forward computes in {y.dtype}, though given float64: small errors cannot be seen"
        self.dy = random_upstream(y.shape, rng)
        self.upstream = self.dy.ravel()

    def forward(self, x: np.ndarray | None = None) -> tuple[Any, Callable]:
        """Run the layer with its random state replayed."""
        self.replay.restore()
        return self.layer.forward(self.x if x is None else x, self.training)

    def gradients(self, dy=None, *, between=None, need_dx=True):
        """Return what backward returns and sets, by name."""
        _, backward = self.forward()
        if between:
            between()
        dy = np.asarray(self.dy if dy is None else dy)
        handed = dy.copy()
        dx = (backward if need_dx else without_dx(backward))(handed)
        self.dy_changed = not np.array_equal(handed, dy)
        grads = {key: array if array is None else np.array(array) for key, array in self.layer.grads.items()}
        return {self.input_name: dx if dx is None else np.array(dx)} | grads

    def another_forward(self):
        """Run forward on the batch turned round."""
        return self.forward(np.flip(self.x).copy())


class LossSubject(Subject):
    """A loss, as a function of the predictions."""

    unit = 1.0

    def __init__(self, loss: Any, y_pred: np.ndarray, y: Any, sample_weight: Any):
        self.layer, self.x, self.y, self.sample_weight = clone(loss), movable(y_pred), y, sample_weight
        self.input_name = "y_pred"
        super().__init__()
        self.add("y_pred", self.x)

    def forward(self, x: np.ndarray | None = None) -> tuple[Any, Callable]:
        """Run the loss with its random state replayed."""
        self.replay.restore()
        return self.layer.forward(self.y, self.x if x is None else x, self.sample_weight)

    def gradients(self, dy=None, *, between=None, need_dx=True):
        """Return d value / d y_pred."""
        _, backward = self.forward()
        if between:
            between()
        dx = backward()
        return {"y_pred": dx if dx is None else np.array(dx)}

    def another_forward(self):
        """Run forward on the predictions turned round."""
        return self.forward(np.flip(self.x, axis=0).copy())


SOURCE = "(source)"           # name in a model of a layer that no reader can have put there


class ModelSubject(Subject):
    """A model with its loss and penalties, run as `fit` runs it."""

    unit = 1.0

    def __init__(self, model: Any, x: np.ndarray, y: Any, sample_weight: Any, training: bool):
        self.layer, self.training, self.x = float64_clone(model), training, movable(x)
        self.y, self.sample_weight = y, sample_weight
        self.source = None
        if self.x.dtype == np.float64:                     # then x can be a parameter, of a layer before all others
            self.source = Source(self.x)
            self.layer.layers.insert(0, self.source)
            self.layer.layer_names.insert(0, SOURCE)
        super().__init__()
        if self.source is None:
            self.add("x", self.x)
        for key, array in self.layer.params.items():
            self.add(key.removeprefix(SOURCE + "/"), array)

    def forward(self) -> tuple[Any, Callable]:
        """Run the model up to the value of its loss, with its random state replayed."""
        self.replay.restore()
        value, _, backward = self.layer.objective(self.x, self.y, self.sample_weight, self.training)
        return value, backward

    def gradients(self, dy=None, *, between=None, need_dx=True):
        """Return the gradients of all parameters, and of x."""
        if self.source is not None and not need_dx:
            return self._without_source()
        _, backward = self.forward()
        if between:
            between()
        backward()
        return {key.removeprefix(SOURCE + "/"): np.array(array) for key, array in self.layer.grads.items()}

    def _without_source(self) -> dict[str, Any]:
        names, layers = self.layer.layer_names, self.layer.layers
        self.layer.layer_names, self.layer.layers = names[1:], layers[1:]
        try:
            self.forward()[1]()
            return {key: np.array(array) for key, array in self.layer.grads.items()}
        finally:
            self.layer.layer_names, self.layer.layers = names, layers

    def another_forward(self):
        """Run forward on the batch turned round."""
        x = np.flip(self.x).copy()
        if self.source is not None:
            self.source.params["x"] = x                    # another array: the waiting backward keeps its own
        self.layer.objective(x, self.y, self.sample_weight, self.training)
        if self.source is not None:
            self.source.params["x"] = self.x

    def penalty(self, name):
        """Return the gradient of the regularizers of this tensor."""
        terms = [term.gradient(self.tensors[key]) for key, term in self.layer.penalties() if key == name]
        return sum(terms) if terms else None


class Source(Layer):
    """A layer that returns its parameter, whatever its input: so that x of a model is a parameter like others."""

    def __init__(self, x: np.ndarray):
        super().__init__()
        self.params["x"] = x

    def forward(self, x, training=False):
        """Return (x, backward)."""
        def backward(dy):
            self.grads["x"] = dy
            return dy
        return self.params["x"], backward


def movable(x: Any) -> np.ndarray:
    """Return a copy of an array, in float64 if it has a fractional part to move."""
    return np.array(x, np.float64 if np.asarray(x).dtype.kind == "f" else None, order="C")


def random_upstream(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw an upstream gradient: of both signs, no two alike, and none so small that its output goes unseen.

    All ones would be blind: under it a softmax has no gradient at all, and transposed sums are not told apart.
    """
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
