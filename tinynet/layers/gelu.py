"""GELU, and the normal distribution that it weighs its input with."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly

from tinynet.kernels.elementwise import elementwise, polynomial
from tinynet.layers.base import Backward, Layer, LayerOptions, as_floating
from tinynet.layers.smooth import sigmoid
from tinynet.registry import Config


class GELU(Layer):
    """``y = x P(Z <= x)`` for a standard normal Z: a ReLU that asks how likely x is to be above others.

    With ``cdf(x) = P(Z <= x) = (1 + erf(x / sqrt(2))) / 2`` and its slope, the ``density(x)``::

        y = x cdf(x)                              dy/dx = cdf(x) + x density(x)               by the product rule
        y = x sigmoid(2 z)                        approximate, with z = sqrt(2 / pi) (x + 0.044715 x^3)

    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units (GELUs)", section 2. There the approximation reads
    ``x (1 + tanh z) / 2``, which is the same, and loses all digits where tanh z is nearly -1.

    Parameters
    ----------
    approximate : True for the approximation, which differs by less than 0.0005.

    >>> GELU()(np.array([[-1.0, 0.0, 1.0]])).round(4)
    array([[-0.1587,  0.    ,  0.8413]])
    """

    def __init__(self, approximate: bool = False, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.approximate = approximate

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        """Return (y, backward), both of the shape of x."""
        x = as_floating(x)
        with np.errstate(over="ignore"):                           # as in Sigmoid
            y, slope = approximate_gelu(x) if self.approximate else gelu(x)

        def backward(dy: np.ndarray) -> np.ndarray:
            return product(dy, slope)
        return y, backward

    def get_config(self) -> Config:
        return {**super().get_config(), "approximate": self.approximate}


@elementwise
def gelu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return y, and its slope."""
    cdf, density = normal(x)
    return x * cdf, cdf + x * density


@elementwise
def approximate_gelu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return y and its slope, with the approximation."""
    cdf, density = approximate_normal(x)
    return x * cdf, cdf + x * density


@elementwise
def product(dy: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return dy times the slope."""
    return dy * slope


FAR = 40.0                         # from the middle: e^(-FAR^2 / 2) is 0 in float64
GRID = 16.0
CENTRE = 3.75
COEFFICIENTS = np.array([          # of (1 + 2 t) e^(t^2) erfc(t), Chebyshev's in (t - CENTRE) / (t + CENTRE)
    1.1775789345674017542, -4.5900545806464773309e-3, -8.4249133366517915584e-2, 5.9209939998191890498e-2,
    -2.6658668435305752277e-2, 9.0749976707052650939e-3, -2.4131635404176081909e-3, 4.9077583652580863229e-4,
    -6.9169733025012063671e-5, 4.1390279860730101675e-6, 7.7403830661984906686e-7, -2.1886401049234395661e-7,
    1.0764999465670910377e-8, 4.5219598112182868979e-9, -7.7544002088313511065e-10, -6.3180883408866844944e-11,
    2.8687950109306698981e-11, 1.945586854577734723e-13, -9.6546967484334389059e-13, 3.2525481481487398415e-14,
    3.3478119482868053878e-14, -1.8645628804193131015e-15, -1.2507950530688647085e-15, 7.418235256624043463e-17])
TERMS: tuple[float, ...] = tuple(cheb2poly(COEFFICIENTS)[::-1].tolist())       # the same, of powers, the highest first
ROOT_2, ROOT_2_PI, FACTOR = math.sqrt(2), math.sqrt(2 * math.pi), math.sqrt(8 / math.pi)


def normal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return P(Z <= x) of a standard normal Z, and the density at x, to nearly all digits, however small they are.

    One series serves for every x. It is for erfc(t) = 1 - erf(t), times e^(t^2), which hardly changes with t:
    1 - erf(t) itself has no digits left where erf(t) is nearly 1.
    Source: Shepherd and Laframboise 1981, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity".

    >>> normal(np.array([0.0, -10.0]))
    (array([5.00000000e-01, 7.61985302e-24]), array([3.98942280e-01, 7.69459863e-23]))
    """
    x = np.clip(x, -FAR, FAR)
    near = np.rint(x * GRID) / GRID                                # its square is exact: x^2 = near^2 + a small rest
    high, low = -near * near / 2, (near - x) * (near + x) / 2
    total = high + low                                             # rounded; what was lost of high + low is small:
    bell = np.exp(total) * (1 + ((high - total) + low))            # e^(-x^2 / 2)
    t = np.abs(x) / ROOT_2
    erfc = polynomial(TERMS, (t - CENTRE) / (t + CENTRE)) / (1 + 2 * t) * bell
    return np.where(x > 0, 1 - erfc / 2, erfc / 2), bell / ROOT_2_PI


def approximate_normal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sigmoid(2 z) with ``z = sqrt(2 / pi) (x + 0.044715 x^3)``, and its slope."""
    x = np.clip(x, -FAR, FAR)
    cdf = sigmoid(FACTOR * (x + 0.044715 * x * x * x))
    return cdf, cdf * (1 - cdf) * (FACTOR * (1 + 3 * 0.044715 * x * x))
