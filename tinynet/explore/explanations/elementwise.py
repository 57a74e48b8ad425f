"""Activations: one number in, one number out, and the slope between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinynet.explore.explanations.arithmetic import Arithmetic, arithmetic, computed, input_at, upstream_at
from tinynet.explore.explanations.explanation import Explanation, Line, Place, sum_of_products
from tinynet.explore.explanations.numbers import AnyLayer
from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    Layer,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from tinynet.layers.base import Backward


class Linear(Layer):
    """``y = x``: what stands in the place of an activation that is taken away, so that the steps stay as many."""

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        return x, lambda dy: dy


class Curve(NamedTuple):
    """A function of one number, written out, and its slope; both computed here, apart from the engine's."""

    formula: str
    value: Callable[[float], float]
    slope_formula: str
    slope: Callable[[float], float]


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x), for an x of any size."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def rectified() -> Curve:
    """Return the curve of ReLU."""
    return Curve("max(x, 0)", lambda x: max(x, 0.0), "1 above 0, else 0", lambda x: float(x > 0))


def bent(layer: ReLU) -> Curve:
    """Return the curve of a ReLU with settings."""
    top, slope, start = layer.max_value, layer.negative_slope, layer.threshold
    above, until = ("x", "") if top is None else (f"min(x, {top:g})", f", 0 from {top:g} on")
    top = math.inf if top is None else top
    return Curve(f"{above} above {start:g}, else {slope:g} (x - {start:g})",
                 lambda x: min(x, top) if x > start else slope * (x - start),
                 f"1 above {start:g}{until}, else {slope:g}", lambda x: float(x < top) if x > start else slope)


def leaky(slope: float) -> Curve:
    """Return the curve of a leaky ReLU."""
    return Curve(f"x above 0, else {slope:g} x", lambda x: x if x > 0 else slope * x,
                 f"1 above 0, else {slope:g}", lambda x: 1.0 if x > 0 else slope)


def exponential(alpha: float, scale: float = 1.0) -> Curve:
    """Return the curve of an ELU, times a scale."""
    times, below = ("", f"{alpha:g}") if scale == 1 else (f"{scale:.4f} ", f"{scale:.4f} {alpha:.4f}")
    return Curve(f"{times}x above 0, else {below} (e^x - 1)",
                 lambda x: scale * (x if x > 0 else alpha * math.expm1(x)),
                 f"{times or '1 '}above 0, else {below} e^x", lambda x: scale * (1.0 if x > 0 else alpha * math.exp(x)))


