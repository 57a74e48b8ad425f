"""The one interpreter of a list of steps, for fit, predict, study, testing and the search for the first bad layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinynet.kernels.streams import current_stream
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
    shapes = [x.shape]
    for step in steps:                              # as in `forwards`, which tells more: that takes longer than a step
        take_turns(step, x)
        x, step_backward = check_forward(step.layer, step.run(x, training))
        backwards.append(step_backward)
        shapes.append(x.shape)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        first = 0 if need_dx else first_with_parameters(steps)
        needed = backwards[first:]
        if needed and not need_dx:
            needed[0] = without_dx(needed[0])
        needed = in_turns(steps[first:], needed)
        if np.shape(dy) != shapes[-1]:
            raise ValueError(f"backward: expected dy, the gradient of what forward returned, {shapes[-1]}. Received: "
                             f"{np.shape(dy)}.")
        for dx in checked(gradients(needed, dy), steps[first:], shapes[first:]):
            dy = dx
        return dy if need_dx else None
    return x, backward


def take_turns(step: Step, array: np.ndarray) -> None:
    """Wait for the loops that steps before have launched, unless this one may be given an array that they have not
    filled yet, see `launching`.
    """
    stream = current_stream()
    if stream is not None:
        run = step.run
        is_view = getattr(run, "__func__", None) in VIEWS and isinstance(array, np.ndarray) and array.flags.c_contiguous
        stream.allow(is_view or getattr(run, "launches", False))


def in_turns(steps: Sequence[Step], backwards: list[Backward]) -> list[Backward]:
    """Return the backwards of steps, each of which takes its turn."""
    if current_stream() is None:
        return backwards

    def in_turn(step: Step, backward: Backward) -> Backward:
        def run(dy: np.ndarray) -> np.ndarray:
            take_turns(step, dy)
            return backward(dy)
        return run
    return [in_turn(step, backward) for step, backward in zip(steps, backwards, strict=True)]


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
