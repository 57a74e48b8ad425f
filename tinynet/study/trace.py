"""One forward and one backward of a model, step by step, with every array on the way kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinynet.layers.base import Backward, Layer
from tinynet.registry import pick
from tinynet.regularizers import counting_activity
from tinynet.steps.plan import ends_in_probabilities, leave_softmax_to_loss
from tinynet.steps.run import forwards, gradients
from tinynet.steps.untouched import StateSnapshot
from tinynet.tables import Table, Tabular
from tinynet.training.data import as_samples
from tinynet.training.model import Model


class Trace(Tabular):
    """A forward of `model` on samples `x`, one step after the other and none fused with the next.

    The arrays are what `Sequential.forward` computes, to its rounding. Dropout is off unless `training` is true; a
    layer's ``state`` stays as it was even then.

    Attributes
    ----------
    steps : the model's flat list, ``model.steps()``.
    inputs, outputs : what each step was given, and what it returned.
    """

    def __init__(self, model: Model, x: ArrayLike, training: bool = False):
        x = as_samples(x, model.dtype)
        if model.output_shape is None:
            model.build(x.shape[1:], model.rng)
        model.check(x)
        self.model, self.steps = model, model.steps()
        before = StateSnapshot(model.leaves())
        try:
            ran = list(forwards(self.steps, x, training))
        finally:
            before.restore()
        self.inputs: list[np.ndarray] = [each.x for each in ran]
        self.outputs: list[np.ndarray] = [each.y for each in ran]
        self.backwards: list[Backward] = [each.backward for each in ran]

    def in_short(self) -> str:
        """Say of which model, on how many samples, through how many steps."""
        shape = self.inputs[0].shape if self.inputs else ()
        return f"{self.model}, {len(self.steps)} steps, samples {shape}"

    def tables(self) -> list[Table]:
        """Return a table of the steps, with the range of what each returned."""
        rows = [[step.name, str(x.shape), str(y.shape), f"{y.min():.4g} to {y.max():.4g}" if y.size else ""]
                for step, x, y in zip(self.steps, self.inputs, self.outputs, strict=True)]
        return [Table(["step", "input", "output", "from the smallest to the largest"], rows)]

    def place(self, layer: Layer | str) -> int:
        """Return the place in `steps` of a layer, or of the step of that name."""
        places = {step.name: i for i, step in enumerate(self.steps)}
        if isinstance(layer, str):
            return pick("step", layer, places)
        for i, step in enumerate(self.steps):
            if step.layer is layer:
                return i
        raise ValueError(f"Expected a layer of {self.model}, or the name of one of its steps: {', '.join(places)}. "
                         f"Received: {layer}.")

    @property
    def ends_in_probabilities(self) -> bool:
        """Whether the last step makes probabilities of logits."""
        return ends_in_probabilities(self.steps)

    @property
    def logits(self) -> np.ndarray:
        """What a final softmax is given; the output of a model that ends without one."""
        return self.inputs[-1] if self.ends_in_probabilities else self.outputs[-1]

    def backward(self, dy: np.ndarray, end: int | None = None) -> list[np.ndarray]:
        """Run back from ``dy``, the gradient of the output of the last of the first `end` steps (None: of all).

        Returns the gradients with respect to what each step was given, and last `dy`: entry i + 1 is thus the
        upstream gradient of step i, and entry 0 the gradient of x. Every layer's ``grads`` are set.
        """
        return [dy, *gradients(self.backwards[:end], dy)][::-1]

    def loss_gradients(self, y: ArrayLike | None) -> list[np.ndarray]:
        """Run back from the compiled loss, as `fit` does: from the logits where the loss is a cross-entropy.

        Returns the list that `backward` returns; ``grads`` become those that ``model.objective`` sets, penalties
        included.
        """
        if self.model.loss is None:
            raise ValueError(f"{self.model}: not compiled yet. Call compile(loss=..., optimizer=...) first.")
        steps, _, loss = leave_softmax_to_loss(self.steps, self.model.loss)
        output = self.outputs[len(steps) - 1] if steps else self.inputs[0]
        with counting_activity([]):
            found = self.backward(loss.forward(np.asarray(y), output)[1](), len(steps))
        params, grads = self.model.params, self.model.grads
        for key, term in self.model.penalties():
            grads[key] = grads[key] + term.gradient(params[key])
        return found

    def gradients(self, y: ArrayLike | None, upstream: ArrayLike | None) -> list[np.ndarray]:
        """Run back from the loss for targets `y`, or from the gradient `upstream` of the model's output."""
        if (y is None) == (upstream is None):
            raise ValueError("Expected either targets y, for the gradient of the compiled loss, or upstream=, the "
                             f"gradient of the model's output. Received: {'neither' if y is None else 'both'}.")
        if upstream is None:
            return self.loss_gradients(y)
        upstream = np.asarray(upstream, self.model.dtype)
        if upstream.shape != self.outputs[-1].shape:
            raise ValueError(f"Expected upstream of the output's shape, {self.outputs[-1].shape}. "
                             f"Received: {upstream.shape}.")
        return self.backward(upstream)


def check_place(place: ArrayLike | None, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Return an index into an array of `shape` as a tuple of ints from 0, or raise a ValueError naming `what`.

    >>> check_place((3, -1), (5, 5), "pixel (row, column)")
    (3, 4)
    """
    index = tuple(np.atleast_1d(np.asarray(place)).tolist())
    if len(index) != len(shape) or not all(-n <= i < n and i == int(i) for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"Expected {what}, an index into shape {shape}. Received: {place!r}.")
    return tuple(int(i) % n for i, n in zip(index, shape, strict=True))
