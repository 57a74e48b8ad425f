"""Backward passes that are wrong as people write them: each tensor that is wrong gets its own cause, or none."""

import re

import numpy as np
import pytest
from sampled import sampled
from wrong_layers import Written

from tinynet.testing import check_gradients
from tinynet.testing.gradcheck.diagnosis import causes
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.diagnosis.words import alternatives

rng = np.random.default_rng(3)
X, SQUARE, IMAGE, STEPS = (rng.normal(size=shape) for shape in ((4, 3), (4, 4), (2, 2, 5, 6), (2, 6, 3)))
POSITIVE = np.abs(X) + 0.3
W, V, B = rng.normal(size=(3, 5)), rng.normal(size=(4, 4)), rng.normal(size=5)
GAMMA = 1 + 0.3 * rng.normal(size=3)
ROWS = np.array([[0, 2, 2], [1, 2, 0], [3, 1, 1], [0, 0, 4]])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def dense(activation, derivative):
    """A dense layer whose activation has `derivative`, of z and y."""
    def layer(x, params):
        z = x @ params["w"] + params["b"]
        y = activation(z)

        def backward(dy):
            dz = dy * derivative(z, y)
            return {"x": dz @ params["w"].T, "w": x.T @ dz, "b": dz.sum(axis=0)}
        return y, backward
    return layer, X, {"w": W, "b": B}


def elementwise(function, derivative, x=X):
    return (lambda x, params: (function(x), lambda dy: {"x": dy * derivative(x)})), x, {}


def of_x(function, x=X):
    """A layer without parameters: ``function(x)`` returns y and the function from dy to dx."""
    def layer(x, params):
        y, backward = function(x)
        return y, lambda dy: {"x": backward(dy)}
    return layer, x, {}


def softmax(backward, axis=-1, x=X):
    def function(x):
        p = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
        return p, lambda dy: backward(p, dy)
    return of_x(function, x)


def batch_norm(spoil):
    """``spoil(terms)`` changes the parts that the gradients of a batch normalisation are made of."""
    def layer(x, params):
        std = np.sqrt(x.var(axis=0) + 1e-5)
        unit = (x - x.mean(axis=0)) / std

        def backward(dy):
            t = {"gamma": params["gamma"], "std": std, "mean": 1, "projection": 1, "scaled": unit} | spoil(x, std)
            d = dy * t["gamma"]
            dx = d - t["mean"] * d.mean(axis=0) - t["projection"] * unit * (d * unit).mean(axis=0)
            return {"x": dx / t["std"], "gamma": (dy * t["scaled"]).sum(axis=0)}
        return unit * params["gamma"], backward
    return layer, 2 * X + 1, {"gamma": GAMMA}


def windows(write, x=STEPS):
    """Sums over windows of three steps; ``write(dx, t, dy)`` hands back what window t contributes."""
    def function(x):
        def backward(dy):
            dx = np.zeros_like(x)
            for t in range(4):
                write(dx, t, dy[:, t:t + 1])
            return dx
        return np.stack([x[:, t:t + 3].sum(axis=1) for t in range(4)], axis=1), backward
    return of_x(function, x)


def add(dx, t, dy):
    dx[:, t:t + 3] += dy


def assign(dx, t, dy):
    dx[:, t:t + 3] = dy


def rows(write):
    def layer(x, params):
        table = params["table"]

        def backward(dy):
            gradient = np.zeros_like(table)
            write(gradient, dy)
            return {"x": dy.sum(axis=2), "table": gradient}
        return table[ROWS] + x[:, :, None], backward
    return layer, X, {"table": rng.normal(size=(5, 2))}


def lost_repeats(gradient, dy):
    gradient[ROWS] += dy


def means(gradient, dy):
    np.add.at(gradient, ROWS, dy)
    gradient /= np.bincount(ROWS.ravel(), minlength=5)[:, None]


def recurrent(carry):
    def layer(x, params):
        u, v = params["u"], params["v"]
        h = [np.zeros((len(x), 2))]
        for t in range(x.shape[1]):
            h.append(np.tanh(x[:, t] @ u + h[-1] @ v))

        def backward(dy):
            dx, du, dv, later = np.zeros_like(x), np.zeros_like(u), np.zeros_like(v), 0
            for t in reversed(range(x.shape[1])):
                dz = (dy[:, t] + later) * (1 - h[t + 1] ** 2)
                dx[:, t], later = dz @ u.T, carry(dz, v)
                du += x[:, t].T @ dz
                dv += h[t].T @ dz
            return {"x": dx, "u": du, "v": dv}
        return np.stack(h[1:], axis=1), backward
    return layer, STEPS, {"u": rng.normal(size=(3, 2)), "v": rng.normal(size=(2, 2))}


