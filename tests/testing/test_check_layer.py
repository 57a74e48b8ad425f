"""check_layer as its reader meets it: what it takes, what it reports, what it tolerates."""

import json
import unittest

import numpy as np
import pytest

from tinynet import Sequential, kernels
from tinynet.layers import Dense, Dropout, Flatten, Layer, ReLU
from tinynet.testing import RULES, ContractViolation, check_layer, layer_checks


class WritesToX(Layer):
    def forward(self, x, training=False):
        x += 1
        return x, lambda dy: dy


class RaisesOnOneSample(Layer):
    def forward(self, x, training=False):
        if len(x) == 1:
            raise IndexError("no second sample")
        return 2 * x, lambda dy: 2 * dy


class NeedsTwoFeatures(Layer):
    def forward(self, x, training=False):
        return x * [1, 2], lambda dy: dy * [1, 2]


class Logarithm(Layer):
    def forward(self, x, training=False):
        if (x <= 0).any():
            raise ValueError("numbers above zero, please")
        return np.log(x), lambda dy: dy / x


# What it takes.

@pytest.mark.parametrize("make", [ReLU, lambda: ReLU(), ReLU(), lambda: Sequential([ReLU()])])
def test_takes_a_class_a_function_or_a_layer(make):
    assert check_layer(make, (3,)).passed


@pytest.mark.parametrize(("given", "meant"), [
    (4, [(4,)]), ((4,), [(4,)]), ([4], [(4,)]), ((2, 3), [(2, 3)]), ([(4,), (2, 3)], [(4,), (2, 3)]),
])
def test_takes_one_shape_or_several(given, meant):
    assert check_layer(ReLU, given, rules=["runs"]).input_shapes == meant


def test_takes_the_shape_that_the_layer_knows():
    assert check_layer(Dense(2, input_shape=(3,)), rules=["runs"]).input_shapes == [(3,)]
    with pytest.raises(ValueError, match="expected input_shapes"):
        check_layer(ReLU)


def test_leaves_a_layer_that_it_is_given_unbuilt():
    layer = Dense(2)
    check_layer(layer, (3,), rules=["runs"])
    assert layer.params == {}


def test_takes_a_maker_of_inputs_for_layers_that_cannot_take_any_numbers():
    assert not check_layer(Logarithm, (3,), raises=False).passed
    assert check_layer(Logarithm, (3,), make_x=lambda shape, rng: rng.uniform(1, 2, shape)).passed


def test_a_layer_that_holds_a_module_can_be_checked():
    class HoldsAModule(ReLU):
        module = None

        def build(self, input_shape, rng):
            self.module = kernels
            return input_shape
    assert check_layer(HoldsAModule, (3,)).passed


@pytest.mark.slow
def test_every_copy_begins_with_the_same_random_state():
    assert check_layer(lambda: Sequential([Dense(4), Dropout(0.5), Dropout(0.3)]), (3,)).passed
    assert check_layer(lambda: Sequential([Dropout(0.5), Dense(4)], input_shape=(3,)), (3,)).passed


# What it reports.

def test_all_broken_rules_are_reported_each_with_what_was_seen():
    with pytest.raises(ContractViolation) as caught:
        check_layer(WritesToX, (3,))
    report = caught.value.report
    assert isinstance(caught.value, AssertionError)
    assert not report.passed
    messages = {failure.rule: failure.message for failure in report.failures}
    assert messages.keys() == {"inputs_not_written", "memory_layout"}
    assert messages["inputs_not_written"].startswith("forward wrote to x: ")
    assert "read-only: raised" in messages["memory_layout"]
    for rule, message in messages.items():
        assert rule in str(caught.value)
        assert message in str(caught.value)


def test_a_layer_that_raises_breaks_the_rule_it_raised_under():
    report = check_layer(RaisesOnOneSample, (3,), raises=False)
    assert [failure.rule for failure in report.failures] == ["batch_of_one"]
    assert "raised IndexError: no second sample (test_check_layer.py:" in report.failures[0].message


@pytest.mark.parametrize(("make", "message"), [
    (lambda: 1 / 0, "ZeroDivisionError"), (lambda: Dense(2)(np.ones((1, 2))), "has no weights yet"),
    (lambda: "dense", "expected make_layer to return a Layer"), (Layer, "must define forward"),
])
def test_a_layer_that_does_not_run_breaks_that_rule_alone(make, message):
    report = check_layer(make, (3,), raises=False)
    assert [failure.rule for failure in report.failures] == ["runs"]
    assert message in report.failures[0].message
    assert set(report.not_tried) == set(RULES) - {"runs"}


def test_a_rule_broken_on_one_of_several_shapes_says_which():
    report = check_layer(NeedsTwoFeatures, [(2,), (3,), (1, 2)], raises=False)
    assert "on samples (3,): " in report.failures[0].message
    assert "(1, 2)" not in report.failures[0].message


