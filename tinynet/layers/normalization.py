"""Normalisation: numbers are brought to mean 0 and standard deviation 1, over the batch or within each sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

import numpy as np

from tinynet import constraints, initializers, kernels, regularizers
from tinynet.checks import MAX_AXES, check_axes, check_nonnegative, is_int, sample_axes
from tinynet.constraints import ConstraintLike
from tinynet.initializers import InitializerLike
from tinynet.layers.base import Backward, Layer, LayerOptions, Shape, as_floating
from tinynet.registry import Config, Identifier, to_config
from tinynet.regularizers import RegularizerLike


class Normalizing(Layer):
    """Base of the two: what is normalised is then multiplied by a learned gamma, and a learned beta is added.

    Parameters
    ----------
    epsilon : is added to the variance, so that numbers that are all the same do not divide by 0.
    center : whether there is a beta.
    scale : whether there is a gamma.
    beta_initializer, gamma_initializer : names or callables ``(shape, rng) -> array``.
    beta_regularizer, gamma_regularizer : ``"l1"``, ``"l2"`` or an object of `tinynet.regularizers`, added to the loss.
    beta_constraint, gamma_constraint : a name or an object of `tinynet.constraints`, or a function ``w -> w``.
    """

    def __init__(self, epsilon: float, center: bool, scale: bool, beta_initializer: Identifier | InitializerLike,
                 gamma_initializer: Identifier | InitializerLike,
                 beta_regularizer: Identifier | RegularizerLike | None,
                 gamma_regularizer: Identifier | RegularizerLike | None,
                 beta_constraint: Identifier | ConstraintLike | None,
                 gamma_constraint: Identifier | ConstraintLike | None, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.epsilon = check_nonnegative(self, "epsilon", epsilon)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def set_up(self, input_shape: Shape, shape: Shape, rng: np.random.Generator) -> Shape:
        """Make gamma and beta of a shape, as far as the layer has them; set its shapes; return the output's."""
        self.input_shape = self.output_shape = input_shape
        if self.scale:
            self.params["gamma"] = self.initial("gamma", self.gamma_initializer, shape, rng)
        if self.center:
            self.params["beta"] = self.initial("beta", self.beta_initializer, shape, rng)
        return input_shape

    def set_grads(self, dgamma: np.ndarray, dbeta: np.ndarray) -> None:
        """Set the gradients of the parameters that the layer has, each of its parameter's dtype."""
        for key, gradient in (("gamma", dgamma), ("beta", dbeta)):
            if key in self.params:
                self.grads[key] = gradient.astype(self.params[key].dtype, copy=False)

    def of_parameters(self, what: str) -> dict[str, Any]:
        """Return the regularizers, or the constraints, of gamma and beta, as far as there are."""
        there = {"gamma": self.scale, "beta": self.center}
        return {key: vars(self)[f"{key}_{what}"] for key in there if there[key]}

    def get_config(self) -> Config:
        return {**super().get_config(), "epsilon": self.epsilon, "center": self.center, "scale": self.scale,
                "beta_initializer": to_config(self.beta_initializer),
                "gamma_initializer": to_config(self.gamma_initializer),
                "beta_regularizer": to_config(self.beta_regularizer),
                "gamma_regularizer": to_config(self.gamma_regularizer),
                "beta_constraint": to_config(self.beta_constraint),
                "gamma_constraint": to_config(self.gamma_constraint)}


