"""A sample of the checker's trial, and that its right functions are right, by differences of long doubles."""

import numpy as np
import pytest
from functions import FUNCTIONS, inputs, right_ones
from run import false_alarm, missed

SAMPLE = right_ones()[::12]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_backward_passes_of_the_trial_are_right(name):
    function, rng = FUNCTIONS[name], np.random.default_rng(1)
    for scale in function.scales:
        x = inputs(function, scale, np.float64, False, rng).astype(np.longdouble)
        direction = x * rng.uniform(0.5, 1.5, x.shape)
        h = np.longdouble(1e-6)
        above, below = (function.forward(x + sign * h * direction) for sign in (1, -1))
        dy = rng.uniform(0.5, 1.5, above.shape)
        measured = (dy * (above - below)).sum() / (2 * h)
        analytic = (function.backward(x.astype(float), dy) * direction).sum()
        assert float(analytic) == pytest.approx(float(measured), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case[0])
def test_right_functions_pass_and_one_wrong_entry_is_found(case):
    assert not false_alarm(*case[1:], seed=0)
    assert not missed(*case[1:], seed=0)
