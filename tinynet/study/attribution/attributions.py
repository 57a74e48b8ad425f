"""How much each pixel contributes to a logit: four attributions computed from input gradients.

All explain a logit, not a probability: the gradient of a probability vanishes where the model is confident.
`occlusion` and `grad_cam` answer the same question in other ways; `plot_attributions` draws them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tinynet.study.arguments import Target, expect
from tinynet.study.attribution.targets import target_gradient, target_logits
from tinynet.tables import Table, Tabular, shortened
from tinynet.training.data import as_samples
from tinynet.training.model import Model


def saliency(model: Model, x: ArrayLike, target: Target = None) -> np.ndarray:
    """Return the magnitude of the input gradient at each pixel: ``max_c |d logit / d x[c]|``.

    Large where a small change of the pixel changes the logit most, which need not be where the ink is.
    Source: Simonyan, Vedaldi and Zisserman 2013, "Deep inside convolutional networks", section 3.1.

    Parameters
    ----------
    x : samples for the model, (N, C, H, W) or (N, features).
    target : a class for all samples, or one for each (N,); None takes each sample's largest logit.

    Returns
    -------
    (N, H, W) for images: the maximum over the channels; else of the shape of `x`.

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
    magnitude = np.abs(target_gradient(model, x, target, "saliency"))
    return magnitude.max(axis=1) if magnitude.ndim == 4 else magnitude


def gradient_x_input(model: Model, x: ArrayLike, target: Target = None) -> np.ndarray:
    """Return ``x * d logit / d x``, of the shape of `x`: 0 where the image is 0.

    For a network of ReLUs and pooling without biases, it sums to the logit itself.
    Source: Shrikumar, Greenside and Kundaje 2017, "Learning important features through propagating activation
    differences", section 3.

    Parameters
    ----------
    x, target : see `saliency`.

    Raises
    ------
    ValueError : as in `saliency`.
    """
    x = as_samples(x, model.dtype)
    return x * target_gradient(model, x, target, "gradient_x_input")


def smoothgrad(model: Model, x: ArrayLike, target: Target = None, samples: int = 50, noise: float = 0.15,
               seed: int = 0) -> np.ndarray:
    """Return the mean of the input gradients at noisy copies of `x`, of the shape of `x`.

    ``1/n sum_k d logit / d x (x + e_k)``, the elements of e_k normal with standard deviation
    ``noise * (max x - min x)``. The gradient itself is discontinuous, since ReLUs switch on and off; its mean over a
    neighbourhood is smoother.
    Source: Smilkov, Thorat, Kim, Viegas and Wattenberg 2017, "SmoothGrad: removing noise by adding noise".

    Parameters
    ----------
    x, target : see `saliency`; None takes the largest logit of the sample without noise.
    samples : number of noisy copies.
    noise : standard deviation, as a fraction of each sample's range.
    seed : of the noise.

    Raises
    ------
    ValueError : as in `saliency`; also for fewer than 1 noisy copy, or negative noise.
    """
    expect(samples >= 1 and noise >= 0, "samples from 1 and noise from 0", f"{samples} and {noise}", "smoothgrad")
    x = as_samples(x, model.dtype)
    target, _ = target_logits(model, x, target, "smoothgrad")
    axes = tuple(range(1, x.ndim))
    deviation = noise * (x.max(axis=axes, keepdims=True) - x.min(axis=axes, keepdims=True))
    rng = np.random.default_rng(seed)
    mean = np.zeros_like(x)
    for _ in range(samples):
        noisy = x + deviation * rng.normal(size=x.shape)
        mean += target_gradient(model, noisy, target, "smoothgrad") / samples
    return mean


@dataclass(frozen=True, repr=False)
class IntegratedGradients(Tabular):
    """What each element of `x` adds to the target's logit, on the path from a baseline to `x`.

    Attributes
    ----------
    attributions : of the shape of `x`.
    difference : (N,) the logit at `x` minus the logit at the baseline.
    gap : (N,) the sum of a sample's attributions minus its difference: the error of the numerical integration.
    """

    attributions: np.ndarray
    difference: np.ndarray
    gap: np.ndarray

    def in_short(self) -> str:
        """Say of how many samples, and the largest error of the integration."""
        worst = np.abs(self.gap).max(initial=0)
        return f"{len(self.gap)} samples of shape {self.attributions.shape[1:]}, gap {worst:.1e} at most"

    def tables(self) -> list[Table]:
        """Return a table of the samples."""
        rows = [[str(n), f"{change + gap:+.6f}", f"{change:+.6f}", f"{gap:+.1e}"]
                for n, (change, gap) in enumerate(zip(self.difference, self.gap, strict=True))]
        return [Table(["sample", "sum", "logit difference", "gap"], shortened(rows))]

    def __str__(self) -> str:
        return "\n".join(f"sample {n}: sum {change + gap:+.6f}, logit difference {change:+.6f}, gap {gap:+.1e}"
                         for n, (change, gap) in enumerate(zip(self.difference, self.gap, strict=True)))


def integrated_gradients(model: Model, x: ArrayLike, target: Target = None, baseline: ArrayLike = 0.0,
                         steps: int = 50) -> IntegratedGradients:
    """Return the mean input gradient along the straight line from a baseline b to `x`, times ``x - b``.

    ::

        (x - b) * integral from 0 to 1 of  d logit / d x (b + a (x - b))  da

    Completeness: the attributions sum to logit(x) - logit(b), up to the returned `gap`. The integral is computed by
    Gauss-Legendre quadrature. If the gap is not small beside the difference, use more steps.
    Source: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks", section 3.

    Parameters
    ----------
    x, target : see `saliency`; None takes the largest logit at `x`.
    baseline : an input without information: a number, or an array for one sample or for all. 0 is paper without ink.
    steps : number of gradients that the integral is computed from.

    Raises
    ------
    ValueError : as in `saliency`; also for fewer than 1 step, or a baseline that does not broadcast to `x`.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> model = Sequential([Dense(1, kernel_initializer="ones", input_dim=2)])
    >>> print(integrated_gradients(model, [[2.0, 3.0]], baseline=1.0, steps=2))
    sample 0: sum +3.000000, logit difference +3.000000, gap +0.0e+00
    """
    expect(steps >= 1, "steps from 1", steps, "integrated_gradients")
    x = as_samples(x, model.dtype)
    try:
        start = np.broadcast_to(np.asarray(baseline, x.dtype), x.shape)
    except ValueError:
        raise ValueError(f"integrated_gradients: expected a baseline that fits samples {x.shape}. "
                         f"Received: {np.shape(baseline)}.") from None
    target, end_logits = target_logits(model, x, target, "integrated_gradients")
    _, start_logits = target_logits(model, start, target, "integrated_gradients")
    mean = np.zeros_like(x)
    for node, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        between = start + (node + 1) / 2 * (x - start)       # the rule's nodes lie in [-1, 1], its weights sum to 2
        mean += weight / 2 * target_gradient(model, between, target, "integrated_gradients")
    attributions = (x - start) * mean
    difference = end_logits - start_logits
    return IntegratedGradients(attributions, difference, attributions.sum(axis=tuple(range(1, x.ndim))) - difference)
