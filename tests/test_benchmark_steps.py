"""The rung of docs/performance.md that exists in tests/benchmarks alone computes what the engine computes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Conv2D, MaxPool2D

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
columns = importlib.import_module("columns")
sys.path.pop(0)


def run(model, x, dy):
    y, backward = model.forward(x)
    return y, backward(dy), *(grad.copy() for grad in model.grads.values())


@pytest.mark.rest
def test_columns_in_cache_give_the_numbers_of_tiles():
    rng = np.random.default_rng(0)
    model = Sequential([Conv2D(5, (3, 2), activation="relu"), MaxPool2D()], input_shape=(3, 8, 9), seed=0)
    model.layers[0].params["bias"][:] = rng.normal(size=5)
    x, dy = (rng.normal(size=(4, *shape)).astype(np.float32) for shape in (model.input_shape, model.output_shape))
    by_tiles = run(model, x, dy)
    with columns.instead_of_tiles():
        by_columns = run(model, x, dy)
    for ours, theirs in zip(by_columns, by_tiles, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
