"""What is checked, in one form: named tensors that are perturbed, outputs that depend on them, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward
from tinynet.losses import LossLike
from tinynet.testing.cloning import Replay
from tinynet.testing.gradcheck.targets.protocols import LayerLike

Gradients = dict[str, np.ndarray | None]          # by the tensor's name; None where backward returned or set None


class Target:
    """Something that is checked: a float64 copy, whose random state is restored before every forward.

    Attributes
    ----------
    layer : the copy that is run: a layer, a model or a loss.
    tensors : what is perturbed: float64 arrays, each changed in place.
    unmeasured : the dtype of each tensor that has no slopes to measure.
    notes : remarks for the report, by name: why a tensor is not perturbed, for one.
    dy : the upstream gradient, for a layer.
    upstream : the weight of each output (M,); the gradients are those of ``upstream . outputs``.
    x, input_name : the input, a batch, and its name among the tensors.
    rounding_scale : see `slopes.line.Line`.
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
        if self.dy_changed:                                # told once: backward is given a copy of dy each time
            written, self.dy_changed = [*written, "dy"], False
        return written

    def forward(self) -> tuple[np.ndarray | float, Backward]:
        """Run forward with the random state restored; return the outputs and the backward."""
        raise NotImplementedError

    def outputs(self) -> np.ndarray:
        """Run forward, or what it is measured as; return all outputs as a new float64 array (M,), (1,) for a loss."""
        if self.as_if is None:
            return np.array(self.forward()[0], np.float64).ravel()
        self.replay.restore()
        return np.array(self.as_if(), np.float64).ravel()

    def outputs_like(self, y: np.ndarray) -> np.ndarray:
        """Return what `outputs` does, as many numbers as y has; NaN where forward refuses what was moved."""
        try:
            outputs = self.outputs()
            return outputs if outputs.shape == y.shape else np.full_like(y, np.nan)
        except Exception:                                  # it is outside the function's domain, or forward says so
            return np.full_like(y, np.nan)

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


def leaves_of(layer: object) -> list[object]:
    """Return the layers of a model, nested ones too; a layer that is no model, as its only leaf."""
    return list(layer.leaves()) if hasattr(layer, "leaves") else [layer]


def as_float64(x: ArrayLike, kinds: str = "f") -> np.ndarray:
    """Return a copy of an array, as float64 if its dtype is of these kinds; all others stay as they are."""
    return np.array(x, np.float64 if np.asarray(x).dtype.kind in kinds else None, order="C")


def random_upstream(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw an upstream gradient: of both signs, no two entries equal, and none near 0, which would hide its output.

    An upstream gradient of ones hides mistakes: with it a softmax has no gradient at all, and transposed sums agree.
    """
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)
