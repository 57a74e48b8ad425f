"""What can be done on the page: changed and undone, trained and looked back on, and failed."""

import threading
import time

import numpy as np
import pytest
from explored_models import Scale, asked, compiled, own_layer, samples_for, session_of

from tinynet import Sequential, study
from tinynet.explore import explore
from tinynet.explore.learning.gallery import FAILURES
from tinynet.explore.learning.record import Thinned
from tinynet.explore.turns import Turns
from tinynet.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Lambda,
    ReLU,
    SeparableConv2D,
)
from tinynet.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Nadam, RMSprop


def classifier(optimizer="adam"):
    return compiled(Sequential([Dense(8, activation="relu", input_dim=6), Dense(3, activation="softmax")], seed=1),
                    "sparse_categorical_crossentropy", optimizer)


def separable_samples(count=200):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=count)
    return np.eye(6)[y] + rng.normal(0, 0.1, (count, 6)), y


@pytest.fixture
def session():
    return session_of(classifier(), *separable_samples())


PIXELS = [0.5, -1, 2, 0.1, 0.3, 0.7]


def output(session):
    return asked(session, "run", pixels=PIXELS)["values"][-1]


# What it works on.

def test_the_model_that_was_given_never_changes():
    model = classifier()
    before = model.get_weights(), model.optimizer.iterations
    with explore(model, *separable_samples()) as page:
        assert page.model is not model
        page._session.trainer.train()
        asked(page._session, "change", kind="weight", step=0, param="kernel", at=[0, 0], value=9)
        asked(page._session, "change", kind="activation", step=1, name="tanh")
        assert page.model.params["dense_1/kernel"][0, 0] == 9
    assert all(map(np.array_equal, model.get_weights(), before[0]))
    assert model.optimizer.iterations == before[1]
    assert [step.name for step in model.steps()][1] == "dense_1/relu"


def test_samples_are_split_nine_to_one():
    x, y = separable_samples(95)
    session = session_of(classifier(), x, y)
    assert (len(session.data.train.x), len(session.data.test.x)) == (85, 10)
    answer = asked(session, "sample", index=0)
    np.testing.assert_allclose(answer["pixels"], x[85], rtol=1e-6)
    assert answer["label"] == y[85]
    np.testing.assert_array_equal(asked(session, "describe")["samples"]["labels"], y[85:])


@pytest.mark.browser
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_without_samples_digits_are_mnists(loss):
    model = compiled(Sequential([Flatten(input_shape=(1, 28, 28)), Dense(10, activation="softmax")]), loss)
    with explore(model) as page:
        description = asked(page._session, "describe")
        assert (description["digits"], description["samples"]["count"]) == (True, 10_000)
        assert description["can"] == {"train": None, "accuracy": None, "change": None, "nextStep": None}
        sample = asked(page._session, "sample", index=0)
        assert sample["pixels"].dtype == np.float32
        assert (sample["pixels"].max(), sample["label"]) == (1.0, 7)
        page._session.trainer.train()
        assert page._session.trainer.message is None


def test_without_samples_other_inputs_are_looked_at_and_not_trained_on():
    with explore(Sequential([Dense(3, activation="softmax", input_dim=6)])) as page:
        description = asked(page._session, "describe")
        assert description["samples"]["count"] == 0
        assert "no targets" in description["can"]["train"]
        with pytest.raises(ValueError, match="no targets"):
            asked(page._session, "train", action="start")
        with pytest.raises(ValueError, match="no test samples"):
            asked(page._session, "accuracy")
        with pytest.raises(ValueError, match="no samples"):
            asked(page._session, "sample", index=0)


@pytest.mark.parametrize(("arguments", "words"), [
    (("model",), "expected a Sequential"),
    ((Sequential([Dense(2)]),), "whose input shape is known"),
    ((Sequential([]),), "a model with layers"),
    ((Sequential([Dense(2, input_dim=3)]), np.ones((4, 2))), r"samples x \(N, 3\)"),
    ((Sequential([Dense(2, input_dim=3)]), np.ones((0, 3))), "at least one"),
    ((Sequential([Dense(2, input_dim=3)]), np.ones((4, 3)), [0, 1]), "as many samples in each"),
    ((Sequential([Dense(2, input_dim=3)]), None, [0, 1]), "x, the samples, with y"),
], ids=range(7))
def test_what_cannot_be_explored_is_told_in_words(arguments, words):
    threads = threading.active_count()
    with pytest.raises(ValueError, match=words):
        explore(*arguments)
    assert threading.active_count() == threads


