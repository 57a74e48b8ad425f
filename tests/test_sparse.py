"""Products that skip zeros: as exact as those that do not, and used only where they are faster."""

import numpy as np
import pytest

from tinynet import Sequential, kernels
from tinynet.kernels import fast
from tinynet.kernels.fast import blas, sparse
from tinynet.kernels.fast.products import by_tiles
from tinynet.layers import Dense

NEAR = {"float32": {"rtol": 1e-4, "atol": 1e-4}, "float64": {"rtol": 1e-11, "atol": 1e-11}}


def mostly_zero(rng, shape, dtype="float32", density=0.15):
    """Draw numbers, most of them 0."""
    return np.where(rng.random(shape) < density, rng.normal(size=shape), 0).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(200, 784, 130), (64, 300, 129), (1, 20, 64), (9, 1, 64), (13, 40, 200)])
def test_products_of_zeros_agree_with_a_product_in_double_precision(shape, dtype, rng):
    M, K, N = shape
    a, b = mostly_zero(rng, (M, K), dtype), rng.normal(size=(K, N)).astype(dtype)
    right = a.astype(float) @ b.astype(float)
    wide, tall = np.repeat(a, 2, axis=1), np.repeat(a, 3, axis=0)
    for left in (a, np.asfortranarray(a), wide[:, ::2], tall[::3], tall[::-3][::-1], np.asfortranarray(tall)[::3]):
        y = sparse.matmul(left, b)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, right, **NEAR[dtype])


@pytest.mark.parametrize("nonzeros", range(11))
def test_no_nonzero_is_lost_whatever_their_count(nonzeros, rng):
    a = np.zeros((1, 12), np.float32)
    a[0, rng.permutation(12)[:nonzeros]] = rng.normal(size=nonzeros)
    b = rng.normal(size=(12, 70)).astype(np.float32)
    np.testing.assert_allclose(sparse.matmul(a, b), a.astype(float) @ b, **NEAR["float32"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_meet_zeros_as_arithmetic_has_it(bad, rng):
    a, b = mostly_zero(rng, (400, 128)), rng.normal(size=(128, 100)).astype(np.float32)
    a[:, 77] = 0                                                       # 0 times infinity is NaN, in every row
    b[77, 31] = bad
    with np.errstate(invalid="ignore"):
        y = fast.matmul(a, b)
    assert np.isnan(y[:, 31]).all()
    assert np.isfinite(np.delete(y, 31, axis=1)).all()
    a[5, 3] = bad                                                      # on the left: one row, all of it not finite
    y = fast.matmul(a, np.abs(rng.normal(size=(128, 100))).astype(np.float32))
    np.testing.assert_array_equal(y[5], np.full(100, bad, np.float32))
    assert np.isfinite(np.delete(y, 5, axis=0)).all()


def test_every_number_of_the_right_side_is_checked(rng):
    a, b = mostly_zero(rng, (19, 23)), rng.normal(size=(23, 64)).astype(np.float32)
    for where in np.ndindex(b.shape):
        worse = b.copy()
        worse[where] = np.nan
        assert sparse.matmul(a, worse) is None
    assert sparse.matmul(a, b) is not None


@pytest.mark.parametrize("narrower", [False, True])
@pytest.mark.parametrize(("density", "taken"), [(0.0, True), (0.19, True), (0.4, False), (1.0, False)])
def test_zeros_are_skipped_only_where_they_are_many(density, taken, narrower, monkeypatch, rng):
    products = []
    monkeypatch.setattr(sparse, "matmul", lambda a, b: products.append(a.shape))
    monkeypatch.setattr(blas, "is_narrower", lambda: narrower)
    x, w = mostly_zero(rng, (200, 784), density=density), rng.normal(size=(784, 512)).astype(np.float32)
    fast.matmul(x, w)
    fast.matmul(x.T, np.ascontiguousarray(w[:200]))
    assert products == [(200, 784), (784, 200)] * taken


def test_a_single_row_and_mixed_dtypes_are_not_taken_for_sparse(monkeypatch, rng):
    monkeypatch.setattr(sparse, "matmul", None)                        # calling it would raise
    x, w = mostly_zero(rng, (200, 784)), rng.normal(size=(784, 784)).astype(np.float32)
    np.testing.assert_allclose(fast.matmul(x[:1], w), x[:1] @ w, **NEAR["float32"])
    np.testing.assert_allclose(fast.matmul(x, w.astype(float)), x @ w.astype(float))
    np.testing.assert_allclose(fast.matmul(x, np.asfortranarray(w)), x @ w, **NEAR["float32"])


def test_the_bits_are_those_of_a_product_that_passes_over_nothing(rng):
    a, b = mostly_zero(rng, (50, 300)), rng.normal(size=(300, 96)).astype(np.float32)
    np.testing.assert_array_equal(sparse.matmul(a, b), by_tiles(a, b))
    np.testing.assert_array_equal(sparse.matmul(a.T, b[:50]), by_tiles(a.T, b[:50]))


def test_a_row_is_the_same_in_any_batch(rng):
    x, w = mostly_zero(rng, (200, 784)), rng.normal(size=(784, 90)).astype(np.float32)
    np.testing.assert_array_equal(sparse.matmul(x, w)[40:73], sparse.matmul(x[40:73], w))


def test_training_on_digits_agrees_with_numpy(mlp_on_sparse_pixels):
    with kernels.use("im2col"):
        slow = mlp_on_sparse_pixels()
    np.testing.assert_allclose(mlp_on_sparse_pixels(), slow, rtol=1e-3, atol=1e-6)


@pytest.fixture
def mlp_on_sparse_pixels(rng):
    """Return a function that trains a perceptron for three steps on pixels that are mostly 0; it gives the kernel."""
    x, y = np.abs(mostly_zero(rng, (128, 784))), np.eye(10)[rng.integers(10, size=128)]

    def train():
        model = Sequential([Dense(64, activation="relu"), Dense(10, activation="softmax")], seed=0, input_shape=(784,))
        model.compile(loss="categorical_crossentropy", optimizer="sgd")
        for _ in range(3):
            model.train_on_batch(x, y)
        return model.params["dense_1/kernel"]
    return train
