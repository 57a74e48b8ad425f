"""Measured slopes: right to the uncertainty they state, which is small where it can be; kinks and jumps told apart."""

import numpy as np
import pytest

from tinynet.testing.gradcheck.differences import Line, slope
from tinynet.testing.gradcheck.sampling import KnownStep


def measured(f, *, upstream=(1.0,), **options):
    return slope(lambda t: np.atleast_1d(np.asarray(f(t), float)), np.array(upstream), **options)


SMOOTH = {
    "line": (lambda t: 3 * t, 3), "cubic": (lambda t: t ** 3 - t, -1), "sine": (np.sin, 1), "exponential": (np.exp, 1),
    "bent": (lambda t: np.sin(100 * t), 100), "far": (lambda t: 5 + np.tanh(3 * t), 3),
    "parabola": (lambda t: 1e3 * t * t, 0), "a kink nearby": (lambda t: t + max(t - 1e-4, 0), 1),
    "a jump nearby": (lambda t: t + (t > 1e-4), 1),
}


@pytest.mark.parametrize(("f", "true"), SMOOTH.values(), ids=SMOOTH)
def test_a_slope_is_as_right_as_it_says_and_that_is_a_ten_millionth(f, true):
    found = measured(f)
    assert found.kind == "smooth"
    assert abs(found.value - true) <= found.uncertainty <= 1e-7 * max(found.size, 1)
    assert found.half_width == 0


def test_where_a_function_bends_too_sharply_the_uncertainty_is_no_larger_than_it_must_be():
    found = measured(lambda t: np.sin(1000 * t))
    assert abs(found.value - 1000) <= found.uncertainty <= 5e-5


@pytest.mark.parametrize("f", [
    lambda t: np.sin(1e8 * t), lambda t: np.sign(t) * np.sqrt(abs(t)), lambda t: float(t > 0),
    lambda t: 1 / t if t else np.inf, lambda t: np.inf * (t > 0), lambda t: np.nan], ids=range(6))
def test_what_bends_at_every_step_jumps_or_is_not_a_number_does_not_converge(f):
    with np.errstate(all="ignore"):
        assert measured(f).kind == "not converged"


@pytest.mark.parametrize("jump", [1.0, 1e-3, 1e-5])
def test_on_a_kink_the_interval_is_that_of_the_two_sides(jump):
    found = measured(lambda t: t + jump * max(t, 0))
    assert found.kind == "kink"
    assert (found.value - found.half_width, found.value + found.half_width) == pytest.approx((1, 1 + jump), rel=1e-9)
    nearest = [found.nearest(analytic) for analytic in (0.5, 1 + jump / 2, 5)]
    assert nearest == pytest.approx([1, 1 + jump / 2, 1 + jump])


def test_on_a_kink_every_output_may_take_either_side():
    """relu(t) - relu(-t) is t: the sum has no kink, and yet any slope from 0 to 2 is right."""
    found = measured(lambda t: [max(t, 0), -max(-t, 0)], upstream=(1.0, 1.0))
    assert (found.kind, found.value, found.half_width) == ("kink", 1, 1)


@pytest.mark.parametrize("size", [1e4, 1e8, 1e14, 1e16])
def test_of_large_outputs_the_uncertainty_holds_what_rounding_hides(size):
    found = measured(lambda t: size + t / 3)
    assert abs(found.value - 1 / 3) <= found.uncertainty <= 1e-10 * max(size, 1e2)


def test_of_large_numbers_inside_the_uncertainty_is_at_least_their_last_digit():
    found = measured(lambda t: (1e8 + t / 3) - 1e8, rounding_scale=1e8)
    assert abs(found.value - 1 / 3) <= found.uncertainty
    assert found.rounding >= 2.0 ** -52 * 1e8 / found.step


def test_upstream_weighs_the_outputs_and_scale_the_steps():
    assert measured(lambda t: [t, 2 * t], upstream=(3.0, -1.0)).value == pytest.approx(1)
    assert measured(np.sin, scale=0.5).step == measured(np.sin).step / 2


def line(f):
    return Line(lambda t: np.array([1.0 + f(t)]), np.ones(1), np.array([1.0 + f(0.0)]), noise=np.array([1e-8]))


def test_a_step_that_suited_a_neighbour_is_taken_where_it_suits():
    known = KnownStep(relative_step=0.5, relative_uncertainty=1e-6)
    found = known.slope(line(lambda t: 3 * t), scale=2.0)
    assert found.value == pytest.approx(3, abs=1e-6)
    assert found.step == 1.0


@pytest.mark.parametrize(("f", "uncertainty"), [
    (lambda t: np.sin(2 * np.pi * t) + 1e-3 * t, 1e-3),        # at steps of 1/2, 1 and 2 it is a line of slope 0.001
    (lambda t: 1e-2 * t, 1e-6),                                # so small that a better step may be had
    (lambda t: max(3 * t, t), 1e-3)], ids=["whole periods", "small", "kink"])
def test_and_not_where_a_far_smaller_one_disagrees_or_another_may_be_better(f, uncertainty):
    assert KnownStep(relative_step=1.0, relative_uncertainty=uncertainty).slope(line(f), scale=1.0) is None
