"""Softmax: exponentials, each divided by their sum, and the Jacobian on the way back."""

from __future__ import annotations

import math

import numpy as np

from tinynet.explore.explanations.arithmetic import Arithmetic, arithmetic, beside, computed
from tinynet.explore.explanations.explanation import Explanation, Line, Place, sum_of_products
from tinynet.layers import Softmax


class SoftmaxArithmetic(Arithmetic[Softmax]):
    """Explains a softmax, along the last axis or others: the numbers that are divided by one sum are a row here."""

    def row(self, at: Place) -> np.ndarray:
        """Return the places (K, k) of the numbers that are divided by one sum."""
        return beside(self.step.x.shape, self.step.layer.axis, at)

    def probabilities(self, row: np.ndarray) -> np.ndarray:
        """Return the softmax of a row (K,), in float64."""
        z = self.step.x[tuple(row.T)].astype(np.float64)
        e = np.exp(z - z.max())
        return e / e.sum()

    def forward(self, at: Place) -> Explanation:
        """Explain a probability: its exponential, divided by the sum of all."""
        left = self.step.inputs(self.row(at))
        largest = float(left.values.max())
        e, own = np.exp(left.values - largest), math.exp(float(self.step.x[at]) - largest)
        p = own / float(e.sum())
        return Explanation(
            self.output(at), "The exponential of each logit, and this one's divided by the sum of all. The largest "
            "logit is subtracted from each before: the ratios stay, and no exponential overflows.", "softmax",
            float(self.step.y[at]), p, left, None, e,
            [Line("largest logit", largest), Line("e^(z - largest)", own),
             Line("sum of the exponentials", float(e.sum())), Line("p", p, "e^(z - largest) / sum")])

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of a logit: each probability's, times how the logit moves that probability."""
        row = self.row(at)
        p, own = self.probabilities(row), (row == np.array(at)).all(axis=1)
        jacobian = p * (own - p[own])
        return sum_of_products(
            self.input_gradient(at), "Every probability depends on every logit: the gradient of each, times the slope "
            "d p_i / d z_j = p_i (1 - p_j) where i = j, and - p_i p_j elsewhere.", self.step.downstream[at],
            self.step.upstreams(row), computed("d p_i / d z_j", jacobian))


arithmetic.register(Softmax, lambda layer: SoftmaxArithmetic)
