"""What Dense and the convolutions have in common: kernel, bias, and an activation that a model runs as its own step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from tinynet import constraints, initializers, regularizers
from tinynet.constraints import ConstraintLike
from tinynet.initializers import InitializerLike
from tinynet.layers import activations
from tinynet.layers.activations import ActivationLike
from tinynet.layers.base import Backward, Forward, Layer, LayerOptions, Shape
from tinynet.registry import Config, Identifier, class_name, to_config
from tinynet.regularizers import RegularizerLike


class BiasOptions(LayerOptions, total=False):
    """The keyword arguments that all layers with a bias take, see `Weighted`."""

    use_bias: bool
    bias_initializer: Identifier | InitializerLike
    bias_regularizer: Identifier | RegularizerLike | None
    bias_constraint: Identifier | ConstraintLike | None


class WeightedOptions(BiasOptions, total=False):
    """Those of layers with a bias and one kernel."""

    kernel_initializer: Identifier | InitializerLike
    kernel_regularizer: Identifier | RegularizerLike | None
    kernel_constraint: Identifier | ConstraintLike | None


class Weighted(Layer):
    """Base of layers that compute a weighted sum; a subclass defines it, with its backward, in ``linear``.

    Parameters
    ----------
    activation : the nonlinearity after the sum: a name, a function of `tinynet.activations` or a layer; None for none.
    use_bias : whether a learned number is added to each unit's sum.
    kernel_initializer, bias_initializer : names or callables ``(shape, rng) -> array``.
    kernel_regularizer, bias_regularizer : ``"l1"``, ``"l2"`` or an object of `tinynet.regularizers`, added to the loss.
    kernel_constraint, bias_constraint : a name or an object of `tinynet.constraints`, or a function ``w -> w``: limits
        that no update leaves.
    """

    def __init__(self, *, activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: Identifier | InitializerLike = "glorot_uniform",
                 bias_initializer: Identifier | InitializerLike = "zeros",
                 kernel_regularizer: Identifier | RegularizerLike | None = None,
                 bias_regularizer: Identifier | RegularizerLike | None = None,
                 kernel_constraint: Identifier | ConstraintLike | None = None,
                 bias_constraint: Identifier | ConstraintLike | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.differs_in_training = self.activation is not None and self.activation.differs_in_training
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def linear(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return the weighted sum, before the activation, and its backward."""
        raise NotImplementedError(f"{type(self).__name__} must define linear(x, training=False).")

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return ``(y, backward)``: the weighted sum, then the activation."""
        z, linear_backward = self.linear(x, training)
        if self.activation is None:
            return z, linear_backward
        y, activation_backward = self.activation.forward(z, training)

        def backward(dy: np.ndarray) -> np.ndarray:
            return linear_backward(activation_backward(dy))
        return y, backward

    def parts(self) -> Sequence[tuple[str, Forward | Layer]]:
        """List the weighted sum, and the activation, named after its class."""
        if self.activation is None:
            return [("", self.linear)]
        return [("", self.linear), (class_name(self.activation).lower(), self.activation)]

    def set_up(self, input_shape: Shape, output_shape: Shape, kernel_shape: Shape, units: int,
               rng: np.random.Generator) -> Shape:
        """Make the kernel and the bias (units,), build the activation, and set the shapes; return the output's."""
        return self.set_up_kernels(input_shape, output_shape, {"kernel": (self.kernel_initializer, kernel_shape)},
                                   units, rng)

    def set_up_kernels(self, input_shape: Shape, output_shape: Shape, made: Mapping[str, tuple[InitializerLike, Shape]],
                       units: int, rng: np.random.Generator) -> Shape:
        """Do what `set_up` does for several kernels: {key: (initializer, shape)}."""
        activations.build_activation(self, self.activation, output_shape, rng)
        self.input_shape, self.output_shape = input_shape, output_shape
        for key, (initializer, shape) in made.items():
            self.params[key] = self.initial(key, initializer, shape, rng)
        if self.use_bias:
            self.params["bias"] = self.initial("bias", self.bias_initializer, (units,), rng)
        return output_shape

    def of_parameters(self, what: str) -> dict[str, Any]:
        """Return the regularizers, or the constraints, of the kernel and the bias."""
        found = {key: vars(self)[f"{key}_{what}"] for key in ("kernel", "bias")}
        return found if self.use_bias else {"kernel": found["kernel"]}

    def get_config(self) -> Config:
        return {**super().get_config(), "activation": to_config(self.activation), "use_bias": self.use_bias,
                "kernel_initializer": to_config(self.kernel_initializer),
                "bias_initializer": to_config(self.bias_initializer),
                "kernel_regularizer": to_config(self.kernel_regularizer),
                "bias_regularizer": to_config(self.bias_regularizer),
                "kernel_constraint": to_config(self.kernel_constraint),
                "bias_constraint": to_config(self.bias_constraint)}
