"""What the tour says of a model has the numbers of that model, worked out by hand or by other means."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D


@pytest.fixture(scope="module")
def findings():
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    import _findings
    yield _findings
    sys.path.pop(0)


@pytest.fixture(scope="module")
def net():
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Flatten(),
                        Dense(3, activation="softmax")], seed=0)
    model.compile(loss="categorical_crossentropy")
    return model


X = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)


def test_the_products_of_an_output_pixel_are_summed_by_their_sign(findings, net):
    step = study.conv_step(net, "conv2d_1", X, (0, 2, 3))
    positive = sum(p for p in step.products.ravel() if p > 0)
    assert findings.products(step) == (f"Here the products above 0 sum to {positive:+.3f} and those below to "
                                       f"{step.sum - positive:+.3f}.")


def test_maps_that_do_not_answer_are_counted_and_numbered(findings):
    maps = np.zeros((3, 2, 2))
    maps[1, 0, 0], maps[2] = 1, 5                                          # a map of fives answers to nothing either
    assert findings.silent(maps) == "2 of these 3 maps do not answer to this digit at all (0, 2)."
    assert findings.silent(maps[1:2]) == "Each of these 1 maps answers to this digit somewhere."


def test_a_shift_is_measured_before_and_after_the_pooling(findings, net):
    def change(name):
        here, there = (study.activations(net, x)[name] for x in (X[:1], np.roll(X[:1], 1, axis=-1)))
        return np.sqrt(((there - here)**2).sum() / (here**2).sum())
    before, after = change("conv2d_1/relu"), change("max_pool2d_1")
    said = findings.shifted(net, "conv2d_1/relu", "max_pool2d_1", X[:1])
    assert f"{100 * before:.0f} % of their norm, those after it by {100 * after:.0f} %" in said
    assert ("That softens a shift" in said) == (after < before)


def test_a_wrong_answer_is_told_from_a_right_one(findings):
    step = SimpleNamespace(probabilities=np.array([0.25, 0.75]), target=np.array([1.0, 0.0]))
    assert "the right class, 0, has the probability 0.250, and so -0.750; the answer given, 1" in findings.answer(step)
    step.target = step.target[::-1]
    assert findings.answer(step) == "Here the right class, 1, has the probability 0.750, and so -0.250."


def test_terms_that_are_not_0_are_counted(findings):
    terms = SimpleNamespace(terms=np.array([0.0, -3.0, 1.0]), total=-2.0)
    assert findings.share_of_terms(terms) == (
        "Here 2 of 3 products are not 0; the largest is -3, and their sum -2.")
    assert "all 3 products are 0" in findings.share_of_terms(SimpleNamespace(terms=np.zeros(3), total=0.0))


@pytest.mark.parametrize(("test", "said"), [
    ([0.5, 0.2, 0.3], "lowest, 0.2000, after epoch 2 of 3, and is 0.3000 at the end; the training loss ended below"),
    ([0.5, 0.2, 0.1], "lowest, 0.1000, after epoch 3 of 3, the last; the training loss ended above"),
])
def test_it_is_said_where_the_test_loss_was_lowest(test, said, findings):
    assert said in findings.overfitting(SimpleNamespace(history={"loss": [1.0, 0.4, 0.25], "val_loss": test}))


@pytest.mark.parametrize(("first", "said"), [(0.5, "grows 5.0 times"), (0.01, "shrinks to 0.1 of itself")])
def test_it_is_said_whether_the_gradient_grows_or_shrinks(first, said, findings):
    steps = [SimpleNamespace(name=name, weighted=weighted, gradient_norm=norm) for name, weighted, norm in (
        ("a", True, first), ("a/relu", False, 9.0), ("b", True, 0.1), ("b/softmax", False, None))]
    parameters = [SimpleNamespace(shape=shape, update_ratio=ratio) for shape, ratio in (
        ((2, 2), 0.001), ((2, 2), 0.03), ((2,), 9.0), ((2, 2), None))]
    words = findings.flow(SimpleNamespace(records=[SimpleNamespace(steps=steps, parameters=parameters)]))
    assert f"At the end it {said} here on its way back, from 0.1 at b to {first:.2g} at a." in words
    assert "updates are 0.001 to 0.03 of the weights" in words


def test_all_dead_units_are_named_however_few(findings):
    steps = [SimpleNamespace(name="r", dead_units=[3], units=128), SimpleNamespace(name="s", dead_units=[], units=9),
             SimpleNamespace(name="t", dead_units=None, units=9),
             SimpleNamespace(name="u", dead_units=list(range(10)), units=10)]
    health = SimpleNamespace(samples=7, steps=steps)
    assert findings.dead(health) == ("Dead here, on 7 images: 1 of 128 in r (3); "
                                     "10 of 10 in u (0, 1, 2, 3, 4, 5, 6, 7 and 2 more).")
    health.steps = steps[1:3]
    assert findings.dead(health) == "Dead here, on 7 images: none."


def test_it_is_said_whether_the_weights_have_the_lowest_loss(findings):
    losses = np.full((3, 3), 4.0)
    losses[1, 1] = 1.0
    assert "it is 1, the lowest of the grid. On the edge of the grid it is 4 at" in findings.hollow(
        SimpleNamespace(losses=losses, centre=1.0))
    losses[0, 0] = 0.5
    assert "it is 1, not the lowest: 0.5 is" in findings.hollow(SimpleNamespace(losses=losses, centre=1.0))


def test_the_filters_that_moved_most_and_least_are_named(findings):
    before = np.ones((2, 1, 2, 2))
    after = before * np.array([1.5, 4.0])[:, None, None, None]
    assert findings.moved(after, before) == (
        "Filter 0 changed least, by 0.5 times the norm it began with, and filter 1 most, by 3 times.")


def test_the_digits_of_the_patches_are_counted_and_filters_without_answer_are_named(findings):
    found = SimpleNamespace(samples=np.array([[0, 1, 2], [0, 1, 0]]), filters=np.array([4, 5]),
                            values=np.array([[3.0, 2.0, 1.0], [0.0, -1.0, -2.0]]))
    assert findings.excited(found, np.array([7, 7, 1])) == (
        "The patches of one filter come from 1 to 2 different digits. The largest output of 1 is not above 0 (5): a "
        "ReLU lets nothing of it through.")


def test_images_found_are_compared_with_the_best_patches(findings):
    patches = SimpleNamespace(filters=np.array([4, 5, 6]), values=np.array([[2.0], [4.0], [-1.0]]))
    made = SimpleNamespace(channels=np.array([4, 5, 6]), values=np.array([[0.0, 0.0, 0.0], [3.0, 8.0, 1.0]]))
    assert findings.surpassed(made, patches).startswith("Their outputs are 1.5 to 2.0 times")


def test_the_variance_between_classes_is_all_where_each_class_is_a_point(findings):
    points, labels = np.array([[0.0, 0], [0, 0], [1, 0], [5, 5]]), np.array([3, 3, 4, 8])
    assert findings.between(points, labels) == pytest.approx(1)
    spread = np.array([[0.0, 1], [0, -1], [2, 1], [2, -1]])
    assert findings.between(spread, np.array([0, 0, 1, 1])) == pytest.approx(0.5)
    part = SimpleNamespace(scores=points, ratio=np.array([0.5, 0.25, 0.25]))
    assert ("between the classes: input 100 %. At input the classes 3 and 4 lie closest to each other, in this plane; "
            "it shows 75 % of the variance") in findings.separated({"input": part}, labels)


def test_the_most_frequent_mistakes_are_named_first(findings):
    matrix = np.array([[5, 1, 0], [0, 5, 3], [0, 0, 5]])
    assert findings.confused(study.Confusion(matrix)) == (
        "Most often 1 is taken for 2 (3 times); 0 is taken for 1 (1 times).")
    assert findings.confused(study.Confusion(np.eye(3, dtype=int))) == "There is no mistake."


def test_a_model_that_is_too_sure_is_told_from_one_that_is_not(findings):
    found = study.Calibration(np.array([0.0, 0.9, 1.0]), np.array([1, 3]), np.array([0.8, 1.0]),
                              np.array([1.0, 2 / 3]))
    assert findings.trusted(found).startswith(
        "3 of 4 images are in the last bin, and 66.67 % of them right. On the whole the model is surer than it is "
        "right: its mean confidence is 0.9500, its accuracy 0.7500.")


def test_what_runs_in_one_pass_is_that_of_the_plan(findings, net):
    profile = study.profile(net, 2, 1)
    said = findings.cost(net, profile)
    assert f"sum to {profile.milliseconds:.1f} ms" in said
    assert f"a batch takes {profile.planned_ms:.1f} ms" in said
    together = [" + ".join(row.layers) for row in net.plan() if len(row.layers) > 1]
    assert f", with {'; '.join(together)} in one pass each, a batch" in said
    work = 2 * 9 * 36 / (2 * 9 * 36 + 18 * 3)
    assert f"conv2d_1 has {100 * work:.0f} % of the work, dense_1 {100 * 57 / 77:.0f} % of the parameters" in said


def test_only_what_was_drawn_is_explained(findings):
    assert findings.outlines({"saliency": X}) == ""
    assert findings.outlines({"occlusion": X}) == "Occlusion hides pixels and asks again."


def test_times_are_compared_with_those_of_the_fast_kernels(findings):
    found = SimpleNamespace(shape=(2, 1, 8, 8), forward_ms={"naive": 500.0, "im2col": 1.0, "fast": 0.5},
                            backward_ms={"naive": 500.0, "im2col": 2.0, "fast": 0.5})
    assert findings.speed(found) == ("On 2 images, forward and backward together, the loops took 1,000 times as long "
                                     "as the fast kernels, im2col 3.0 times.")
