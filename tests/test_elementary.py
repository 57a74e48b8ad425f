"""The elementary functions of compiled formulas: NumPy's, within a few units of the last place, and at the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinynet.kernels.elementwise import elementwise, square

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


@pytest.mark.usefixtures("every_kernel_set")
def test_an_array_of_one_sample_stands_for_all_of_them_in_place(rng):
    x, y, z = rng.normal(size=(300, 50)), rng.normal(size=50), rng.normal(size=(300, 50))
    total, product = x + y * z, np.broadcast_to(3 * y, x.shape)
    sum_and_product(x, y, z, 3.0, out=(x, z))
    np.testing.assert_array_equal(x, total)
    np.testing.assert_array_equal(z, product)


@pytest.mark.parametrize("step", [1, 2])
def test_a_result_takes_the_place_of_a_view(step, rng):
    whole = rng.normal(size=20_000)
    expected = whole.copy()
    expected[5000::step] = np.exp(whole[5000::step])
    exp(whole[5000::step], out=whole[5000::step])                        # two views, and so two arrays
    np.testing.assert_allclose(whole, expected, rtol=1e-15)


@elementwise
def scaled_product(x, y, factor):
    return factor * x * y


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (70, 100), (3, 400_000)])
@pytest.mark.parametrize("order", ["C", pytest.param("F", marks=pytest.mark.rest)])
@pytest.mark.usefixtures("every_kernel_set")
def test_a_sum_is_that_of_all_results_in_float64(shape, dtype, order, rng):
    x, y = (np.asarray(rng.normal(1, 1, shape), dtype, order=each) for each in (order, "C"))
    exact = math.fsum((3.0 * x.astype(float) * y.astype(float)).ravel())
    assert scaled_product.sum(x, y, 3.0) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.usefixtures("every_kernel_set")
def test_a_sum_of_what_overflows_in_float32_does_not(size):
    assert square.sum(np.full(size, 1e30, np.float32)) == pytest.approx(size * 1e60)


def test_a_sum_has_the_same_bits_for_any_number_of_threads(monkeypatch, rng):
    x, found = rng.normal(size=4_000_000), set()
    for threads in "1", "2", "5":
        monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
        found.add(square.sum(x))
    assert len(found) == 1


@pytest.mark.usefixtures("every_kernel_set")
def test_a_sum_of_what_is_no_number_says_nothing():
    for size in 3, 10_000:
        assert square.sum(np.full(size, 1e200)) == np.inf
        assert np.isnan(square.sum(np.full(size, np.nan, np.float32)))
