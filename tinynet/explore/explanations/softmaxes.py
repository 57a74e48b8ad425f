"""Softmax: exponentials, each divided by their sum, and the Jacobian on the way back."""

from __future__ import annotations

import numpy as np

from tinynet.explore.explanations.arithmetic import Arithmetic, arithmetic, computed
from tinynet.explore.explanations.explanation import Explanation, Line, Place, sum_of_products
from tinynet.layers import Softmax


class SoftmaxArithmetic(Arithmetic[Softmax]):
    """Explains a softmax, along the last axis."""

    def row(self, at: Place) -> np.ndarray:
        """Return the places (K, k) of the numbers that are divided by one sum."""
        places = np.tile(at, (self.step.x.shape[-1], 1))
        places[:, -1] = np.arange(len(places))
        return places

    def probabilities(self, at: Place) -> np.ndarray:
        """Return the softmax of the row of a place (K,), in float64."""
        z = self.step.x[at[:-1]].astype(np.float64)
        e = np.exp(z - z.max())
        return e / e.sum()

    def forward(self, at: Place) -> Explanation:
        """Explain a probability: its exponential, divided by the sum of all."""
        left = self.step.inputs(self.row(at))
        largest = float(left.values.max())
        e = np.exp(left.values - largest)
        p = float(e[at[-1]] / e.sum())
        return Explanation(
            self.output(at), "The exponential of each logit, and this one's divided by the sum of all. The largest "
            "logit is subtracted from each before: the ratios stay, and no exponential overflows.", "softmax",
            float(self.step.y[at]), p, left, None, e,
            [Line("largest logit", largest), Line("e^(z - largest)", float(e[at[-1]])),
             Line("sum of the exponentials", float(e.sum())), Line("p", p, "e^(z - largest) / sum")])

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of a logit: each probability's, times how the logit moves that probability."""
        row, p, j = self.row(at), self.probabilities(at), at[-1]
        jacobian = p * ((np.arange(len(p)) == j) - p[j])
        return sum_of_products(
            self.input_gradient(at), "Every probability depends on every logit: the gradient of each, times the slope "
            "d p_i / d z_j = p_i (1 - p_j) where i = j, and - p_i p_j elsewhere.", self.step.downstream[at],
            self.step.upstreams(row), computed("d p_i / d z_j", jacobian))


arithmetic.register(Softmax, lambda layer: SoftmaxArithmetic)
