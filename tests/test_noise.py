"""Gaussian noise, and the generators of the layers that draw from one."""

import numpy as np
import pytest

from tinynet import Sequential, load_model
from tinynet.layers import (
    AlphaDropout,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout2D,
)


def noise(stddev, **arguments):
    layer = GaussianNoise(stddev, **arguments)
    layer.build((1000,), np.random.default_rng(0))
    return layer


def test_the_noise_has_the_mean_zero_and_the_standard_deviation_asked_for():
    x = np.full((500, 1000), 3.0)
    y, backward = noise(0.5).forward(x, training=True)
    assert y.mean() == pytest.approx(3, abs=0.003)                               # four standard errors
    assert y.std() == pytest.approx(0.5, abs=0.003)
    assert np.mean(np.abs(y - 3) < 0.5) == pytest.approx(0.6827, abs=0.003)      # as of a normal distribution
    np.testing.assert_array_equal(backward(x), x)


def test_it_is_drawn_anew_for_each_number_and_each_forward():
    layer, x = noise(1.0), np.zeros((2, 1000))
    first, second = (layer.forward(x, training=True)[0] for _ in range(2))
    assert len(np.unique([first, second])) == 4000


def test_inference_and_a_deviation_of_zero_are_the_identity(rng):
    x = rng.normal(size=(2, 1000))
    for y, backward in noise(0.5).forward(x), noise(0.0).forward(x, training=True):
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(backward(x), x)


def test_dtype_is_kept_and_the_noise_is_the_same_in_both():
    drawn = [noise(0.5).forward(np.zeros((2, 1000), dtype), training=True)[0] for dtype in (np.float32, np.float64)]
    assert [y.dtype for y in drawn] == [np.float32, np.float64]
    np.testing.assert_array_equal(drawn[0], drawn[1].astype(np.float32))


def test_noise_is_added_to_bytes_as_to_floats():
    y, _ = noise(0.5).forward(np.full((2, 1000), 255, np.uint8), training=True)
    assert y.dtype == np.float32
    assert 250 < y.min() < 255 < y.max() < 260


def gaussian_dropout(rate):
    layer = GaussianDropout(rate)
    layer.build((1000,), np.random.default_rng(0))
    return layer


def test_gaussian_dropout_has_the_mean_and_the_variance_of_dropout():
    y, _ = gaussian_dropout(0.2).forward(np.full((500, 1000), 3.0), training=True)
    assert y.mean() == pytest.approx(3, abs=0.01)                                 # four standard errors
    assert y.std() == pytest.approx(1.5, abs=0.01)                                # 3 sqrt(0.2 / 0.8)
    assert np.mean(np.abs(y - 3) < 1.5) == pytest.approx(0.6827, abs=0.003)


def test_gaussian_dropout_multiplies_and_its_gradient_takes_the_same_numbers(rng):
    x, dy = rng.normal(size=(2, 4, 1000))
    layer = gaussian_dropout(0.3)
    y, backward = layer.forward(x, training=True)
    again, _ = layer.forward(x, training=True)
    np.testing.assert_allclose(backward(dy), dy * (y / x), rtol=1e-12)
    assert len(np.unique(y / x)) == len(np.unique(again / x)) == 4000
    assert (y != again).all()
    zeros, _ = layer.forward(np.zeros((2, 1000)), training=True)
    assert not zeros.any()


def test_gaussian_dropout_is_the_identity_in_inference_and_at_rate_zero(rng):
    x = rng.normal(size=(2, 1000))
    for y, backward in gaussian_dropout(0.5).forward(x), gaussian_dropout(0.0).forward(x, training=True):
        np.testing.assert_array_equal(y, x)
        np.testing.assert_array_equal(backward(x), x)
    assert gaussian_dropout(0.5).forward(x.astype(np.float32), training=True)[0].dtype == np.float32
    assert gaussian_dropout(0.5).get_config()["rate"] == 0.5


@pytest.mark.parametrize("kind", [Dropout, SpatialDropout2D, AlphaDropout, GaussianNoise, GaussianDropout])
def test_the_generator_is_the_models_own_unless_there_is_a_seed(kind):
    x = np.ones((4, 8, 2, 2))
    plain, seeded = (Sequential([kind(0.5, seed=seed)], input_shape=x.shape[1:], seed=0) for seed in (None, 7))
    assert plain.layers[0].rng is plain.rng
    before = seeded.rng.bit_generator.state
    y = seeded.forward(x, training=True)[0]
    assert seeded.rng.bit_generator.state == before
    other = Sequential([kind(0.5, seed=7)], input_shape=x.shape[1:], seed=1)
    np.testing.assert_array_equal(other.forward(x, training=True)[0], y)
    assert (other.forward(x, training=True)[0] != y).any()
    assert kind.from_config(seeded.layers[0].get_config()).seed == 7


def test_a_saved_training_goes_on_to_the_bit(tmp_path, rng):
    x, y = rng.normal(size=(12, 1, 5, 5)), rng.normal(size=(12, 2))

    def model():
        model = Sequential([GaussianNoise(0.1, input_shape=(1, 5, 5)), Conv2D(3, 2), SpatialDropout2D(0.5), Flatten(),
                            GaussianDropout(0.2), AlphaDropout(0.2), Dropout(0.3, seed=5), Dense(2)], seed=0)
        model.compile("adam", "mse")
        return model
    whole, half = model(), model()
    whole.fit(x, y, epochs=2, batch_size=4, verbose=0)
    half.fit(x, y, epochs=1, batch_size=4, verbose=0)
    half.save(tmp_path / "m")
    rest = load_model(tmp_path / "m")
    rest.fit(x, y, epochs=2, initial_epoch=1, batch_size=4, verbose=0)
    for a, b in zip(rest.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("mistake", "text"), [
    (lambda: GaussianNoise(-1), "GaussianNoise: expected stddev, a number at least 0 and below inf. Received: -1"),
    (lambda: GaussianDropout(1.0), "GaussianDropout: expected rate, the fraction dropped, at least 0 and below 1. Rec"),
    (lambda: GaussianNoise(0.5, seed="7"), "GaussianNoise: expected seed, a whole number from 0. Received: '7'"),
    (lambda: Dropout(0.5, seed=-1), "Dropout: expected seed, a whole number from 0. Received: -1"),
    (lambda: GaussianNoise(0.5)(np.ones((1, 2)), training=True), "GaussianNoise: has no random generator yet")])
def test_a_mistake_is_told(mistake, text):
    with pytest.raises(ValueError, match=text):
        mistake()
