"""Kinks: stepped around where they are near, bounded where x lies on one, and never a false alarm."""

import numpy as np
import pytest
from wrong_layers import Spoiled, times

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU
from tinynet.testing import check_gradients


class LeakyAtZero(Layer):
    """A ReLU with a given slope at exactly 0."""

    def __init__(self, slope_at_0):
        super().__init__()
        self.slope_at_0 = slope_at_0

    def forward(self, x, training=False):
        return np.maximum(x, 0), lambda dy: dy * np.where(x == 0, self.slope_at_0, x > 0)


class EveryWinner(Layer):
    """The maximum of each row, whose backward passes the whole gradient to every tied entry."""

    def build(self, input_shape, rng):
        return (1,)

    def forward(self, x, training=False):
        y = x.max(axis=1, keepdims=True)
        return y, lambda dy: dy * (x == y)


def blank_images(n=3, size=6):
    """Images (n, 1, size, size) that are 0 but for a square in the middle, as digits are."""
    x = np.zeros((n, 1, size, size))
    x[:, :, 2:5, 3:6] = np.random.default_rng(0).random((n, 1, 3, 3))
    return x


def conv_net():
    model = Sequential([Conv2D(3, (3, 3), activation="relu", input_shape=(1, 6, 6)), MaxPool2D(),
                        Dropout(0.4), Flatten(), Dense(4, activation="relu"), Dense(3, activation="softmax")], seed=0)
    model.compile(loss="categorical_crossentropy")
    return model


@pytest.mark.parametrize("slope", [0, 0.3, 1])
def test_any_slope_between_the_two_sides_is_right_on_a_kink(slope):
    report = check_gradients(LeakyAtZero(slope), np.array([[0.0, 1.0, -1.0, 0.0]]))
    assert report["x"].entries("on kink").tolist() == [[True, False, False, True]]
    assert report["x"].count("right") == 2


@pytest.mark.parametrize("slope", [-0.1, 1.1, 2])
def test_a_slope_beyond_both_sides_is_wrong(slope):
    report = check_gradients(LeakyAtZero(slope), np.array([[0.0, 1.0, -1.0, 0.0]]), raises=False)
    assert report["x"].count("wrong") == 2
    assert report.failures[0].cause == "kink"


def test_of_a_tie_only_one_winner_may_take_the_gradient():
    """Each gradient alone lies between its sides: only the direction along the tie shows the mistake."""
    x = np.array([[1.0, 2.0, 2.0], [3.0, 1.0, 2.0]])
    failure, = check_gradients(EveryWinner(), x, raises=False).failures
    assert failure.cause == "kink"
    assert "only one may take the gradient" in failure.explanation


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-7])
def test_near_a_kink_the_step_is_made_smaller(distance):
    report = check_gradients(ReLU(), np.array([[distance, -distance, 1.0]]))
    assert report["x"].count("right") == 3
    assert all(m.measured.step < distance for m in report["x"].measurements[:2])


@pytest.mark.slow
@pytest.mark.rest
def test_blank_patches_with_zero_bias_are_checked_output_by_output():
    """The sum over outputs hides kinks: with filters of both signs its slopes on both sides may exceed ReLU'(0) = 0."""
    for seed in range(2):
        report = check_gradients(Conv2D(8, (3, 3), activation="relu"), np.zeros((2, 2, 5, 5)), seed=seed)
        assert report["bias"].count("on kink") == 8
        assert report["x"].count("on kink") == 100
        assert report["kernel"].count("right") == 8 * 2 * 9            # blank patches: y does not move with it


@pytest.mark.parametrize("x", [pytest.param(blank_images(), id="some blank"),
                               pytest.param(np.zeros((3, 1, 6, 6)), id="all blank", marks=pytest.mark.long)])
@pytest.mark.parametrize("with_loss", [pytest.param(True, marks=pytest.mark.long), False])
@pytest.mark.slow
def test_blank_images_through_conv_relu_and_pooling_are_no_false_alarm(x, with_loss):
    report = check_gradients(conv_net(), x[:2], y=np.eye(3)[:2] if with_loss else None, training=with_loss)
    assert report["x"].count("on kink") > 0
    assert sum(tensor.count("skipped") for tensor in report.tensors) == 0


