"""Axes of a tensor that go with axes of the output, and the wrong entries that only their cells show."""

import numpy as np
import pytest
from wrong_layers import Written

from tinynet.testing import check_gradients, check_vjp
from tinynet.testing.gradcheck import sampling
from tinynet.testing.gradcheck.aligned import Cells, aligned_axes, cell_numbers, in_proportion
from tinynet.testing.gradcheck.targets import LayerTarget

rng = np.random.default_rng(0)
X, W = rng.normal(size=(9, 20)), rng.normal(size=(20, 12))
LARGE = np.where(rng.random((100, 100)) < 0.5, -1, 1) * rng.uniform(0.3, 2, (100, 100))


def relu(x, params):
    return np.maximum(x, 0), lambda dy: {"x": dy * (x > 0)}


def dense(x, params):
    return x @ params["w"], lambda dy: {"x": dy @ params["w"].T, "w": x.T @ dy}


def softmax(x, params):
    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return y, lambda dy: {"x": y * (dy - (dy * y).sum(axis=1, keepdims=True))}


def batch_mean(x, params):
    return x - x.mean(axis=0), lambda dy: {"x": dy - dy.mean(axis=0)}


@pytest.mark.parametrize(("function", "params", "name", "axes"), [
    (relu, {}, "x", [(0, 0), (1, 1)]), (softmax, {}, "x", [(0, 0)]), (batch_mean, {}, "x", [(1, 1)]),
    (dense, {"w": W}, "x", [(0, 0)]), (dense, {"w": W}, "w", [(1, 1)]),
], ids=["elementwise", "rows", "columns", "samples", "units"])
def test_the_axes_that_go_together_are_found(function, params, name, axes):
    target = LayerTarget(Written(function, params), X, False, np.random.default_rng(1))
    assert list(aligned_axes(target, name, np.random.default_rng(2))) == axes
    sizes = [target.tensors[name].shape[a] for a, _ in axes]
    assert Cells(target, name, np.random.default_rng(2)).count == np.prod(sizes)


def test_cells_are_numbered_along_their_axes():
    np.testing.assert_array_equal(cell_numbers((2, 3), [1], (3,)), [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(cell_numbers((2, 2), [0, 1], (2, 2)), [0, 1, 2, 3])
    np.testing.assert_array_equal(cell_numbers((2, 2), [], ()), [0, 0, 0, 0])    # all in one


def in_float16(factor):
    """A ReLU whose forward computes in float16, one entry of its gradient times a factor."""
    entry = tuple(np.argwhere(LARGE > 1)[50])

    def function(x, params):
        def backward(dy):
            dx = dy * (x > 0)
            dx[entry] *= factor
            return {"x": dx}
        return np.maximum(x.astype(np.float16), 0).astype(np.float64), backward
    return Written(function, {}), entry


@pytest.mark.slow
def test_in_float16_one_entry_of_many_that_is_wrong_by_a_tenth_is_found_in_its_cell(monkeypatch):
    wrong, entry = in_float16(1.1)
    assert check_gradients(wrong, LARGE, raises=False)["x"].at == entry
    assert check_gradients(in_float16(1)[0], LARGE).passed
    monkeypatch.setattr(sampling.Sampler, "wrong_in_cells", lambda self, order, directions: [])
    monkeypatch.setattr(sampling.Sampler, "wrong_in_proportion", lambda self: [])
    assert check_gradients(wrong, LARGE, raises=False).passed                    # the groups alone do not show it


def row_maximum_in_float16(factor):
    """The maximum of each row in float16, the gradient of the first row's times a factor."""
    def function(x, params):
        def backward(dy):
            dx = dy * (np.arange(x.shape[1]) == x.argmax(axis=1)[:, None])
            dx[0] *= factor
            return {"x": dx}
        return x.astype(np.float16).max(axis=1, keepdims=True).astype(np.float64), backward
    return Written(function, {})


@pytest.mark.parametrize("shape", [(3, 6), (9, 12)], ids=["each entry measured", "entries in groups"])
def test_in_float16_a_wrong_entry_closer_to_a_kink_than_rounding_shows_is_found_along_lines_without_kinks(
        shape, monkeypatch):
    x = np.linspace(-1.5, 1.5, np.prod(shape)).reshape(shape)
    x[:, -2] = x[:, -1] - 2.0 ** -7                                              # the second largest, 8 to 16 ulp below
    assert check_gradients(row_maximum_in_float16(1), x).passed
    report = check_gradients(row_maximum_in_float16(1.1), x, raises=False)
    assert "perturbed together, too little to be seen" in report.failures[0].message
    assert report.failures[0].cause != "kink"
    monkeypatch.setattr(sampling.Sampler, "wrong_in_proportion", lambda self: [])
    assert check_gradients(row_maximum_in_float16(1.1), x, raises=False).passed


def test_a_saturated_output_is_right_though_its_gradient_is_all_rounding():
    rng = np.random.default_rng(14)
    x, w = np.maximum(rng.normal(size=(3, 4)), 0) * 10 ** rng.uniform(0, 2), rng.normal(size=(4, 5))

    def f(x, w):
        e = np.exp(x @ w - (x @ w).max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def vjp(dy, x, w):
        p = f(x, w)
        dz = p * (dy - (dy * p).sum(axis=1, keepdims=True))
        return dz @ w.T, x.T @ dz
    assert check_vjp(f, vjp, x, w, seed=14).passed


def test_a_direction_in_proportion_keeps_order_and_signs():
    numbers = np.array([-1.0, 0.0, 2.0, 2.0])
    for direction in in_proportion(numbers):
        moved = numbers + 0.5 * direction
        assert (np.argsort(moved, kind="stable") == np.arange(4)).all()
        assert moved[2] == moved[3]


@pytest.mark.parametrize("scale", [1e6, 1e10])
def test_a_step_of_whole_periods_is_not_believed(scale):
    def function(x, params):
        return np.cos(x), lambda dy: {"x": -dy * np.sin(x)}
    assert check_gradients(Written(function, {}), np.random.default_rng(0).normal(size=(4, 6)) * scale).passed
