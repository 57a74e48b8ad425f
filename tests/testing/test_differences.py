"""Measured slopes: right to the uncertainty they state, which is small where it can be; kinks and jumps told apart."""

import numpy as np
import pytest

from tinynet.testing.gradcheck.checking import judge
from tinynet.testing.gradcheck.measurement import Measurement
from tinynet.testing.gradcheck.report import TensorReport
from tinynet.testing.gradcheck.slopes.differences import at_step, slope
from tinynet.testing.gradcheck.slopes.line import Line, Slope
from tinynet.testing.gradcheck.slopes.search import search
from tinynet.testing.gradcheck.slopes.shortcuts import KnownStep, Shortcuts


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
    found = known.slope(line(lambda t: 3 * t), 2.0)
    assert found.value == pytest.approx(3, abs=1e-6)
    assert found.step == 1.0


@pytest.mark.parametrize(("f", "uncertainty"), [
    (lambda t: np.sin(2 * np.pi * t) + 1e-3 * t, 1e-3),        # at steps of 1/2, 1 and 2 it is a line of slope 0.001
    (lambda t: 1e-2 * t, 1e-6),                                # so small that a better step may be had
    (lambda t: max(3 * t, t), 1e-3)], ids=["whole periods", "small", "kink"])
def test_and_not_where_a_far_smaller_one_disagrees_or_another_may_be_better(f, uncertainty):
    assert KnownStep(relative_step=1.0, relative_uncertainty=uncertainty).slope(line(f), 1.0) is None


EXACT = Line(lambda t: np.array([3 * t, -t]), np.ones(2), np.zeros(2))


def counted(line):
    """Return a line, and the list of the distances that it is asked for."""
    asked = []
    return line.turned(lambda t: asked.append(t) or line.f(t)), asked


def test_on_a_straight_line_two_values_are_enough():
    line, asked = counted(EXACT)
    found = Shortcuts(False, 1e-6).slope(line, 1.0, 1, expected=2.0, typical=3.0)
    assert (found.value, len(asked)) == (pytest.approx(2, rel=1e-12), 2)


def test_where_forward_is_coarse_it_takes_two_that_are_nearer():
    line, asked = counted(rounded_to(lambda t: 3 * t, 1e-7))
    found = Shortcuts(True, 1e-6).slope(line, 1.0, 1, expected=3.0, typical=3.0)
    assert (found.value, len(asked)) == (pytest.approx(3, rel=1e-5), 4)


def rounded_to(f, unit):
    """A line of one output that is 1 + f, rounded to multiples of a unit."""
    def rounded(t):
        return np.array([np.round((1 + f(t)) / unit) * unit])
    return Line(rounded, np.ones(1), rounded(0.0), noise=np.array([0.3 * unit]))


@pytest.mark.parametrize(("f", "expected"), [
    (lambda t: 3 * t, 3 * (1 + 1e-9)),                         # wrong by a billionth
    (lambda t: 3 * t + 1e-3 * t ** 2, 3), (lambda t: np.sin(3 * t), 3), (lambda t: max(3 * t, t), 2),
    (lambda t: np.sin(2 ** 9 * np.pi * t), 0), (lambda t: np.round(256 * t) / 256, 1), (lambda t: 0 * t, 3)],
    ids=["wrong", "bent", "sine", "kink", "whole periods", "rounded", "still"])
def test_what_is_not_the_expected_straight_line_is_measured_in_full(f, expected):
    assert Shortcuts(False, 1e-6).slope(Line(lambda t: np.array([f(t)]), np.ones(1), np.zeros(1)), 1.0, 1, expected,
                                        typical=3.0) is None


@pytest.mark.parametrize(("f", "expected"), [
    (lambda t: 3 * t, 3 * (1 + 1e-4)), (lambda t: np.sin(t), float(np.sin(4) / 4)),      # the secant at the first step
    (lambda t: np.sin(2 * np.pi * t) + t, 1), (lambda t: max(3 * t, t), 2)],
    ids=["wrong", "secant", "whole periods", "kink"])
def test_nor_is_it_taken_for_one_in_float32(f, expected):
    assert Shortcuts(True, 1e-6).slope(rounded_to(f, 1e-7), 1.0, 1, expected, typical=3.0) is None


def test_two_values_that_are_coarse_to_a_percent_settle_nothing():
    assert Shortcuts(True, 1e-6).slope(rounded_to(lambda t: 3 * t, 1e-3), 1.0, 1, expected=3.0, typical=3.0) is None


