"""How much each pixel counts for a logit: four answers, all made of input gradients.

All are of a logit, not of a probability: the gradient of a probability vanishes where the model is sure. `occlusion`
and `grad_cam` answer the same question in other ways; `plot_attributions` draws them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynet.study.attribution.targets import slope, target_logits
from tinynet.training.data import as_samples


def saliency(model: Any, x: Any, target: Any = None) -> np.ndarray:
    """Return how strongly each pixel moves the target's logit, either way: ``max_c |d logit / d x[c]|``.

    Large where a small change would count, which need not be where the ink is.
    Source: Simonyan, Vedaldi and Zisserman 2013, "Deep inside convolutional networks", section 3.1.

    Parameters
    ----------
    x : samples for the model, (N, C, H, W) or (N, features).
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.

    Returns
    -------
    (N, H, W) for images: the largest of the channels'; else of the shape of `x`.

    Raises
    ------
    ValueError : if the logits are not (N, classes), or a target is not one of the classes.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(2, use_bias=False, input_dim=2)])
    >>> model.set_weights([np.array([[1, 3], [2, -4]])])
    >>> saliency(model, [[5.0, 6.0]], target=1)
    array([[3., 4.]], dtype=float32)
    """
    size = np.abs(slope(model, x, target, "saliency"))
    return size.max(axis=1) if size.ndim == 4 else size


def gradient_x_input(model: Any, x: Any, target: Any = None) -> np.ndarray:
    """Return ``x * d logit / d x``, of the shape of `x`: 0 where there is no ink.

    Of a network of ReLUs, pooling and no biases, it sums to the logit itself.
    Source: Shrikumar, Greenside and Kundaje 2017, "Learning important features through propagating activation
    differences", section 3.

    Parameters
    ----------
    x, target : see `saliency`.

    Raises
    ------
    ValueError : as `saliency`'s.
    """
    x = as_samples(x, model.dtype)
    return x * slope(model, x, target, "gradient_x_input")


def smoothgrad(model: Any, x: Any, target: Any = None, samples: int = 50, noise: float = 0.15,
               seed: int = 0) -> np.ndarray:
    """Return the mean of the input gradients at noisy copies of `x`, of the shape of `x`.

    ``1/n sum_k d logit / d x (x + e_k)``, each number of e_k normal, of standard deviation ``noise * (max x - min x)``.
    A gradient jumps from pixel to pixel, as ReLUs switch; the mean over a neighbourhood does so less.
    Source: Smilkov, Thorat, Kim, Viegas and Wattenberg 2017, "SmoothGrad: removing noise by adding noise".

    Parameters
    ----------
    x, target : see `saliency`; None takes each clean sample's largest logit.
    samples : how many noisy copies.
    noise : standard deviation, as a part of each sample's range.
    seed : of the noise.

    Raises
    ------
    ValueError : as `saliency`'s; also for fewer than 1 noisy copy, or noise below 0.
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"smoothgrad: expected samples from 1 and noise from 0. Received: {samples} and {noise}.")
    x = as_samples(x, model.dtype)
    target, _ = target_logits(model, x, target, "smoothgrad")
    axes = tuple(range(1, x.ndim))
    deviation = noise * (x.max(axis=axes, keepdims=True) - x.min(axis=axes, keepdims=True))
    rng = np.random.default_rng(seed)
    mean = np.zeros_like(x)
    for _ in range(samples):
        noisy = x + deviation * rng.normal(size=x.shape)
        mean += slope(model, noisy, target, "smoothgrad") / samples
    return mean


@dataclass(frozen=True)
class IntegratedGradients:
    """What each number of `x` adds to the target's logit, on the way from a baseline to `x`.

    Attributes
    ----------
    attributions : of the shape of `x`.
    difference : (N,) the logit at `x` less the logit at the baseline.
    gap : (N,) the sum of a sample's attributions less its difference: 0, but for the steps being finite.
    """

    attributions: np.ndarray = field(repr=False)
    difference: np.ndarray
    gap: np.ndarray

    def __str__(self) -> str:
        return "\n".join(f"sample {n}: sum {change + gap:+.6f}, logit difference {change:+.6f}, gap {gap:+.1e}"
                         for n, (change, gap) in enumerate(zip(self.difference, self.gap, strict=True)))


def integrated_gradients(model: Any, x: Any, target: Any = None, baseline: Any = 0.0,
                         steps: int = 50) -> IntegratedGradients:
    """Return the input gradient, averaged over the straight way from a baseline to `x`, times that way.

    ::

        (x - b) * integral from 0 to 1 of  d logit / d x (b + a (x - b))  da

    Completeness: the numbers sum to logit(x) - logit(b), which the returned `gap` measures. The integral is computed
    by Gauss and Legendre's rule. If the gap is no small part of the difference, take more steps.
    Source: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks", section 3.

    Parameters
    ----------
    x, target : see `saliency`; None takes the largest logit at `x`.
    baseline : what counts as nothing: a number, or an array for one sample or for all. 0 is paper without ink.
    steps : how many gradients the integral is computed from.

    Raises
    ------
    ValueError : as `saliency`'s; also for fewer than 1 step, or a baseline that does not fit.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(1, kernel_initializer="ones", input_dim=2)])
    >>> print(integrated_gradients(model, [[2.0, 3.0]], baseline=1.0, steps=2))
    sample 0: sum +3.000000, logit difference +3.000000, gap +0.0e+00
    """
    if steps < 1:
        raise ValueError(f"integrated_gradients: expected steps from 1. Received: {steps}.")
    x = as_samples(x, model.dtype)
    try:
        start = np.broadcast_to(np.asarray(baseline, x.dtype), x.shape)
    except ValueError:
        raise ValueError(f"integrated_gradients: expected a baseline that fits samples {x.shape}. "
                         f"Received: {np.shape(baseline)}.") from None
    target, here = target_logits(model, x, target, "integrated_gradients")
    _, there = target_logits(model, start, target, "integrated_gradients")
    mean = np.zeros_like(x)
    for place, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):    # of -1 to 1
        between = start + (place + 1) / 2 * (x - start)
        mean += weight / 2 * slope(model, between, target, "integrated_gradients")
    attributions = (x - start) * mean
    difference = here - there
    return IntegratedGradients(attributions, difference, attributions.sum(axis=tuple(range(1, x.ndim))) - difference)
