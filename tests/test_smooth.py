"""Smooth nonlinearities, by hand; and those of them that lose all digits if they are written carelessly."""

import math

import numpy as np
import pytest
from scipy import special

from tinynet.layers import GELU, SiLU, Softplus, Softsign
from tinynet.layers.gelu import normal

LOG3 = np.log(3.0)                                               # of which the sigmoid is 3/4


def run(layer, x, dy):
    y, backward = layer.forward(np.array(x))
    return y, backward(np.array(dy))


def test_softplus_by_hand():
    y, dx = run(Softplus(), [[0.0, LOG3, -LOG3]], [[2.0, 4.0, 4.0]])
    np.testing.assert_allclose(y, [[np.log(2), np.log(4), np.log(4 / 3)]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[1, 3, 1]], rtol=1e-15)


def test_softplus_keeps_the_digits_of_small_outputs():
    y, dx = run(Softplus(), [[-50.0, 50.0]], [[1.0, 1.0]])
    np.testing.assert_allclose(y, [[np.exp(-50.0), 50]], rtol=1e-14)
    np.testing.assert_allclose(dx, [[np.exp(-50.0), 1]], rtol=1e-14)


def test_softsign_by_hand():
    y, dx = run(Softsign(), [[0.0, 3.0, -1.0]], [[2.0, 16.0, 4.0]])
    np.testing.assert_allclose(y, [[0, 0.75, -0.5]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[2, 1, 1]], rtol=1e-15)


def test_silu_by_hand():
    y, dx = run(SiLU(), [[0.0, LOG3, -LOG3]], [[4.0, 16.0, 16.0]])
    np.testing.assert_allclose(y, [[0, 0.75 * LOG3, -0.25 * LOG3]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[2, 12 + 3 * LOG3, 4 - 3 * LOG3]], rtol=1e-14)         # s + x s (1 - s)


@pytest.mark.parametrize("x", [-37.0, -30.0, -8.0, -1.0, -0.1, -1e-9, 0.0, 0.3, 1.0, 2.0, 9.0])
def test_gelu_is_x_times_the_normal_distribution_in_its_tail_too(x):
    """By the complementary error function of Python's standard library."""
    phi, density = math.erfc(-x / math.sqrt(2)) / 2, math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    y, dx = run(GELU(), [[x]], [[1.0]])
    precise = 1e-12 if x < -8 else 1e-14                         # of e^(-x^2 / 2) as it is computed here
    np.testing.assert_allclose(y, [[x * phi]], rtol=precise)
    np.testing.assert_allclose(dx, [[phi + x * density]], rtol=precise)


def test_the_normal_distribution_has_all_digits_everywhere():
    x = np.linspace(-37, 37, 4001)
    cdf, density = normal(x)
    np.testing.assert_allclose(cdf, special.ndtr(x), rtol=1e-12)
    np.testing.assert_allclose(density, np.exp(-x**2 / 2) / np.sqrt(2 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(2 * normal(x[abs(x) < 5] * np.sqrt(2))[0] - 1, special.erf(x[abs(x) < 5]), atol=4e-16)


def test_the_far_tail_of_gelu_to_the_last_digits():
    y, _ = run(GELU(), [[-29.7, -10.3]], [[0.0, 0.0]])                   # squares that are no float64
    np.testing.assert_allclose(y, [[-1.140274297932124132e-192, -3.628757031294205220e-24]], rtol=2e-15)    # by mpmath


def test_gelu_in_float32_is_that_of_float64():
    x = np.linspace(-9, 9, 1001)
    y, dx = run(GELU(), x.astype(np.float32)[None], np.ones((1, 1001), np.float32))
    wanted, slopes = run(GELU(), x.astype(np.float32).astype(float)[None], np.ones((1, 1001)))
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_allclose(y, wanted, rtol=1e-5)
    np.testing.assert_allclose(dx, slopes, rtol=1e-5, atol=1e-7)


def test_the_approximation_of_gelu_by_its_formula():
    x = np.linspace(-4, 4, 101)[None]
    z = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(GELU(approximate=True)(x), x * (1 + np.tanh(z)) / 2, rtol=1e-10)
    assert 1e-4 < np.abs(GELU(approximate=True)(x) - GELU()(x)).max() < 5e-4


def test_the_approximation_of_gelu_keeps_its_digits_where_tanh_has_none():
    z = np.sqrt(2 / np.pi) * (-8 - 0.044715 * 512)
    np.testing.assert_allclose(GELU(approximate=True)(np.array([[-8.0]])), [[-8 * np.exp(2 * z)]], rtol=1e-12)
