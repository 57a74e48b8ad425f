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


def test_batches_have_up_to_the_six_samples_that_its_page_says():
    sizes = set()

    class Counting(Dense):
        def forward(self, x, training=False):
            sizes.add(len(x))
            return super().forward(x, training)
    check_layer(lambda: Counting(2), (3,))
    assert max(sizes) == 6


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


# Whole numbers.

class Embedding(Layer):
    """Row x of a table that is learned; no dx, for whole numbers have none."""

    def __init__(self, rows, size, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.size = rows, size

    def build(self, input_shape, rng):
        self.params["embeddings"] = rng.normal(size=(self.rows, self.size)).astype(np.float32)
        return (*input_shape, self.size)

    def forward(self, x, training=False):
        table = self.params["embeddings"]

        def backward(dy):
            self.grads["embeddings"] = np.zeros_like(table)
            self.collect(x, dy)
            return self.dx(x)
        return table[x], backward

    def collect(self, x, dy):
        np.add.at(self.grads["embeddings"], x, dy)

    def dx(self, x):
        return None

    def get_config(self):
        return {**super().get_config(), "rows": self.rows, "size": self.size}


class EmbeddingWithZeros(Embedding):
    def dx(self, x):
        return np.zeros_like(x)


class ForgetfulEmbedding(Embedding):
    """An index that comes twice is counted once."""

    def collect(self, x, dy):
        self.grads["embeddings"][x] += dy


class OneHot(Layer):
    def build(self, input_shape, rng):
        return (*input_shape, 10)

    def forward(self, x, training=False):
        return np.eye(10, dtype=np.float32)[x], lambda dy: None


INDICES = np.random.default_rng(0).integers(0, 10, (6, 4))
INDICES_OF_THEIR_OWN = np.arange(10).reshape(5, 2)              # none comes twice


@pytest.mark.parametrize("make", [Embedding, EmbeddingWithZeros])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_an_embedding_of_ones_own_breaks_no_rule_on_whole_numbers(make, dtype):
    report = check_layer(lambda: make(10, 3), x=INDICES.astype(dtype))
    assert report.kept == list(RULES)
    assert report.in_short() == ("Embedding" if make is Embedding else make.__name__) + (
        ", on samples (4,) of whole numbers, which have no dx: keeps all of the 28 rules tried.")


def test_whole_numbers_may_come_from_make_x_too():
    report = check_layer(Embedding(10, 3), [(4,), (2, 3)], make_x=lambda shape, rng: rng.integers(0, 10, shape))
    assert report.passed
    assert report.whole


@pytest.mark.parametrize("x", [INDICES, INDICES_OF_THEIR_OWN])
def test_an_embedding_that_forgets_repeated_indices_breaks_the_rules_about_its_gradients(x):
    broken = {failure.rule for failure in check_layer(lambda: ForgetfulEmbedding(10, 3), x=x, raises=False).failures}
    assert broken - {"gradients"} == {"gradient_sums"}
    assert "gradients" in broken or x is INDICES_OF_THEIR_OWN


def test_in_a_model_an_embedding_gets_its_whole_numbers_as_floats():
    class InModels(Embedding):
        def forward(self, x, training=False):
            return super().forward(x.astype(np.intp), training)
    assert check_layer(lambda: Sequential([InModels(10, 3), Dense(2)]), x=INDICES).passed
    report = check_layer(lambda: Sequential([Embedding(10, 3), Dense(2)]), x=INDICES, raises=False)
    assert [failure.rule for failure in report.failures] == ["runs"]


def test_rules_about_batches_layouts_and_files_are_judged_on_whole_numbers():
    class Several(Embedding):
        wrong = ""

        def forward(self, x, training=False):
            if self.wrong == "batch" and len(x) == 5:
                x = x * [[0], [1], [1], [1], [1]]
            if self.wrong == "layout" and not x.flags.c_contiguous and len(x):
                x = np.zeros_like(x)
            if self.wrong == "write" and x.flags.writeable:
                x += 1
                x %= 10
            return super().forward(x, training)

        def get_config(self):
            return {**super().get_config(), "rows": self.rows + (self.wrong == "file")}
    for wrong, rules in {"batch": "batch_independence", "layout": "memory_layout", "write": "inputs_not_written",
                         "file": "config_round_trip"}.items():
        Several.wrong = wrong
        report = check_layer(lambda: Several(10, 3), x=INDICES, raises=False)
        assert rules in {failure.rule for failure in report.failures}, wrong


def test_without_dx_and_parameters_the_rules_about_gradients_are_not_tried():
    report = check_layer(OneHot, x=INDICES)
    assert set(report.not_tried) == {"dtype_kept", "gradients", "backward_linear", "backward_repeatable"}
    assert "whole numbers have no gradient" in report.not_tried["gradients"]


def test_samples_of_floating_numbers_may_be_given_too():
    x = np.random.default_rng(0).uniform(1, 2, (7, 3))
    assert check_layer(Logarithm, x=x).input_shapes == [(3,)]
    assert not check_layer(Logarithm, x=-x, raises=False).passed


@pytest.mark.parametrize(("given", "message"), [
    ({"x": INDICES, "make_x": np.zeros}, "no make_x beside it. Received: both"),
    ({"x": INDICES[:0]}, r"one or more samples, and no make_x beside it. Received: int64 of shape \(0, 4\)"),
    ({"x": 3}, "one or more samples"), ({"x": ["a", "b"]}, "one or more samples"),
    ({"x": INDICES, "input_shapes": [(4,), (3,)]}, r"expected input_shapes=\(4,\), the shape of the samples in x."),
    ({"x": np.zeros((2, 0))}, "the shape of the samples in x as positive whole numbers"),
])
def test_samples_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        check_layer(Embedding(10, 3), **given)
