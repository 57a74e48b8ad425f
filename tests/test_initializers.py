"""The initializers: moments, bounds, fans and names."""

import json

import numpy as np
import pytest

from tinynet import initializers
from tinynet.initializers import RandomNormal, RandomUniform, VarianceScaling
from tinynet.layers import Conv2D, Dense

SHAPE = (300, 200)

# name -> variance for fans (300, 200)
VARIANCES = {
    "truncated_normal": (0.05 * 0.87962566) ** 2,
    "normal": 0.05 ** 2, "random_normal": 0.05 ** 2, "uniform": 0.05 ** 2 / 3, "random_uniform": 0.05 ** 2 / 3,
    "glorot_uniform": 2 / 500, "glorot_normal": 2 / 500, "he_uniform": 2 / 300, "he_normal": 2 / 300,
    "lecun_uniform": 1 / 300, "lecun_normal": 1 / 300, "variance_scaling": 1 / 300,
}


def drawn(name, shape=SHAPE, seed=0):
    return initializers.get(name)(shape, np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "variance"), VARIANCES.items())
def test_variance_and_mean(name, variance):
    w = drawn(name).astype(np.float64)
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)


@pytest.mark.parametrize("name", [name for name in VARIANCES if "uniform" in name])
def test_uniform_ones_fill_their_range_and_stay_in_it(name):
    w, limit = abs(drawn(name)), np.sqrt(3 * VARIANCES[name])
    assert 0.999 * limit < w.max() <= limit * (1 + 1e-6)
    assert (w < limit / 2).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal", "variance_scaling"])
def test_truncated_normal_ones_end_at_two_standard_deviations_of_the_untruncated(name):
    w, stddev = drawn(name).astype(float), np.sqrt(VARIANCES[name])
    end = 2 * stddev / 0.87962566
    assert 0.99 * end < abs(w).max() <= end * (1 + 1e-6)
    # the fourth moment of N(0, 1) cut at 2, over its variance squared
    assert (w ** 4).mean() / w.var() ** 2 == pytest.approx(2.3655, rel=0.03)


def test_normal_is_really_normal():
    w = drawn("normal").astype(float) / 0.05
    assert (abs(w) > 2).mean() == pytest.approx(0.0455, rel=0.1)
    assert (w ** 4).mean() == pytest.approx(3, rel=0.05)


def test_zeros_and_ones():
    assert not drawn("zeros").any()
    assert (drawn("ones") == 1).all()


@pytest.mark.parametrize("kind", [RandomNormal, RandomUniform, VarianceScaling, initializers.GlorotUniform,
                                  initializers.HeNormal, initializers.TruncatedNormal])
def test_a_seed_draws_the_same_whatever_the_models_generator(kind):
    one, two = (drawn(kind(seed=3), (4, 5), seed) for seed in (0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != drawn(kind(seed=4), (4, 5))).any()
    assert kind(seed=3).get_config()["seed"] == 3
    assert "seed" not in kind().get_config()
    with pytest.raises(ValueError, match=f"{kind.__name__}: seed, a whole number from 0"):
        kind(seed=-1)


def test_truncated_normal_numbers_are_at_most_two_standard_deviations_from_the_mean():
    w = drawn(initializers.TruncatedNormal(1.0, 0.5))
    assert 0 <= w.min() < 0.01
    assert 1.99 < w.max() <= 2
    assert w.std() == pytest.approx(0.5 * 0.8796, rel=0.01)


def test_constant_is_its_number():
    assert (drawn(initializers.Constant(0.25)) == 0.25).all()
    assert not drawn("constant").any()
    with pytest.raises(ValueError, match="Constant: expected value, a number"):
        initializers.Constant("1")


@pytest.mark.parametrize("name", initializers.KNOWN)
def test_numbers_are_float32_of_the_shape_and_repeat_with_the_seed(name):
    for shape in (3,), (4, 5), (2, 3, 5, 5):
        w = drawn(name, shape)
        assert w.dtype == np.float32
        assert w.shape == shape
        np.testing.assert_array_equal(w, drawn(name, shape))
        if name not in ("zeros", "ones", "constant"):
            assert (w != drawn(name, shape, seed=1)).any()


def test_fans_of_one_axis_are_its_length_both():
    assert (initializers.fans((7,)), initializers.fans(())) == ((7, 7), (1, 1))
    assert drawn("glorot_uniform", (10_000,)).var() == pytest.approx(1e-4, rel=0.05)


def test_fans_of_a_convolution_count_its_window():
    assert initializers.fans((32, 3, 5, 4)) == (60, 640)
    w = drawn("he_uniform", (64, 3, 5, 4))
    assert w.var() == pytest.approx(2 / 60, rel=0.05)
    w = drawn("glorot_normal", (64, 3, 5, 4))
    assert w.var() == pytest.approx(2 / (60 + 1280), rel=0.05)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 200), ("fan_avg", 250)])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal"])
