"""The forward's precision, measured; slopes at any size of x; and what lies on kinks settled by what lies beside."""

import numpy as np
import pytest
from wrong_layers import Scale

from tinynet.layers import Layer
from tinynet.testing import check_gradients, check_vjp
from tinynet.testing.gradcheck.precision import computational_noise


class Elementwise(Layer):
    """A function and its derivative, computed in a precision."""

    def __init__(self, forward, derivative, dtype=np.float64):
        super().__init__()
        self.f, self.df, self.dtype = forward, derivative, dtype

    def forward(self, x, training=False):
        return self.f(x.astype(self.dtype)).astype(np.float64), lambda dy: dy * self.df(x)


def tanh_of(dtype, factor=1.0):
    def derivative(x):
        slopes = 1 / np.cosh(x) ** 2
        slopes[0, 1] *= factor
        return slopes
    return Elementwise(np.tanh, derivative, dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_noise_of_a_forward_is_that_of_its_precision(dtype):
    x = np.linspace(0.3, 1, 50)
    noise = computational_noise(lambda t: np.tanh((x * (1 + t)).astype(dtype)).astype(float))
    assert 0.05 < np.median(noise) / float(np.finfo(dtype).eps) < 1


@pytest.mark.parametrize(("dtype", "wrong"), [(np.float64, 1e-5), (np.float32, 1e-3), (np.float16, 0.1)])
def test_a_float32_or_float16_inside_is_no_false_alarm_and_hides_no_larger_error(dtype, wrong):
    x = np.linspace(-1, 1, 12).reshape(3, 4) + 0.03
    for seed in range(3):
        report = check_gradients(tanh_of(dtype), x, seed=seed)
        assert ("are lost in rounding" in str(report)) == (dtype != np.float64)
        assert check_gradients(tanh_of(dtype, 1 + wrong), x, seed=seed, raises=False)["x"].at == (0, 1)


def test_in_float16_a_step_that_was_searched_serves_the_neighbours_and_groups_too():
    calls = []

    def f(x):
        calls.append(1)
        return (np.float16(3) * x.astype(np.float16)).astype(np.float64)
    for shape in ((4, 6), (5, 5, 6)):
        calls.clear()
        check_vjp(f, lambda dy, x: 3 * dy, np.random.default_rng(1).normal(size=shape))
        assert len(calls) < 700                            # of 24 coordinates, or of 16 and 16 groups


@pytest.mark.parametrize("size", [1e-10, 1e-8, 1e-3, 1, 1e6, 1e10])
@pytest.mark.parametrize(("forward", "derivative"), [
    (lambda x: 1 / x, lambda x: -1 / x ** 2), (np.log, lambda x: 1 / x), (np.sqrt, lambda x: 0.5 / np.sqrt(x))],
    ids=["reciprocal", "logarithm", "root"])
def test_slopes_are_measured_at_any_size_even_beside_others(forward, derivative, size):
    x = np.array([[0.7, 0.4 * size, 1.3], [size, 0.2, 1.1 * size]])
    assert check_gradients(Elementwise(forward, derivative), x)["x"].count("right") == 6
    wrong = Elementwise(forward, lambda x: derivative(x) * np.where(x == 0.7, 1.001, 1))
    assert not check_gradients(wrong, x, raises=False).passed


@pytest.mark.parametrize("seed", range(3))
def test_one_wrong_entry_among_many_kinks_is_found(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, 30)) * (rng.random((20, 30)) < 0.5)
    wrong = int(rng.choice(np.flatnonzero(x >= 0)))

    def derivative(x):
        slopes = (x > 0) * 1.0
        slopes.flat[wrong] *= 1.01
        return slopes
    assert check_gradients(Elementwise(lambda x: np.maximum(x, 0), lambda x: x > 0), x).passed
    report = check_gradients(Elementwise(lambda x: np.maximum(x, 0), derivative), x, raises=False)
    assert not report.passed


def test_a_sort_of_equal_numbers_is_no_false_alarm():
    class Sort(Layer):
        def forward(self, x, training=False):
            return np.sort(x, axis=1), lambda dy: np.take_along_axis(dy, np.argsort(np.argsort(
                x, axis=1, kind="stable"), axis=1, kind="stable"), axis=1)
    assert check_gradients(Sort(), np.array([[0.0, 0, 0, 0, 0], [1, 1, 1, 2, 0]])).passed


def test_a_median_of_zeros_among_positive_numbers_is_no_false_alarm():
    class Median(Layer):
        def forward(self, x, training=False):
            places = np.argsort(np.argsort(x, axis=1, kind="stable"), axis=1, kind="stable")
            return np.sort(x, axis=1)[:, 2:3], lambda dy: dy * (places == 2)
    assert check_gradients(Median(), np.array([[0.0, 0, 0.7, 0, 0]])).passed


def test_the_training_mode_is_checked_though_it_is_not_declared():
    class Undeclared(Layer):
        def forward(self, x, training=False):
            return x * (1 + training), lambda dy: dy
    failure, = check_gradients(Undeclared(), input_shape=(3,), raises=False).failures
    assert failure.mode == "in training"


def test_parameters_that_were_moved_are_named():
    class Gain(Scale):
        def build(self, input_shape, rng):
            self.params["scale"] = np.ones(input_shape)
            return input_shape

        def forward(self, x, training=False):
            y, backward = super().forward(x)

            def forgetful(dy):
                backward(dy)
                return dy
            return y, forgetful
    assert "scale: its numbers were all the same" in str(check_gradients(Gain(), input_shape=(3,), raises=False))


def test_numbers_far_smaller_than_what_they_are_added_to_must_be_moved_far_before_rounding_shows():
    def f(t):
        return np.exp(np.float16(0.01) * np.float16(1 + t)).astype(float, copy=False)[None]     # near 1: steps of 0.001
    assert 1e-4 < computational_noise(f)[0] < 1e-3


def test_noise_has_not_been_seen_where_one_output_of_many_makes_a_step():
    x = np.linspace(0.3, 0.9, 50)
    x[7] = 0.5 * (1 + 2.0 ** -11) * (1 - 2.0 ** -22)                       # about to be rounded up
    noise = computational_noise(lambda t: (x * (1 + t)).astype(np.float16).astype(float))
    assert 0.05 < np.median(noise) / 2.0 ** -11 < 1


def test_a_sharp_bend_is_no_noise():
    noise = computational_noise(lambda t: np.tanh(np.array([20 - 1e3 * t, 300 - 2e4 * t, 1e4 * t])))
    assert (noise < 1e-14).all()


def test_at_the_minimum_of_a_coarse_forward_the_slopes_that_rounding_leaves_are_no_failure():
    target = np.random.default_rng(0).normal(size=(4, 6))

    class MeanSquaredDistance(Layer):
        def forward(self, x, training=False):
            y = np.square(x.astype(np.float32) - target.astype(np.float32)).mean(keepdims=True)
            return y.astype(np.float64), lambda dy: dy * 2 * (x - target) / x.size
    check_gradients(MeanSquaredDistance(), target.astype(np.float32).astype(np.float64))
