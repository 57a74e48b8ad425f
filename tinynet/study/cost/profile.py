"""What each step of a model costs: shapes, parameters, arithmetic, memory, and measured time."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from tinynet.checks import is_int
from tinynet.layers.base import Shape
from tinynet.layers.variables import count_numbers
from tinynet.steps.run import first_with_parameters, forwards, gradients, without_dx
from tinynet.steps.step import Step
from tinynet.steps.untouched import untouched
from tinynet.study.arguments import built_input_shape, expect
from tinynet.study.cost.costs import Axis, im2col_size, multiply_adds
from tinynet.study.drawing import StrPath, finish, grid
from tinynet.study.receptive_fields import receptive_fields
from tinynet.tables import Table, Tabular
from tinynet.training.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StepProfile:
    """What one step costs.

    Attributes
    ----------
    name : the step's: ``"conv2d_1"``, ``"conv2d_1/relu"``.
    output_shape : of one sample.
    parameters : numbers in the layer's ``params``.
    multiply_adds : for one sample; None if the layer has weights, and no rule tells.
    fields : (size, jump) of the receptive field in cells of the model's input, along rows and along columns; jump is
        how far the next output's lies from it; None along an axis seen as a whole. None alone: not known.
    activation_bytes, im2col_bytes : of the output, and of im2col's columns, for the whole batch.
    forward_ms, backward_ms : medians, for the whole batch.
    """

    name: str
    output_shape: Shape
    parameters: int
    multiply_adds: int | None
    fields: tuple[Axis, Axis] | None
    activation_bytes: int
    im2col_bytes: int
    forward_ms: float
    backward_ms: float

    @property
    def field(self) -> str:
        """The receptive field in words: ``5``, ``5x3``, ``all``; ``?`` if not known."""
        return pair(self.fields, 0)

    @property
    def jump(self) -> str:
        """The receptive fields' distance in words; ``-`` for a field that is all there is."""
        return pair(self.fields, 1).replace("all", "-")


