"""Choosing a kernel set: for the process, for a block; and all sets offer the same functions."""

import inspect
import re
from importlib import import_module

import numpy as np
import pytest

from tinynet import kernels
from tinynet.layers import AveragePool2D, BatchNormalization, Conv2D, Dense, MaxPool2D

DOCUMENTED = re.findall(r"^ {4}((\w+)\(.*?\))", kernels.__doc__, flags=re.MULTILINE)
FUNCTIONS = [name for _, name in DOCUMENTED]


def in_use():
    return kernels.current().__name__.rpartition(".")[2]


def test_fast_is_the_default():
    assert in_use() == "fast"


def test_use_holds_for_the_process():
    kernels.use("naive")
    assert in_use() == "naive"
    kernels.use("im2col")
    assert in_use() == "im2col"


def test_use_as_a_block_holds_for_the_block_and_nests():
    with kernels.use("naive") as outer:
        assert outer is kernels.current()
        with kernels.use("im2col"):
            assert in_use() == "im2col"
        assert in_use() == "naive"
    assert in_use() == "fast"


def test_a_block_that_fails_restores_the_kernel_set_too():
    with pytest.raises(ZeroDivisionError), kernels.use("naive"):
        raise ZeroDivisionError
    assert in_use() == "fast"


def test_a_block_can_be_entered_again():
    block = kernels.use("naive")
    with block:
        pass
    assert in_use() == "fast"
    with block:
        assert in_use() == "naive"
    assert in_use() == "fast"


def test_unknown_kernel_set_names_the_nearest_and_changes_nothing():
    text = "Unknown kernel set 'im2coll'. Did you mean 'im2col'? Known: 'naive', 'im2col', 'fast'."
    with pytest.raises(ValueError, match=re.escape(text)):
        kernels.use("im2coll")
    assert in_use() == "fast"


def parameters(kernel_set, function):
    module = import_module(f"tinynet.kernels.{kernel_set}")
    return [f"*{name}" if each.kind is each.VAR_POSITIONAL else name
            for name, each in inspect.signature(getattr(module, function)).parameters.items()]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_all_sets_have_the_same_signatures(function):
    assert parameters("naive", function) == parameters("im2col", function) == parameters("fast", function)


def test_the_documented_signatures_are_those_of_the_functions():
    assert {"matmul", "conv2d", "max_pool2d", "sum_pool2d"} < set(FUNCTIONS)
    for signature, name in DOCUMENTED:
        assert signature == f"{name}({', '.join(parameters('naive', name))})"


@pytest.mark.parametrize(("layer", "shape", "calls"), [
    (Conv2D(2, 2), (1, 3, 3), {"conv2d_kernel_gradient", "conv2d_input_gradient"}),
    (Dense(2), (3,), {"matmul"}),
    (MaxPool2D(2), (1, 4, 4), {"max_pool2d_gradient"}),
    (AveragePool2D(2), (1, 4, 4), {"sum_pool2d_gradient"}),
    (BatchNormalization(), (2, 3), {"channel_sums", "channel_affine"}),
], ids=["conv2d", "dense", "max_pool2d", "average_pool2d", "batch_normalization"])
def test_a_backward_uses_the_kernel_set_of_its_forward(layer, shape, calls, rng, monkeypatch):
    called = []

    def recorded(module, name):
        original = getattr(import_module(f"tinynet.kernels.{module}"), name)

        def record(*args):
            called.append((module, name))
            return original(*args)
        monkeypatch.setattr(f"tinynet.kernels.{module}.{name}", record)
    for module in kernels.NAMES:
        for name in FUNCTIONS:
            recorded(module, name)
    layer.build(shape, rng)
    with kernels.use("im2col"):
        y, backward = layer.forward(rng.normal(size=(2, *shape)))
    called.clear()
    with kernels.use("naive"):
        backward(rng.normal(size=y.shape))
    assert set(called) == {("im2col", name) for name in calls}


def test_layers_ask_for_the_kernel_set_at_every_forward(rng):
    layer = Dense(3)
    layer.build((4,), rng)
    x = rng.normal(size=(2, 4))
    expected = x @ layer.params["kernel"]
    for name in kernels.NAMES:
        with kernels.use(name):
            np.testing.assert_allclose(layer(x), expected, rtol=1e-12)
