"""Layers of one's own: what they tell of their arithmetic, by a method ``explain``, or that they tell nothing.

::

    def explain(self, x, at):                    # one sample, and a place in the output
        return places, factors                   # (T, k), (T,): y[at] is the sum of x[places] * factors

    def explain_gradient(self, x, dy, at, key):  # a place in x, or with a key in params[key]
        return places, factors                   # the gradient is the sum of dy[places] * factors
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.checks import invalid
from tinynet.explore.explanations.arithmetic import Arithmetic, computed
from tinynet.explore.explanations.explanation import Explanation, Place, sum_of_products, unknown
from tinynet.layers.base import Layer

SILENT = ("A layer of your own, which offers no inner arithmetic: its output is what its forward returns. With a "
          "method explain(x, at) it would be shown here.")
SILENT_BACK = ("A layer of your own, which offers no inner arithmetic: this is what its backward returns. With a "
               "method explain_gradient(x, dy, at, key) it would be shown here.")


class OwnArithmetic(Arithmetic[Layer]):
    """Explains a layer of one's own, as far as that explains itself."""

    def forward(self, at: Place) -> Explanation:
        """Explain an output."""
        layer: Any = self.step.layer
        value = self.step.y[at]
        if not callable(getattr(type(layer), "explain", None)):
            return unknown(self.output(at), SILENT, value)
        places, factors = self.terms(layer.explain(self.step.x, at), "explain", self.step.x)
        return sum_of_products(self.output(at), "What the layer's own explain returned: its inputs times factors.",
                               value, self.step.inputs(places), computed("factor", factors))

    def backward(self, at: Place) -> Explanation:
        """Explain the gradient of an input."""
        return self.gradient(self.input_gradient(at), None, at, self.step.downstream[at])

    def of_parameter(self, key: str, at: Place) -> Explanation:
        """Explain the gradient of a parameter."""
        return self.gradient(self.parameter_gradient(key, at), key, at, self.step.grads[key][at])

    def gradient(self, of: str, key: str | None, at: Place, value: float) -> Explanation:
        """Explain a gradient."""
        layer: Any = self.step.layer
        if not callable(getattr(type(layer), "explain_gradient", None)):
            return unknown(of, SILENT_BACK, value)
        returned = layer.explain_gradient(self.step.x, self.step.upstream, at, key)
        places, factors = self.terms(returned, "explain_gradient", self.step.upstream)
        return sum_of_products(of, "What the layer's own explain_gradient returned: upstream gradients times factors.",
                               value, self.step.upstreams(places), computed("factor", factors),
                               *(self.penalty(key, at) if key else []))

    def terms(self, returned: Any, method: str, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return places (T, k) in an array and factors (T,), or raise a ValueError about what a method returned."""
        try:
            places, factors = (np.asarray(part) for part in returned)
            fits = (factors.ndim == 1 and factors.dtype.kind in "biuf" and places.shape == (len(factors), array.ndim)
                    and places.dtype.kind in "iu" and bool(((places >= 0) & (places < array.shape)).all()))
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise invalid(f"{type(self.step.layer).__name__}.{method}", f"(places, factors): places (T, {array.ndim}) "
                          f"in an array {array.shape}, and as many numbers", f"{returned!r:.200}")
        return places, factors.astype(np.float64)
