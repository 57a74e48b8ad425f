"""What followed ReLU: some slope below 0, so that no unit stops learning; fixed, learned, or that of an exponential."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

import numpy as np

from tinynet import constraints, initializers, regularizers
from tinynet.checks import check_nonnegative, check_number, is_int
from tinynet.constraints import ConstraintLike
from tinynet.initializers import InitializerLike
from tinynet.kernels.elementwise import elementwise
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.registry import Config, Identifier, to_config
from tinynet.regularizers import RegularizerLike


class LeakyReLU(Layer):
    """``y = x`` above 0, and ``negative_slope * x`` elsewhere.

    Source: Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.

    Parameters
    ----------
    negative_slope : at least 0; ``activation="leaky_relu"`` has 0.2, as in Keras.

    >>> LeakyReLU(0.1)(np.array([[-1.0, 0.0, 2.0]]))
    array([[-0.1,  0. ,  2. ]])
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.negative_slope = check_nonnegative(self, "negative_slope", negative_slope)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return leaky_relu_gradient(dy, x, self.negative_slope)
        return leaky_relu(x, self.negative_slope), backward

    def get_config(self) -> Config:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@elementwise
def leaky_relu(x: np.ndarray, slope: float | np.ndarray) -> np.ndarray:
    """Return x above 0, and the slope times x elsewhere."""
    return np.where(x > 0, x, slope * x)


@elementwise
def leaky_relu_gradient(dy: np.ndarray, x: np.ndarray, slope: float | np.ndarray) -> np.ndarray:
    """Return dy times 1 above 0, and times the slope elsewhere."""
    return np.where(x > 0, dy, slope * dy)


