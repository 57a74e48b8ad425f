"""Batch and layer normalisation: a number, less the mean, by the standard deviation, times gamma, plus beta."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinynet.explore.explanations.arithmetic import (
    Arithmetic,
    arithmetic,
    axes_of_sample,
    beside,
    computed,
    input_at,
    places_of_unit,
    upstream_at,
)
from tinynet.explore.explanations.explanation import Explanation, Line, Place, sum_of_products
from tinynet.layers import BatchNormalization, LayerNormalization


class Normal(NamedTuple):
    """What one number is normalised with."""

    mean: float
    std: float
    gamma: float
    beta: float

    def normalised(self, x: float) -> float:
        """Return x at mean 0 and standard deviation 1."""
        return (x - self.mean) / self.std

    def lines(self, x: float, mean: str, std: str) -> list[Line]:
        """Write the way from x to y."""
        h = self.normalised(x)
        return [Line("x", x), Line("mean", self.mean, mean), Line("standard deviation", self.std, std),
                Line("normalised", h, "(x - mean) / standard deviation"), Line("gamma", self.gamma),
                Line("beta", self.beta), Line("y", self.gamma * h + self.beta, "gamma * normalised + beta")]


class BatchNormalizationArithmetic(Arithmetic[BatchNormalization]):
    """Explains batch normalisation as inference has it: with the running mean and variance of the channel."""

    def normal(self, channel: int) -> Normal:
        """Return what a channel is normalised with."""
        layer = self.step.layer
        state, params = layer.state, layer.params
        std = float(np.sqrt(np.float64(state["moving_variance"][channel]) + layer.epsilon))
        return Normal(float(state["moving_mean"][channel]), std,
                      float(params["gamma"][channel]) if "gamma" in params else 1.0,
                      float(params["beta"][channel]) if "beta" in params else 0.0)

    def forward(self, at: Place) -> Explanation:
        """Explain an output."""
        x = float(self.step.x[at])
        lines = self.normal(at[0]).lines(x, "the channel's moving mean", "root of the moving variance + epsilon")
        y = lines[-1].value
        return Explanation(self.output(at), "Each number by itself: the running mean of its channel is subtracted, and "
                           "it is divided by the running standard deviation; then gamma, then beta.", "normalisation",
                           float(self.step.y[at]), y, input_at(self.step, at), None, np.array([y]), lines)

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: the running statistics do not depend on it."""
        normal = self.normal(at[0])
        return sum_of_products(
            self.input_gradient(at), "The gradient of the output at the same place, times gamma / standard deviation: "
            "the running statistics do not depend on this number.", self.step.downstream[at],
            upstream_at(self.step, at), computed("gamma / std", np.array([normal.gamma / normal.std])))

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a gamma, or of a beta."""
        places = places_of_unit(self.step.x.shape, 0, at[0])
        left = self.step.upstreams(places)
        if key == "beta":
            return self.summed(key, at, "It was added to every number of the channel, so their gradients add up.", left)
        normal = self.normal(at[0])
        h = (self.step.x[tuple(places.T)].astype(np.float64) - normal.mean) / normal.std
        return self.summed(key, at, "Every number of the channel: its gradient, times the normalised number that gamma "
                           "multiplied.", left, computed("normalised", h))


class LayerNormalizationArithmetic(Arithmetic[LayerNormalization]):
    """Explains layer normalisation: mean and standard deviation of the numbers beside this one."""

    @property
    def axes(self) -> list[int]:
        """The axes that are normalised, of one sample."""
        return axes_of_sample(self.step.x.shape, self.step.layer.axis)

    def beside(self, at: Place) -> np.ndarray:
        """Return the places (n, k) of the numbers that are normalised together with the one at a place."""
        return beside(self.step.x.shape, self.step.layer.axis, at)

    def parameter(self, key: str, places: np.ndarray, default: float) -> np.ndarray:
        """Return gamma or beta at places (n, k) of the sample."""
        array = self.step.layer.params.get(key)
        return np.full(len(places), default) if array is None else array[tuple(places[:, self.axes].T)]

    def normal(self, at: Place) -> Normal:
        """Return what the number at a place is normalised with."""
        x, here = self.step.x[tuple(self.beside(at).T)].astype(np.float64), np.array([at])
        std = float(np.sqrt(x.var() + self.step.layer.epsilon))
        return Normal(float(x.mean()), std, float(self.parameter("gamma", here, 1)[0]),
                      float(self.parameter("beta", here, 0)[0]))

    def forward(self, at: Place) -> Explanation:
        """Explain an output."""
        left = self.step.inputs(self.beside(at))
        lines = self.normal(at).lines(float(self.step.x[at]), "of the terms", "root of their variance + epsilon")
        return Explanation(self.output(at), "The mean of the terms is subtracted from this number, and it is divided "
                           "by their standard deviation; then gamma, then beta.", "normalisation",
                           float(self.step.y[at]), lines[-1].value, left, None, left.values, lines)

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input: every output beside it depends on it, through mean and deviation."""
        places, normal = self.beside(at), self.normal(at)
        h = (self.step.x[tuple(places.T)].astype(np.float64) - normal.mean) / normal.std
        own = (places == np.array(at)).all(axis=1)
        slope = self.parameter("gamma", places, 1) / normal.std * (own - 1 / len(h) - h * h[own] / len(h))
        return sum_of_products(
            self.input_gradient(at), "Every output beside it depends on it, through mean and standard deviation: "
            "the gradient of each, times its slope d y_i / d x_j.", self.step.downstream[at],
            self.step.upstreams(places), computed("d y_i / d x_j", slope))

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a gamma, or of a beta: all places that it multiplied, or was added to."""
        shape = self.step.x.shape
        places = np.indices(shape).reshape(len(shape), -1).T
        places = places[(places[:, self.axes] == np.array(at)).all(axis=1)]
        left = self.step.upstreams(places)
        if key == "beta":
            return self.summed(key, at, "It was added at each of these places, so their gradients add up.", left)
        h = [self.normal(tuple(place)).normalised(float(self.step.x[tuple(place)])) for place in places.tolist()]
        return self.summed(key, at, "Every place that this gamma multiplied: the gradient, times the normalised "
                           "number.", left, computed("normalised", np.array(h)))


arithmetic.register(BatchNormalization, lambda layer: BatchNormalizationArithmetic)
arithmetic.register(LayerNormalization, lambda layer: LayerNormalizationArithmetic)
