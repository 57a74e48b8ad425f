"""The network in one file: its gradients and its steps are those of the engine."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tinynet import Sequential, kernels
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tinynet.optimizers import Adam
from tinynet.utils import to_categorical

FILE = Path(__file__).parents[1] / "examples" / "one_file.py"


@pytest.fixture(scope="module")
def one_file():
    spec = importlib.util.spec_from_file_location("one_file", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weights(one_file):
    """Weights of the file's own, in float64, with biases that are not 0."""
    rng = np.random.default_rng(1)
    drawn = [array.astype(np.float64) for array in one_file.initial_weights(rng)]
    return [array if array.ndim > 1 else rng.normal(0, 0.1, array.shape) for array in drawn]


def digits(n):
    (x, y), _ = mnist.load_data()
    return x[:n].reshape(-1, 1, 28, 28) / 255, y[:n]


def test_it_is_short_and_needs_numpy_alone():
    text = FILE.read_text()
    assert len(text.splitlines()) <= 150
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {name for node in imports for name in [getattr(node, "module", None), *[alias.name for alias in node.names]]
             if isinstance(node, ast.Import) or name == node.module}
    assert {name.split(".")[0] for name in names if name} - sys.stdlib_module_names == {"numpy"}


def test_its_data_are_the_engines(one_file):
    images, labels = one_file.load("t10k")
    _, (x, y) = mnist.load_data()
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0], x.astype(np.float32) / 255)
    np.testing.assert_array_equal(labels, y)


def test_loss_and_all_gradients_are_the_engines(one_file, weights):
    x, y = digits(6)
    logits, backwards = one_file.forward(one_file.network(weights), x)
    value, dlogits = one_file.cross_entropy(logits, y)
    grads = one_file.gradients(backwards, dlogits)

    model = Sequential([Conv2D(30, 5, activation="relu", input_shape=(1, 28, 28)), MaxPooling2D(),
                        Conv2D(15, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(128, activation="relu"),
                        Dense(50, activation="relu"), Dense(10, activation="softmax")], dtype="float64")
    model.set_weights(weights)
    model.compile("adam", "categorical_crossentropy")
    with kernels.use("im2col"):
        expected, predictions, backward = model.objective(x, to_categorical(y, 10), training=True)
        backward()
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), predictions, rtol=1e-10)
    for grad, wanted in zip(grads, model.grads.values(), strict=True):
        np.testing.assert_allclose(grad, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


def test_of_equal_pixels_the_first_takes_the_gradient(one_file):
    y, backward = one_file.max_pool(np.ones((1, 1, 2, 4)))
    np.testing.assert_array_equal(y, [[[[1.0, 1.0]]]])
    np.testing.assert_array_equal(backward(np.array([[[[3.0, 5.0]]]]))[0], [[[[3.0, 0, 5, 0], [0, 0, 0, 0]]]])


def test_dropout_drops_a_fifth_and_the_same_on_the_way_back(one_file):
    x = np.ones((100, 100))
    y, backward = one_file.dropout(x, np.random.default_rng(0))
    assert set(np.unique(y)) == {0.0, 1.25}
    assert np.mean(y == 0) == pytest.approx(0.2, abs=0.02)               # 5 standard deviations
    np.testing.assert_array_equal(backward(x)[0], y)
    np.testing.assert_array_equal(one_file.dropout(x, None)[0], x)


def test_its_adam_steps_are_the_engines(one_file, weights):
    ours, theirs = ([array.copy() for array in weights] for _ in range(2))
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in ours]
    optimizer, rng = Adam(), np.random.default_rng(2)
    for t in range(1, 6):
        grads = [rng.normal(size=w.shape) for w in ours]
        one_file.adam(ours, grads, moments, t)
        with kernels.use("im2col"):
            optimizer.update(dict(enumerate(theirs)), dict(enumerate(grads)))
    for w, wanted, start in zip(ours, theirs, weights, strict=True):
        assert (w != start).all()
        np.testing.assert_allclose(w, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.rest
def test_it_learns_and_repeats(one_file, capsys):
    x, y = digits(200)
    with threadpool_limits(1):                                           # of BLAS: other tests run beside this one
        first, again = (one_file.train(x.astype(np.float32), y, (x, y), epochs=6, seed=5, batch=20) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("epoch 6: loss ")
    assert float(last.split("test error ")[1].split("%")[0]) < 20         # of images that it has seen; 90 by guessing
