"""What is checked, in one form: named tensors that are perturbed, outputs that depend on them, and their gradients.

A layer, a loss and a model with its loss each become a `Target`: a float64 copy whose random state is restored
before every forward, so that it is a deterministic function of its tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward, Layer
from tinynet.losses import LossLike
from tinynet.models.sequential import Sequential
from tinynet.steps.run import without_dx
from tinynet.testing.cloning import Replay, clone, float64_clone
from tinynet.testing.gradcheck.protocols import LayerLike

Gradients = dict[str, np.ndarray | None]          # by the tensor's name; None where backward returned or set None


class Target:
    """Base of the three.

    Attributes
    ----------
    layer : the copy that is run: a layer, a model or a loss.
    tensors : what is perturbed: float64 arrays, each changed in place.
    unmeasured : the dtype of each tensor that has no slopes to measure.
    notes : remarks for the report, by name: why a tensor is not perturbed, for one.
    dy : the upstream gradient, for a layer.
    upstream : the weight of each output (M,); the gradients are those of ``upstream . outputs``.
    x, input_name : the input, a batch, and its name among the tensors.
    rounding_scale : see `differences.slope`.
    eps : the relative precision of the outputs.
    as_if : in place of forward, what slopes are measured on; None measures them on forward.
    """

    layer: LayerLike | LossLike
    x: np.ndarray
    input_name = "x"
    training = False
    dy: np.ndarray | None = None
    rounding_scale = 0.0
    as_if: Callable[[], object] | None = None

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.originals: dict[str, np.ndarray] = {}
        self.unmeasured: dict[str, np.dtype] = {}
        self.notes: dict[str, str] = {}
        self.dy_changed = False
        self.upstream = np.ones(1)
        self.eps = float(np.finfo(np.float64).eps)
        self.replay = Replay(self.layer)

    def add(self, name: str, array: np.ndarray) -> None:
        """Add a tensor that can be perturbed, or the reason why it cannot."""
        if array.dtype == np.float64:
            self.tensors[name], self.originals[name] = array, array.copy()
        else:
            self.unmeasured[name] = array.dtype
            self.notes[name] = f"not checked: no slope along {array.dtype} numbers is measured"

    def restore_tensors(self) -> list[str]:
        """Undo what was written to the tensors; return the names of those that were written to."""
        written = [name for name, array in self.tensors.items() if not np.array_equal(array, self.originals[name])]
        for name in written:
            self.tensors[name][...] = self.originals[name]
        return written + ["dy"] * self.dy_changed

    def forward(self) -> tuple[np.ndarray | float, Backward]:
        """Run forward with the random state restored; return the outputs and the backward."""
        raise NotImplementedError

    def outputs(self) -> np.ndarray:
        """Run forward, or what it is measured as; return all outputs as a new float64 array (M,), (1,) for a loss."""
        if self.as_if is None:
            return np.array(self.forward()[0], np.float64).ravel()
        self.replay.restore()
        return np.array(self.as_if(), np.float64).ravel()

    def measure_as(self, other: Any) -> None:
        """Measure slopes on another function, or layer, or loss; the gradients stay those of this one's backward."""
        raise TypeError("check_gradients: as_if is for a layer or a loss; check the layers of a model one by one.")

    def same_outputs(self) -> None:
        """Refuse what it is measured as, if the outputs are not of the same number."""
        expected, received = np.size(self.forward()[0]), self.outputs().size
        if received != expected:
            raise ValueError(f"check_gradients: expected as_if to return {expected} numbers, as many as forward does. "
                             f"Received: {received}.")

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Run forward and backward; return the gradients by name, whatever their shapes.

        Parameters
        ----------
        dy : the upstream gradient, `upstream` if None.
        between : called after forward, before backward.
        need_dx : False runs backward as training does, which has no use for the input's gradient.
        """
        raise NotImplementedError

    def another_forward(self) -> object:
        """Run forward on another batch, the same one reversed, before the backward of the first has run."""
        raise NotImplementedError

    def penalty(self, name: str) -> np.ndarray | None:
        """Return the gradient of the regularization term of this tensor, if it has one."""
        return None


class LayerTarget(Target):
    """A layer, under a random upstream gradient."""

    layer: LayerLike

    def __init__(self, layer: LayerLike, x: np.ndarray, training: bool, rng: np.random.Generator):
        self.layer, self.training, self.x = float64_clone(layer), training, as_float64(x)
        super().__init__()
        self.input_name = "x" if "x" not in self.layer.params else "input"
        self.add(self.input_name, self.x)
        for key, array in self.layer.params.items():
            self.add(key, array)
        y = np.asarray(self.forward()[0])
        if y.dtype in (np.float32, np.float16):
            self.eps = float(np.finfo(y.dtype).eps)
            self.notes["y"] = f"forward computes in {y.dtype} though x is float64: small errors cannot be seen"
        self.dy = random_upstream(y.shape, rng)
        self.upstream = self.dy.ravel()

    def forward(self, x: np.ndarray | None = None) -> tuple[np.ndarray, Backward]:
        """Run the layer with its random state restored."""
        self.replay.restore()
        return self.layer.forward(self.x if x is None else x, self.training)

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Return what backward returns and sets, by name."""
        _, backward = self.forward()
        if between:
            between()
        dy = np.asarray(self.dy if dy is None else dy)
        passed = dy.copy()
        dx = (backward if need_dx else without_dx(backward))(passed)
        self.dy_changed = not np.array_equal(passed, dy)
        grads = {key: array if array is None else np.array(array) for key, array in self.layer.grads.items()}
        return {self.input_name: dx if dx is None else np.array(dx)} | grads

    def another_forward(self) -> object:
        """Run forward on the batch reversed along every axis."""
        return self.forward(np.flip(self.x).copy())

    def measure_as(self, other: Any) -> None:
        """Measure slopes on another layer, whose parameters of the same names are ours, or on g(x) or g(x, params)."""
        params = dict(self.layer.params)
        if hasattr(other, "forward"):
            other = float64_clone(other)
            other.params.update({name: array for name, array in params.items() if name in other.params})
            self.replay.states += Replay(other).states
            self.as_if, depends_on = (lambda: other.forward(self.x, self.training)[0]), set(other.params)
        elif takes_two(other):
            self.as_if, depends_on = (lambda: other(self.x, params)), set(params)
        else:
            self.as_if, depends_on = (lambda: other(self.x)), set()
        for name in params.keys() - depends_on:
            if self.tensors.pop(name, None) is not None:
                self.notes[name] = "not checked: as_if does not depend on it"
        self.same_outputs()


