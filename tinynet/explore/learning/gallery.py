"""Trainings that fail, each in its own way: what each looks like, and how one tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinynet.explore.learning.trainer import Trainer
from tinynet.layers.weighted import Weighted
from tinynet.models import Sequential
from tinynet.study.health.health import rectifies

RATE_FACTOR = 1000
DEAD_BIAS = -50.0
PIXELS = 255.0


class Failure(NamedTuple):
    """One way to fail: its title, what it looks like, how one tells it, what brings it about, and on which models."""

    title: str
    text: str
    how_to_tell: str
    bring_about: Callable[[Trainer], None]
    possible: Callable[[Trainer], bool] = lambda trainer: True


def begin(trainer: Trainer, failure: Failure) -> None:
    """Begin a training anew, with new weights, that fails in this way."""
    trainer.begin()
    trainer.progressed._replace(iterations=0, slots={}).put_back(trainer.model.optimizer)
    with_new_weights(trainer.model)
    failure.bring_about(trainer)
    trainer.changed()
    trainer.start()


def with_new_weights(model: Sequential, seed: int = 0) -> None:
    """Draw all weights of a model anew."""
    shape = model.input_shape or ()
    model.unbuild()
    model.build(shape, np.random.default_rng(seed))


def large_rate(trainer: Trainer) -> None:
    """Take a learning rate a thousand times as large."""
    trainer.model.optimizer.learning_rate = RATE_FACTOR * trainer.rate


def zero_weights(trainer: Trainer) -> None:
    """Set all kernels to 0, so that no unit differs from another."""
    for array in trainer.model.params.values():
        if array.ndim > 1:
            array[...] = 0


def dead_units(trainer: Trainer) -> None:
    """Give every rectified unit a bias so low that no input brings it above 0."""
    for layer in rectified(trainer):
        layer.params["bias"][...] = DEAD_BIAS


def rectified(trainer: Trainer) -> list[Weighted]:
    """List the layers whose units can die, and that have biases."""
    return [layer for layer in trainer.model.leaves() if isinstance(layer, Weighted) and layer.use_bias
            and layer.activation is not None and rectifies(layer.activation)]


def unscaled(trainer: Trainer) -> None:
    """Leave pixels as they are stored."""
    trainer.scale = PIXELS


def shuffled(trainer: Trainer) -> None:
    """Give every sample the label of another."""
    trainer.targets = np.asarray(trainer.targets)[trainer.rng.permutation(len(trainer.data.train.x))]


def has_pixels(trainer: Trainer) -> bool:
    """Return whether the samples are from 0 to 1."""
    some = trainer.data.train.take(slice(100), trainer.model.dtype)
    return bool(len(some) and some.min() >= 0 and some.max() <= 1)


FAILURES = {
    "rate": Failure(
        "The learning rate too large",
        "The loss leaps up at once, many times over, and then stays near that of guessing; so does the accuracy.",
        "The first updates are as long as the weights themselves or longer: a thousandth is usual. Most units that "
        "rectify are dead after them. Divide the rate by 10 until the loss falls.", large_rate),
    "zeros": Failure(
        "All weights zero",
        "The loss stays at that of guessing, ln 10 = 2.303 for ten classes, whatever the rate: only the last layer's "
        "bias moves.",
        "All maps are the same, and 0. The gradients of all kernels are exactly 0: what comes in is multiplied by 0, "
        "and so is what goes back. Weights begin at random so that no two units are the same.", zero_weights),
    "dead": Failure(
        "Dead units",
        "The loss stays where it is from the first step on: nothing gets through.",
        "The maps after each ReLU are 0 for every input, and dead units are at 100 %. Where a ReLU is 0 its slope is "
        "0, so that no gradient comes back, and nothing ever changes. A lower rate prevents it.", dead_units,
        lambda trainer: bool(rectified(trainer))),
    "pixels": Failure(
        "Pixels left at 0 to 255",
        "The first losses are many times that of guessing; then it falls, to where others begin.",
        "The input's numbers go up to 255, and the first logits lie tens apart: the softmax is sure of everything, "
        "right or wrong. Divide by 255, or begin with Rescaling(1 / 255).", unscaled, has_pixels),
    "labels": Failure(
        "Labels shuffled",
        "The loss falls to that of guessing and no further, and the test accuracy stays at one in ten.",
        "All else is as it should be: gradients, updates, units. Look at a few samples beside their labels. Trained "
        "for very long, a large network learns even these by heart.", shuffled),
}


def possible(trainer: Trainer) -> dict[str, Failure]:
    """Return the failures that a model and its samples can show, by name."""
    if trainer.refusal():
        return {}
    return {name: failure for name, failure in FAILURES.items() if failure.possible(trainer)}