class PReLU(Layer):
    """``y = x`` above 0, and ``alpha * x`` elsewhere: a leaky ReLU that learns its slopes, one for each number.

    ``d loss / d alpha = sum dy min(x, 0)`` over the samples, and over the axes that share a slope.
    Source: He et al. 2015, "Delving deep into rectifiers", equations 1 and 3.

    Parameters
    ----------
    alpha_initializer : a name or a callable ``(shape, rng) -> array``.
    alpha_regularizer : ``"l1"``, ``"l2"`` or an object of `tinynet.regularizers`, added to the loss.
    alpha_constraint : a name or an object of `tinynet.constraints`, or a function ``w -> w``.
    shared_axes : along which all share a slope, counted from 1, as 0 is the batch axis: ``[2, 3]`` for one slope for
        each channel of images (N, C, H, W).

    Attributes
    ----------
    params : ``alpha``, of the shape of a sample, with 1 along the shared axes.

    >>> layer = PReLU(shared_axes=[2, 3])
    >>> layer.build((32, 24, 24), np.random.default_rng(0)), layer.params["alpha"].shape
    ((32, 24, 24), (32, 1, 1))
    """

    def __init__(self, alpha_initializer: Identifier | InitializerLike = "zeros",
                 alpha_regularizer: Identifier | RegularizerLike | None = None,
                 alpha_constraint: Identifier | ConstraintLike | None = None,
                 shared_axes: Iterable[int] | int | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = tuple(shared_axes) if isinstance(shared_axes, Iterable) else (shared_axes,)
        self.expect(shared_axes is None or all(is_int(axis, 1) for axis in axes),
                    "shared_axes, whole numbers from 1 (0 is the batch axis)", repr(shared_axes))
        self.shared_axes = [] if shared_axes is None else [int(axis) for axis in axes]          # type: ignore[arg-type]

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make alpha."""
        self.expect(max(self.shared_axes, default=0) <= len(input_shape),
                    f"samples with the axes that share a slope, {self.shared_axes}", input_shape)
        shape = tuple(1 if axis in self.shared_axes else size for axis, size in enumerate(input_shape, 1))
        self.params["alpha"] = self.initial("alpha", self.alpha_initializer, shape, rng)
        self.input_shape = self.output_shape = input_shape
        return input_shape

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless samples are of the shape that alpha was made for."""
        self.expect_built("alpha")
        shape = self.params["alpha"].shape
        wanted = ["any" if axis in self.shared_axes else size for axis, size in enumerate(shape, 1)]
        fits = x.ndim == len(wanted) + 1 and all(own in ("any", size)
                                                 for own, size in zip(wanted, x.shape[1:], strict=True))
        self.expect(fits, f"input (N, {', '.join(map(str, wanted))})", x.shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.check(x)
        x = as_floating(x)
        alpha = np.broadcast_to(self.params["alpha"], x.shape[1:])

        def backward(dy: np.ndarray) -> np.ndarray:
            self.grads["alpha"] = alpha_gradient(dy, x).sum(axis=(0, *self.shared_axes), keepdims=True)[0]
            return leaky_relu_gradient(dy, x, alpha)
        return leaky_relu(x, alpha), backward

    def of_parameters(self, what: str) -> dict[str, Any]:
        """Return the regularizer, or the constraint, of alpha."""
        return {"alpha": vars(self)[f"alpha_{what}"]}

    def get_config(self) -> Config:
        return {**super().get_config(), "alpha_initializer": to_config(self.alpha_initializer),
                "alpha_regularizer": to_config(self.alpha_regularizer),
                "alpha_constraint": to_config(self.alpha_constraint), "shared_axes": self.shared_axes or None}


@elementwise
def alpha_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what each number has to say about its slope."""
    return dy * np.minimum(x, 0)


class ELU(Layer):
    """``y = x`` above 0, and ``alpha (e^x - 1)`` elsewhere, with the slope ``alpha e^x``: it levels out at -alpha.

    Source: Clevert, Unterthiner and Hochreiter 2016, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", section 3.

    Parameters
    ----------
    alpha : a number; with 1 the slope has no jump at 0.

    >>> ELU()(np.array([[-1000.0, 0.0, 2.0]]))
    array([[-1.,  0.,  2.]])
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.alpha = check_number(self, "alpha", alpha)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return elu_gradient(dy, x, self.alpha)
        return elu(x, self.alpha), backward

    def get_config(self) -> Config:
        return {**super().get_config(), "alpha": self.alpha}


@elementwise
def elu(x: np.ndarray, alpha: float) -> np.ndarray:
    """Return x above 0, and ``alpha (e^x - 1)`` elsewhere; above 0 the exponential might overflow."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@elementwise
def elu_gradient(dy: np.ndarray, x: np.ndarray, alpha: float) -> np.ndarray:
    """Return dy times 1 above 0, and times ``alpha e^x`` elsewhere."""
    return np.where(x > 0, dy, alpha * np.exp(np.minimum(x, 0)) * dy)


class SELU(Layer):
    """An ELU times a scale, both chosen so that numbers of mean 0 and variance 1 keep these from layer to layer.

    ``y = 1.0507 x`` above 0, and ``1.0507 * 1.6733 (e^x - 1)`` elsewhere; kernels that begin as ``"lecun_normal"``.
    Source: Klambauer et al. 2017, "Self-normalizing neural networks", equation 2.
    """

    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return selu_gradient(dy, x, self.alpha, self.scale)
        return selu(x, self.alpha, self.scale), backward


@elementwise
def selu(x: np.ndarray, alpha: float, scale: float) -> np.ndarray:
    """Return an ELU times a scale."""
    return scale * elu(x, alpha)


@elementwise
def selu_gradient(dy: np.ndarray, x: np.ndarray, alpha: float, scale: float) -> np.ndarray:
    """Return the gradient of an ELU that is multiplied by a scale."""
    return elu_gradient(scale * dy, x, alpha)


class ReLU6(Layer):
    """``y = min(max(x, 0), 6)``; its slope is 1 between the two, and 0 elsewhere.

    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """

    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return relu6_gradient(dy, x)
        return relu6(x), backward


@elementwise
def relu6(x: np.ndarray) -> np.ndarray:
    """Return x, or the end of the range from 0 to 6 that it lies beyond."""
    return np.clip(x, 0, 6)


@elementwise
def relu6_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy between 0 and 6."""
    return np.where((x > 0) & (x < 6), dy, 0)


class HardSigmoid(Layer):
    """``y = min(max(x + 3, 0), 6) / 6``, a sigmoid of three straight lines; its slope is 1/6 between -3 and 3.

    >>> HardSigmoid()(np.array([[-4.0, 0.0, 1.5, 4.0]]))
    array([[0.  , 0.5 , 0.75, 1.  ]])
    """

    gives_probabilities = "hard_sigmoid"
    bounded = True

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return hard_sigmoid_gradient(dy, x)
        return hard_sigmoid(x), backward


@elementwise
def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Return ``relu6(x + 3) / 6``."""
    return relu6(x + 3) / 6


@elementwise
def hard_sigmoid_gradient(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy / 6 where the middle line is."""
    return relu6_gradient(dy, x + 3) / 6