def test_a_model_that_is_not_built_is_built_for_the_samples():
    with explore(Sequential([Dense(3, activation="softmax")]), *separable_samples()) as page:
        assert page.model.input_shape == (6,)
        asked(page._session, "train", action="step")                # and compiled: it is a classifier


@pytest.mark.parametrize("model", [
    Sequential([Dense(3, input_dim=4)]),
    Sequential([layer for _ in range(15) for layer in (Dense(5), ReLU())], input_shape=(4,)),
    Sequential([Lambda(lambda x: (x * x, lambda dy: 2 * x * dy)), Dense(1, activation="sigmoid")], input_shape=(4,)),
    Sequential([Conv2D(2, 3, input_shape=(3, 5, 5)), BatchNormalization(), Activation("relu")]),
    Sequential([Sequential([Dense(4), Sequential([Scale(), Dense(2)])])], input_shape=(4,)),
], ids=["one dense layer", "thirty layers", "a function", "images out", "nested"])
def test_any_sequential_can_be_looked_at(model):
    with explore(model) as page:
        session = page._session
        description = asked(session, "describe")
        pixels = np.linspace(-1, 1, int(np.prod(description["inputShape"]))).tolist()
        run = asked(session, "run", pixels=pixels, objective={"kind": "logit", "index": 0})
        assert [value.shape for value in run["values"]] == [gradient.shape for gradient in run["gradients"]]
        for k, step in enumerate(description["steps"]):
            found = asked(session, "explain", pixels=pixels, step=k, at=[0] * len(step["outputShape"]))
            assert found["total"] == pytest.approx(found["value"], rel=1e-4, abs=1e-6)


def test_numbers_that_have_exploded_are_shown():
    session = session_of(classifier(), *separable_samples())
    session.model.params["dense_1/kernel"][...] = 1e38
    answer = asked(session, "run", pixels=[1e3] * 6, objective={"kind": "loss", "label": 0})
    assert not np.isfinite(answer["values"][1]).all()


# Changing it.

def test_a_weight_is_edited_and_the_change_undone(session):
    before, weights = output(session), session.model.get_weights()
    answer = asked(session, "change", kind="weight", step="dense_1", param="kernel", at=[2, 1], value=4.5)
    assert session.model.params["dense_1/kernel"][2, 1] == 4.5
    assert answer["changes"] == [f"dense_1/kernel[2, 1]: {weights[0][2, 1]:.6g} to 4.5"]
    assert not np.array_equal(output(session), before)
    assert asked(session, "describe")["changes"] == answer["changes"]
    again = asked(session, "change", kind="weight", step="dense_1", param="kernel", at=[2, 1], value=5)
    assert again["changes"] == [f"dense_1/kernel[2, 1]: {weights[0][2, 1]:.6g} to 5"]
    assert asked(session, "undo")["changes"] == []
    np.testing.assert_array_equal(output(session), before)


@pytest.mark.parametrize("layer", [
    Conv2D(4, 3), Conv2D(4, 3, groups=2, use_bias=False), DepthwiseConv2D(3, depth_multiplier=2), SeparableConv2D(4, 3),
    Conv2DTranspose(4, 3), BatchNormalization()], ids=lambda layer: type(layer).__name__)