def test_after_two_lines_that_were_bent_no_more_are_tried_and_each_straight_one_allows_two():
    shortcuts, (line, asked) = Shortcuts(False, 1e-6), counted(EXACT)
    for expected in (2.0, 5.0, 5.0, 5.0, 5.0, 5.0):
        shortcuts.slope(line, 1.0, 1, expected, typical=3.0)
    assert len(asked) == 2 * (1 + 4)
    shortcuts.slope(line, 1.0, 9, 2.0, typical=3.0)                    # groups are another matter
    assert len(asked) == 2 * (1 + 4) + 2


def coarse(f, noise=2.5e-4):
    """A line of one output that is f, rounded to 3.5 times its noise."""
    def rounded(t):
        return np.array([np.round((1 + f(t)) / (3.5 * noise)) * (3.5 * noise)])
    return Line(rounded, np.ones(1), rounded(0.0), noise=np.array([noise]))


def test_a_kink_is_still_one_where_the_steps_are_so_small_that_it_is_lost_in_rounding():
    found = search(coarse(lambda t: max(t, 0) + 0.4 * max(t - 0.3, 0) - 0.7 * max(-t - 0.5, 0)), 1.0)
    assert found.kind == "kink"
    assert (found.value, found.half_width) == pytest.approx((0.5, 0.5), abs=0.05)


def test_a_kink_that_only_large_steps_show_lies_beside_0():
    beside = Line(lambda t: np.array([abs(t - 1.2e-8)]), np.ones(1), np.array([1.2e-8]), noise=np.array([3e-14]))
    found = search(beside, 1.4e-6)
    assert (found.kind, found.value) == ("smooth", pytest.approx(-1, rel=1e-3))


def test_the_rounding_error_is_that_of_the_side_that_moves():
    above, below = (at_step(line(f), 2.0) for f in (lambda t: max(1e9 * t, 0), lambda t: max(-1e9 * t, 0)))
    assert above.rounding == below.rounding > 1


@pytest.mark.parametrize("jump", [0.01, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0, 3.0])
def test_a_kink_beside_0_that_is_lost_in_rounding_is_within_the_uncertainty(jump):
    exact = Line(lambda t: np.array([jump * max(t - 0.1, 0)]), np.ones(1), np.zeros(1), noise=np.array([1e-3]))
    for h in 0.1 * 1.1 ** np.arange(-8, 60):
        found = at_step(exact, h)
        assert abs(found.value) <= found.uncertainty + found.half_width, h / 0.1


def test_outputs_that_move_within_the_smallest_steps_and_no_further_have_no_slope_of_0():
    plateau = coarse(lambda t: float(np.clip(t, -2e-3, 2e-3)))
    found = search(plateau, 1.0, expected=1.0, typical=1.0)
    assert found.kind != "smooth" or abs(found.value - 1) <= found.uncertainty
    assert search(plateau, 1.0, expected=300.0, typical=1.0).value < 300 - 100         # such a slope would have shown


@pytest.mark.parametrize(("f", "kind"), [
    (lambda t: -t + 2 * max(t - 0.008, 0), "lost"), (lambda t: t + (t > 0), "not converged")], ids=["kink", "jump"])
def test_what_a_kink_beside_0_leaves_to_rounding_is_told_from_a_jump(f, kind):
    assert search(coarse(f, 3e-4), 1.0, typical=1.0).kind == kind


def test_a_forward_that_rounds_as_no_floating_point_format_does_hides_nothing():
    assert search(coarse(lambda t: -0.3 * t + 0.6 * max(t - 0.08, 0), 0.01), 1.0, typical=0.1).kind == "not converged"


@pytest.mark.parametrize(("kind", "count", "cause"), [
    ("not converged", 2, None), ("not converged", 3, "bends too sharply"), ("lost", 10, None),
    ("lost", 11, "rounding")])
def test_slopes_lost_in_rounding_are_a_failure_only_where_they_are_most_of_them(kind, count, cause):
    slopes = [Slope(1.0, 0.0, 0.0, 0.1, 0.1, 1.0, kind if i < count else "smooth") for i in range(20)]
    report = TensorReport("x", (20,), False, np.ones(20), [
        Measurement(np.array([i]), np.ones(1), 1.0, slope, 0.1) for i, slope in enumerate(slopes)])
    failures = judge(None, report, None)
    assert [cause in failure.explanation for failure in failures] == [True] * (cause is not None)
