"""Flatten: every sample one row, nothing computed."""

import numpy as np

from tinynet.layers import Flatten


def test_rows_are_in_row_major_order():
    x = np.arange(24).reshape(2, 3, 2, 2)
    y, backward = Flatten().forward(x)
    assert y.tolist() == [list(range(12)), list(range(12, 24))]
    np.testing.assert_array_equal(backward(y), x)


def test_backward_puts_each_gradient_where_its_pixel_was(rng):
    x = np.asfortranarray(rng.normal(size=(2, 3, 4, 5)))
    _, backward = Flatten().forward(x)
    dy = rng.normal(size=(2, 60))
    np.testing.assert_array_equal(backward(dy), dy.reshape(2, 3, 4, 5))


def test_vectors_stay_as_they_are(rng):
    x = rng.normal(size=(3, 7))
    np.testing.assert_array_equal(Flatten()(x), x)


def test_numbers_become_rows_of_one():
    assert Flatten()(np.array([1.0, 2.0])).tolist() == [[1], [2]]


def test_build_multiplies_the_axes(rng):
    assert Flatten().build((32, 12, 12), rng) == (4608,)
    assert Flatten().build((7,), rng) == (7,)


def test_an_empty_batch_keeps_its_width():
    assert Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
