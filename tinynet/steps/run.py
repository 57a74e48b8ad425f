"""The one interpreter of a list of steps, for fit, predict, study, testing and the search for the first bad layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinynet.kernels.streams import Stream, current_stream
from tinynet.layers import Flatten, Reshape
from tinynet.layers.base import Backward, Shape, check_forward, described
from tinynet.steps.step import Step


VIEWS = Flatten.forward, Reshape.forward            # what they return of an array that is contiguous


class StepRun(NamedTuple):
    """A step that has run: its input, its output, and the backward it returned."""

    step: Step
    x: np.ndarray
    y: np.ndarray
    backward: Backward


def forwards(steps: Iterable[Step], x: np.ndarray, training: bool = False) -> Iterator[StepRun]:
    """Run steps one after the other, each on the output of the one before."""
    for step in steps:
        y, backward = check_forward(step.layer, step.run(x, training))
        yield StepRun(step, x, y, backward)
        x = y


def gradients(backwards: Sequence[Backward], dy: np.ndarray) -> Iterator[np.ndarray]:
    """Run backwards in reverse, each on what the one after it returned; yield the gradient of each one's input."""
    for backward in reversed(backwards):
        dy = backward(dy)
        yield dy


def run_steps(steps: Sequence[Step], x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Run steps as one function: forwards composed, backwards chained in reverse.

    The backward takes ``need_dx=False`` where the gradient of `x` itself is not needed: it then ends at the first step
    that has parameters.
    """
    backwards: list[Backward] = []
    shapes, stream = [x.shape], current_stream()
    launched = stream is not None and stream.launches
    for step in steps:                              # as in `forwards`, which tells more: that takes longer than a step
        if stream is not None:
            stream.allow(launches(step, x))
        x, step_backward = check_forward(step.layer, step.run(x, training))
        backwards.append(step_backward)
        shapes.append(x.shape)
    if stream is not None:
        stream.allow(launched)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        first = 0 if need_dx else first_with_parameters(steps)
        needed = backwards[first:]
        if needed and not need_dx:
            needed[0] = without_dx(needed[0])
        if stream is not None:
            needed = [in_turn(stream, step, each) for step, each in zip(steps[first:], needed, strict=True)]
        if np.shape(dy) != shapes[-1]:
            raise ValueError(f"backward: expected dy, the gradient of what forward returned, {shapes[-1]}. Received: "
                             f"{np.shape(dy)}.")
        for dx in checked(gradients(needed, dy), steps[first:], shapes[first:]):
            dy = dx
        if stream is not None:
            stream.allow(launched)
        return dy if need_dx else None
    return x, backward


def launches(step: Step, array: np.ndarray) -> bool:
    """Return whether a step may be given an array that loops have not filled yet, and return others, see `launching`.
    """
    run = step.run
    return getattr(run, "launches", False) or (getattr(run, "__func__", None) in VIEWS and array.flags.c_contiguous)


def in_turn(stream: Stream, step: Step, backward: Backward) -> Backward:
    """Return the backward of a step, before which all loops have ended, unless it `launches`."""
    def run(dy: np.ndarray) -> np.ndarray:
        stream.allow(isinstance(dy, np.ndarray) and launches(step, dy))
        return backward(dy)
    return run


def checked(dxs: Iterable[np.ndarray], steps: Sequence[Step], shapes: Sequence[Shape]) -> Iterator[np.ndarray]:
    """Hand on what the backwards of steps return, given the shapes of their inputs.

    A ValueError of its layer if one that the next needs is no array, or of another shape: compiled loops, which rely on
    it, would read what lies behind.
    """
    for place, dx in zip(reversed(range(len(steps))), dxs, strict=True):
        layer, shape = steps[place].layer, shapes[place]
        if isinstance(dx, np.ndarray):
            layer.expect(dx.shape == shape, f"backward to return dx of the shape of its input, {shape}", dx.shape)
        elif place > 0:
            layer.expect(False, "backward to return dx, an array, alone", described(dx))
        yield dx


def first_with_parameters(steps: Sequence[Step]) -> int:
    """Return the index of the first step that has parameters, len(steps) if none has."""
    return next((index for index, step in enumerate(steps) if step.layer.params), len(steps))


def without_dx(backward: Backward) -> Backward:
    """Return `backward` without its input gradient, if it can leave it out: ``backward(dy, *, need_dx=True)``."""
    if "need_dx" in (getattr(backward, "__kwdefaults__", None) or ()):
        return lambda dy: backward(dy, need_dx=False)
    return backward
