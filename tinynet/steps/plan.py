"""What really runs when a model does, and why: the one place that decides what is done differently for speed.

A model is a flat list of steps. Three shortcuts are taken where they change no number but the last digits:

- several steps run in one pass, where the kernel set has a function for them (`fused`, `convolutions`, `normalized`);
- a softmax right before a cross-entropy, or a sigmoid before a binary one, is left to the loss, which works from the
  logits, exact for logits of any size;
- the first layer with parameters does not compute its input gradient in training, which nothing uses.

``print(model.plan())`` shows them, and ``kernels.use("fast", fuse=False)`` switches all of them off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast, overload, runtime_checkable

import numpy as np

from tinynet import kernels
from tinynet.kernels.elementwise import elementwise
from tinynet.kernels.streams import stop_launching, waiting
from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    HardSigmoid,
    LayerNormalization,
    LeakyReLU,
    MaxPool2D,
    PReLU,
    ReLU,
    ReLU6,
    Residual,
    SeparableConv2D,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    SpatialDropout2D,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.base import Backward, Forward, Layer, as_floating
from tinynet.steps import convolutions, fused, normalized
from tinynet.steps.run import first_with_parameters, run_steps
from tinynet.steps.step import Step, steps_of
from tinynet.tables import Table, Tabular


class PlannedLoss(Protocol):
    """What a plan needs of a loss."""

    def forward(self, y_true: Any, y_pred: np.ndarray, sample_weight: Any = None, /
                ) -> tuple[float, Callable[[], np.ndarray]]:
        """Return ``(value, backward)``, and ``backward()`` returns d value / d y_pred."""


@runtime_checkable
class LossWithLogits(PlannedLoss, Protocol):
    """A loss of probabilities or of logits, that knows its twin for logits.

    It may name the activation, ``last_layer``, that makes its probabilities: ``"softmax"`` if it does not.
    """

    from_logits: bool

    def on_logits(self) -> PlannedLoss:
        """Return the same loss for logits."""


@runtime_checkable
class LossWithSoftmax(LossWithLogits, Protocol):
    """A loss of logits that also makes their probabilities, in one pass, where the kernel set has a function for it."""

    plain: bool                                                 # no subclass with losses of its own

    def with_softmax(self, cross_entropy: Callable[..., tuple], y_true: Any, z: np.ndarray, sample_weight: Any = None, /
                     ) -> tuple[Callable[[], float], Callable[[], np.ndarray], np.ndarray]:
        """Return what ``forward`` does, its value as a function, and the probabilities, by one of the kernel set."""


class Row(NamedTuple):
    """A line of a plan: the steps that run together, whether in one pass, by which function, and why."""

    layers: tuple[str, ...]
    fused: bool
    function: str
    why: str


class Plan(Tabular, Sequence[Row]):
    """How a model runs; printed, a row for each function that is called.

    Attributes
    ----------
    steps : what runs forward and backward, in order.
    softmax : steps that run forward alone, for the predictions: a softmax, or a sigmoid, whose backward is part of the
        loss.
    one_pass : whether the loss is computed in one pass, which makes the probabilities as well, see `outcome`.
    loss : the loss that goes with them: for logits if that was left to it.
    needs_dx : whether backward computes the gradient of the model's own input, which `fit` has no use for.
    """

    def __init__(self, steps: list[Step], training: bool, loss: PlannedLoss | None):
        self.steps: list[Step] = steps
        self.softmax: list[Step] = []
        self.loss = loss
        if loss is not None:
            self.steps, self.softmax, self.loss = leave_softmax_to_loss(steps, loss)
        self.listed, self.training = self.steps, training
        self.needs_dx = loss is None or not kernels.fuses()
        if kernels.fuses():
            self.steps = fuse(self.steps, training)
        self.one_pass = (kernels.fuses() and isinstance(self.loss, LossWithSoftmax) and self.loss.from_logits
                         and self.loss.plain and hasattr(kernels.current(), "cross_entropy"))

    def outcome(self, y_true: Any, output: np.ndarray, sample_weight: Any = None
                ) -> tuple[Callable[[], float], Callable[[], np.ndarray], np.ndarray]:
        """Return ``(value, backward, y_pred)`` of what the steps return: the loss's, and the predictions.

        The value is a function, which waits for it where loops are launched.
        """
        if self.one_pass and output.dtype.char in "fd":
            if sample_weight is not None or not output.flags.c_contiguous:
                stop_launching()
            mean, backward, p = cast(LossWithSoftmax, self.loss).with_softmax(
                kernels.current().cross_entropy, y_true, output, sample_weight)
            return waiting(mean), backward, p if self.softmax else output
        stop_launching()
        value, backward = cast(PlannedLoss, self.loss).forward(y_true, output, sample_weight)
        return lambda: value, backward, run_steps(self.softmax, output)[0]

    @property
    def rows(self) -> list[Row]:
        """The plan in words."""
        names, rows = iter(step.name for step in self.listed), []
        first = len(self.steps) if self.needs_dx or not self.training else first_with_parameters(self.steps)
        for index, step in enumerate(self.steps):
            group = step.run if isinstance(step.run, FusedLayers) else None
            layers = tuple(next(names) for _ in (group.layers if group else [step.layer]))
            function, why = group.pattern[1:3] if group else (step.run, "as its file shows it")
            if index == first:
                why += "; no input gradient, which nothing uses"
            elif index < first < len(self.steps):
                why += "; not run backward: nothing before it learns"
            rows.append(Row(layers, group is not None, qualified_name(function), why))
            if isinstance(step.layer, Residual) and (group or getattr(step.run, "__func__", None) is Residual.forward):
                rows += [row._replace(layers=tuple(f"{step.name}/{name}" for name in row.layers))
                         for row in Plan(steps_inside(step.layer), self.training, None)]
        method, besides = ("with_softmax", ", and makes the probabilities, too") if self.one_pass else ("forward", "")
        return rows + [Row((step.name,), True, f"{qualified_name(self.loss)}.{method}",
                           f"the loss works from the logits{besides}")
                       for step in self.softmax]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def in_short(self) -> str:
        """Say how many functions are called, and for how many steps."""
        return f"{len(self)} functions for {sum(len(row.layers) for row in self.rows)} steps"

    def tables(self) -> list[Table]:
        """Return the plan as a table."""
        return [Table(["layers", "runs", "function", "why"],
                      [(", ".join(row.layers), "in one pass" if row.fused else "as shown", row.function, row.why)
                       for row in self.rows])]

    def __str__(self) -> str:
        return "\n".join(self.tables()[0].lines(left=4))

    __repr__ = __str__


def leave_softmax_to_loss(steps: list[Step], loss: PlannedLoss) -> tuple[list[Step], list[Step], PlannedLoss]:
    """Return (steps, softmax, loss): a last softmax, or sigmoid, split off if the loss can work from the logits."""
    if (kernels.fuses() and isinstance(loss, LossWithLogits) and not loss.from_logits
            and ends_in_probabilities(steps, made_by(loss))):
        return steps[:-1], steps[-1:], loss.on_logits()
    return steps, [], loss


def made_by(loss: LossWithLogits) -> str:
    """Return which activation makes the probabilities that a loss takes."""
    return getattr(loss, "last_layer", "softmax")


def ends_in_probabilities(steps: Sequence[Step], by: str = "softmax") -> bool:
    """Return whether the last of the steps turns logits into probabilities, by this activation."""
    return bool(steps) and getattr(steps[-1].layer, "gives_probabilities", None) == by


def fuse(steps: Sequence[Step], training: bool = True) -> list[Step]:
    """Return the steps, several replaced by one wherever a pattern fits and the kernel set has its function."""
    if not getattr(kernels.current(), "fuses", False):
        return list(steps)
    found, index = [], 0
    while index < len(steps):
        step = steps[index]
        for pattern in PATTERNS.get(type(step.layer), ()):
            group = steps[index:index + len(pattern.forwards)]
            layers = [each.layer for each in group]
            if pattern.fits(group) and pattern.applies(training, *layers):
                channels_first = pattern.either_way and not read_as_they_lie(steps[index + len(group):])
                step = Step(step.name, step.layer, FusedLayers(pattern, layers, channels_first))
                index += len(layers) - 1
                break
        index += 1
        found.append(step)
    return found


def read_as_they_lie(steps: Sequence[Step]) -> bool:
    """Return whether the first of these steps is as quick on images that lie channels last in memory."""
    return not steps or type(steps[0].layer) in CHANNELS_LAST


class Pattern(NamedTuple):
    """Steps that can run as one: their forwards, the function that replaces them, why, and on which condition.

    Some functions write images `either_way`, channels last in memory or, with ``channels_last=False``, first.
    """

    forwards: list[tuple[type[Layer], Forward]]
    function: Forward
    why: str
    applies: Callable[..., bool] = lambda training, *layers: True
    either_way: bool = False

    def fits(self, steps: Sequence[Step]) -> bool:
        """Return whether these are exactly the steps: a subclass, a replaced forward and other settings may differ."""
        return ([(type(step.layer), getattr(step.run, "__func__", None)) for step in steps] == self.forwards
                and all(step.layer.plain for step in steps))


class FusedLayers(partial[tuple[np.ndarray, Backward]]):
    """The layers of a pattern, called as one step, ``run(x, training)``."""

    pattern: Pattern
    layers: list[Layer]
    launches: bool

    def __new__(cls, pattern: Pattern, layers: list[Layer], channels_first: bool) -> FusedLayers:
        keywords = {"channels_last": False} if channels_first else {}
        self = super().__new__(cls, pattern.function, *layers, **keywords)
        self.pattern, self.layers, self.launches = pattern, layers, getattr(pattern.function, "launches", False)
        return self


def steps_inside(block: Residual) -> list[Step]:
    """List what the layers of a residual block do, flat."""
    return [step for name, layer in zip(block.layer_names, block.layers, strict=True) for step in steps_of(layer, name)]


def residual(block: Residual, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
    """Run x + f(x), what f does in as few passes as a model would."""
    steps, x = steps_inside(block), as_floating(x)
    f, f_backward = run_steps(fuse(steps, training), x, training)

    def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
        df = f_backward(dy, need_dx=need_dx)
        return added(dy, df) if need_dx else None
    return added(x, f), backward


@elementwise
def added(x: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Add the two ways through a residual block."""
    return x + f


