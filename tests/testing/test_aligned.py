"""Axes of a tensor that go with axes of the output, and the wrong entries that only their cells show."""

import numpy as np
import pytest
from wrong_layers import Written

from tinynet.testing import check_gradients
from tinynet.testing.gradcheck import sampling
from tinynet.testing.gradcheck.aligned import Cells, aligned_axes, cell_numbers
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
    assert check_gradients(wrong, LARGE, raises=False).passed                    # the groups alone do not show it


@pytest.mark.parametrize("scale", [1e6, 1e10])
def test_a_step_of_whole_periods_is_not_believed(scale):
    def function(x, params):
        return np.cos(x), lambda dy: {"x": -dy * np.sin(x)}
    assert check_gradients(Written(function, {}), np.random.default_rng(0).normal(size=(4, 6)) * scale).passed