def test_a_filter_switched_off_gives_zeros_and_comes_back(layer):
    session = session_of(compiled(Sequential([layer, Activation("relu"), Flatten(), Dense(3, activation="softmax")],
                                             input_shape=(4, 5, 5), seed=3)))
    for array in session.model.params.values():
        array += 0.3
    pixels = np.random.default_rng(0).normal(size=100).tolist()
    before = asked(session, "run", pixels=pixels)["values"]
    asked(session, "change", kind="filter", step=0, channel=2, on=False)
    asked(session, "change", kind="weight", step="dense_1", param="bias", at=[0], value=1)
    off = asked(session, "run", pixels=pixels)["values"]
    assert not off[1][2].any()
    assert before[1][2].any()
    np.testing.assert_array_equal(np.delete(off[1], 2, 0), np.delete(before[1], 2, 0))
    answer = asked(session, "change", kind="filter", step=0, channel=2, on=True)
    np.testing.assert_array_equal(asked(session, "run", pixels=pixels)["values"][1], before[1])
    assert len(answer["changes"]) == 1                              # the other change stays


def test_a_unit_is_switched_off_by_its_activation_too(session):
    asked(session, "change", kind="filter", step="dense_1/relu", channel=5, on=False)
    values = asked(session, "run", pixels=PIXELS)["values"]
    assert values[1][5] == values[2][5] == 0
    assert asked(session, "change", kind="filter", step=0, channel=5, on=False)["changes"] == [
        "dense_1: number 5 switched off"]                           # it was already


