"""The elementary functions of compiled formulas: NumPy's, within a few units of the last place, and at the ends."""

from __future__ import annotations

import numpy as np
import pytest

from tinynet.kernels.elementwise import elementwise

MOST = 3.0                     # units in the last place


@elementwise
def exp(x):
    return np.exp(x)


@elementwise
def expm1(x):
    return np.expm1(x)


@elementwise
def log1p(x):
    return np.log1p(x)


@elementwise
def tanh(x):
    return np.tanh(x)


@elementwise
def sum_and_product(x, y, z, factor):
    return x + y * z, factor * y


PAIRS = [(exp, np.exp), (expm1, np.expm1), (log1p, np.log1p), (tanh, np.tanh)]
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|divide|invalid):RuntimeWarning")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "numpys"), PAIRS)
def test_within_a_few_units_of_the_last_place(ours, numpys, dtype, rng):
    x = np.concatenate([rng.uniform(-1, 1, 20_000), rng.normal(size=20_000) * 30, rng.uniform(-760, 720, 20_000),
                        10 ** rng.uniform(-30, 30, 20_000), -10 ** rng.uniform(-30, 0, 20_000)]).astype(dtype)
    expected = numpys(x.astype(np.longdouble))
    seen = np.isfinite(expected) & (abs(expected) < np.finfo(dtype).max) & (abs(expected) > np.finfo(dtype).tiny)
    units = abs(ours(x) - expected)[seen] / np.spacing(abs(expected[seen]).astype(dtype))
    assert units.max() < MOST
    assert seen.sum() > 50_000


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "numpys"), PAIRS)
def test_the_ends_and_zero_are_those_of_numpy(ours, numpys, dtype):
    most, least = np.finfo(dtype).max, np.finfo(dtype).tiny
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, most, -most, least, -least, 1, -1, -2], dtype)
    y, expected = ours(x), numpys(x)
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=0)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ">f4"])
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (70, 100), (3, 50_000)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.usefixtures("every_kernel_set")
def test_results_take_the_place_of_the_arrays_named_with_numpys_bits(shape, dtype, order, rng):
    x, y, z = (np.asarray(rng.normal(size=shape), dtype, order=order) for _ in range(3))
    total, product, kept = x + y * z, 3 * y, x.copy()
    assert sum_and_product(x, y, z, 3.0, out=(z, y)) is None
    np.testing.assert_array_equal(z, total)
    np.testing.assert_array_equal(y, product)
    np.testing.assert_array_equal(x, kept)
    assert {x.dtype, y.dtype, z.dtype} == {np.dtype(dtype)}


@pytest.mark.parametrize("step", [1, 2])
def test_a_result_takes_the_place_of_a_view(step, rng):
    whole = rng.normal(size=20_000)
    expected = whole.copy()
    expected[5000::step] = np.exp(whole[5000::step])
    exp(whole[5000::step], out=whole[5000::step])                        # two views, and so two arrays
    np.testing.assert_allclose(whole, expected, rtol=1e-15)
