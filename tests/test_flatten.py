"""Flatten and Reshape: the same numbers in the same order, nothing computed."""

import re

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Dense, Flatten, Reshape


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


@pytest.mark.parametrize(("target", "shape"), [
    ((2, 6), (2, 6)), ((-1, 6), (2, 6)), ((2, -1), (2, 6)), ([3, -1, 2], (3, 2, 2)), ((12, -1), (12, 1)), (12, (12,)),
    (-1, (12,)), (np.array([4, 3]), (4, 3))], ids=str)
def test_reshape_keeps_the_order_and_works_out_what_is_left(target, shape, rng):
    x = np.arange(24.0).reshape(2, 3, 4)
    y, backward = Reshape(target).forward(x)
    assert y.shape == (2, *Reshape(target).build((3, 4), rng)) == (2, *shape)
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    np.testing.assert_array_equal(backward(y), x)


def test_what_is_left_is_worked_out_of_an_empty_batch_too():
    assert Reshape((3, -1))(np.zeros((0, 12))).shape == (0, 3, 4)


@pytest.mark.parametrize("target", [(2, -1, -1), (0, 4), (-2, 4), (2.5, 4), "ab", None, ((2, 3), 4)], ids=str)
def test_target_shapes_that_are_none_are_refused(target):
    with pytest.raises(ValueError, match="Reshape: expected target_shape, positive whole numbers without the batc"):
        Reshape(target)


@pytest.mark.parametrize(("target", "text"), [
    ((5, 2), "Reshape 'reshape_1': expected samples that can be reshaped to (5, 2). Received: (12,), 12 numbers."),
    ((-1, 5), "expected samples that can be reshaped to (-1, 5). Received: (12,), 12 numbers."),
    ((2, 3), "expected samples that can be reshaped to (2, 3). Received: (12,), 12 numbers.")], ids=str)
def test_samples_that_do_not_fit_are_refused_when_the_model_is_built(target, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Sequential([Dense(12, input_dim=3), Reshape(target)])
