"""Mistakes seeded in public code that had no cause: the right one is found."""

import numpy as np
import pytest

from tinynet.testing import check_vjp

rng = np.random.default_rng(5)
W, U, V = (rng.normal(size=shape) * 0.6 for shape in ((4, 4), (4, 4), (3, 5)))


def explained(f, vjp, *args):
    return {failure.tensor: failure.explanation for failure in check_vjp(f, vjp, *args, raises=False).failures}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swish(x):
    return x * sigmoid(x)


@pytest.mark.parametrize(("derivative", "wrong"), [
    (lambda x, s: s * (1 - x * (1 - s)), "the second term of the product rule, x g'(x), has the wrong sign."),
    (lambda x, s: s * (2 + x * (1 - s)), "the first term of the product rule, g(x), is 2 times what it should be."),
])
def test_a_term_of_the_product_rule_is_named_with_its_factor(derivative, wrong):
    x = rng.normal(size=(4, 5))
    assert explained(swish, lambda dy, x: dy * derivative(x, sigmoid(x)), x)["x"].endswith(wrong)


@pytest.mark.parametrize(("f", "derivative", "stands"), [
    (sigmoid, lambda y: y * (1 + y), "y (1 + y)"), (sigmoid, lambda y: -y ** 2, "-y^2")])
def test_a_term_of_an_activation_with_the_wrong_sign_is_named(f, derivative, stands):
    assert f"there stands {stands}, where it should be y (1 - y)" in explained(
        f, lambda dy, x: dy * derivative(f(x)), rng.normal(size=(4, 5)))["x"]


def test_a_mask_turned_round_is_named_behind_a_product():
    x = rng.normal(size=(4, 3))
    text = explained(lambda x, w: np.maximum(x @ w, 0), lambda dy, x, w: (
        (dy * (x @ w < 0)) @ w.T, x.T @ (dy * (x @ w < 0))), x, V)
    assert set(text) == {"x", "w"}
    assert all(sentence.endswith("a mask is turned round (a comparison).") for sentence in text.values())


def states(x, h, w, u):
    hs = [h]
    for t in range(x.shape[1]):
        hs.append(np.tanh(x[:, t] @ w + hs[-1] @ u))
    return hs


def recurrent(x, h, w, u):
    return np.stack(states(x, h, w, u)[1:], axis=1)


def without_a_derivative(dy, x, h, w, u):
    hs, dx = states(x, h, w, u), np.zeros_like(x)
    dh, dw, du = np.zeros_like(h), np.zeros_like(w), np.zeros_like(u)
    for t in reversed(range(x.shape[1])):
        dz = dy[:, t] + dh                                               # times 1 - hs[t + 1] ** 2
        dx[:, t], dh = dz @ w.T, dz @ u.T
        dw, du = dw + x[:, t].T @ dz, du + hs[t].T @ dz
    return dx, dh, dw, du


def test_the_derivative_of_a_step_is_named_though_it_is_carried_on():
    text = explained(recurrent, without_a_derivative, rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 4)), W, U)
    assert text["x"] == ("within a step a factor of 1 - y^2, the derivative of tanh, is missing: the derivative of the "
                         "activation, from its output y; so it is in what is carried on.")
    assert all("1 - y^2" in text[name] for name in ("w", "u"))


def test_a_weight_is_named_that_multiplies_another_argument_than_the_first():
    def vjp(dy, x, h):
        dz = dy * (1 - np.tanh(x @ W + h @ U) ** 2)
        return dz @ W.T, dz @ U

    def f(x, h, u):
        return np.tanh(x @ W + h @ u)
    text = explained(f, lambda dy, x, h, u: (*vjp(dy, x, h), h.T @ (dy * (1 - f(x, h, u) ** 2))),
                     rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), U)
    assert text == {"h": "u is not transposed where it must be, or transposed where it must not be."}


def gates(x, w, b):
    i, o = np.split(x @ w + b, 2, axis=1)
    return sigmoid(o) * np.tanh(i)


def test_a_gate_that_shows_in_the_bias_is_named_for_the_input_too():
    def vjp(dy, x, w, b):
        i, o = np.split(x @ w + b, 2, axis=1)
        s = sigmoid(o)
        da = np.hstack([dy * s * (1 - np.tanh(i) ** 2), dy * np.tanh(i) * s])                       # times 1 - s
        return da @ w.T, x.T @ da, da.sum(axis=0)
    text = explained(gates, vjp, rng.normal(size=(3, 4)), rng.normal(size=(4, 6)), rng.normal(size=6))
    assert text["b"] == "it is wrong from index 3 to 5 only, and right for the others."
    assert text["x"].startswith("it is wrong for the same outputs as w, and may be for the same reason. Of w: it is "
                                "wrong for unit 3, 4, 5 only")


def test_what_is_wrong_with_one_tensor_alone_is_no_reason_for_another():
    def vjp(dy, x, w, b):
        i, o = np.split(x @ w + b, 2, axis=1)
        s = sigmoid(o)
        da = np.hstack([dy * s * (1 - np.tanh(i) ** 2), dy * np.tanh(i) * s * (1 - s)])
        return da @ w.T * (1 + x ** 2), x.T @ da, da.mean(axis=0)
    text = explained(gates, vjp, rng.normal(size=(3, 4)), rng.normal(size=(4, 6)), rng.normal(size=6))
    assert "mean" in text["b"]
    assert "same outputs as b" not in text["x"]


def test_a_loss_of_two_arguments_has_one_output_to_be_wrong_for():
    def vjp(dy, x, w):
        return dy * np.cos(x) * (1 + x * w), dy * np.sin(w + x)
    text = explained(lambda x, w: (np.sin(x) * np.cos(w)).sum(), vjp, rng.normal(size=5), rng.normal(size=5))
    assert set(text) == {"x", "w"}