@pytest.mark.parametrize("name", ["tanh", "linear", "leaky_relu"])
def test_an_activation_is_replaced_wherever_it_stands(name):
    session = session_of(compiled(Sequential([Dense(5, activation="relu"), ReLU(), Activation("relu"),
                                              Dense(3, activation="softmax")], input_shape=(6,), seed=1)))
    steps = asked(session, "describe")["steps"]
    assert [step["activation"] for step in steps] == [False, True, True, True, False, False]
    before = asked(session, "run", pixels=PIXELS)["values"]
    for k in (1, 2, 3):
        asked(session, "change", kind="activation", step=k, name=name)
    values, expected = asked(session, "run", pixels=PIXELS)["values"], before[1].astype(np.float64)
    functions = {"tanh": np.tanh, "linear": lambda x: x, "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x)}
    for k in (1, 2, 3):
        expected = functions[name](expected)
        np.testing.assert_allclose(values[k + 1], expected, rtol=1e-5)
        found = asked(session, "explain", pixels=PIXELS, step=k, at=[1])
        assert found["total"] == pytest.approx(float(expected[1]), rel=1e-5)
    assert len(asked(session, "describe")["steps"]) == 6
    for _ in range(3):
        asked(session, "undo")
    for mine, old in zip(asked(session, "run", pixels=PIXELS)["values"], before, strict=True):
        np.testing.assert_array_equal(mine, old)
    assert asked(session, "describe")["steps"] == steps


def test_accuracy_is_that_of_the_first_thousand_test_samples(session):
    answer = asked(session, "accuracy")
    test = session.data.test
    expected = session.model.predict(test.x).argmax(axis=1) == test.y
    assert (answer["correct"], answer["count"]) == (expected.sum(), len(test.x))


def test_every_change_makes_another_version(session):
    versions = [asked(session, "progress")["version"]]
    for method, fields in [("change", {"kind": "filter", "step": 0, "channel": 0, "on": False}), ("undo", {}),
                           ("train", {"action": "step"}), ("reset", {})]:
        versions.append(asked(session, method, **fields)["version"])
    assert versions == sorted(set(versions))


# What the next update would do.

@pytest.mark.parametrize("optimizer", [Adam(0.01), AdamW(0.01), SGD(0.1), SGD(0.1, momentum=0.9), Nadam(0.01),
                                       RMSprop(0.01, momentum=0.5, centered=True), Adagrad(0.1), Adadelta(1.0),
                                       Adam(0.01, global_clipnorm=0.01), Adam(0.01, amsgrad=True), Adamax(0.01),
                                       Lion(0.01)], ids=range(12))
def test_the_next_step_is_the_one_that_the_optimizer_makes(optimizer):
    model = classifier(optimizer)
    for _ in range(3):
        model.train_on_batch(*separable_samples(20))
    session = session_of(model, *separable_samples())
    at = [1, 2]
    found = asked(session, "nextStep", pixels=PIXELS, label=1, step=0, param="kernel", at=at)
    assert found["before"] == model.params["dense_1/kernel"][1, 2]
    model.train_on_batch([PIXELS], [1])
    assert found["after"] == pytest.approx(float(model.params["dense_1/kernel"][1, 2]), rel=1e-5)
    lines = {line["name"]: line["value"] for line in found["lines"]}
    assert lines["step"] == pytest.approx(found["after"] - found["before"])
    for name, slot in model.optimizer.slots["dense_1/kernel"].items():
        assert lines[name] == pytest.approx(float(slot[1, 2]), rel=1e-4, abs=1e-12)
    assert session.model.optimizer.iterations == 3                  # it was on trial


def test_the_lines_of_adam_lead_to_its_step(session):
    found = asked(session, "nextStep", pixels=PIXELS, label=1, step=0, param="kernel", at=[1, 2])
    line = {line["name"]: line["value"] for line in found["lines"]}
    assert line["m"] == pytest.approx(0.9 * line["m, before"] + 0.1 * line["gradient g"], rel=1e-5)
    assert line["v"] == pytest.approx(0.999 * line["v, before"] + 0.001 * line["gradient g"] ** 2, rel=1e-4)
    assert line["rate_t"] == pytest.approx(0.001 * np.sqrt(1 - 0.999) / (1 - 0.9))
    assert line["step"] == pytest.approx(-line["rate_t"] * line["m"] / (np.sqrt(line["v"]) + 1e-7), rel=1e-3)


def test_a_constraint_is_part_of_the_next_step():
    layers = Dense(4, kernel_constraint="non_neg", input_dim=6), Dense(3, activation="softmax")
    model = compiled(Sequential(layers, seed=1), "sparse_categorical_crossentropy", SGD(0.5))
    session = session_of(model, *separable_samples())
    model.train_on_batch([PIXELS], [1])
    for at in ([1, 2], [2, 0], [4, 3]):
        found = asked(session, "nextStep", pixels=PIXELS, label=1, step=0, param="kernel", at=at)
        assert found["after"] == pytest.approx(float(model.params["dense_1/kernel"][tuple(at)]), rel=1e-5)
        lines = {line["name"]: line["value"] for line in found["lines"]}
        assert lines["step"] + lines["constraint"] == pytest.approx(found["after"] - found["before"], abs=1e-7)


def test_a_frozen_weight_has_no_next_step(session):
    session.model.layers[0].trainable = False
    with pytest.raises(ValueError, match="frozen"):
        asked(session, "nextStep", pixels=PIXELS, label=1, step=0, param="kernel", at=[1, 2])


# Training it.

def wait_for(session, enough):
    deadline = time.monotonic() + 30
    while not enough(answer := asked(session, "progress", since=0)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer


def test_one_step_is_what_train_on_batch_does(session):
    twin = classifier()
    answer = asked(session, "train", action="step", learningRate=0.02, batchSize=30)
    order = np.random.default_rng(0).permutation(180)[:30]
    twin.optimizer.learning_rate = 0.02
    loss, accuracy = twin.train_on_batch(session.data.train.x[order].astype(np.float32), session.data.train.y[order])
    assert all(map(np.array_equal, session.model.get_weights(), twin.get_weights()))
    assert answer["history"]["loss"] == [loss]
    assert answer["history"]["accuracy"] == [accuracy]
    assert (answer["step"], answer["epoch"], answer["steps"], answer["running"]) == (1, 1, 6, False)
    assert (answer["learningRate"], answer["batchSize"]) == (0.02, 30)


def test_it_trains_in_the_background_while_questions_are_answered(session):
    asked(session, "train", action="start", learningRate=0.01, batchSize=50)
    answer = wait_for(session, lambda progress: progress["step"] > 100)
    assert answer["running"]
    output(session)
    asked(session, "train", action="pause")
    step = asked(session, "progress")["step"]
    time.sleep(0.1)
    answer = asked(session, "progress", since=0)
    assert (answer["step"], answer["running"]) == (step, False)
    assert answer["history"]["loss"][-1] < answer["history"]["loss"][0] / 2
    assert answer["history"]["testAccuracy"][-1][1] > 0.9
    asked(session, "train", action="start")                         # and goes on
    wait_for(session, lambda progress: progress["step"] > step + 5)
    asked(session, "train", action="pause")


def test_the_curve_is_told_after_a_step(session):
    for _ in range(5):
        asked(session, "train", action="step")
    assert asked(session, "progress", since=3)["history"]["step"] == [4, 5]
    assert asked(session, "progress")["history"]["step"] == [1, 2, 3, 4, 5]


def test_what_is_measured_is_what_study_measures(session):
    for _ in range(20):
        before = {name: array.copy() for name, array in session.model.params.items()}
        answer = asked(session, "train", action="step")
    after = session.model.params
    assert {each["param"]: each["ratio"] for each in answer["updateRatios"]} == pytest.approx(
        {name: float(np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])) for name in after},
        rel=1e-4)
    health = study.health(session.model, session.data.test.x, session.data.test.y)
    dead = [step.dead for step in health.steps if step.dead is not None]
    assert [each["share"] for each in answer["deadUnits"]] == dead
    assert answer["snapshots"] == [0, 20]