@dataclass(frozen=True, repr=False)
class Profile(Tabular):
    """The profile of a model's steps; ``print`` shows a table, `plot` draws bars.

    Attributes
    ----------
    model : the model's name.
    batch_size : samples to a batch.
    steps : one `StepProfile` each.
    planned_ms : of a forward and backward as `fit` runs them, several steps in one pass where `Sequential.plan` says
        so; the median.
    """

    model: str
    batch_size: int
    steps: list[StepProfile]
    planned_ms: float

    @property
    def milliseconds(self) -> float:
        """All steps' forward and backward together."""
        return sum(step.forward_ms + step.backward_ms for step in self.steps)

    def share(self, step: StepProfile) -> float:
        """Return a step's part of the time, from 0 to 1."""
        return (step.forward_ms + step.backward_ms) / self.milliseconds

    def in_short(self) -> str:
        """Say of which model, and the time that a batch took."""
        return (f"{self.model}, {len(self.steps)} steps, batches of {self.batch_size}: "
                f"{self.milliseconds:.1f} ms forward and backward")

    def tables(self) -> list[Table]:
        """Return a table of the steps; the last row has the totals."""
        rows: list[tuple[str, ...]] = [
            (step.name, "x".join(map(str, step.output_shape)), f"{step.parameters:,}", count(step.multiply_adds),
             step.field, step.jump, f"{step.activation_bytes / 1024:,.0f}", f"{step.im2col_bytes / 1024:,.0f}",
             f"{step.forward_ms:.3f}", f"{step.backward_ms:.3f}", f"{100 * self.share(step):.1f}")
            for step in self.steps]
        known = [step.multiply_adds for step in self.steps]
        total = count(sum(n or 0 for n in known)) + ("+?" if None in known else "")
        rows.append(("total", "", f"{sum(step.parameters for step in self.steps):,}", total, "", "",
                     f"{sum(step.activation_bytes for step in self.steps) / 1024:,.0f}",
                     f"{sum(step.im2col_bytes for step in self.steps) / 1024:,.0f}",
                     f"{sum(step.forward_ms for step in self.steps):.3f}",
                     f"{sum(step.backward_ms for step in self.steps):.3f}", "100.0"))
        return [Table(["step", "output", "params", "mult-adds", "field", "jump", "act KB", "im2col KB", "fwd ms",
                       "bwd ms", "%"], rows)]

    def __str__(self) -> str:
        lines = self.tables()[0].lines(left=2)
        rule = "-" * max(map(len, lines))
        return "\n".join([f"Profile of {self.model}, batches of {self.batch_size}: multiply-adds for one sample; bytes "
                          f"and medians for a batch", lines[0], rule, *lines[1:-1], rule, lines[-1],
                          f"Each step by itself: {self.milliseconds:.3f} ms. As planned, some in one pass: "
                          f"{self.planned_ms:.3f} ms"])

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draw multiply-adds, forward and backward time of each step as bars."""
        figure, axes = grid(1, 2, (10, 0.3 * len(self.steps) + 1.5), sharey=True)
        place = np.arange(len(self.steps))
        work = [step.multiply_adds or 0 for step in self.steps]
        drawn = axes[0, 0].barh(place, work, color="0.55")
        axes[0, 0].bar_label(drawn, [count(step.multiply_adds) for step in self.steps], padding=3, fontsize=8)
        axes[0, 0].set_xlabel("multiply-adds for one sample")
        axes[0, 0].xaxis.set_major_formatter("{x:,.0f}")
        axes[0, 0].set_yticks(place, [step.name for step in self.steps], fontsize=8)
        axes[0, 0].invert_yaxis()
        forward = np.array([step.forward_ms for step in self.steps])
        axes[0, 1].barh(place, forward, color="0.8", edgecolor="black", linewidth=0.6, label="forward")
        last = axes[0, 1].barh(place, [step.backward_ms for step in self.steps], left=forward, color="0.35",
                               edgecolor="black", linewidth=0.6, label="backward")
        axes[0, 1].bar_label(last, [f"{100 * self.share(step):.1f} %" for step in self.steps], padding=3, fontsize=8)
        axes[0, 1].set_xlabel(f"milliseconds for a batch of {self.batch_size} (median)")
        axes[0, 1].legend(fontsize=8)
        for ax in axes[0]:
            ax.margins(x=0.2)
            ax.locator_params(axis="x", nbins=5)
            ax.tick_params(axis="x", labelsize=8)
        return finish(figure, path)


def profile(model: Model, batch_size: int = 200, repeats: int = 7) -> Profile:
    """Return what each step of a model costs, and measure its forward and backward.

    Every step is run and timed by itself, as `fit` runs it where nothing is fused: with dropout on, and without the
    gradient of the model's input, which nothing uses. `fit` is faster than the sum where the kernel set does
    several steps in one pass, so the whole is timed as well, as the plan runs it. The samples are random numbers;
    weights, ``grads`` and random generators stay as they were.

    Rules tell the multiply-adds and how far a layer sees: `multiply_adds`, `im2col_size` and `reach`, to which those
    of a reader's layer are added with ``.register``.

    Parameters
    ----------
    model : a `Sequential` that is built.
    batch_size : samples to a batch.
    repeats : how many batches are timed, after one that is not; the median counts.

    Raises
    ------
    ValueError : for a model that is not built yet, or fewer than 1 sample or repeat.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Conv2D, MaxPool2D
    >>> model = Sequential([Conv2D(30, 5, input_shape=(1, 28, 28)), MaxPool2D(), Conv2D(15, 3)])
    >>> [(step.multiply_adds, step.field, step.jump) for step in profile(model, batch_size=1, repeats=1).steps]
    [(432000, '5', '1'), (0, '6', '2'), (405000, '10', '2')]
    """
    input_shape = built_input_shape(model, "profile")
    for what, count in (("batch_size", batch_size), ("repeats", repeats)):
        expect(is_int(count, 1), f"{what}, a whole number from 1", f"{count!r:.60}", "profile")
    x = np.random.default_rng(0).normal(size=(batch_size, *input_shape)).astype(model.dtype)
    with untouched(model):
        shapes, itemsizes, times = zip(*(run(model.steps(), x) for _ in range(repeats + 1)), strict=True)
        planned = [run_planned(model, x) for _ in range(repeats + 1)]
    forward, backward = 1000 * np.median(times[1:], axis=0)
    steps, owners = [], set()
    for k, (step, seen) in enumerate(zip(model.steps(), receptive_fields(model.steps(), shapes[0][:-1]), strict=True)):
        given, made = shapes[0][k:k + 2]
        rows, columns = (field and field[1:] for field in seen) if seen else (None, None)
        fields = (rows, columns) if seen else None
        numbers = 0 if id(step.layer) in owners else count_numbers(step.layer.weights)
        owners.add(id(step.layer))
        steps.append(StepProfile(
            step.name, made, numbers, multiply_adds(step.layer, given, made), fields,
            batch_size * prod(made) * itemsizes[0][k], batch_size * im2col_size(step.layer, given, made) *
            model.dtype.itemsize, float(forward[k]), float(backward[k])))
    return Profile(model.name or "sequential", batch_size, steps, 1000 * float(np.median(planned[1:])))


def run_planned(model: Model, x: np.ndarray) -> float:
    """Run a model forward and backward as it is planned; return the seconds."""
    start = perf_counter()
    y, backward = model.forward(x, training=True)
    backward(np.ones_like(y), need_dx=False)
    return perf_counter() - start


def run(steps: list[Step], x: np.ndarray) -> tuple[list[Shape], list[int], tuple[list[float], list[float]]]:
    """Run steps forward and backward; return the samples' shapes between them, their item sizes, and the seconds."""
    shapes, sizes, backwards, forward = [x.shape[1:]], [], [], []
    start = perf_counter()
    for ran in forwards(steps, x, training=True):
        forward.append(perf_counter() - start)
        x = ran.y
        shapes.append(x.shape[1:])
        sizes.append(x.itemsize)
        backwards.append(ran.backward)
        start = perf_counter()
    dy = np.random.default_rng(1).normal(size=x.shape).astype(x.dtype)
    first = first_with_parameters(steps)
    needed, seconds = backwards[first:], []
    if needed:
        needed[0] = without_dx(needed[0])                           # as in training
    start = perf_counter()
    for _ in gradients(needed, dy):
        seconds.append(perf_counter() - start)
        start = perf_counter()
    return shapes, sizes, (forward, [0.0] * first + seconds[::-1])


def pair(fields: tuple[Axis, Axis] | None, part: int) -> str:
    """Write the sizes (part 0) or jumps (1) along rows and columns, once if they are the same."""
    if fields is None:
        return "?"
    words = ["all" if axis is None else str(axis[part]) for axis in fields]
    return words[0] if words[0] == words[1] else "x".join(words)


def count(number: int | None) -> str:
    """Write a whole number, or ``?``."""
    return "?" if number is None else f"{number:,}"
