"""A sample of the checker's trial, and that its right functions are right, by differences of long doubles."""

import numpy as np
import pytest
from cases import false_alarm, right_cases, sizes_and_kinks
from functions import FUNCTIONS
from layers import LAYERS
from mistakes import MILLION, difference, missed, mistakes

RIGHT, WRONG = right_cases(), [mistake for mistake in mistakes() if mistake.family != MILLION]
FAMILIES = sorted({mistake.family for mistake in WRONG})


def right_along_a_line(forward, backward, arrays, rng):
    """Assert that the slope in a direction, by differences of long doubles, is that of the gradients."""
    directions = [array * rng.uniform(0.5, 1.5, array.shape) for array in arrays]
    h = np.longdouble(1e-6)
    above, below = (forward(*(array + h * direction for array, direction in zip(arrays, directions, strict=True)))
                    for h in (h, -h))
    dy = rng.uniform(0.5, 1.5, above.shape)
    measured = (dy * (above - below)).sum() / (2 * h)
    gradients = backward(dy, *(array.astype(float) for array in arrays))
    analytic = sum((gradient * direction).sum() for gradient, direction in zip(gradients, directions, strict=True))
    assert float(analytic) == pytest.approx(float(measured), rel=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_backward_passes_of_functions_are_right(name):
    function, rng = FUNCTIONS[name], np.random.default_rng(1)
    for scale in function.scales:
        x = sizes_and_kinks(scale, (3, 6), function.kinks, rng).astype(np.longdouble)
        right_along_a_line(function.forward, lambda dy, x: (function.backward(x, dy),), [x], rng)


@pytest.mark.parametrize("name", LAYERS)
def test_the_backward_passes_of_layers_are_right_for_each_array(name):
    layer, rng = LAYERS[name], np.random.default_rng(1)
    arrays = [sizes_and_kinks(1.0, shape, True, rng).astype(np.longdouble) for shape in layer.shapes]
    for i, array in enumerate(arrays):
        def forward(one, i=i):
            return layer.forward(*arrays[:i], one, *arrays[i + 1:])

        def backward(dy, one, i=i):
            floats = [a.astype(float) for a in arrays]
            return layer.backward(dy, *floats[:i], one, *floats[i + 1:])[i:i + 1]
        right_along_a_line(forward, backward, [array], rng)


@pytest.mark.rest
def test_the_wrong_ones_are_wrong_and_the_right_ones_are_not():
    for mistake in WRONG:
        arrays = mistake.case.arrays(0)
        assert difference(mistake.case, mistake.spoil(arrays), arrays) > 9e-6, mistake.name
        assert difference(mistake.case, mistake.case.backward, arrays) == 0


def test_the_trial_is_as_large_and_as_wide_as_it_says():
    assert len(RIGHT) >= 200
    assert len(mistakes()) >= 300
    assert len({case.name for case in RIGHT}) == len(RIGHT)
    assert {name for name in FUNCTIONS if any(case.name.startswith(f"{name},") for case in RIGHT)} == set(FUNCTIONS)
    assert {np.float64, np.float32, np.float16} == {case.dtype for case in RIGHT}


@pytest.mark.slow
@pytest.mark.parametrize("case", RIGHT[::9], ids=lambda case: case.name)
def test_right_functions_pass(case):
    assert not false_alarm(case, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_gradients_are_found(family):
    some = [mistake for mistake in WRONG if mistake.family == family]
    for mistake in some[::len(some) // 2 + 1]:
        assert not missed(mistake, seed=0), mistake.name