def tiles_the_image(training: bool, conv: Conv2D, *others: Layer) -> bool:
    """Return whether the convolution is in one group, and its pooling `in_tiles`."""
    return conv.groups == 1 and in_tiles(training, next(layer for layer in others if isinstance(layer, MaxPool2D)))


def in_tiles(training: bool, pool: MaxPool2D) -> bool:
    """Return whether pooling windows neither overlap nor are padded, and are `small`."""
    windows = pool.windows
    return windows.padding == "valid" and windows.size == windows.strides and small(training, pool)


def small(training: bool, pool: MaxPool2D) -> bool:
    """Return whether the place of each winner in its window is small enough to be kept."""
    return math.prod(pool.windows.size) <= kernels.current().MAX_POOL_PIXELS


CONV, RELU, POOL = (Conv2D, Conv2D.linear), (ReLU, ReLU.forward), (MaxPool2D, MaxPool2D.forward)
NORM = BatchNormalization, BatchNormalization.forward
ELEMENTWISE: list[type[Layer]] = [Sigmoid, Tanh, Softplus, Softsign, SiLU, GELU, LeakyReLU, ELU, SELU, ReLU6,
                                  HardSigmoid, PReLU]
CHANNELS_LAST = {Conv2D, DepthwiseConv2D, SeparableConv2D, MaxPool2D, AveragePool2D, GlobalMaxPool2D, UpSampling2D,
                 ZeroPadding2D, BatchNormalization, Residual, ReLU, *ELEMENTWISE}
