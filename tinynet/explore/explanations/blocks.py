"""Layers that are made of layers: a residual block, and a separable convolution, whose two stages are layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from tinynet.explore.explanations.arithmetic import Arithmetic, arithmetic, computed
from tinynet.explore.explanations.explain import explain_parameter
from tinynet.explore.explanations.explanation import Explanation, Place, sum_of_products
from tinynet.explore.explanations.numbers import StepNumbers
from tinynet.explore.explanations.weighted import Conv2DArithmetic, DepthwiseArithmetic
from tinynet.layers import Conv2D, DepthwiseConv2D, Residual, SeparableConv2D
from tinynet.regularizers import counting_activity
from tinynet.steps.plan import steps_inside
from tinynet.steps.run import StepRun, forwards, gradients


class ResidualArithmetic(Arithmetic[Residual]):
    """Explains a residual block: x goes two ways."""

    @cached_property
    def runs(self) -> Sequence[StepRun]:
        """What the layers inside do."""
        return list(forwards(steps_inside(self.step.layer), self.step.x[None]))

    @cached_property
    def gradients(self) -> Sequence[np.ndarray]:
        """The gradients of the input of each layer inside, and that of the last one's output."""
        dy = self.step.upstream[None]
        with counting_activity([] if self.step.counted else None):
            return [dy, *gradients([run.backward for run in self.runs], dy)][::-1]

    def forward(self, at: Place) -> Explanation:
        """Explain an output: x, and what the layers make of it."""
        parts = computed("x, then f(x)", np.array([self.step.x[at], self.runs[-1].y[0][at]]))
        return sum_of_products(self.output(at), "The number as it came, plus what the layers of the block make of all: "
                               "x + f(x).", self.step.y[at], parts, None, form="sum")

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: that of both ways."""
        parts = computed("dy, then df", np.array([self.step.upstream[at], self.gradients[0][0][at]]))
        return sum_of_products(self.input_gradient(at), "The gradient as it came, plus what the layers of the block "
                               "make of it: x went both ways.", self.step.downstream[at], parts, None, form="sum")

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a parameter inside: by the layer whose it is."""
        for k, run in enumerate(self.runs):
            own = key.removeprefix(f"{run.step.name}/")
            if own != key and own in run.step.layer.params:
                return explain_parameter(self.inside(k, own, key), own, at)
        raise ValueError(f"Expected a parameter of {self.step.name}. Received: {key!r}.")

    def inside(self, k: int, own: str, key: str) -> StepNumbers[Any]:
        """Return the numbers of a step inside."""
        step, x, y, _ = self.runs[k]
        return StepNumbers(self.step.index, f"{self.step.name}/{step.name}", step.layer, x[0], y[0],
                           self.gradients[k][0], self.gradients[k + 1][0], {own: self.step.grads[key]},
                           {own: self.step.penalties[key]} if key in self.step.penalties else {}, self.step.counted,
                           True, {own: key}, step.run)


class SeparableArithmetic(Arithmetic[SeparableConv2D]):
    """Explains a separable convolution: depthwise, then pointwise; between them stands h."""

    @cached_property
    def stages(self) -> tuple[StepNumbers[Any], StepNumbers[Any]]:
        """The two convolutions that it is."""
        layer, params = self.step.layer, self.step.layer.params
        depthwise = DepthwiseConv2D(layer.windows.size, layer.windows.strides, layer.windows.padding,
                                    layer.depth_multiplier, dilation_rate=layer.windows.dilation, use_bias=False)
        pointwise = Conv2D(layer.filters, 1, use_bias=layer.use_bias)
        depthwise.params["kernel"], pointwise.params["kernel"] = params["depthwise_kernel"], params["pointwise_kernel"]
        if layer.use_bias:
            pointwise.params["bias"] = params["bias"]
        h = depthwise.linear(self.step.x[None])[0]
        backward = pointwise.linear(h)[1]
        dh = None if self.step.dy is None else backward(self.step.dy[None])[0]
        step: StepNumbers[Any] = self.step
        return (replace(step, layer=depthwise, y=h[0], dy=dh, parameter_names={"kernel": "depthwise_kernel"}),
                replace(step, layer=pointwise, x=h[0], dx=dh, parameter_names={"kernel": "pointwise_kernel"}))

    def forward(self, at: Place) -> Explanation:
        """Explain an output: h times the pointwise kernel."""
        found = Conv2DArithmetic(self.stages[1]).forward(at)
        return hidden(found, "The depthwise convolution has made h of the image, each channel by itself; here the "
                             "1 x 1 kernel of the filter weighs the channels of h.", "h")

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: that of h times the depthwise kernel."""
        found = DepthwiseArithmetic(self.stages[0]).backward(at)
        return hidden(found, "Every number of h whose window lay over the pixel: its gradient dh, which the pointwise "
                             "kernel has brought back, times the depthwise weight on the pixel.", "dh")

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a weight of either kernel, or of a bias."""
        if key == "bias":
            return Conv2DArithmetic(self.stages[1]).of_parameter(key, at)
        stage = self.stages[key == "pointwise_kernel"]
        grads, penalties = ({"kernel": part[key]} if key in part else {} for part in
                            (self.step.grads, self.step.penalties))
        stage = replace(stage, grads=grads, penalties=penalties)
        kind: type[Arithmetic[Any]] = Conv2DArithmetic if key == "pointwise_kernel" else DepthwiseArithmetic
        found = replace(kind(stage).of_parameter("kernel", at), of=self.parameter_gradient(key, at))
        if key == "pointwise_kernel":
            right = found.right and replace(found.right, name="h", source=None)
            return replace(found, right=right)
        return hidden(found, found.how, "dh")


def hidden(found: Explanation, how: str, name: str) -> Explanation:
    """Return an explanation whose left factors are in no array that is shown, under their name."""
    return replace(found, how=how, left=found.left and replace(found.left, name=name, source=None))


arithmetic.register(Residual, lambda layer: ResidualArithmetic)
arithmetic.register(SeparableConv2D, lambda layer: SeparableArithmetic)
