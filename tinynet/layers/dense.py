"""The fully connected layer: every output is a weighted sum of every input."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tinynet import kernels
from tinynet.checks import invalid, is_count
from tinynet.layers.activations import ActivationLike
from tinynet.layers.base import Backward, Shape
from tinynet.layers.weighted import Weighted, WeightedOptions
from tinynet.registry import Config


class Dense(Weighted):
    """``y = x @ kernel + bias``: (N, ..., inputs) -> (N, ..., units), then the activation.

    With the upstream gradient ``dy = d loss / d y``, and from ``y_nu = sum_i x_ni kernel_iu + bias_u``::

        d loss / d kernel_iu = sum_n x_ni dy_nu        dkernel = x.T @ dy        x moved to the left: transposed
        d loss / d bias_u    = sum_n dy_nu             dbias   = dy summed over the samples
        d loss / d x_ni      = sum_u dy_nu kernel_iu   dx      = dy @ kernel.T   summed over units: transposed

    Parameters
    ----------
    units : number of outputs.
    input_dim : number of inputs, the same as ``input_shape=(input_dim,)``.
    activation, use_bias, kernel_initializer, ..., kernel_regularizer, ..., kernel_constraint, ... : see `Weighted`.

    Attributes
    ----------
    params : ``kernel`` (inputs, units) and ``bias`` (units,).

    >>> import numpy as np
    >>> layer = Dense(2, kernel_initializer="ones")
    >>> layer.build((3,), np.random.default_rng(0))
    (2,)
    >>> layer(np.array([[1.0, 2.0, 3.0]]))
    array([[6., 6.]])
    """

    def __init__(self, units: int, activation: ActivationLike = None, *, input_dim: int | None = None,
                 **kwargs: Unpack[WeightedOptions]):
        if input_dim is not None:
            kwargs["input_shape"] = (input_dim,)
        super().__init__(activation=activation, **kwargs)
        self.expect(is_count(units), "units, a positive whole number", repr(units))
        self.units = int(units)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make the kernel (inputs, units) and the bias (units,)."""
        self.expect(len(input_shape) >= 1, "samples with at least one axis", input_shape)
        return self.set_up(input_shape, (*input_shape[:-1], self.units), (input_shape[-1], self.units), self.units, rng)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward) of the weighted sum."""
        self.check(x)
        matmul = kernels.current().matmul
        kernel = self.params["kernel"]                              # (inputs, units)
        rows = x.reshape(-1, len(kernel))                           # (N, ..., inputs) -> (N*..., inputs)
        y = matmul(rows, kernel)
        if self.use_bias:
            y += self.params["bias"]

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            drows = dy.reshape(-1, kernel.shape[1])                 # (N, ..., units) -> (N*..., units)
            self.grads["kernel"] = matmul(rows.T, drows)            # (inputs, N) @ (N, units)
            if self.use_bias:
                self.grads["bias"] = drows.sum(axis=0)              # (units,)
            return matmul(drows, kernel.T).reshape(x.shape) if need_dx else None   # (N, units) @ (units, inputs)
        return y.reshape(*x.shape[:-1], kernel.shape[1]), backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, ..., inputs)."""
        self.expect_built("kernel")
        inputs = len(self.params["kernel"])
        if x.ndim < 2 or x.shape[-1] != inputs:
            raise invalid(self, f"input (N, {inputs})", x.shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units}
