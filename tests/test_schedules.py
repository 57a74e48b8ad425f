"""The learning rates of schedules, worked out by hand."""

import json

import numpy as np
import pytest

from tinynet import Sequential, load_model, optimizers, schedules
from tinynet.layers import Dense
from tinynet.optimizers import SGD
from tinynet.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    InverseTimeDecay,
    LearningRateSchedule,
    OneCycle,
    PolynomialDecay,
)

BY_HAND = {
    "inverse time": (InverseTimeDecay(0.6, 10, 0.5), {0: 0.6, 5: 0.48, 10: 0.4, 20: 0.3}),
    "inverse time, stairs": (InverseTimeDecay(0.6, 10, 0.5, staircase=True), {9: 0.6, 10: 0.4, 19: 0.4}),
    "line": (PolynomialDecay(1.1, 10, 0.1), {0: 1.1, 4: 0.7, 10: 0.1, 99: 0.1}),
    "square": (PolynomialDecay(1.0, 10, 0.0, power=2.0), {0: 1.0, 5: 0.25, 9: 0.01, 10: 0}),
    "cycles of lines": (PolynomialDecay(1.0, 10, 0.0, cycle=True),
                        {0: 1.0, 10: 0, 11: 9 / 20, 15: 0.25, 20: 0, 21: 0.3}),
    "warm-up and cosine": (CosineDecay(0.1, 20, warmup_target=0.5, warmup_steps=4),
                           {0: 0.1, 1: 0.2, 3: 0.4, 4: 0.5, 14: 0.25, 24: 0, 99: 0}),
    "warm-up, not to 0": (CosineDecay(0.0, 20, 0.2, warmup_target=0.5, warmup_steps=1),
                          {0: 0, 1: 0.5, 11: 0.3, 21: 0.1}),
    "restarts": (CosineDecayRestarts(0.8, 10, t_mul=2.0, m_mul=0.5),
                 {0: 0.8, 5: 0.4, 10: 0.4, 20: 0.2, 29: 0.2 * (1 + np.cos(np.pi * 0.95)), 30: 0.2, 50: 0.1}),
    "restarts, equally long": (CosineDecayRestarts(0.8, 10, 1.0, 0.5, alpha=0.5),
                               {0: 0.8, 5: 0.6, 10: 0.6, 15: 0.5, 20: 0.5}),
    "one cycle of lines": (OneCycle(1.0, 21, 6 / 21, "linear", 10, 10), {0: 0.1, 1: 0.28, 5: 1.0, 20: 0.01, 99: 0.01}),
    "one cycle": (OneCycle(1.0, 21, 11 / 21, div_factor=5, final_div_factor=100),
                  {0: 0.2, 5: 0.6, 10: 1.0, 15: 0.501, 20: 0.002}),
    "one cycle without a rise": (OneCycle(1.0, 11, 0.0, "linear", 1, 1), {0: 1.0, 10: 1.0}),
}


@pytest.mark.parametrize(("schedule", "rates"), BY_HAND.values(), ids=BY_HAND.keys())
def test_rates_by_hand(schedule, rates):
    for step, rate in rates.items():
        assert schedule(step) == pytest.approx(rate, abs=1e-12), step
    assert isinstance(schedule, LearningRateSchedule)


def test_a_cycle_of_many_restarts_ends():
    assert CosineDecayRestarts(0.8, 10, 1.0)(10**9 + 5) == pytest.approx(0.4)


@pytest.mark.parametrize("schedule", [schedule for schedule, _ in BY_HAND.values()], ids=BY_HAND.keys())
def test_a_config_makes_the_same_schedule_again_through_json_and_files_too(schedule, tmp_path):
    config = json.loads(json.dumps(SGD(schedule).get_config()))
    again = optimizers.get({"class": "SGD", "config": config}).learning_rate
    assert [again(step) for step in range(40)] == [schedule(step) for step in range(40)]
    model = Sequential([Dense(1, input_dim=1)])
    model.compile(SGD(schedule), "mse")
    model.save(tmp_path / "m")
    assert load_model(tmp_path / "m").optimizer.learning_rate == schedule


def test_the_two_modules_have_the_same_schedules():
    assert set(optimizers.schedules.__all__) - {"LearningRateSchedule"} == set(schedules.KNOWN)
    assert all(getattr(optimizers.schedules, name) is cls for name, cls in schedules.KNOWN.items())


@pytest.mark.parametrize(("make", "text"), [
    (lambda: InverseTimeDecay(0.1, 0, 0.5), "InverseTimeDecay: expected decay_steps, a number above 0"),
    (lambda: PolynomialDecay(0.1, 10, power=0), "PolynomialDecay: expected power, a number above 0. Received: 0."),
    (lambda: PolynomialDecay(0.1, 10, -1), "PolynomialDecay: expected end_learning_rate"),
    (lambda: CosineDecay(0.1, 10, warmup_target=-1), "CosineDecay: expected warmup_target"),
    (lambda: CosineDecay(0.1, 10, warmup_target=1, warmup_steps=-1), "CosineDecay: expected warmup_steps"),
    (lambda: CosineDecayRestarts(0.1, 10, t_mul=0.5), "CosineDecayRestarts: expected t_mul, a number from 1"),
    (lambda: OneCycle(0.1, 1), "OneCycle: total_steps, a whole number from 2. Received: 1."),
    (lambda: OneCycle(0.1, 10, 1.0), "OneCycle: expected pct_start, a number at least 0 and below 1"),
    (lambda: OneCycle(0.1, 10, anneal_strategy="cosine"), "Unknown anneal_strategy 'cosine'. Did you mean 'cos'"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_settings_outside_their_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
