"""Dropout: some units silenced in training, none in inference."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.kernels import fast
from tinynet.kernels.splitmix import random_bits
from tinynet.layers import AlphaDropout, Dense, Dropout, Layer, SpatialDropout2D


def dropout(rate, seed=0):
    layer = Dropout(rate)
    layer.build((1000,), np.random.default_rng(seed))
    return layer


def test_kept_units_are_scaled_and_the_others_zero():
    y, _ = dropout(0.75).forward(np.full((4, 1000), 3.0), training=True)
    assert set(np.unique(y)) == {0, 12}


@pytest.mark.usefixtures("every_kernel_set")
def test_whole_numbers_are_scaled_as_floats():
    y, _ = dropout(0.4).forward(np.full((4, 1000), 3, np.uint8), training=True)
    np.testing.assert_allclose(np.unique(y), [0, 5], rtol=1e-6)                                     # 3 / 0.6


@pytest.mark.usefixtures("every_kernel_set")
def test_whole_numbers_from_the_layer_before_are_scaled_as_floats():
    class Threes(Layer):
        def forward(self, x, training=False):
            return np.full(x.shape, 3), lambda dy: dy
    y, _ = Sequential([Threes(), Dropout(0.4)], input_shape=(1000,), seed=0).forward(np.zeros((4, 1000)), training=True)
    np.testing.assert_allclose(np.unique(y), [0, 5], rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_rate_is_the_fraction_dropped_and_the_mean_stays(rate):
    y, _ = dropout(rate).forward(np.ones((200, 1000)), training=True)
    assert (y == 0).mean() == pytest.approx(rate, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.03)


def test_a_rate_of_nearly_one_keeps_some_units():
    y, _ = dropout(0.999999).forward(np.ones((1000, 1000)), training=True)
    assert 0 < np.count_nonzero(y) < 100                               # the finest rate that 16 bits know is 1 - 2^-16


def test_gradient_takes_the_same_mask_and_scale(rng):
    x, dy = rng.normal(size=(2, 5, 1000))
    y, backward = dropout(0.4).forward(x, training=True)
    mask = y / x
    np.testing.assert_allclose(backward(dy), dy * mask, rtol=1e-12)
    assert {0} < set(np.round(mask, 6).ravel())


def test_inference_and_rate_zero_are_the_identity(rng):
    x, dy = rng.normal(size=(2, 5, 1000))
    for y, backward in dropout(0.5).forward(x), dropout(0.0).forward(x, training=True):
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(backward(dy), dy)


def test_every_forward_draws_a_new_mask_and_backward_uses_its_own():
    layer, x = dropout(0.5), np.ones((1, 1000))
    y1, backward1 = layer.forward(x, training=True)
    y2, backward2 = layer.forward(x, training=True)
    assert (y1 != y2).any()
    np.testing.assert_array_equal(backward1(x), y1)
    np.testing.assert_array_equal(backward2(x), y2)


def test_each_unit_of_each_sample_is_dropped_by_itself():
    y, _ = dropout(0.5).forward(np.ones((50, 2, 10, 10)), training=True)
    for axis in range(4):
        assert (y != y.take([0], axis)).any()


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize(("noise_shape", "together"), [
    ((None, 1, None), {1}), ((1, None, 6), {0}), ([50, 1, 1], {1, 2})], ids=["rows", "samples", "sample"])
def test_along_an_axis_of_one_in_the_noise_shape_units_are_dropped_together(noise_shape, together):
    model = Sequential([Dropout(0.5, noise_shape)], input_shape=(5, 6), seed=0)
    dy = np.full((50, 5, 6), 3, np.float32)
    y, backward = model.forward(np.ones((50, 5, 6)), training=True)
    assert set(np.unique(y)) == {0, 2}
    np.testing.assert_array_equal(backward(dy), 3 * y)
    assert {axis for axis in range(3) if (y == y.take([0], axis)).all()} == together
    assert model.layers[0].get_config()["noise_shape"] == list(noise_shape)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Dropout(0.5, (2, 0)), r"Dropout: expected noise_shape as positive whole numbers.*Received: \(2, 0\)"),
    (lambda: Sequential([Dropout(0.5, (None, 2))], input_shape=(3,)).forward(np.ones((1, 3)), training=True),
     r"Dropout 'dropout_1': expected input that a mask of noise_shape \(None, 2\) fits. Received: \(1, 3\)"),
    (lambda: Sequential([Dropout(0.5, (None, 1, 1))], input_shape=(3,)).forward(np.ones((1, 3)), training=True),
     r"of noise_shape \(None, 1, 1\) fits"),
], ids=["zero", "another size", "axes"])
def test_a_noise_shape_that_does_not_fit_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dtype_is_kept():
    for dtype in np.float32, np.float64:
        y, backward = dropout(0.3).forward(np.ones((2, 1000), dtype), training=True)
        assert y.dtype == backward(y).dtype == dtype


def test_scale_is_not_rounded_for_whole_numbers():
    y, _ = dropout(0.2).forward(np.full((1, 1000), 4), training=True)
    assert set(np.unique(y)) == {0, 5}


def test_the_generator_is_the_models_own():
    model = Sequential([Dense(4, input_dim=3), Dropout(0.5)], seed=3)
    assert model.layers[1].rng is model.rng
    assert Dropout.differs_in_training
    assert not Dense.differs_in_training


def test_random_bits_are_those_of_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
                 16408922859458223821]                                 # of seed 1234567, by Vigna's program in C
    assert random_bits(np.uint64(1234567), 20).view(np.uint64).tolist() == published
    np.testing.assert_array_equal(random_bits(np.uint64(1234567), 7), random_bits(np.uint64(1234567), 20)[:7])


@pytest.mark.parametrize("n", [1, 5, 1023, 1024, 1027, 400_003])
def test_the_fast_kernel_keeps_the_same_numbers_in_chunks(n, rng):
    x, key = rng.normal(size=n), np.uint64(2**64 - 3)
    kept = np.where(random_bits(key, n) >= 20_000, 2 * x, 0)
    np.testing.assert_array_equal(fast.dropout(x, key, 20_000, 2.0), kept)


def test_bits_of_neighbouring_keys_and_places_have_nothing_in_common():
    bits = np.stack([random_bits(np.uint64(key), 40_000) for key in range(8)]).astype(float)
    assert np.abs(np.corrcoef(bits) - np.eye(8)).max() < 0.03          # six standard errors
    for apart in 1, 2, 3, 4, 8:
        assert abs(np.corrcoef(bits[0, apart:], bits[0, :-apart])[0, 1]) < 0.03


# Whole channels.

def spatial(rate, shape=(50, 3, 4)):
    layer = SpatialDropout2D(rate)
    layer.build(shape, np.random.default_rng(0))
    return layer


def test_spatial_dropout_keeps_or_drops_each_channel_of_each_sample_as_a_whole(rng):
    x, dy = rng.normal(size=(2, 40, 50, 3, 4))
    y, backward = spatial(0.75).forward(x, training=True)
    mask = y / x
    np.testing.assert_allclose(mask, np.broadcast_to(mask[:, :, :1, :1], x.shape), rtol=1e-12)
    assert set(np.unique(mask.round(9))) == {0, 4}
    assert (mask[:, :, 0, 0] == 0).mean() == pytest.approx(0.75, abs=0.04)       # four standard errors
    assert (mask[:, :, 0, 0] != mask[:1, :, 0, 0]).any()                         # another mask for each sample
    np.testing.assert_allclose(backward(dy), dy * mask, rtol=1e-12)


def test_spatial_dropout_is_the_identity_in_inference(rng):
    x = rng.normal(size=(2, 50, 3, 4))
    np.testing.assert_array_equal(spatial(0.5)(x), x)


def test_spatial_dropout_takes_bytes_and_keeps_the_dtype():
    y, _ = spatial(0.4).forward(np.full((2, 50, 3, 4), 3, np.uint8), training=True)
    np.testing.assert_allclose(np.unique(y), [0, 5], rtol=1e-6)
    assert y.dtype == np.float32


@pytest.mark.usefixtures("every_kernel_set")
def test_spatial_dropout_in_a_model_is_not_taken_for_dropout_of_units():
    model = Sequential([SpatialDropout2D(0.5)], input_shape=(20, 3, 3), seed=0)
    y, _ = model.forward(np.ones((4, 20, 3, 3)), training=True)
    assert (y == y[:, :, :1, :1]).all()
    assert set(np.unique(y)) == {0, 2}


@pytest.mark.parametrize("training", [False, True])
def test_spatial_dropout_wants_images(training):
    with pytest.raises(ValueError, match=r"SpatialDropout2D: expected input \(N, C, H, W\)\. Received: \(2, 50\)"):
        spatial(0.5)(np.ones((2, 50)), training)
    with pytest.raises(ValueError, match=r"SpatialDropout2D 'spatial_dropout2d_1': expected input_shape \(C, H, W\)"):
        Sequential([SpatialDropout2D(0.5, input_shape=(50,))])


# What goes with SELU.

LOW = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


def alpha(rate, noise_shape=None):
    layer = AlphaDropout(rate, noise_shape)
    layer.build((1000,), np.random.default_rng(0))
    return layer


def test_alpha_dropout_by_hand():
    y, backward = alpha(0.5).forward(np.full((4, 1000), 3.0), training=True)
    s = (0.5 * (1 + 0.5 * LOW ** 2)) ** -0.5                                         # 0.8864
    np.testing.assert_allclose(np.unique(y), [s * 0.5 * LOW, s * (3 - 0.5 * LOW)], rtol=1e-12)
    np.testing.assert_allclose(np.unique(backward(np.ones_like(y))), [0, s], rtol=1e-12)
    np.testing.assert_array_equal(backward(np.ones_like(y)) == 0, y < 0)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_alpha_dropout_keeps_the_mean_and_the_variance(rate):
    y, _ = alpha(rate).forward(np.random.default_rng(1).normal(size=(1000, 1000)), training=True)
    assert y.mean() == pytest.approx(0, abs=0.005)                                   # five standard errors
    assert y.var() == pytest.approx(1, abs=0.01)


def test_alpha_dropout_drops_the_units_that_dropout_would(rng):
    x = rng.normal(size=(5, 1000))
    kept = dropout(0.4).forward(x, training=True)[0] != 0
    y, _ = alpha(0.4).forward(x, training=True)
    assert len(np.unique(y[~kept])) == 1
    assert len(np.unique(y[kept])) == kept.sum()


def test_alpha_dropout_is_the_identity_in_inference_and_at_rate_zero(rng):
    x = rng.normal(size=(2, 1000))
    for y, backward in alpha(0.5).forward(x), alpha(0.0).forward(x, training=True):
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(backward(x), x)


def test_alpha_dropout_keeps_the_dtype_and_takes_bytes():
    for dtype, found in (np.float64, np.float64), (np.float32, np.float32), (np.uint8, np.float32):
        y, backward = alpha(0.3).forward(np.ones((2, 1000), dtype), training=True)
        assert y.dtype == backward(y).dtype == found
        assert len(np.unique(y)) == 2


@pytest.mark.usefixtures("every_kernel_set")
def test_alpha_dropout_in_a_model_is_not_taken_for_dropout_and_has_a_noise_shape():
    model = Sequential([AlphaDropout(0.5, (None, 1))], input_shape=(1000,), seed=0)
    y, _ = model.forward(np.full((50, 1000), 3.0), training=True)
    assert (y == y[:, :1]).all()
    assert len(np.unique(y)) == 2
    assert (y != 0).all()
    assert model.layers[0].get_config()["noise_shape"] == [None, 1]