def conv(write, pad=0):
    """One row of kernels; ``write`` adds what window (i, j) contributes to the gradient of the padded input."""
    def layer(x, params):
        w, padded = params["w"], np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        h, v = padded.shape[2] - 1, padded.shape[3] - 2
        y = np.stack([np.stack([np.tensordot(padded[:, :, i:i + 2, j:j + 3], w, 3) for j in range(v)], 1)
                      for i in range(h)], 1)

        def backward(dy):
            dx, dw = np.zeros_like(padded), np.zeros_like(w)
            for i, j in np.ndindex(h, v):
                write(dx[:, :, i:i + 2, j:j + 3], dy[:, i, j, None, None, None] * w)
                dw += np.tensordot(dy[:, i, j], padded[:, :, i:i + 2, j:j + 3], 1)
            return {"x": dx[:, :, pad:-pad, pad:-pad], "w": dw}
        return y, backward
    return layer, IMAGE, {"w": rng.normal(size=(2, 2, 3))}


def accumulate(part, more):
    part += more


def add_flipped(part, more):
    part += more[:, :, ::-1, ::-1]


def overwrite(part, more):
    part[...] = more


TANH, ZERO_TO_ONE = r"1 - y\^2, the derivative of tanh, is missing", r"y \(1 - y\), the derivative of a sigmoid"


def normalised(dy):
    return dy / np.linalg.norm(dy)


