"""ZeroPadding2D and UpSampling2D: images made larger, and gradients brought back to their size."""

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential
from tinynet.layers import Conv2D, UpSampling2D, ZeroPadding2D
from tinynet.study.receptive_fields import receptive_fields

X = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])


def test_zeros_are_put_on_each_side_as_asked_and_cut_off_again():
    y, backward = ZeroPadding2D(((1, 0), (0, 2))).forward(X)
    assert y[0, 0].tolist() == [[0, 0, 0, 0, 0], [1, 2, 3, 0, 0], [4, 5, 6, 0, 0]]
    dx = backward(np.arange(15.0).reshape(1, 1, 3, 5))
    assert dx[0, 0].tolist() == [[5, 6, 7], [10, 11, 12]]


@pytest.mark.parametrize(("padding", "same"), [
    (2, ((2, 2), (2, 2))), ((1, 2), ((1, 1), (2, 2))), (((0, 1), (2, 0)), ((0, 1), (2, 0))),
    ((0, (1, 2)), ((0, 0), (1, 2))), ([[0, 1], [2, 0]], ((0, 1), (2, 0)))], ids=repr)
def test_keras_forms_of_padding(padding, same):
    assert ZeroPadding2D(padding).padding == same
    assert ZeroPadding2D(padding).build((1, 2, 3), np.random.default_rng(0)) == (1, 2 + sum(same[0]), 3 + sum(same[1]))


@pytest.mark.parametrize("padding", [-1, 1.5, (1, 2, 3), (1,), ((1, 2), (3,)), ((1, -1), 0), "no", None], ids=repr)
def test_what_is_no_padding_is_told(padding):
    with pytest.raises(ValueError, match=r"ZeroPadding2D: expected padding as a whole number from 0, .rows, col"):
        ZeroPadding2D(padding)


def test_zeros_and_a_valid_convolution_are_a_same_one(rng):
    x, same = rng.normal(size=(2, 2, 5, 6)), built(Conv2D(3, (3, 4), padding="same"), (2, 5, 6))
    valid = built(Conv2D(3, (3, 4)), (2, 7, 9))
    valid.params = same.params
    np.testing.assert_array_equal(valid(ZeroPadding2D((1, (1, 2)))(x)), same(x))


def test_padding_moves_the_receptive_field():
    model = Sequential([Conv2D(1, 2, strides=2, input_shape=(1, 8, 8)), ZeroPadding2D(((2, 0), (1, 1))), Conv2D(1, 3)])
    fields = receptive_fields(model.steps(), [(1, 8, 8), (1, 4, 4), (1, 6, 6)])
    assert fields == [((0, 2, 2), (0, 2, 2)), ((-4, 2, 2), (-2, 2, 2)), ((-4, 6, 2), (-2, 6, 2))]


def test_nearest_repeats_each_pixel_which_gets_the_sum_back():
    y, backward = UpSampling2D((2, 3)).forward(X[..., :2])
    assert y[0, 0].tolist() == [[1, 1, 1, 2, 2, 2]] * 2 + [[4, 4, 4, 5, 5, 5]] * 2
    dx = backward(np.arange(24.0).reshape(1, 1, 4, 6))
    assert dx[0, 0].tolist() == [[0 + 1 + 2 + 6 + 7 + 8, 3 + 4 + 5 + 9 + 10 + 11],
                                 [12 + 13 + 14 + 18 + 19 + 20, 15 + 16 + 17 + 21 + 22 + 23]]


def test_bilinear_mixes_the_neighbours_of_each_centre():
    y, backward = UpSampling2D((1, 2), interpolation="bilinear").forward(np.array([[[[1.0, 5.0, 5.0]]]]))
    assert y.ravel().tolist() == [1, 2, 4, 5, 5, 5]
    dx = backward(np.array([[[[1.0, 10.0, 100.0, 1000.0, 1e4, 1e5]]]]))
    assert dx.ravel().tolist() == [1 + 7.5 + 25, 2.5 + 75 + 750 + 2.5e3, 250 + 7.5e3 + 1e5]


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_bilinear_is_numpys_interpolation_along_each_axis(factor, rng):
    x = rng.normal(size=(1, 1, 4, 6))
    found = UpSampling2D((factor, 1), interpolation="bilinear")(x)[0, 0]
    at = [(p + 0.5) / factor - 0.5 for p in range(4 * factor)]
    for w in range(6):
        np.testing.assert_allclose(found[:, w], np.interp(at, range(4), x[0, 0, :, w]), rtol=1e-12, atol=1e-12)
    across = UpSampling2D((1, factor), interpolation="bilinear")(x.swapaxes(2, 3))
    np.testing.assert_allclose(across[0, 0], found.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", [ZeroPadding2D((1, (0, 2))), UpSampling2D((3, 2)),
                                   UpSampling2D((2, 3), interpolation="Bilinear")], ids=["zeros", "repeat", "mixed"])
@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(layer, rng):
    assert_gradients_right(built(layer, (2, 3, 4)), rng.normal(size=(2, 2, 3, 4)))


def test_an_unknown_interpolation_is_told():
    with pytest.raises(ValueError, match=r"UpSampling2D: Unknown interpolation 'bicubic'. Known: 'nearest', 'bil"):
        UpSampling2D(interpolation="bicubic")


@pytest.mark.parametrize("layer", [ZeroPadding2D(), UpSampling2D()], ids=["zero_padding2d", "up_sampling2d"])
def test_what_are_no_images_is_told(layer):
    with pytest.raises(ValueError, match=r"expected input .N, C, H, W.. Received: .2, 3."):
        layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"expected input_shape .C, H, W.. Received: .3,."):
        layer.build((3,), np.random.default_rng(0))
