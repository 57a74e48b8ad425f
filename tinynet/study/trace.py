"""One forward and one backward of a model, step by step, with every array on the way kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.layers.base import Layer, Step
from tinynet.registry import pick
from tinynet.training.data import as_samples


class Trace:
    """A forward of `model` on samples `x`, one step after the other and none fused with the next.

    The arrays are what `Sequential.forward` computes, to its rounding. Dropout is off unless `training` is true.

    Attributes
    ----------
    steps : the model's flat list, ``model.steps()``.
    inputs, outputs : what each step was given, and what it returned.
    """

    def __init__(self, model: Any, x: Any, training: bool = False):
        x = as_samples(x, model.dtype)
        if model.output_shape is None:
            model.build(x.shape[1:])
        model.check(x)
        self.model, self.steps = model, model.steps()
        self.inputs: list[np.ndarray] = []
        self.outputs: list[np.ndarray] = []
        self.backwards: list[Any] = []
        for step in self.steps:
            self.inputs.append(x)
            x, backward = step.run(x, training)
            self.outputs.append(x)
            self.backwards.append(backward)

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
        return gives_probabilities(self.steps)

    @property
    def logits(self) -> np.ndarray:
        """What a final softmax is given; the output of a model that ends without one."""
        return self.inputs[-1] if self.ends_in_probabilities else self.outputs[-1]

    def backward(self, dy: np.ndarray, end: int | None = None) -> list[np.ndarray]:
        """Run back from ``dy``, the gradient of the output of the last of the first `end` steps (None: of all).

        Returns the gradients with respect to what each step was given, and last `dy`: entry i + 1 is thus the
        upstream gradient of step i, and entry 0 the gradient of x. Every layer's ``grads`` are set.
        """
        gradients = [dy]
        for backward in reversed(self.backwards[:end]):
            gradients.append(backward(gradients[-1]))
        return gradients[::-1]

    def loss_gradients(self, y: Any) -> list[np.ndarray]:
        """Run back from the compiled loss, as `fit` does: from the logits where the loss is a cross-entropy.

        Returns the list that `backward` returns; ``grads`` become those that ``model.objective`` sets, penalties
        included.
        """
        loss, end = self.model.loss, len(self.steps)
        if loss is None:
            raise ValueError(f"{self.model}: not compiled yet. Call compile(loss=..., optimizer=...) first.")
        if self.ends_in_probabilities and not getattr(loss, "from_logits", True):
            loss, end = loss.on_logits(), end - 1
        output = self.outputs[end - 1] if end else self.inputs[0]
        gradients = self.backward(loss.forward(np.asarray(y), output)[1](), end)
        params, grads = self.model.params, self.model.grads
        for key, term in self.model.penalties():
            grads[key] = grads[key] + term.gradient(params[key])
        return gradients

    def gradients(self, y: Any, upstream: Any) -> list[np.ndarray]:
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


def gives_probabilities(steps: list[Step]) -> bool:
    """Tell whether the last of the steps makes probabilities of logits."""
    return bool(steps) and getattr(steps[-1].layer, "gives_probabilities", False)


def check_place(place: Any, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Return an index into an array of `shape` as a tuple of ints from 0, or raise a ValueError naming `what`.

    >>> check_place((3, -1), (5, 5), "pixel (row, column)")
    (3, 4)
    """
    index = tuple(np.atleast_1d(place).tolist())
    if len(index) != len(shape) or not all(-n <= i < n and i == int(i) for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"Expected {what}, an index into shape {shape}. Received: {place!r}.")
    return tuple(int(i) % n for i, n in zip(index, shape, strict=True))


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put the layers' ``grads`` and random generators back as they were when the block ends."""
    leaves = [leaf for leaf in model.leaves() if "grads" in vars(leaf)]             # a model has none of its own
    grads = [dict(leaf.grads) for leaf in leaves]
    generators = {id(rng): rng for leaf in model.leaves() if (rng := getattr(leaf, "rng", None)) is not None}
    states = {key: rng.bit_generator.state for key, rng in generators.items()}
    try:
        yield
    finally:
        for leaf, before in zip(leaves, grads, strict=True):
            leaf.grads = before
        for key, rng in generators.items():
            rng.bit_generator.state = states[key]