MISTAKES = {
    # the derivative of an activation
    "tanh forgotten": (dense(np.tanh, lambda z, y: 1), dict.fromkeys("xwb", TANH)),
    "sigmoid forgotten": (dense(sigmoid, lambda z, y: 1), dict.fromkeys("xwb", ZERO_TO_ONE + ", is missing")),
    "tanh' at the output": (dense(np.tanh, lambda z, y: 1 - np.tanh(y) ** 2), dict.fromkeys("xwb", "at the output")),
    "sigmoid' is y": (dense(sigmoid, lambda z, y: y), dict.fromkeys("xwb", "1 - y|there stands y, where")),
    "ReLU's mask": (dense(lambda z: np.maximum(z, 0), lambda z, y: 1), dict.fromkeys("xwb", "outputs that are 0")),
    "elementwise tanh' at the output": (elementwise(np.tanh, lambda x: 1 - np.tanh(np.tanh(x)) ** 2),
                                        {"x": "evaluated at the output y"}),
    "tanh' of x as if it were y": (elementwise(np.tanh, lambda x: 1 - x ** 2), {"x": "input in place of the output"}),
    "swish without its second term": (elementwise(lambda x: x * sigmoid(x), sigmoid), {"x": "second term"}),
    "swish without its first term": (elementwise(lambda x: x * sigmoid(x), lambda x: x * sigmoid(x) * sigmoid(-x)),
                                     {"x": "first term"}),
    "inner derivative": (elementwise(lambda x: np.sin(x ** 2), lambda x: np.cos(x ** 2)), {"x": "factor of 2 x is"}),
    "log2": (elementwise(np.log2, lambda x: 1 / x, POSITIVE), {"x": "ln 2 = 0.693147 times"}),
    "1 / derivative": (elementwise(np.sqrt, lambda x: 2 * np.sqrt(x), POSITIVE), {"x": "dy / the derivative"}),
    "leaky side lost": (elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x: x > 0), {
        "x": "where x is negative only: it is 0 there"}),
    # softmax and normalisation
    "softmax's diagonal": (softmax(lambda p, dy: p * (1 - p) * dy), {"x": "only its diagonal, p .1 - p., is used"}),
    "softmax without its sum": (softmax(lambda p, dy: p * dy), {"x": "softmax along axis 1: the sum is left out"}),
    "softmax's sum over the batch": (softmax(lambda p, dy: p * (dy - (p * dy).sum(axis=0))), {
        "x": "along axis 0 take part in each other, where those along axis 1 should"}),
    "keepdims": (softmax(lambda p, dy: p * (dy - (p * dy).sum(axis=1)), x=SQUARE), {"x": "keepdims"}),
    "mean not subtracted": (of_x(lambda x: (x - x.mean(axis=1, keepdims=True), lambda dy: dy)), {
        "x": "subtracts the mean over axis 1"}),
    "batch norm without mean": (batch_norm(lambda x, std: {"mean": 0}), {
        "x": r"over axis 0, and the term of mean\(d\), through the mean, is missing. In full"}),
    "batch norm without variance": (batch_norm(lambda x, std: {"projection": 0}), {
        "x": "the term of h mean.d h., through the standard deviation, is missing. In full"}),
    "batch norm with the wrong sign": (batch_norm(lambda x, std: {"projection": -1}), {"x": "has the wrong sign. In"}),
    "batch norm with half a mean": (batch_norm(lambda x, std: {"mean": 0.5}), {"x": "is 0.5 times what it should be"}),
    "batch norm without both": (batch_norm(lambda x, std: {"mean": 0, "projection": 0}), {
        "x": "through the mean, is missing; that of h mean.d h., through the standard deviation, is missing"}),
    "batch norm without gamma": (batch_norm(lambda x, std: {"gamma": 1}), {"x": "a factor of gamma is missing"}),
    "batch norm without std": (batch_norm(lambda x, std: {"std": 1}), {"x": "deviation of x over axis 0 is too much"}),
    "gamma from x": (batch_norm(lambda x, std: {"scaled": x}), {"gamma": "x itself stands where the normalised x"}),
    "gamma from centred x": (batch_norm(lambda x, std: {"scaled": x - x.mean(axis=0)}), {"gamma": "standard dev"}),
    "epsilon elsewhere": (batch_norm(lambda x, std: {"std": std + 1e-5}), {"x": "an epsilon"}),
    # what backward does with dy
    "normalised": (of_x(lambda x: (2 * x, lambda dy: normalised(2 * dy))), {"x": "twice dy gives the same"}),
    "clipped": (of_x(lambda x: (x @ V[:3], lambda dy: np.clip(dy @ V[:3].T, -0.5, 0.5))), {"x": "clipped"}),
    "a term without dy": (of_x(lambda x: (x @ V[:3], lambda dy: dy @ V[:3].T + 0.1 * x)), {"x": "0.1 times x itself"}),
    "absolute": (of_x(lambda x: (x @ V[:3], lambda dy: np.abs(dy @ V[:3].T))), {"x": "the sign of dy is lost"}),
    "skip connection": (of_x(lambda x: (np.tanh(x) + x, lambda dy: dy * (1 - np.tanh(x) ** 2))), {"x": "dy itself is"}),
    # which output reaches which entry
    "windows overwrite": (windows(assign), {"x": "only a part is kept .the last along axis 1"}),
    "windows add up a mean": (windows(lambda dx, t, dy: add(dx, t, dy / 3)), {"x": "3"}),
    "index that repeats": (rows(lost_repeats), {"table": r"np\.add\.at"}),
    "rows divided by their number": (rows(means), {"table": "divided by the number of contributions"}),
    "no carry": (recurrent(lambda dz, v: 0), dict.fromkeys("xuv", "nothing comes back through time")),
    "carry untransposed": (recurrent(lambda dz, v: dz @ v),
                           dict.fromkeys("xuv", "v is not transposed, or transposed once too often")),
    "empty slice": (conv(accumulate), {"x": r"it is empty.*: a slice of axes 2 and 3 holds nothing, as \[p:-p\]"}),
    "kernel flipped": (conv(add_flipped, pad=1), {"x": "reverse order: the kernel is flipped"}),
    "col2im overwrites": (conv(overwrite, pad=1), {"x": "only a part is kept"}),
    "weight untransposed": ((lambda x, p: (np.tanh(x @ p["v"]), lambda dy: {
        "x": dy * (1 - np.tanh(x @ p["v"]) ** 2) @ p["v"], "v": x.T @ (dy * (1 - np.tanh(x @ p["v"]) ** 2))}),
                             SQUARE, {"v": V}), {"x": "v is not transposed"}),
    "bias summed over the units": ((lambda x, p: (x + p["b"], lambda dy: {"x": dy, "b": dy.sum(axis=1)}),
                                    SQUARE, {"b": V[0]}), {"b": "summed over the wrong axes"}),
    "blocks exchanged": (of_x(lambda x: (x * [1, 1, 3, 3], lambda dy: np.roll(dy * [1, 1, 3, 3], 2, axis=1)), SQUARE), {
        "x": "blocks along axis 1 are exchanged"}),
    "reshape for transpose": (of_x(lambda x: (x.swapaxes(1, 2) + 0, lambda dy: dy.reshape(x.shape)), STEPS), {
        "x": "a reshape from"}),
}


