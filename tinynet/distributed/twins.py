"""Twins of a model, one for each shard: they share its parameters, and have gradients and states of their own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinynet.files.state import owners
from tinynet.kernels.part import part
from tinynet.layers.base import Backward, Forward, Layer, cast_floats
from tinynet.regularizers import RegularizerLike, counting_activity
from tinynet.steps.plan import PlanCache
from tinynet.steps.run import run_steps, without_dx
from tinynet.steps.step import steps_of
from tinynet.training.data import Data, Tally
from tinynet.training.model import Model

SHARED = "params", "optimizer", "loss", "metrics", "weighted_metrics", "history"       # by all twins of a model


class Twin:
    """A model's twin, that computes a shard: with the same layers, of which only the parameters are the same arrays."""

    def __init__(self, model: Model):
        shared = {id(value): value for leaf in model.leaves() for key, value in vars(leaf).items() if key in SHARED}
        self.original, self.model = model, copy.copy(model)
        self.model.layers = copy.deepcopy(model.layers, shared)           # type: ignore[attr-defined]
        self.model._plans = PlanCache()
        self.leaves = list(zip(model.leaves(), self.model.leaves(), strict=True))[1:]
        self.share = ShareOfBatch()
        for penalty in penalties_on_outputs(leaf for _, leaf in self.leaves):
            penalty.term = PartOfPenalty(penalty.term, self.share)
        self.generators: dict[int, tuple[np.random.Generator, Placed]] = {}
        of = {id(leaf): twin for leaf, twin in self.leaves}
        for owner in owners(model):
            _, placed = self.generators.setdefault(id(owner.rng), (owner.rng, Placed(np.random.PCG64())))
            if id(owner) in of:
                of[id(owner)].rng = placed                                # type: ignore[attr-defined]

    def begin(self, samples: int) -> None:
        """Be as the model is now, before a batch of so many samples."""
        for leaf, twin in self.leaves:
            if vars(leaf).get("state"):
                twin.state = {key: np.array(value) for key, value in leaf.state.items()}
            if "grads" in vars(twin):
                twin.trainable, twin.grads = leaf.trainable, {}
        for original, placed in self.generators.values():
            placed.bit_generator.state, placed.batch = original.bit_generator.state, samples

    def run(self, data: Data, samples: int, after_step: Callable[[], None] | None) -> dict[str, Tally]:
        """Compute a shard of a batch of so many samples, forward and backward.

        The gradients are of this shard's part of the batch's loss, without penalties on the parameters. Returns what
        the shard adds to the metrics.
        """
        self.share.value = share = len(data.x) / samples
        model, on_outputs = self.model, list[float]()
        plan = model._plans.plan(steps_of(model), True, model.loss)
        steps = plan.steps if after_step is None else [step._replace(run=followed(step.run, after_step))
                                                       for step in plan.steps]
        with counting_activity(on_outputs):
            output, backward = run_steps(steps, data.x, training=True)
            value_of, loss_backward, y_pred = plan.outcome(data.y, output, data.weight)
            value = value_of()
            tallies = self.original._tallies(value + sum(on_outputs), data, y_pred)
            backward(loss_backward() * output.dtype.type(share), need_dx=plan.needs_dx)
        return tallies

    def state_and_generators(self) -> list[Any]:
        """Return what the model has become besides its gradients, for `set_state_and_generators`."""
        states = []
        for leaf, twin in self.leaves:
            if vars(leaf).get("state"):
                cast_floats(twin.state, self.original.dtype)
                states.append(twin.state)
        return [states, [placed.bit_generator.state for _, placed in self.generators.values()]]

    def set_state_and_generators(self, saved: list[Any], finite: bool) -> None:
        """Let the model be so; the states only if they are of a batch whose loss is `finite`."""
        states, generators = saved
        with_state = [leaf for leaf, _ in self.leaves if vars(leaf).get("state")]
        for leaf, state in zip(with_state, states, strict=True) if finite else ():
            leaf.state.update(state)
        for (original, _), state in zip(self.generators.values(), generators, strict=True):
            original.bit_generator.state = state


def followed(run: Forward, then: Callable[[], None]) -> Forward:
    """Return a step's function, whose backward calls another one when it is done."""
    def forward(x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        y, step_backward = run(x, training)

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            dx = (step_backward if need_dx else without_dx(step_backward))(dy)
            then()
            return dx
        return y, backward
    return forward


class ShareOfBatch:
    """Which part of the batch a shard is, as a fraction."""

    value = 1.0


class PartOfPenalty:
    """A penalty on outputs, whose gradient is that of a batch of which these outputs are a part.

    The layer divides by the samples that it sees: a shard's mean is to count as much as the shard.
    """

    def __init__(self, term: RegularizerLike, share: ShareOfBatch):
        self.term, self.share = term, share

    def value(self, w: np.ndarray) -> float:
        """Return the penalty; means over shards are put together where the loss is."""
        return self.term.value(w)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return the gradient, as much of it as the shard is of the batch."""
        return self.term.gradient(w) * w.dtype.type(self.share.value)


def penalties_on_outputs(leaves: Iterator[Layer]) -> Iterator[Any]:
    """Yield the layers that are penalties on outputs, or have one."""
    from tinynet.layers import ActivityRegularization
    for leaf in leaves:
        if isinstance(leaf, ActivityRegularization):
            yield leaf
        if leaf.activity_penalty is not None:
            yield leaf.activity_penalty


def by_place(method: str) -> Any:
    """Return a method of a generator that draws for the whole batch, and returns what a shard's samples get."""
    draw = getattr(np.random.Generator, method)

    def drawn(self: Placed, *args: Any, **kwargs: Any) -> Any:
        here, position = part.get(), SIZES[method]
        size = kwargs.get("size", args[position] if position < len(args) else None)
        if here is None or not isinstance(size, tuple) or size[:1] != (here.samples,):
            return draw(self, *args, **kwargs)
        whole = self.batch, *size[1:]
        if "size" in kwargs:
            kwargs["size"] = whole
        else:
            args = *args[:position], whole, *args[position + 1:]
        return draw(self, *args, **kwargs)[here.first:here.first + here.samples]
    return drawn


SIZES: Mapping[str, int] = {"random": 0, "standard_normal": 0, "normal": 2, "uniform": 2, "integers": 2, "binomial": 2}


class Placed(np.random.Generator):
    """A generator that gives a sample the numbers that it would get in the whole batch, by its place.

    What is drawn with a size that begins with the number of the shard's samples is drawn for the whole batch.
    """

    batch = 0                              # samples of it
    random, standard_normal, normal, uniform, integers, binomial = map(by_place, SIZES)
