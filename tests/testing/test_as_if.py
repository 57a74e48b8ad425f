"""as_if: gradients that are another function's on purpose, such as a straight-through estimator's."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Dense, Layer, Tanh
from tinynet.losses import MeanSquaredError
from tinynet.testing import check_gradients, check_vjp

X = np.random.default_rng(0).normal(size=(3, 4))


class Rounded(Layer):
    """y = round(x) * scale, with the gradient of x * scale."""

    def build(self, input_shape, rng):
        self.params["scale"] = rng.uniform(1, 2, input_shape).astype(np.float32)
        return input_shape

    def forward(self, x, training=False):
        scale, y = self.params["scale"], np.round(x)

        def backward(dy):
            self.grads["scale"] = (dy * y).sum(axis=0)
            return dy * scale
        return y * scale, backward


class Straight(Rounded):
    def forward(self, x, training=False):
        scale = self.params["scale"]

        def backward(dy):
            raise AssertionError("the gradient is that of the other layer")
        return x * scale, backward


class Through(Rounded):
    def forward(self, x, training=False):
        y, _ = super().forward(x)

        def backward(dy):
            self.grads["scale"] = (dy * x).sum(axis=0)
            return dy * self.params["scale"]
        return y, backward


def test_a_pair_is_measured_on_the_other_function():
    def identity(dy, x):
        return dy
    assert not check_vjp(np.round, identity, X, raises=False).passed
    assert check_vjp(np.round, identity, X, as_if=lambda x: x).passed
    report = check_vjp(np.round, lambda dy, x: 2 * dy, X, as_if=lambda x: x, raises=False)
    assert [failure.cause for failure in report.failures] == ["factor 2"]


def test_f_itself_still_runs():
    calls = []

    def f(x):
        calls.append(x)
        return np.sign(x)
    check_vjp(f, lambda dy, x: dy * (abs(x) < 1), X, as_if=lambda x: np.clip(x, -1, 1))
    assert calls
    with pytest.raises(ZeroDivisionError):
        check_vjp(lambda x: 1 / 0, lambda dy, x: dy, X, as_if=lambda x: x)
    report = check_vjp(f, lambda dy, x: dy, X, as_if=lambda x: x[0], raises=False)
    assert report.failures[0].message == "as_if returns 4 numbers, and f 12."


def test_a_layer_is_measured_on_a_function_of_x():
    assert not check_gradients(Rounded(), X, raises=False).passed
    report = check_gradients(Rounded(), X, as_if=lambda x: x * np.ones(4), raises=False)
    assert report["scale"].note == "not checked: as_if does not depend on it"
    assert {failure.tensor for failure in report.failures} == {"x"}              # dx is dy * scale, not dy


@pytest.mark.parametrize("as_if", [lambda x, params: x * params["scale"], Straight()], ids=["function", "layer"])
def test_a_layer_is_measured_on_a_function_of_its_parameters_or_on_a_layer(as_if):
    assert check_gradients(Through(), X, as_if=as_if).passed
    report = check_gradients(Rounded(), X, as_if=as_if, raises=False)
    assert {failure.tensor for failure in report.failures} == {"scale"}          # made from round(x), not from x


def test_a_loss_is_measured_on_another_one_or_on_a_function():
    class RoundedError(MeanSquaredError):
        def forward(self, y_true, y_pred, sample_weight=None):
            return super().forward(y_true, np.round(y_pred))[0], super().forward(y_true, y_pred)[1]
    y = np.zeros_like(X)
    assert not check_gradients(RoundedError(), X, y=y, raises=False).passed
    assert check_gradients(RoundedError(), X, y=y, as_if=MeanSquaredError()).passed
    assert check_gradients(RoundedError(), X, y=y, as_if=lambda y_true, y_pred: ((y_true - y_pred) ** 2).mean()).passed


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"expected as_if to return 12 numbers, as many as forward does. Received: 1."):
        check_gradients(Tanh(), X, as_if=np.sum)
    model = Sequential([Dense(2, input_shape=(4,))])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="as_if is for a layer or a loss"):
        check_gradients(model, X, y=np.zeros((3, 2)), as_if=lambda x: x)