SAMPLES = "some samples at a time, on all cores"
PIXELS = "all channels of a pixel at once"
ROWS, PASSES = "a few rows at a time, while they are in the cache", "a pass for the sums, and one that normalises"
PATTERNS: dict[type[Layer], list[Pattern]] = {               # by the layer that they begin with, the longest first
    Conv2D: [
        Pattern([CONV, POOL, NORM, RELU], convolutions.conv_pool_norm_relu, f"{ROWS}; {PASSES} and rectifies",
                tiles_the_image),
        Pattern([CONV, NORM, RELU], convolutions.conv_norm_relu, f"bias and padding in place; {PASSES} and rectifies"),
        Pattern([CONV, RELU, POOL], convolutions.conv_relu_pool, ROWS, tiles_the_image, either_way=True),
        Pattern([CONV, POOL, NORM], convolutions.conv_pool_norm, f"{ROWS}; {PASSES}", tiles_the_image),
        Pattern([CONV, NORM], convolutions.conv_norm, f"bias and padding in place; {PASSES}"),
        Pattern([CONV, POOL], convolutions.conv_pool, ROWS, tiles_the_image, either_way=True),
        Pattern([CONV, RELU], convolutions.conv_relu, "bias, padding and ReLU in place", either_way=True),
        Pattern([CONV], convolutions.conv, "bias and padding in place", either_way=True)],
    BatchNormalization: [Pattern([NORM, RELU], normalized.norm_relu, f"{PASSES} and rectifies")],
    Dense: [Pattern([(Dense, Dense.linear), RELU], fused.dense_relu, "bias and ReLU in one pass over the product"),
            Pattern([(Dense, Dense.linear)], fused.dense, "bias in place")],
    DepthwiseConv2D: [Pattern([(DepthwiseConv2D, DepthwiseConv2D.linear)], convolutions.depthwise,
                              "bias and padding in place; all channels of a pixel at once", either_way=True)],
    SeparableConv2D: [Pattern([(SeparableConv2D, SeparableConv2D.linear)], convolutions.separable,
                              "bias and padding in place; the pointwise convolution as any other", either_way=True)],
    Dropout: [Pattern([(Dropout, Dropout.forward)], fused.dropout,
                      "no mask is stored: backward draws its bits again",
                      lambda training, layer: training and layer.noise_shape is None)],
    SpatialDropout2D: [Pattern([(SpatialDropout2D, Dropout.forward)], fused.dropout_of_channels, SAMPLES,
                               lambda training, layer: training)],
    ZeroPadding2D: [Pattern([(ZeroPadding2D, ZeroPadding2D.forward)], fused.zero_padding, SAMPLES)],
    MaxPool2D: [Pattern([POOL], fused.pool, PIXELS, small)],
    AveragePool2D: [Pattern([(AveragePool2D, AveragePool2D.forward)], fused.average_pool, PIXELS)],
    GlobalAvgPool2D: [Pattern([(GlobalAvgPool2D, GlobalAvgPool2D.forward)], fused.global_average_pool, SAMPLES)],
    GlobalMaxPool2D: [Pattern([(GlobalMaxPool2D, GlobalMaxPool2D.forward)], fused.global_max_pool, PIXELS)],
    UpSampling2D: [Pattern([(UpSampling2D, UpSampling2D.forward)], fused.upsampling, PIXELS)],
    Softmax: [Pattern([(Softmax, Softmax.forward)], fused.softmax, ROWS)],
    LayerNormalization: [Pattern([(LayerNormalization, LayerNormalization.forward)], normalized.rows, ROWS,
                                 normalized.of_last_axes)],
    Residual: [Pattern([(Residual, Residual.forward)], residual, "its layers are planned, too")],
}