def test_the_report_reads_well():
    report = check_layer(WritesToX, (3,), raises=False, rules=["dtype_kept", "inputs_not_written"])
    lines = str(report).splitlines()
    assert lines[0] == "WritesToX, on samples (3,): breaks 1 of the 2 rules tried."
    assert lines[1] == "  inputs_not_written"
    assert lines[2].startswith("      forward wrote to x: ")
    kept = check_layer(ReLU, (3,), rules=["dtype_kept", "runs"])
    assert str(kept) == "ReLU, on samples (3,): keeps all of the 2 rules tried."


def test_every_rule_says_in_a_sentence_what_it_is():
    for rule in RULES.values():
        assert rule.__doc__.endswith(".")
        assert "\n" not in rule.__doc__


# What it tolerates.

def test_an_expected_failure_is_tolerated():
    reasons = {"inputs_not_written": "saves memory", "memory_layout": "saves memory"}
    report = check_layer(WritesToX, (3,), expected_failures=reasons)
    assert report.passed
    assert [failure.rule for failure in report.tolerated] == list(reasons)


def test_an_expected_failure_that_holds_is_a_failure():
    report = check_layer(ReLU, (3,), expected_failures={"threads": "keeps a buffer"}, raises=False)
    assert [failure.rule for failure in report.failures] == ["threads"]
    assert "holds, though it was expected to fail: keeps a buffer" in report.failures[0].message


@pytest.mark.parametrize("options", [{"expected_failures": {"thread": "?"}}, {"rules": ["thread"]}])
def test_a_rule_that_does_not_exist_is_a_value_error_with_the_nearest(options):
    with pytest.raises(ValueError, match=r"Unknown rule 'thread'. Did you mean 'threads'\?"):
        check_layer(ReLU, (3,), **options)
    with pytest.raises(ValueError, match="Unknown rule"):
        layer_checks(ReLU, (3,), expected_failures={"thread": "?"})


# As tests, one for each rule.

FLATTEN = layer_checks(Flatten, (2, 3))
TOLERATED = layer_checks(WritesToX, (3,), expected_failures={"inputs_not_written": "?", "memory_layout": "?"})


@pytest.mark.parametrize("check", FLATTEN.values(), ids=FLATTEN)
def test_each_rule_is_a_test(check):
    check()


@pytest.mark.parametrize("check", TOLERATED.values(), ids=TOLERATED)
def test_each_rule_is_a_test_and_may_be_expected_to_fail(check):
    check()


def test_the_check_of_a_broken_rule_raises_and_the_others_do_not():
    checks = layer_checks(WritesToX, (3,))
    assert list(checks) == list(RULES)
    checks["dtype_kept"]()
    with pytest.raises(ContractViolation, match="forward wrote to x"):
        checks["inputs_not_written"]()


def test_the_checks_of_a_layer_that_does_not_run_are_skipped_but_for_one():
    checks = layer_checks(Layer, (3,))
    with pytest.raises(ContractViolation):
        checks["runs"]()
    with pytest.raises(unittest.SkipTest, match="does not run"):
        checks["dtype_kept"]()


# Rules that need more than a wrong layer each.

class Noise(Layer):
    """Differs in training, at random, and takes its arguments through its config."""

    differs_in_training = True

    def __init__(self, sizes, **kwargs):
        super().__init__(**kwargs)
        self.sizes = sizes

    def build(self, input_shape, rng):
        self.rng = rng
        return input_shape

    def forward(self, x, training=False):
        noise = self.rng.choice(self.sizes, x.shape).astype(x.dtype) if training else np.ones_like(x)
        return x * noise, lambda dy: dy * noise

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes}


def test_a_stochastic_layer_of_ones_own_keeps_every_rule():
    assert check_layer(lambda: Noise([0.5, 2.0]), [(3,), (2, 3)]).passed


def test_a_config_that_json_cannot_hold_breaks_the_round_trip():
    report = check_layer(lambda: Noise(np.array([0.5, 2.0])), (3,), raises=False)
    assert "config_round_trip" in [failure.rule for failure in report.failures]
    assert "raised TypeError" in report.failures[0].message


def test_a_training_that_is_wrong_only_after_the_round_trip_is_seen():
    class Doubling(Noise):
        def get_config(self):
            return {**super().get_config(), "sizes": json.loads("[0.25]")}
    report = check_layer(lambda: Doubling([0.5, 2.0]), (3,), raises=False, rules=["config_round_trip"])
    assert "in training, after the round trip: y is not the same" in report.failures[0].message


@pytest.mark.parametrize("seed_in", ["forward", "build"])
def test_randomness_from_elsewhere_is_seen(seed_in):
    class OwnGenerator(Noise):
        def build(self, input_shape, rng):
            self.params["bias"] = np.zeros(input_shape, np.float32)
            if seed_in == "build":
                self.params["bias"] += np.random.default_rng().random(input_shape)
            return super().build(input_shape, rng)

        def forward(self, x, training=False):
            if seed_in == "forward" and training:
                self.rng = np.random.default_rng()
            return super().forward(x, training)
    report = check_layer(lambda: OwnGenerator([0.5, 2.0]), (3,), raises=False, rules=["random_from_build"])
    assert not report.passed