def gelu() -> Curve:
    """Return the curve of GELU."""
    def cdf(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2
    return Curve("x P(Z <= x), Z standard normal", lambda x: x * cdf(x), "P(Z <= x) + x density(x)",
                 lambda x: cdf(x) + x * math.exp(-min(x * x / 2, 700)) / math.sqrt(2 * math.pi))


def approximate_gelu() -> Curve:
    """Return the curve of GELU's approximation."""
    factor = math.sqrt(8 / math.pi)

    def share(x: float) -> float:
        return sigmoid(factor * (x + 0.044715 * x * x * x))
    return Curve("x sigmoid(1.5958 (x + 0.044715 x^3))", lambda x: x * share(x),
                 "s + x s (1 - s) 1.5958 (1 + 0.134145 x^2)",
                 lambda x: share(x) + x * share(x) * (1 - share(x)) * factor * (1 + 3 * 0.044715 * x * x))


CURVES: dict[type[Layer], Callable[[Any], Curve]] = {
    Linear: lambda layer: Curve("x", lambda x: x, "1", lambda x: 1.0),
    ReLU: lambda layer: rectified() if layer.plain else bent(layer),
    ReLU6: lambda layer: Curve("min(max(x, 0), 6)", lambda x: min(max(x, 0.0), 6.0), "1 between 0 and 6, else 0",
                               lambda x: float(0 < x < 6)),
    HardSigmoid: lambda layer: Curve("min(max(x + 3, 0), 6) / 6", lambda x: min(max(x + 3, 0.0), 6.0) / 6,
                                     "1/6 between -3 and 3, else 0", lambda x: float(-3 < x < 3) / 6),
    LeakyReLU: lambda layer: leaky(layer.negative_slope),
    ELU: lambda layer: exponential(layer.alpha),
    SELU: lambda layer: exponential(layer.alpha, layer.scale),
    Sigmoid: lambda layer: Curve("1 / (1 + e^-x)", sigmoid, "y (1 - y)", lambda x: sigmoid(x) * sigmoid(-x)),
    Tanh: lambda layer: Curve("tanh(x)", math.tanh, "1 - y^2", lambda x: 1 - math.tanh(x) ** 2),
    Softplus: lambda layer: Curve("log(1 + e^x)", lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
                                  "1 / (1 + e^-x)", sigmoid),
    Softsign: lambda layer: Curve("x / (1 + |x|)", lambda x: x / (1 + abs(x)), "1 / (1 + |x|)^2",
                                  lambda x: 1 / (1 + abs(x)) ** 2),
    SiLU: lambda layer: Curve("x s, with s = 1 / (1 + e^-x)", lambda x: x * sigmoid(x), "s + x s (1 - s)",
                              lambda x: sigmoid(x) + x * sigmoid(x) * sigmoid(-x)),
    GELU: lambda layer: approximate_gelu() if layer.approximate else gelu(),
}


class CurveArithmetic(Arithmetic[AnyLayer]):
    """Explains an activation: every number by itself."""

    def curve(self, at: Place) -> Curve:
        """Return the function that is applied at a place."""
        kind = next(kind for kind in type(self.step.layer).__mro__ if kind in CURVES)
        return CURVES[kind](self.step.layer)

    def forward(self, at: Place) -> Explanation:
        """Explain an output: the formula, and the number in it."""
        curve, x = self.curve(at), float(self.step.x[at])
        left, y = input_at(self.step, at), curve.value(x)
        return Explanation(self.output(at), "Each number by itself: the activation of the one at the same place.",
                           "elementwise", float(self.step.y[at]), y, left, None, np.array([y]),
                           [Line("x", x), Line("y", y, curve.formula)])

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: that of the output, times the slope."""
        curve, x = self.curve(at), float(self.step.x[at])
        found = sum_of_products(
            self.input_gradient(at), "The gradient of the output at the same place, times the slope of the activation "
            "there.", self.step.downstream[at], upstream_at(self.step, at),
            computed("slope", np.array([curve.slope(x)])), form="elementwise")
        lines = [Line("x", x), Line("slope", curve.slope(x), curve.slope_formula), *found.lines[:1]]
        return Explanation(**{**vars(found), "lines": lines})


class PReLUArithmetic(CurveArithmetic[PReLU]):
    """Explains a leaky ReLU that learns its slopes."""

    def curve(self, at: Place) -> Curve:
        """Return the function with the slope that is learned for a place."""
        alpha = self.step.layer.params["alpha"]
        return leaky(float(alpha[tuple(i if size > 1 else 0 for i, size in zip(at, alpha.shape, strict=True))]))

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a slope: every place that has it, and is below 0."""
        shape = self.step.x.shape
        alpha = self.step.layer.params["alpha"].shape
        places = np.indices(shape).reshape(len(shape), -1).T                                 # (T, k)
        shared = np.array([size == 1 for size in alpha])
        places = places[((places == np.array(at)) | shared).all(axis=1)]
        left = self.step.upstreams(places)
        below = computed("min(x, 0)", np.minimum(self.step.x[tuple(places.T)].astype(np.float64), 0))
        return self.summed(key, at, "Every place that has this slope: the gradient there, times the number, where it "
                           "is below 0.", left, below)


for kind in CURVES:
    arithmetic.register(kind, lambda layer: CurveArithmetic)
arithmetic.register(PReLU, lambda layer: PReLUArithmetic)
