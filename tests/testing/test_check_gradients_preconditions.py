"""What check_gradients finds besides wrong numbers: missing gradients, stale ones, arrays written to."""

import numpy as np
import pytest
from wrong_layers import Scale

from tinynet import Sequential
from tinynet.layers import Dense, Layer
from tinynet.losses import MeanSquaredError
from tinynet.testing import check_gradients


class ReturnsNothing(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def forgetful(dy):
            backward(dy)
        return y, forgetful


class SetsNothing(Scale):
    def forward(self, x, training=False):
        return super().forward(x)[0], lambda dy: dy * self.params["scale"]


class Misnames(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def misnaming(dy):
            dx = backward(dy)
            self.grads = {"scales": self.grads["scale"]}
            return dx
        return y, misnaming


class SetsMore(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def more(dy):
            self.grads["bias"] = dy
            return backward(dy)
        return y, more


class WrongShape(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)
        return y, lambda dy: backward(dy)[:, :1]


class Raises(Scale):
    def forward(self, x, training=False):
        y, _ = super().forward(x)
        return y, lambda dy: dy @ np.zeros((99, 1))


class Accumulates(Scale):
    def build(self, input_shape, rng):
        super().build(input_shape, rng)
        self.grads["scale"] = np.zeros(input_shape)
        return input_shape

    def forward(self, x, training=False):
        def backward(dy):
            self.grads["scale"] += (dy * x).sum(axis=0)
            return dy * self.params["scale"]
        return x * self.params["scale"], backward


class Stale(Scale):
    def forward(self, x, training=False):
        self.x = x

        def backward(dy):
            self.grads["scale"] = (dy * self.x).sum(axis=0)
            return dy * self.params["scale"]
        return x * self.params["scale"], backward


class WearsOut(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)
        self.calls = getattr(self, "calls", 0)

        def tired(dy):
            self.calls += 1
            return backward(dy) / self.calls
        return y, tired


class Drifts(Scale):
    """Each backward is further off than the one before."""

    drift = 1e-4

    def forward(self, x, training=False):
        y, backward = super().forward(x)
        self.calls = getattr(self, "calls", 0)

        def drifting(dy):
            self.calls += 1
            return backward(dy) * (1 + self.drift * self.calls ** 2)
        return y, drifting


class DriftsSlightly(Drifts):
    drift = 1e-8


class WritesToX(Layer):
    def forward(self, x, training=False):
        x[x < 0] = 0
        return x, lambda dy: dy * (x > 0)


class WritesToXInBackward(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def writing(dy):
            dx = backward(dy)
            x.fill(0)
            return dx
        return y, writing


class WritesToDy(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def writing(dy):
            dx = backward(dy)
            dy *= 0
            return dx
        return y, writing


class NewMask(Layer):
    def build(self, input_shape, rng):
        self.rng = rng
        return input_shape

    def forward(self, x, training=False):
        return x * (self.rng.random(x.shape) < 0.5), lambda dy: dy * (self.rng.random(dy.shape) < 0.5)


class DrawsIdly(Scale):
    """Backward makes another of its kind, say, whose weights it does not use."""

    def build(self, input_shape, rng):
        self.rng = rng
        return super().build(input_shape, rng)

    def forward(self, x, training=False):
        y, right = super().forward(x, training)

        def backward(dy):
            self.rng.random()
            np.random.rand()
            return right(dy)
        return y, backward


class NotReplayed(Layer):
    def forward(self, x, training=False):
        mask = np.random.default_rng().random(x.shape) < 0.5
        return x * mask, lambda dy: dy * mask


class NotFinite(Layer):
    def forward(self, x, training=False):
        return np.where(x > 0, np.inf, x), lambda dy: dy


class WithoutDxIsAnother(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def lazy(dy, *, need_dx=True):
            dx = backward(dy)
            if not need_dx:
                self.grads["scale"] = 0 * self.grads["scale"]
            return dx
        return y, lazy


class NotFiniteSomewhere(Layer):
    def forward(self, x, training=False):
        y = x.copy()
        y[0, 0] = np.nan
        return y, lambda dy: dy


class NotFiniteAtFirst(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)
        self.calls = getattr(self, "calls", 0)

        def warming_up(dy):
            self.calls += 1
            return backward(dy) / (self.calls > 1)
        return y, warming_up


class ClipsItsParameters(Scale):
    def forward(self, x, training=False):
        np.clip(self.params["scale"], -0.1, 0.1, out=self.params["scale"])
        return super().forward(x)


class UpdatesInBackward(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)

        def updating(dy):
            dx = backward(dy)
            self.params["scale"] -= 0.1 * self.grads["scale"]
            return dx
        return y, updating


class ReturnsComplexNumbers(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)
        return y, lambda dy: backward(dy).astype(complex)


class ReturnsItsMask(Scale):
    def forward(self, x, training=False):
        y, backward = super().forward(x)
        return y, lambda dy: backward(dy) > 0


BROKEN = [
    (ReturnsNothing, "x", "nothing returned", "backward returned None"),
    (SetsNothing, "scale", "missing", "backward sets no grads for it"),
    (Misnames, "scale", "missing", "it is called 'scales' there"),
    (SetsMore, "", "unknown", "backward sets grads for 'bias', which params does not have"),
    (WrongShape, "x", "wrong shape", "its gradient has shape (3, 1), expected (3, 4)"),
    (Raises, "", "exception", "backward raised ValueError: matmul"),
    (Accumulates, "scale", "accumulates", "a second backward adds to the first"),
    (Stale, "scale", "stale", "backward is wrong if another forward runs before it"),
    (WearsOut, "x", "not repeatable", "a second backward gives another result"),
    (Drifts, "x", "not repeatable", "a second backward gives another result"),
    (DriftsSlightly, "x", "not repeatable", "a second backward gives another result"),
    (WritesToX, "x", "writes to its input", "forward writes to it"),
    (ClipsItsParameters, "scale", "writes to its input", "forward writes to it"),
    (UpdatesInBackward, "scale", "writes to its input", "backward writes to it"),
    (ReturnsComplexNumbers, "x", "not numbers", "its gradient has dtype complex128"),
    (ReturnsItsMask, "x", "not numbers", "a mask is returned, and is to be multiplied by dy"),
    (NotFiniteSomewhere, "", "forward not finite", "1 of 12 outputs are NaN or infinite"),
    (WritesToXInBackward, "x", "writes to its input", "backward writes to it"),
    (WritesToDy, "dy", "writes to its input", "backward writes to it"),
    (NewMask, "", "new mask", "backward draws random numbers"),
    (DrawsIdly, "", "idle draws", "backward draws random numbers"),
    (NotReplayed, "", "not repeatable", "forward is not deterministic"),
    (NotFinite, "", "forward not finite", "outputs are NaN or infinite"),
    (WithoutDxIsAnother, "scale", "need_dx", "need_dx=False"),
]


def test_the_layer_that_is_broken_below_is_right():
    assert check_gradients(Scale(), input_shape=(4,)).passed


@pytest.mark.parametrize(("layer", "tensor", "cause", "message"), BROKEN)
def test_a_broken_precondition_is_named(layer, tensor, cause, message):
    report = check_gradients(layer(), input_shape=(4,), raises=False)
    failure = report.failures[0]
    assert (failure.tensor, failure.cause) == (tensor, cause)
    assert message in str(failure).replace("\n    ", " ")


def test_what_accumulates_is_checked_by_what_it_adds():
    class TwiceWrong(Accumulates):
        def forward(self, x, training=False):
            def backward(dy):
                self.grads["scale"] -= (dy * x).sum(axis=0)
                return dy * self.params["scale"]
            return x * self.params["scale"], backward
    report = check_gradients(TwiceWrong(), input_shape=(4,), raises=False)
    assert [failure.cause for failure in report.failures] == ["accumulates", "sign"]


def test_an_exception_says_where_it_was_raised():
    report = check_gradients(Raises(), input_shape=(4,), raises=False)
    assert "(test_check_gradients_preconditions.py:" in str(report)
    assert not report.tensors


def test_what_forward_raises_is_not_caught():
    with pytest.raises(NotImplementedError, match="must define forward"):
        check_gradients(Layer(), input_shape=(4,))


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_a_backward_that_is_infinite_at_first_does_not_repeat_itself():
    causes = [failure.cause for failure in check_gradients(NotFiniteAtFirst(), input_shape=(4,), raises=False).failures]
    assert causes == ["not repeatable", "not finite"]


def test_what_backward_writes_to_is_put_back_before_anything_is_measured():
    failure, = check_gradients(UpdatesInBackward(), input_shape=(4,), raises=False).failures
    assert failure.cause == "writes to its input"


# Habits of a loss, and of a layer in a model.

class StaleLoss(MeanSquaredError):  # noqa: N818  (no exception)
    def forward(self, y_true, y_pred, sample_weight=None):
        self.last = y_pred
        value, _ = super().forward(y_true, y_pred, sample_weight)
        return value, lambda: 2 * (self.last - y_true) / y_true.size


def test_a_loss_that_keeps_its_predictions_on_itself_is_named():
    rng = np.random.default_rng(0)
    failure, = check_gradients(StaleLoss(), rng.normal(size=(3, 4)), y=rng.normal(size=(3, 4)), raises=False).failures
    assert (failure.tensor, failure.cause) == ("y_pred", "stale")


@pytest.mark.parametrize(("layer", "tensor", "cause"), [
    (Stale, "first/scale", "stale"), (WithoutDxIsAnother, "first/scale", "need_dx"),
    (WearsOut, "x", "not repeatable"), (Accumulates, "first/scale", "accumulates")])
def test_a_broken_habit_of_a_layer_is_named_in_a_model_with_its_loss(layer, tensor, cause):
    model = Sequential([layer(name="first"), Dense(2)], input_shape=(4,), seed=0)
    model.compile(loss="mse")
    failure = check_gradients(model, y=np.ones((3, 2)), raises=False).failures[0]
    assert (failure.tensor, failure.cause) == (tensor, cause)


# Rules that are broken where the slopes are right: told apart from wrong slopes, each of them.

def words(report):
    return " ".join(str(report).split())


@pytest.mark.parametrize("layer", [Accumulates, Stale, UpdatesInBackward, WritesToXInBackward, WritesToDy, DrawsIdly])
def test_right_slopes_and_a_broken_rule_are_told_apart(layer):
    report = check_gradients(layer(), input_shape=(4,), raises=False)
    assert (report.slopes_right, report.passed) == (True, False)
    assert "the slopes are right, but backward BREAKS A RULE." in str(report)


@pytest.mark.parametrize("layer", [SetsNothing, WrongShape, Raises, WritesToX, NewMask, NotReplayed,
                                   WithoutDxIsAnother, NotFinite])
def test_slopes_that_are_wrong_or_unknown_are_never_called_right(layer):
    report = check_gradients(layer(), input_shape=(4,), raises=False)
    assert not report.slopes_right
    assert "GRADIENTS ARE WRONG." in str(report)


def test_every_broken_rule_is_told_and_wrong_slopes_too():
    class Careless(Scale):
        def forward(self, x, training=False):
            def backward(dy):
                self.grads["scale"] = self.grads.get("scale", 0) + (dy * x).sum(axis=0)
                dx = -dy * self.params["scale"]
                dy *= 0
                return dx
            return x * self.params["scale"], backward
    report = check_gradients(Careless(), input_shape=(4,), raises=False)
    assert [failure.cause for failure in report.failures] == ["writes to its input", "accumulates", "sign"]
    assert not report.slopes_right


def test_what_piles_up_in_an_attribute_is_told_apart_too():
    class PilesUp(Scale):
        total = 0

        def forward(self, x, training=False):
            def backward(dy):
                self.total = self.total + dy * self.params["scale"]
                self.grads["scale"] = (dy * x).sum(axis=0)
                return self.total
            return x * self.params["scale"], backward
    report = check_gradients(PilesUp(), input_shape=(4,), raises=False)
    assert [(failure.tensor, failure.cause) for failure in report.failures] == [("x", "accumulates")]
    assert report.slopes_right


# No empty pass: where nothing is measured, nothing is right.

class Square(Layer):
    def forward(self, x, training=False):
        return x ** 2, lambda dy: 2 * dy * x


class WrongSquare(Layer):
    def forward(self, x, training=False):
        return x ** 2, lambda dy: dy * x


WHOLE = np.array([[3, -1, 2], [7, 4, -5], [1, 6, 8]])


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.int32])
def test_whole_numbers_are_cast_where_the_layer_computes_with_them(dtype):
    report = check_gradients(Square(), WHOLE.astype(dtype))
    assert report["x"].count("right") == 9
    assert "factor 2" in [f.cause for f in check_gradients(WrongSquare(), WHOLE.astype(dtype), raises=False).failures]


def test_whole_numbers_are_cast_for_models_and_losses_too():
    model = Sequential([WrongSquare(name="square"), Dense(2)], input_shape=(3,), seed=0)
    model.compile(loss="mse")
    report = check_gradients(model, WHOLE, y=np.ones((3, 2)), raises=False)
    assert report["x"].count("wrong") == 9
    assert check_gradients("mse", WHOLE, y=np.ones((3, 3)))["y_pred"].count("right") == 9


@pytest.mark.parametrize("forward", [lambda x: np.floor(x), lambda x: np.eye(9)[x], lambda x: x.astype(int) * 1.0])
def test_whole_numbers_that_are_rounded_or_an_index_are_not_cast_and_alone_no_pass(forward):
    class Whole(Layer):
        def forward(self, x, training=False):
            return forward(x), lambda dy: np.zeros(x.shape)
    report = check_gradients(Whole(), WHOLE, raises=False)
    assert [failure.cause for failure in report.failures] == ["nothing measured"]
    assert "x holds int64 numbers" in words(report)
    assert "Whole: GRADIENTS WERE NOT CHECKED." in str(report)
    assert not report.slopes_right


def test_a_layer_on_whole_numbers_does_no_harm_in_a_model():
    class OneHot(Layer):
        def build(self, input_shape, rng):
            return (*input_shape, 9)

        def forward(self, x, training=False):
            return np.eye(9)[x.astype(int)], lambda dy: None
    model = Sequential([OneHot(), Dense(4, activation="relu", bias_initializer="zeros"), Dense(2)], input_shape=(3,),
                       seed=0)
    model.compile(loss="mse")
    model.params["dense_1/kernel"][0] = 0                                  # units on their kink: decided layer by layer
    assert check_gradients(model, np.abs(WHOLE), y=np.ones((3, 3, 2))).passed


@pytest.mark.parametrize("layer", [Square(), Scale(), Sequential([Dense(2, input_dim=4)])])
def test_an_empty_batch_is_no_pass(layer):
    report = check_gradients(layer, np.zeros((0, 4)), raises=False)
    assert [failure.cause for failure in report.failures] == ["nothing measured"]
    assert "for x of shape (0, 4) forward returns no numbers" in words(report)


def test_complex_numbers_are_no_pass():
    class Ignores(Layer):
        def forward(self, x, training=False):
            return np.abs(x), lambda dy: dy

    class ComplexScale(Scale):
        def build(self, input_shape, rng):
            shape = super().build(input_shape, rng)
            self.params["scale"] = self.params["scale"] * 1j
            return shape

        def forward(self, x, training=False):
            def backward(dy):
                self.grads["scale"] = np.zeros(4, complex)
                return dy * np.abs(self.params["scale"])
            return x * np.abs(self.params["scale"]), backward
    x = np.ones((2, 4)) * (1 + 2j)
    for layer, given, tensor in (Ignores(), x, "x"), (ComplexScale(), x.real, "scale"):
        failure, = check_gradients(layer, given, raises=False).failures
        assert (failure.tensor, failure.cause) == (tensor, "complex")


def test_the_imaginary_part_of_an_output_is_not_lost():
    class Rotates(Layer):
        def forward(self, x, training=False):
            return x * (1 + 1j), lambda dy: dy
    report = check_gradients(Rotates(), input_shape=(4,), raises=False)
    assert "GRADIENTS WERE NOT CHECKED." in str(report)
    failure, = report.failures
    assert (failure.tensor, failure.cause) == ("", "complex")
    assert "forward returns complex128 numbers" in failure.message