def test_the_slider_shows_an_earlier_moment_and_now(session):
    then = {0: output(session)}
    for _ in range(45):
        session.trainer.train()
        then[session.trainer.step] = output(session)
    snapshots = asked(session, "progress")["snapshots"]
    assert snapshots == [0, 20, 40]
    for index in (1, 0, 2):
        assert asked(session, "snapshot", index=index)["shown"] == index
        np.testing.assert_array_equal(output(session), then[snapshots[index]])
    with pytest.raises(ValueError, match="go back to now"):
        asked(session, "change", kind="filter", step=0, channel=0, on=False)
    assert asked(session, "snapshot", index=None)["shown"] is None
    np.testing.assert_array_equal(output(session), then[45])
    asked(session, "snapshot", index=0)
    assert asked(session, "train", action="step")["step"] == 46     # which goes on from now
    assert asked(session, "progress")["shown"] is None


def test_reset_takes_back_all_that_was_changed_and_trained(session):
    before, model = output(session), session.model
    asked(session, "change", kind="activation", step=1, name="tanh")
    asked(session, "change", kind="filter", step=0, channel=0, on=False)
    for _ in range(25):
        asked(session, "train", action="step", learningRate=0.5)
    asked(session, "snapshot", index=0)
    answer = asked(session, "reset")
    assert answer["changes"] == []
    np.testing.assert_array_equal(output(session), before)
    progress = asked(session, "progress")
    assert (progress["step"], progress["snapshots"], progress["learningRate"]) == (0, [], 0.001)
    twin = session_of(classifier(), *separable_samples())
    for each in (session, twin):
        asked(each, "train", action="step")                         # with running means that begin anew
    assert all(map(np.array_equal, model.get_weights(), twin.model.get_weights()))


def test_a_training_whose_loss_is_not_finite_ends_in_words(session):
    session.model.params["dense_2/kernel"][...] = np.nan
    answer = asked(session, "train", action="step")
    assert "not finite" in answer["message"]
    assert not answer["running"]


def test_a_layer_of_ones_own_that_raises_ends_the_training_in_words():
    model = compiled(own_layer(), "sparse_categorical_crossentropy")
    session = session_of(model, *samples_for(model))

    def forward(x, training=False):
        raise ZeroDivisionError("on purpose")
    session.model.layers[1].forward = forward
    asked(session, "train", action="start")
    answer = wait_for(session, lambda progress: not progress["running"])
    assert answer["message"] == "The training ended: ZeroDivisionError: on purpose"


def test_epochs_have_every_sample_once():
    x, y = separable_samples(50)
    session, seen = session_of(classifier(), x, y), []
    session.trainer.batch_size = 20
    for _ in range(3):
        seen += session.trainer.batch()[0][:, 0].tolist()
    assert sorted(seen) == sorted(x[:45, 0].astype(np.float32).tolist())
    assert session.trainer.epoch == 1


