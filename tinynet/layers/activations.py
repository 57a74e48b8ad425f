"""Nonlinearities: without them a stack of layers would be one matrix product. ReLU and softmax, and any by its name.

The others are in `rectifiers`, `smooth` and `gelu`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack

import numpy as np

from tinynet.checks import invalid
from tinynet.kernels.elementwise import elementwise
from tinynet.layers.base import Backward, Forward, Layer, LayerOptions, Shape, as_floating
from tinynet.layers.gelu import GELU
from tinynet.layers.own_function import Function, OwnFunction
from tinynet.layers.rectifiers import ELU, SELU, HardSigmoid, LeakyReLU, ReLU6
from tinynet.layers.smooth import Sigmoid, SiLU, Softplus, Softsign, Tanh
from tinynet.registry import Config, Identifier, pick, resolve, to_config

ActivationLike = Identifier | Layer | Callable[..., np.ndarray] | Function | None      # of the former, those of `get`


class ReLU(Layer):
    """``y = max(x, 0)``; its slope is 1 above 0, and 0 at and below it.

    >>> ReLU()(np.array([[-1.0, 0.0, 2.0]]))
    array([[0., 0., 2.]])
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        y = relu(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return relu_gradient(dy, y)
        return y, backward


@elementwise
def relu(x: np.ndarray) -> np.ndarray:
    """Return the larger one of x and 0."""
    return np.maximum(x, 0)


@elementwise
def relu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where the output is above 0."""
    return np.where(y > 0, dy, 0)


class Softmax(Layer):
    """``y_i = e^x_i / sum_j e^x_j`` over the last axis: logits to probabilities.

    Every output depends on every input of its row, ``dy_i/dx_j = y_i (1[i=j] - y_j)``, so that with the
    upstream gradient g, ``dx_j = y_j (g_j - sum_i g_i y_i)``.

    >>> Softmax()(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """

    gives_probabilities = "softmax"         # so that a cross-entropy right after it may work from the logits instead
    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.expect(x.ndim >= 2, "input (N, ..., classes)", x.shape)
        x = as_floating(x)
        with np.errstate(over="ignore"):                         # -inf is right: e^-inf is 0
            e = np.exp(x - x.max(axis=-1, keepdims=True))        # each row's own maximum: e is in [0, 1]
        y = e / e.sum(axis=-1, keepdims=True)

        def backward(dy: np.ndarray) -> np.ndarray:
            return y * (dy - (dy * y).sum(axis=-1, keepdims=True))
        return y, backward


class Activation(Layer):
    """A nonlinearity by name: ``Activation("relu")`` does what ``ReLU()`` does.

    >>> Activation("relu")(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """

    def __init__(self, activation: ActivationLike, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.activation = get(activation)
        self.differs_in_training = self.activation is not None and self.activation.differs_in_training

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Build the activation."""
        build_activation(self, self.activation, input_shape, rng)
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward)."""
        return (x, lambda dy: dy) if self.activation is None else self.activation.forward(x, training)

    def parts(self) -> Sequence[tuple[str, Forward | Layer]]:
        """List the activation alone."""
        return [("", self.forward if self.activation is None else self.activation)]

    def get_config(self) -> Config:
        return {**super().get_config(), "activation": to_config(self.activation)}


KNOWN: dict[str, Callable[[], Layer]] = {
    "relu": ReLU, "sigmoid": Sigmoid, "tanh": Tanh, "softmax": Softmax, "elu": ELU, "selu": SELU, "gelu": GELU,
    "silu": SiLU, "swish": SiLU, "softplus": Softplus, "softsign": Softsign, "hard_sigmoid": HardSigmoid,
    "relu6": ReLU6, "leaky_relu": lambda: LeakyReLU(0.2)}            # Keras has 0.3 in the layer, 0.2 under the name
CLASSES: dict[str, type] = {kind.__name__: kind for kind in {type(make()) for make in KNOWN.values()} | {Layer}}


def get(identifier: ActivationLike) -> Layer | None:
    """Return the layer for a name, a config, a class, a function of `tinynet.activations`, one's own, or a layer.

    None for None and ``"linear"``: nothing is computed. A function of one's own returns ``(y, backward)``.
    """
    identifier = getattr(identifier, "activation_name", identifier)         # which those of `tinynet.activations` carry
    if identifier is None or identifier == "linear":
        return None
    if isinstance(identifier, str):
        return pick("activation", identifier, {**KNOWN, "linear": Layer})()
    activation = resolve("activation", identifier, CLASSES)
    if callable(activation) and not isinstance(activation, Layer):
        activation = OwnFunction(activation)
    if not isinstance(activation, Layer):
        raise invalid(None, "an activation: a name or a layer", repr(identifier))
    return activation


def build_activation(owner: Layer, activation: Layer | None, shape: Shape, rng: np.random.Generator) -> None:
    """Build the activation of `owner`, which must keep the shape and have no parameters, or raise a ValueError."""
    if activation is not None:
        after = activation.build(shape, rng)
        owner.expect(tuple(after) == shape and not activation.params and not activation.state,
                     "an activation that keeps the shape and has neither parameters nor state; what has them is added "
                     "to the model as a layer of its own", activation)
        owner.expect(activation.activity_regularizer is None, "activity_regularizer= of the layer itself, not of its "
                     "activation", repr(activation.activity_regularizer))
