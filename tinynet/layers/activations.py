"""Nonlinearities: without them a stack of layers would be one matrix product. ReLU and softmax, and any by its name.

The others are in `rectifiers`, `smooth` and `gelu`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

import numpy as np

from tinynet.checks import check_axes, check_nonnegative, invalid, sample_axes
from tinynet.kernels.elementwise import elementwise
from tinynet.layers.base import Backward, Forward, Layer, LayerOptions, Shape, as_floating
from tinynet.layers.gelu import GELU
from tinynet.layers.own_function import Function, OwnFunction
from tinynet.layers.rectifiers import ELU, SELU, HardSigmoid, LeakyReLU, ReLU6
from tinynet.layers.smooth import Sigmoid, SiLU, Softplus, Softsign, Tanh
from tinynet.registry import Config, Identifier, pick, resolve, spelled, to_config

ActivationLike = Identifier | Layer | Callable[..., np.ndarray] | Function | None      # of the former, those of `get`


class ReLU(Layer):
    """``y = max(x, 0)``; its slope is 1 above 0, and 0 at and below it.

    With settings, ``y = min(x, max_value)`` above the threshold, and ``negative_slope * (x - threshold)`` elsewhere;
    the slope is 1 above the threshold, but 0 from `max_value` on, and `negative_slope` elsewhere.

    Parameters
    ----------
    max_value : the largest output, at least 0; None: there is none.
    negative_slope : at least 0.
    threshold : at least 0.

    >>> ReLU()(np.array([[-1.0, 0.0, 2.0]]))
    array([[0., 0., 2.]])
    >>> ReLU(max_value=6, negative_slope=0.5, threshold=1)(np.array([[-1.0, 0.5, 2.0, 8.0]]))
    array([[-1.  , -0.25,  2.  ,  6.  ]])
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else check_nonnegative(self, "max_value", max_value)
        self.negative_slope = check_nonnegative(self, "negative_slope", negative_slope)
        self.threshold = check_nonnegative(self, "threshold", threshold)
        self.bounded = self.max_value is not None and self.negative_slope == 0

    @property
    def plain(self) -> bool:                                     # type: ignore[override]
        """Whether it is without settings, which is what the plan knows of."""
        return self.max_value is None and self.negative_slope == self.threshold == 0

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        if not self.plain:
            return self.bent(as_floating(x))
        y = relu(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return relu_gradient(dy, y)
        return y, backward

    def bent(self, x: np.ndarray) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), by the settings."""
        settings = math.inf if self.max_value is None else self.max_value, self.negative_slope, self.threshold

        def backward(dy: np.ndarray) -> np.ndarray:
            return bent_relu_gradient(dy, x, *settings)
        return bent_relu(x, *settings), backward

    def get_config(self) -> Config:
        return {**super().get_config(), "max_value": self.max_value, "negative_slope": self.negative_slope,
                "threshold": self.threshold}


@elementwise
def relu(x: np.ndarray) -> np.ndarray:
    """Return the larger one of x and 0."""
    return np.maximum(x, 0)


@elementwise
def relu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy where the output is above 0."""
    return np.where(y > 0, dy, 0)


@elementwise
def bent_relu(x: np.ndarray, max_value: float, slope: float, threshold: float) -> np.ndarray:
    """Return x above the threshold, but at most max_value, and the slope times what is missing elsewhere."""
    return np.where(x > threshold, np.minimum(x, max_value), slope * (x - threshold))


@elementwise
def bent_relu_gradient(dy: np.ndarray, x: np.ndarray, max_value: float, slope: float, threshold: float) -> np.ndarray:
    """Return dy times 1 above the threshold, 0 from max_value on, and the slope elsewhere."""
    return np.where(x > threshold, np.where(x < max_value, dy, 0), slope * dy)


class Softmax(Layer):
    """``y_i = e^x_i / sum_j e^x_j`` over the last axis: logits to probabilities.

    Every output depends on every input of its row, ``dy_i/dx_j = y_i (1[i=j] - y_j)``, so that with the
    upstream gradient g, ``dx_j = y_j (g_j - sum_i g_i y_i)``.

    Parameters
    ----------
    axis : over which the sums are taken: an axis or several, counted with the batch axis, which is 0. With 1, the
        channels of images (N, C, H, W), each pixel has a probability for every channel.

    >>> Softmax()(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """

    bounded = True

    def __init__(self, axis: int | Iterable[int] = -1, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.axis = check_axes(self, axis)
        self.over_last = self.axis == (-1,)             # over the last axis, the one that the losses know of

    @property
    def gives_probabilities(self) -> str | None:
        """What a cross-entropy right after it asks, which then may work from the logits instead."""
        return "softmax" if self.over_last else None

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Check the axes."""
        self.over_last = sample_axes(self, self.axis, input_shape) == (len(input_shape),)
        return super().build(input_shape, rng)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.expect(x.ndim >= 2, "input (N, ..., classes)", x.shape)
        x, axes = as_floating(x), self.axes_of(x)
        with np.errstate(over="ignore"):                         # -inf is right: e^-inf is 0
            e = np.exp(x - x.max(axis=axes, keepdims=True))      # each row's own maximum: e is in [0, 1]
        y = e / e.sum(axis=axes, keepdims=True)

        def backward(dy: np.ndarray) -> np.ndarray:
            return y * (dy - (dy * y).sum(axis=axes, keepdims=True))
        return y, backward

    def axes_of(self, x: np.ndarray) -> Shape:
        """Return the axes of x, (N, ...), that are summed over, counted from 0."""
        return (x.ndim - 1,) if self.axis == (-1,) else sample_axes(self, self.axis, x.shape[1:])

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": list(self.axis) if len(self.axis) > 1 else self.axis[0]}


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
        return pick("activation", spelled(identifier, KNOWN), {**KNOWN, "linear": Layer})()
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