def test_variance_scaling_divides_by_the_fan_asked_for(mode, fan, distribution):
    w = initializers.VarianceScaling(3.0, mode, distribution)(SHAPE, np.random.default_rng(0))
    assert w.var() == pytest.approx(3 / fan, rel=0.03)


def test_normal_and_uniform_take_their_settings(rng):
    w = initializers.RandomNormal(mean=5, stddev=2)(SHAPE, rng)
    assert (w.mean(), w.std()) == (pytest.approx(5, abs=0.05), pytest.approx(2, abs=0.05))
    w = initializers.RandomUniform(1, 3)(SHAPE, rng)
    assert 1 <= w.min() < 1.01
    assert 2.99 < w.max() <= 3


@pytest.mark.parametrize("initializer", [
    initializers.Zeros(), initializers.RandomNormal(1, 2), initializers.RandomUniform(-1, 2),
    initializers.HeNormal(), initializers.VarianceScaling(2.0, "fan_avg", "uniform"),
], ids=repr)
def test_a_config_makes_the_same_initializer_again_through_json_too(initializer):
    config = {"class": type(initializer).__name__, "config": initializer.get_config()}
    again = initializers.get(json.loads(json.dumps(config)))
    assert again == initializer
    np.testing.assert_array_equal(again((3, 4), np.random.default_rng(0)),
                                  initializer((3, 4), np.random.default_rng(0)))


def test_any_callable_is_an_initializer_and_its_numbers_become_float32(rng):
    def diagonal(shape, rng):
        return np.eye(*shape)
    layer = Dense(3, kernel_initializer=diagonal)
    layer.build((3,), rng)
    assert layer.params["kernel"].dtype == np.float32
    assert layer.params["kernel"].tolist() == np.eye(3).tolist()


def test_an_initializer_that_keeps_its_array_is_not_trained_with_the_layer(rng):
    kept = np.ones((3, 2), np.float32)
    layer = Dense(2, kernel_initializer=lambda shape, rng: kept)
    layer.build((3,), rng)
    assert not np.shares_memory(layer.params["kernel"], kept)


def test_numbers_of_another_shape_are_refused(rng):
    layer = Conv2D(2, 3, kernel_initializer=lambda shape, rng: np.ones(3))
    with pytest.raises(ValueError, match=r"Conv2D: expected a kernel \(2, 1, 3, 3\) from its initializer"):
        layer.build((1, 5, 5), rng)


def test_a_bound_on_parameters_is_one_for_all_of_them_together(rng):
    with initializers.parameter_budget(10):
        assert initializers.initialize(initializers.Zeros(), (2, 4), rng).shape == (2, 4)
        with pytest.raises(ValueError, match=r"expected at most 2 parameters more. Received: the shape \(8,\)\."):
            initializers.initialize(initializers.Zeros(), (8,), rng)
        assert initializers.initialize(initializers.Zeros(), (2,), rng).shape == (2,)
    assert initializers.initialize(initializers.Zeros(), (100,), rng).shape == (100,)


def test_the_mean_of_both_fans_is_not_rounded():
    """For fans (1, 2) it is 1.5; 1 would draw from a range 1.22 times as wide."""
    w = initializers.VarianceScaling(1.0, "fan_avg", "uniform")((1, 2), np.random.default_rng(0))
    unit = np.random.default_rng(0).uniform(-1, 1, (1, 2))
    np.testing.assert_allclose(w, np.sqrt(3 / 1.5) * unit, rtol=1e-6)
    np.testing.assert_allclose(drawn("glorot_uniform", (1, 2)), w, rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda bad: VarianceScaling(bad), lambda bad: RandomNormal(stddev=bad), lambda bad: RandomUniform(0, bad),
], ids=["VarianceScaling", "RandomNormal", "RandomUniform"])
@pytest.mark.parametrize("bad", [-1, np.nan, np.inf, "1"])
def test_settings_of_no_distribution_are_refused(make, bad):
    with pytest.raises(ValueError, match=r": expected (scale|stddev|maxval), a number"):
        make(bad)


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="VarianceScaling: expected mode 'fan_in'"):
        initializers.VarianceScaling(mode="fan")
    with pytest.raises(ValueError, match="Expected an initializer"):
        initializers.get(3)