class BatchNormalization(Normalizing):
    """``y = gamma (x - mean) / std + beta``, mean and std of each channel over the batch, and over space: (N, C, ...).

    ``std = sqrt(variance + epsilon)``, of the biased variance. Inference uses running means of both instead, so that a
    sample does not depend on the others::

        moving = momentum moving + (1 - momentum) batch                               after each batch of the training

    Each mean and std depends on all n numbers of its channel, so that with ``h = (x - mean) / std``::

        d loss / d beta  = sum dy             it was added everywhere
        d loss / d gamma = sum dy h           h is what it multiplied
        d loss / d x     = gamma / std (dy - sum dy / n - h sum(dy h) / n)       the sums: through mean, through std

    Source: Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2, and the gradients after them. The sums
    are taken about a number near the mean, so that they do not cancel: shifted data, in Chan, Golub and LeVeque 1983,
    "Algorithms for computing the sample variance".

    Parameters
    ----------
    axis : that of the channels: 1, or -1 where it is the same one, for vectors (N, D).
    momentum : how much of the running statistics is kept at each batch, from 0 to 1.
    moving_mean_initializer, moving_variance_initializer : what the running statistics begin with.
    epsilon, center, scale, beta_initializer, ... : see `Normalizing`.
    trainable : False also makes ``forward(x, training=True)`` that of inference: the running statistics are used, and
        stay as they are.

    Attributes
    ----------
    params : ``gamma`` and ``beta`` (C,).
    state : ``moving_mean`` and ``moving_variance`` (C,).

    >>> import numpy as np
    >>> layer = BatchNormalization(epsilon=0)
    >>> layer.build((2,), np.random.default_rng(0))
    (2,)
    >>> layer(np.array([[1.0, 10.0], [3.0, 50.0]]), training=True)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.state["moving_mean"]
    array([0.02, 0.3 ], dtype=float32)
    """

    differs_in_training = True
    grads_of_batch = True                                  # made of `kernels.batch_sums`: see there

    def __init__(self, axis: int = 1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Identifier | InitializerLike = "zeros",
                 gamma_initializer: Identifier | InitializerLike = "ones",
                 moving_mean_initializer: Identifier | InitializerLike = "zeros",
                 moving_variance_initializer: Identifier | InitializerLike = "ones",
                 beta_regularizer: Identifier | RegularizerLike | None = None,
                 gamma_regularizer: Identifier | RegularizerLike | None = None,
                 beta_constraint: Identifier | ConstraintLike | None = None,
                 gamma_constraint: Identifier | ConstraintLike | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                         gamma_regularizer, beta_constraint, gamma_constraint, **kwargs)
        self.expect(is_int(axis, -MAX_AXES), "axis, a whole number", repr(axis))
        self.axis, self.momentum = int(axis), check_nonnegative(self, "momentum", momentum)
        self.expect(self.momentum <= 1, "momentum from 0 to 1, the share of the running statistics that is kept",
                    momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make gamma, beta and the running statistics, all (C,)."""
        self.expect(len(input_shape) >= 1 and self.axis % (1 + len(input_shape)) == 1,
                    "axis=1, the channels of images (N, C, H, W), channels first, and the units of vectors (N, D); "
                    "images with channels last want x.transpose(0, 3, 1, 2)",
                    f"axis={self.axis} for samples {input_shape}")
        shape = input_shape[:1]
        self.set_up(input_shape, shape, rng)
        self.state["moving_mean"] = self.initial("moving_mean", self.moving_mean_initializer, shape, rng)
        self.state["moving_variance"] = self.initial("moving_variance", self.moving_variance_initializer, shape, rng)
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.check(x)
        x, k = as_floating(x), kernels.current()
        of_batch = training and self.trainable and len(x) > 0        # an empty batch has no mean
        mean, variance = self.batch_statistics(x) if of_batch else self.moving_statistics()
        std = np.sqrt(variance + self.epsilon)                                                           # (C,)
        factor = self.params.get("gamma", np.ones_like(std)) / std
        beta = self.params.get("beta", np.zeros_like(std))

        def backward(dy: np.ndarray, *, need_dx: bool = True) -> np.ndarray | None:
            n, dbeta, products = kernels.batch_sums(x, mean, dy, k)  # sums of dy and of dy (x - mean)
            dgamma = products / std                                  # the sum of dy h
            self.set_grads(dgamma, dbeta)
            if not need_dx:
                return None
            if not of_batch:                                         # mean and std do not depend on x
                return k.channel_affine(dy, 0 * std, factor, 0 * std)
            # factor (dy - dbeta / n - h dgamma / n), with h = (x - mean) / std
            return k.channel_affine(x, mean, -factor * dgamma / (n * std), -factor * dbeta / n, dy, factor)
        return k.channel_affine(x, mean, factor, beta), backward

    def batch_statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each channel's mean and biased variance over a batch, float64, and move the running ones to them."""
        n, total, _ = kernels.batch_sums(x[:1], np.zeros(x.shape[1]))
        center = total / n               # of one sample of N: its squared distance from the mean is <= N variances
        n, total, squares = kernels.batch_sums(x, center)
        mean, variance = center + total / n, np.maximum(squares / n - np.square(total / n), 0)
        for key, value in (("moving_mean", mean), ("moving_variance", variance)):
            moving = self.state[key]
            self.state[key] = (self.momentum * moving + (1 - self.momentum) * value).astype(moving.dtype)
        return mean, variance

    def moving_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each channel's running mean and variance, float64."""
        return self.state["moving_mean"].astype(np.float64), self.state["moving_variance"].astype(np.float64)

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` is (N, C, ...)."""
        if "moving_mean" not in self.state:
            raise self._not_built()
        C = len(self.state["moving_mean"])
        self.expect(x.ndim >= 2 and x.shape[1] == C, f"input (N, {C}, ...)", x.shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": self.axis, "momentum": self.momentum,
                "moving_mean_initializer": to_config(self.moving_mean_initializer),
                "moving_variance_initializer": to_config(self.moving_variance_initializer)}


class LayerNormalization(Normalizing):
    """``y = gamma (x - mean) / std + beta``, mean and std of each sample by itself, over one axis or several.

    The same in training and in inference, as no sample depends on another. With ``h = (x - mean) / std``, where
    ``std = sqrt(variance + epsilon)``, and ``dh = dy gamma``, the gradient of h::

        d loss / d gamma = sum dy h           over all axes that are not normalised, the samples too
        d loss / d beta  = sum dy
        d loss / d x     = (dh - mean(dh) - h mean(dh h)) / std       the means: through mean, through std

    Source: Ba, Kiros and Hinton 2016, "Layer normalization".

    Parameters
    ----------
    axis : what is normalised, the last axis by default: an axis or several, counted with the batch axis, which is 0.
    epsilon, center, scale, beta_initializer, ... : see `Normalizing`.

    Attributes
    ----------
    params : ``gamma`` and ``beta``, of the shape of what is normalised: (K,) for the last axis.

    >>> import numpy as np
    >>> layer = LayerNormalization(epsilon=0)
    >>> layer.build((2,), np.random.default_rng(0))
    (2,)
    >>> layer(np.array([[1.0, 3.0], [10.0, 50.0]]))
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(self, axis: int | Iterable[int] = -1, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Identifier | InitializerLike = "zeros",
                 gamma_initializer: Identifier | InitializerLike = "ones",
                 beta_regularizer: Identifier | RegularizerLike | None = None,
                 gamma_regularizer: Identifier | RegularizerLike | None = None,
                 beta_constraint: Identifier | ConstraintLike | None = None,
                 gamma_constraint: Identifier | ConstraintLike | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
                         gamma_regularizer, beta_constraint, gamma_constraint, **kwargs)
        self.axis = check_axes(self, axis)

    def build(self, input_shape: Shape, rng: np.random.Generator) -> Shape:
        """Make gamma and beta, of the shape of what is normalised."""
        axes = sample_axes(self, self.axis, input_shape)
        return self.set_up(input_shape, tuple(input_shape[each - 1] for each in axes), rng)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        self.check(x)
        x, axes = as_floating(x), tuple(sorted(each % x.ndim for each in self.axis))
        others = tuple(set(range(x.ndim)) - set(axes))
        gamma, beta = (self.params[key].reshape([size if axis in axes else 1 for axis, size in enumerate(x.shape)])
                       if key in self.params else default for key, default in (("gamma", 1), ("beta", 0)))

        def mean(a: np.ndarray) -> np.ndarray:
            return a.mean(axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype)
        d = x - mean(x)
        std = np.sqrt(mean(d * d) + x.dtype.type(self.epsilon))
        h = d / std

        def backward(dy: np.ndarray) -> np.ndarray:
            self.set_grads((dy * h).sum(axis=others), dy.sum(axis=others))
            dh = dy * gamma
            return (dh - mean(dh) - h * mean(dh * h)) / std
        return gamma * h + beta, backward

    def check(self, x: np.ndarray) -> None:
        """Raise a ValueError unless `x` has the axes that were built for, those that are normalised of their sizes."""
        if self.input_shape is None or self.output_shape is None:
            raise self._not_built()
        rank = 1 + len(self.input_shape)
        sizes = {each % rank: self.input_shape[each % rank - 1] for each in self.axis}
        self.expect(x.ndim == rank and all(x.shape[axis] == size for axis, size in sizes.items()),
                    f"input (N, {', '.join(str(sizes.get(axis, 'any')) for axis in range(1, rank))})", x.shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": list(self.axis) if len(self.axis) > 1 else self.axis[0]}