def test_turns_are_given_in_the_order_of_asking():
    turns, order, waiting = Turns(), [], threading.Event()

    def ask(name):
        with turns:
            order.append(name)
    with turns:
        threads = []
        for name in range(5):
            threads.append(threading.Thread(target=ask, args=(name,)))
            threads[-1].start()
            while turns.tickets < name + 2:
                waiting.wait(0.001)
        waiting.wait(0.02)
        assert order == []                                          # nobody is let in beside another
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_what_is_kept_is_spread_over_all_of_it():
    kept = Thinned(most=10)
    for step in range(1, 1001):
        kept.add(step, step)
    assert len(kept.steps) <= 10
    assert {b - a for a, b in zip(kept.steps, kept.steps[1:], strict=False)} == {kept.every}
    assert kept.since(900) == [(step, step) for step in kept.steps if step > 900]


# Failures.

def failing(name, steps=40):
    x, y = np.random.default_rng(0).random((300, 1, 6, 6)), np.arange(300) % 3
    x[np.arange(300), 0, y, :] += 2                                 # a bright row tells the class
    x /= x.max()
    model = compiled(Sequential([Conv2D(4, 3, activation="relu", input_shape=(1, 6, 6)), Dropout(0.1), Flatten(),
                                 Dense(12, activation="relu"), Dense(3, activation="softmax")], seed=1),
                     "sparse_categorical_crossentropy")
    session = session_of(model, x, y)
    asked(session, "train", action="scenario", scenario=name)
    answer = wait_for(session, lambda progress: progress["step"] >= steps or progress["message"])
    asked(session, "train", action="pause")
    return session, answer


GUESSING = np.log(3)


@pytest.mark.browser
def test_a_rate_too_large_leaps_and_leaves_the_units_dead():
    _, answer = failing("rate")
    assert max(answer["history"]["loss"][:10]) > 5 * GUESSING
    assert answer["learningRate"] == pytest.approx(1.0)


def test_weights_of_zero_stay_and_the_loss_is_that_of_guessing():
    session, answer = failing("zeros")
    assert answer["history"]["loss"] == pytest.approx([GUESSING] * len(answer["history"]["loss"]), abs=0.05)
    assert not session.model.params["conv2d_1/kernel"].any()
    assert not session.model.params["dense_1/kernel"].any()


@pytest.mark.browser
def test_dead_units_let_nothing_through():
    _, answer = failing("dead")
    assert [each["share"] for each in answer["deadUnits"]] == [1.0, 1.0]
    ratios = {each["param"]: each["ratio"] for each in answer["updateRatios"]}
    assert ratios["conv2d_1/kernel"] == ratios["dense_1/kernel"] == 0


@pytest.mark.browser
def test_pixels_left_at_255_begin_far_above_guessing():
    session, answer = failing("pixels")
    assert answer["history"]["loss"][0] > 5 * GUESSING
    run = asked(session, "run", pixels=[1.0] * 36)
    assert run["values"][0].max() == 255


@pytest.mark.browser
def test_shuffled_labels_are_not_learned():
    _, answer = failing("labels", steps=60)
    assert answer["history"]["testAccuracy"][-1][1] < 0.7
    assert np.mean(answer["history"]["loss"][-10:]) > GUESSING / 2


def test_each_failure_has_its_words_and_is_offered_where_it_can_be_shown(session):
    offered = {each["name"]: each for each in asked(session, "describe")["scenarios"]}
    assert offered.keys() == FAILURES.keys() - {"pixels"}           # these samples are no pixels
    assert all(each["title"] and each["text"] and each["howToTell"] for each in offered.values())
    linear = session_of(compiled(Sequential([Dense(3, activation="softmax", input_dim=6)])))
    assert "dead" not in {each["name"] for each in asked(linear, "describe")["scenarios"]}


@pytest.mark.browser
def test_after_a_failure_reset_brings_the_model_back(session):
    before = output(session)
    asked(session, "change", kind="activation", step=1, name="tanh")
    asked(session, "train", action="scenario", scenario="zeros")
    assert [step["name"] for step in asked(session, "describe")["steps"]][1] == "dense_1/relu"
    asked(session, "reset")
    np.testing.assert_array_equal(output(session), before)
    session, _ = failing("zeros", steps=2)
    asked(session, "reset")
    assert session.model.params["dense_1/kernel"].any()
    assert session.trainer.scale == 1