@pytest.mark.parametrize("mistake", sampled(MISTAKES, every=8))
def test_the_mistake_is_explained_for_each_tensor_that_is_wrong(mistake):
    (function, x, params), explanations = MISTAKES[mistake]
    report = check_gradients(Written(function, params), x, raises=False)
    found = {failure.tensor: failure.explanation for failure in report.failures}
    assert found.keys() == explanations.keys()
    for tensor, explanation in explanations.items():
        assert re.search(explanation, found[tensor]), (tensor, found[tensor])


def explanation_of(function, x):
    failure, = check_gradients(Written(*of_x(function, x)[::2]), x, raises=False).failures
    return failure.cause, failure.explanation


@pytest.mark.parametrize("seed", range(3))
def test_what_fits_no_mistake_has_no_cause(seed):
    """Random mixtures, and random factors of all contributions, that no sentence should be found for."""
    draw = np.random.default_rng(seed)
    x, kernel, mixing = draw.normal(size=(3, 4)), draw.normal(size=(4, 5)), draw.normal(size=(12, 12))
    right = lambda dy: dy @ kernel.T                                                                    # noqa: E731
    assert explanation_of(lambda x: (x @ kernel, lambda dy: (mixing @ right(dy).ravel()).reshape(3, 4)), x)[0] in (
        None, "coupling")                                                       # that samples are mixed is true
    assert explanation_of(lambda x: (x @ kernel, lambda dy: dy @ draw_like(kernel, seed).T), x) == (None, "")
    assert explanation_of(lambda x: (np.tanh(x), lambda dy: dy * draw_like(x, seed)), x) == (None, "")


def draw_like(array, seed):
    return np.random.default_rng(seed + 100).normal(size=array.shape)


def test_several_explanations_that_fit_are_all_named():
    report = check_gradients(Written(lambda x, params: (x @ V, lambda dy: {"x": 4 * dy @ V.T}), {}), SQUARE,
                             raises=False)
    explanation = report.failures[0].explanation
    assert report.failures[0].cause == "batch size"
    assert re.search("the batch size is 4.*; or .*x holds 4 numbers along axis 1.* \\(either fits\\)", explanation)
    assert alternatives(["one."]) == "one."


def test_a_cause_must_fit_under_another_dy():
    """Four times too large for the dy that was drawn first, and the batch size is 4; five times for any other."""
    jacobian, dy = rng.normal(size=(6, 8)), rng.normal(size=6)
    numeric, all_of_them = (dy @ jacobian).reshape(4, 2), np.ones((4, 2), bool)

    def named(later):
        evidence = Evidence(4 * numeric, numeric, all_of_them, all_of_them, ~all_of_them, batch_size=4, dy=dy,
                            derivatives=lambda entries: jacobian[:, entries], rerun=lambda other: (
                                4 if np.array_equal(np.abs(other), np.abs(dy)) else later) * (
                                other @ jacobian).reshape(4, 2))
        return causes.likely_cause(evidence)
    assert named(4)[0] == "batch size"
    assert named(5) is None


def test_one_lost_contribution_is_no_assignment():
    def lose(dx, t, dy):
        add(dx, t, dy)
        if t == 1:
            dx[1, 2, 0] -= dy[1, 0, 0]
    assert check_gradients(Written(*windows(lose)[::2]), STEPS, raises=False).failures[0].cause == "one entry"


def test_a_product_of_sizes_is_named_where_both_axes_are_summed_over_only():
    eight = check_gradients(Written(lambda x, params: (x @ params["w"], lambda dy: {
        "x": dy @ params["w"].T, "w": 8 * x.T @ dy}), {"w": W[:, :2]}), X, raises=False).failures[0]
    assert (eight.cause, eight.explanation) == ("constant factor", "every entry is 8 times what it should be.")


def test_a_cause_of_ones_own_comes_before_ours(monkeypatch):
    monkeypatch.setitem(causes.CAUSES, "eight", lambda e: "it is eight times too large." if e.ratio_is(8) else None)
    failure, = check_gradients(Written(lambda x, params: (x + 0, lambda dy: {"x": 8 * dy}), {}), X,
                               raises=False).failures
    assert (failure.cause, failure.explanation) == ("eight", "it is eight times too large.")


def test_a_tiny_rate_such_as_an_epsilon_is_no_factor():
    layer = Written(lambda x, params: (2 * x, lambda dy: {"x": 2 * (1 + 1e-5) * dy}), {})
    layer.epsilon = 1e-5
    assert check_gradients(layer, X, raises=False).failures[0].cause not in ("rate", "some slices", "borders")