@pytest.mark.long
def test_blank_images_are_no_false_alarm_where_a_subclass_has_its_own_forward():
    class Doubled(Conv2D):
        def forward(self, x, training=False):
            y, backward = super().forward(x, training)
            return 2 * y, lambda dy: backward(2 * dy)
    model = Sequential([Doubled(4, (3, 3), activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Flatten(), Dense(3)],
                       seed=0)
    report = check_gradients(model, blank_images())
    assert report["x"].count("on kink") > 0
    assert sum(tensor.count("skipped") for tensor in report.tensors) == 0


@pytest.mark.rest
def test_blank_images_do_not_hide_a_wrong_conv_layer():
    class Wrong(Conv2D):
        def linear(self, x, training=False):
            y, backward = super().linear(x, training)

            def wrong(dy, *, need_dx=True):
                dx = backward(dy)
                self.grads["bias"] = 1.001 * self.grads["bias"]
                return 1.001 * dx
            return y, wrong
    model = Sequential([Wrong(4, (3, 3), activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Flatten(),
                        Dense(3, activation="softmax")], seed=0)
    model.compile(loss="categorical_crossentropy")
    report = check_gradients(model, blank_images(), y=np.eye(3), raises=False)
    assert "x" in {failure.tensor for failure in report.failures}
    assert all("wrong_1 is wrong by itself" in failure.explanation for failure in report.failures)


def test_the_parts_of_a_model_do_not_vouch_for_one_of_them_that_gives_every_winner_the_gradient():
    x = np.array([[1.0, 2.0, 2.0], [3.0, 1.0, 2.0], [0.5, 0.5, 0.0]])
    model = Sequential([EveryWinner(), Dense(2)], seed=0)
    failure, = check_gradients(model, x, raises=False).failures
    assert (failure.tensor, failure.cause) == ("x", "one layer")
    assert failure.explanation.startswith("every_winner_1 is wrong by itself: x: it is wrong on kinks only")


@pytest.mark.slow
@pytest.mark.parametrize("tensor", ["bias", pytest.param("kernel", marks=pytest.mark.long)])
@pytest.mark.rest
def test_the_parts_of_a_model_do_not_vouch_for_a_parameter_that_one_of_them_gets_wrong_on_a_kink(tensor):
    conv = Spoiled(Conv2D(4, (3, 3), activation="relu"), times(tensor, 3))
    model = Sequential([conv, MaxPool2D(), Flatten(), Dense(3)], input_shape=(1, 6, 6), seed=0)
    model.compile(loss="mse")
    failures = check_gradients(model, blank_images(), y=np.eye(3), raises=False).failures
    assert [failure.tensor for failure in failures] == [f"spoiled_1/{tensor}"]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [pytest.param(2, marks=pytest.mark.long), 1.01])
@pytest.mark.rest
def test_parts_that_are_right_do_not_vouch_for_a_model_that_chains_them_wrongly(factor):
    class Unchained(Sequential):
        def forward(self, x, training=False):
            y, backward = super().forward(x, training)
            return y, lambda dy: factor * backward(dy)
    model = Unchained([Conv2D(4, (3, 3), activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Flatten(), Dense(3)],
                      seed=0)
    failure, = check_gradients(model, blank_images(), raises=False).failures
    assert failure.tensor == "x"
    assert failure.cause in ("constant factor", "factor 2", "between the layers")


def test_tied_maxima_of_overlapping_windows_are_no_false_alarm():
    report = check_gradients(MaxPool2D(3, strides=1), np.round(np.random.default_rng(0).random((2, 2, 5, 5)) * 2))
    assert report["x"].count("on kink") > 10


def test_a_jump_is_skipped_and_counted_and_too_many_fail():
    class Steps(Layer):
        def forward(self, x, training=False):
            return np.floor(x) + x, lambda dy: dy
    x = np.arange(20.0).reshape(2, 10) + 0.5
    assert check_gradients(Steps(), x).passed
    x[0, 0] = 3
    assert check_gradients(Steps(), x)["x"].count("skipped") == 1
    x[:, :3] = 3
    failure, = check_gradients(Steps(), x, raises=False).failures
    assert (failure.cause, failure.message) == ("not converged", "the slope did not converge at 6 of 20 coordinates.")


def test_a_large_tensor_on_kinks_is_checked_in_groups():
    report = check_gradients(ReLU(), np.where(np.random.default_rng(0).random((4, 200)) < 0.05, 0, 1.0))
    assert report["x"].count("right") > 100
    assert report["x"].count("on kink") > 20
    assert report["x"].count("skipped") == 0


@pytest.mark.slow
@pytest.mark.rest
def test_a_wrong_parameter_gradient_leaves_the_input_gradient_right_on_blank_images():
    model = Sequential([Conv2D(4, (3, 3), activation="relu", input_shape=(1, 6, 6)), Flatten(),
                        Spoiled(Dense(3), times("kernel", 2))], seed=0)
    model.compile(loss="mse")
    failure, = check_gradients(model, blank_images(), y=np.eye(3), raises=False).failures
    assert failure.tensor == "spoiled_1/kernel"


@pytest.mark.long
def test_confident_mistakes_on_blank_images_are_no_false_alarm():
    """The probability of the right class is below the loss's clipping: the model works from the logits."""
    model = conv_net()
    model.params["dense_2/kernel"][...] *= 1000
    check_gradients(model, blank_images()[:2], y=np.eye(3)[[1, 2]], training=False)
    check_gradients(model, blank_images()[:2], y=np.eye(3)[[0, 1]], training=False)


class MedianOfRows(Layer):
    """The middle number of each row, sorted; of equal ones, sorting keeps the order."""

    def build(self, input_shape, rng):
        return (1,)

    def forward(self, x, training=False):
        rows, middle = np.arange(len(x)), np.argsort(x, axis=1, kind="stable")[:, x.shape[1] // 2]

        def backward(dy):
            dx = np.zeros(x.shape)
            dx[rows, middle] = dy[:, 0]
            return dx
        return x[rows, middle][:, None], backward


@pytest.mark.slow
def test_of_many_equal_numbers_any_may_be_the_median():
    for seed in range(40):             # of 16 gradients around, one time in four none has the median at a given place
        check_gradients(MedianOfRows(), np.ones((1, 12)), seed=seed)


def test_of_many_equal_numbers_the_median_is_no_sum():
    class TwiceTheMedian(MedianOfRows):
        def forward(self, x, training=False):
            y, backward = super().forward(x, training)
            return y, lambda dy: 2 * backward(dy)
    assert not check_gradients(TwiceTheMedian(), np.ones((1, 12)), raises=False).passed