def qualified_name(function: object) -> str:
    """Return ``module.Class.function``; of an object that is called, ``module.Class``."""
    cls = type(function)
    return f"{getattr(function, '__module__', cls.__module__)}.{getattr(function, '__qualname__', cls.__qualname__)}"


_Kept = tuple[list[object], list[dict[str, Any]], list[object], Plan]       # key; attributes of layers, their windows


class PlanCache:
    """The plans of one model, kept until anything that they depend on has changed.

    The steps are listed again for each call, which is quick, and reveals every change: other layers, an activation, a
    replaced forward, windows, a loss, a kernel set.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[bool, bool], _Kept] = {}

    def plan(self, steps: list[Step], training: bool, loss: PlannedLoss | None = None) -> Plan:
        """Return the plan for these steps, the cached one if nothing has changed."""
        key: list[object] = [*steps, *[step.layer.plain for step in steps],
                             kernels.current(), kernels.fuses(), loss, dict(getattr(loss, "__dict__", {}))]
        which = training, loss is not None
        kept = self._kept.get(which)
        if kept is None or kept[0] != key or kept[2] != [having.get("windows") for having in kept[1]]:
            having_windows = [vars(step.layer) for step in steps if "windows" in vars(step.layer)]
            windows = [having["windows"] for having in having_windows]
            kept = self._kept[which] = key, having_windows, windows, Plan(steps, training, loss)
        return kept[3]

    # a copied or pickled model makes plans of its own: these hold the layers they were made for

    def __deepcopy__(self, memo: dict[int, object]) -> PlanCache:
        return PlanCache()

    def __reduce__(self) -> tuple[type[PlanCache], tuple[()]]:
        return PlanCache, ()
