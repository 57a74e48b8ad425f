"""Backward passes with a mistake in a known formula: recurrent layers, orders of axes, precision, shapes."""

import re

import numpy as np
import pytest
from sampled import sampled
from wrong_layers import Written

from tinynet.testing import check_gradients

rng = np.random.default_rng(5)
X, STEPS, IMAGE = rng.normal(size=(4, 5)), rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 2, 4, 6))
W, U, B = rng.normal(size=(5, 3)), rng.normal(size=(3, 3)) / 2, rng.normal(size=3)
KERNELS = rng.normal(size=(3, 2))


def of_x(function, x):
    """A layer without parameters: ``function(x)`` returns y and the function from dy to dx."""
    def layer(x, params):
        y, backward = function(x)
        return y, lambda dy: {"x": backward(dy)}
    return layer, x, {}


def recurrent(back):
    """h[t] = tanh(x[t] W + h[t-1] U + b); ``back(dy, h, u, add)`` adds the share of each step, dz, as add(t, dz)."""
    def layer(x, params):
        w, u = params["w"], params["u"]
        h = [np.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            h.append(np.tanh(x[:, t] @ w + h[-1] @ u + params["b"]))

        def backward(dy):
            g = {"x": np.zeros_like(x), "w": np.zeros_like(w), "u": np.zeros_like(u), "b": np.zeros(3)}

            def add(t, dz):
                g["x"][:, t] += dz @ w.T
                g["w"] += x[:, t].T @ dz
                g["u"] += h[t].T @ dz
                g["b"] += dz.sum(axis=0)
            back(dy, h, u, add)
            return g
        return np.stack(h[1:], axis=1), backward
    return layer, STEPS, {"w": W, "u": U, "b": B}


def carried(carry, first=0):
    """Each step is carried back to the one before by ``carry(dz, u, derivative of the step before)``."""
    def back(dy, h, u, add):
        later = 0
        for t in reversed(range(first, dy.shape[1])):
            dz = dy[:, t] * (1 - h[t + 1] ** 2) + later
            add(t, dz)
            later = carry(dz, u) * (1 - h[t] ** 2)
    return recurrent(back)


def without_derivative(dy, h, u, add):
    later = 0
    for t in reversed(range(dy.shape[1])):
        dz = dy[:, t] * (1 - h[t + 1] ** 2) + later
        add(t, dz)
        later = dz @ u.T


def one_step_back(dy, h, u, add):
    for t in range(dy.shape[1]):
        dz = dy[:, t] * (1 - h[t + 1] ** 2)
        add(t, dz)
        if t:
            add(t - 1, dz @ u.T * (1 - h[t] ** 2))


def convolution(order):
    """A convolution with kernels of one pixel, as a product of matrices; dy's axes are put in an order before it."""
    def layer(x, params):
        columns = x.transpose(1, 2, 3, 0).reshape(2, -1)
        y = (params["k"] @ columns).reshape(3, *x.shape[2:], len(x)).transpose(3, 0, 1, 2)

        def backward(dy):
            d = dy.transpose(order).reshape(3, -1)
            return {"k": d @ columns.T, "x": (params["k"].T @ d).reshape(2, *x.shape[2:], len(x)).transpose(3, 0, 1, 2)}
        return y, backward
    return layer, IMAGE, {"k": KERNELS}


def scaled(backward):
    """y = gamma sin(x); ``backward(x, gamma, dy)`` returns dx and the gradient of gamma."""
    def layer(x, params):
        def run(dy):
            return dict(zip(("x", "gamma"), backward(x, params["gamma"], dy), strict=True))
        return params["gamma"] * np.sin(x), run
    return layer, X, {"gamma": rng.uniform(0.5, 2, 5)}


def overwritten_dy(x, gamma, dy):
    dy = dy * gamma * np.cos(x)
    return dy, (dy * np.sin(x)).sum(axis=0)


def biased(bias):
    """y = tanh(x W + b); ``bias(dy, dz)`` returns the gradient of b."""
    def layer(x, params):
        y = np.tanh(x @ params["w"] + params["b"])

        def backward(dy):
            dz = dy * (1 - y ** 2)
            return {"x": dz @ params["w"].T, "w": x.T @ dz, "b": bias(dy, dz)}
        return y, backward
    return layer, X, {"w": W, "b": B}


def cropped(crop):
    """The square of an image with a border of one pixel of zeros."""
    def function(x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        return padded ** 2, lambda dy: crop(2 * padded * dy)
    return of_x(function, IMAGE)


def windows(places):
    """Sums of three neighbours; backward goes through some places of the window."""
    def function(x):
        def backward(dy):
            dx = np.zeros_like(x)
            for k in places:
                dx[:, :, :, k:k + 4] += dy * (k + 1)
            return dx
        return sum((k + 1) * x[:, :, :, k:k + 4] for k in range(3)), backward
    return of_x(function, IMAGE)


def layer_norm(x, dy, scale):
    std = x.std(axis=1, keepdims=True)
    h = (x - x.mean(axis=1, keepdims=True)) / std
    return scale * (dy - dy.mean(axis=1, keepdims=True) - h * (dy * h).mean(axis=1, keepdims=True)) / std


def normalised(x):
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


def softmax(backward):
    def function(x):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return p, lambda dy: backward(p, dy)
    return of_x(function, X)


SCALE = rng.uniform(0.5, 2, 5)
MISTAKES = {
    "nothing through time": (carried(lambda dz, u: 0 * dz), dict.fromkeys("xwub", "nothing comes back through time")),
    "U for its transpose": (carried(lambda dz, u: dz @ u), dict.fromkeys("xwub", "u is not transposed")),
    "no derivative through time": (recurrent(without_derivative), dict.fromkeys(
        "xwub", r"a factor of 1 - y\^2, the derivative of tanh, is missing: the derivative of the activation at the")),
    "truncated": (recurrent(one_step_back), dict.fromkeys("xwub", "back from more than 1 step is missing")),
    "first step left out": (carried(lambda dz, u: dz @ u.T, first=1), {
        "x": "0 for the others: a loop begins too late", "w": "the share of step 0 is missing",
        "b": "for the same outputs as w.*the share of step 0 is missing"}),
    "order of axes": (convolution((1, 2, 0, 3)), dict.fromkeys("xk", "dy is read in another order")),
    "dx for dy": (scaled(overwritten_dy), {"gamma": "made from the gradient of x.*overwritten before it is used"}),
    "bias gets dy": (biased(lambda dy, dz: dy.sum(axis=0)), {"b": r"1 - y\^2, the derivative of tanh, is missing"}),
    "bias over units": (biased(lambda dy, dz: dz.sum(axis=1)), {"b": "each index of axis 0 of dy.*of axis 1 of dy"}),
    "bias, a mean without its axis": (
        (lambda x, p: (x + p["b"], lambda dy: {"x": dy, "b": dy.mean(axis=0)}), X, {"b": X[:1]}),
        {"b": "right up to a factor, and axes of length 1 are not.*1/4 of what it should be, and the batch size"}),
    "cropped on one side": (cropped(lambda g: g[:, :, 1:-1, 1:]), {"x": "axis 3 begins at 0 and ends 1 before"}),
    "crop of other axes": (cropped(lambda g: g[1:-1, 1:-1]), {"x": "axes 0 and 1 cropped, where axes 2 and 3 should"}),
    "shape of the output": (of_x(lambda x: (np.concatenate([x, x], axis=1), lambda dy: np.concatenate(
        [dy[:, :2] + dy[:, 2:], 0 * dy[:, 2:]], axis=1)), IMAGE), {"x": "made in the shape of the output"}),
    "place of the window": (windows((1, 2)), {"x": "comes through place 0 of each window along axis 3 is missing"}),
    "outputs left out": (of_x(lambda x: (x.repeat(2, axis=1), lambda dy: dy[:, ::2]), X), {
        "x": "dy at index 1, 3, 5, 7, 9 of axis 1 takes no part"}),
    "layer norm, gamma outside": (of_x(lambda x: (SCALE * normalised(x), lambda dy: layer_norm(x, dy, SCALE)), X), {
        "x": r"the scale \(gamma\) is taken out of the sums"}),
    "formula of training": (of_x(lambda x: (2 * (x - 0.3), lambda dy: layer_norm(x, dy, 2)), X), {
        "x": "terms of a mean and a standard deviation over axis 1 that depend on x"}),
    "softmax left out": (softmax(lambda p, dy: dy), {"x": "its derivative is left out, dy is passed on"}),
    "softmax, wrong sign": (softmax(lambda p, dy: p * (dy + (p * dy).sum(axis=1, keepdims=True))), {
        "x": "the sum has the wrong sign"}),
    "float16": (of_x(lambda x: (x @ W, lambda dy: (dy @ W.T).astype(np.float16)), X), {"x": "returned as float16"}),
    "float16 on its way": (of_x(lambda x: (x @ W, lambda dy: (dy @ W.T).astype(np.float16).astype(float)), X), {
        "x": "all its numbers are of float16"}),
    "float16 derivative": (of_x(lambda x: (np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2).astype(np.float16)), X), {
        "x": "dy times numbers of float16"}),
    "mean of a window": (of_x(lambda x: (x.reshape(4, 1, 5).mean(axis=2), lambda dy: np.repeat(dy / 2, 5, 1)), X), {
        "x": "every contribution is 0.5 and should be 0.2: forward takes the mean of 5 numbers"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", sampled(MISTAKES))
def test_the_mistake_is_explained_for_each_tensor_that_is_wrong(mistake):
    (function, x, params), explanations = MISTAKES[mistake]
    report = check_gradients(Written(function, params), x, raises=False)
    found = {failure.tensor: failure.explanation for failure in report.failures}
    assert found.keys() == explanations.keys()
    for tensor, explanation in explanations.items():
        assert re.search(explanation, found[tensor]), (tensor, found[tensor])


def test_float32_inside_a_right_layer_is_not_taken_for_a_mistake():
    """The numbers are large, so that forward does not see the smallest steps; the output is float64."""
    def layer(x, params):
        return x.astype(np.float32) @ W, lambda dy: {"x": (dy @ W.T).astype(np.float32)}
    x = np.where(np.arange(5) % 2, 100, 1e-3) * X
    causes = [failure.cause for failure in check_gradients(Written(layer, {}), x, raises=False).failures]
    assert set(causes) <= {"rounded forward", "lower precision", "not converged"}