class LossTarget(Target):
    """A loss, as a function of the predictions."""

    layer: LossLike
    rounding_scale = 1.0

    def __init__(self, loss: LossLike, y_pred: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None):
        self.layer, self.x, self.y, self.sample_weight = clone(loss), as_float64(y_pred, "fiub"), y, sample_weight
        self.input_name = "y_pred"
        super().__init__()
        self.add("y_pred", self.x)

    def forward(self, x: np.ndarray | None = None) -> tuple[float, Callable[[], np.ndarray]]:
        """Run the loss with its random state restored."""
        self.replay.restore()
        return self.layer.forward(self.y, self.x if x is None else x, self.sample_weight)

    def gradients(self, dy: np.ndarray | None = None, *, between: Callable[[], object] | None = None,
                  need_dx: bool = True) -> Gradients:
        """Return d value / d y_pred."""
        _, backward = self.forward()
        if between:
            between()
        dx = backward()
        return {"y_pred": dx if dx is None else np.array(dx)}

    def another_forward(self) -> object:
        """Run forward on the predictions in reverse order."""
        return self.forward(np.flip(self.x, axis=0).copy())

    def measure_as(self, other: Any) -> None:
        """Measure slopes on another loss, or on g(y_true, y_pred)."""
        if hasattr(other, "forward"):
            self.as_if = lambda: other.forward(self.y, self.x, self.sample_weight)[0]
        else:
            self.as_if = lambda: other(self.y, self.x)
        self.same_outputs()


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


def takes_two(function: Callable[..., object]) -> bool:
    """Return whether a function takes a second argument that it does not have a value for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):                        # written in C, without a signature
        return False
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
               for p in parameters) > 1


def leaves_of(layer: object) -> list[object]:
    """Return the layers of a model, nested ones too; a layer that is no model, as its only leaf."""
    return list(layer.leaves()) if hasattr(layer, "leaves") else [layer]


def as_float64(x: ArrayLike, kinds: str = "f") -> np.ndarray:
    """Return a copy of an array, as float64 if its dtype is of these kinds; all others stay as they are."""
    return np.array(x, np.float64 if np.asarray(x).dtype.kind in kinds else None, order="C")


def floats_if_followed(layer: LayerLike, x: np.ndarray) -> np.ndarray:
    """Return whole numbers as float64 if the layer computes with them, and does between whole numbers too.

    One that uses them as an index, or rounds what it gets, has no slopes along them.
    """
    if x.dtype.kind not in "iub":
        return x
    run = float64_clone(layer)
    replay = Replay(run)

    def outputs(x: np.ndarray) -> np.ndarray:
        replay.restore()
        return np.array(run.forward(x.copy(), False)[0], np.float64)
    try:
        whole, same = outputs(x), outputs(x.astype(np.float64))
        rounds = np.array_equal(outputs(x + 0.125), outputs(x + 0.25))
    except Exception:                                      # an index must be whole
        return x
    return x if rounds or not np.allclose(whole, same, rtol=1e-4) else x.astype(np.float64)


def random_upstream(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw an upstream gradient: of both signs, no two entries equal, and none near 0, which would hide its output.

    An upstream gradient of ones hides mistakes: with it a softmax has no gradient at all, and transposed sums agree.
    """
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
