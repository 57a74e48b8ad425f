"""model.plan() says what really runs, is never stale, and with fuse=False every layer runs the code its file shows."""

import functools
import importlib
from collections import Counter

import numpy as np
import pytest

from tinynet import Sequential, kernels
from tinynet.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    ReLU,
    Residual,
    Softmax,
    Tanh,
)
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from tinynet.steps.step import steps_of

IMAGE = (1, 9, 9)


def mlp():
    return [Flatten(), Dense(12, activation="relu"), Dense(3, activation="softmax")]


def simple_cnn():
    return [Conv2D(4, (2, 2), activation="relu"), MaxPooling2D((2, 2)), Dropout(0.2), Flatten(),
            Dense(8, activation="relu"), Dense(3, activation="softmax")]


def larger_cnn():
    return [Conv2D(4, (2, 2), activation="relu"), MaxPooling2D((2, 2)), Conv2D(3, (3, 3), activation="relu"),
            MaxPooling2D((2, 2)), Dropout(0.2), Flatten(), Dense(8, activation="relu"), Dense(6, activation="relu"),
            Dense(3, activation="softmax")]


def nested():
    inner = Sequential([Conv2D(4, 2), Activation("relu"), MaxPooling2D()])
    return [inner, Dropout(0.1), Flatten(), Dense(3), Softmax()]


MODELS = {make.__name__: make for make in (mlp, simple_cnn, larger_cnn, nested)}


def made(layers, seed=1):
    model = Sequential(layers(), input_shape=IMAGE, seed=seed)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    return model


def samples(n=20):
    rng = np.random.default_rng(2)
    return rng.random((n, *IMAGE), np.float32), np.eye(3)[rng.integers(3, size=n)]


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def layers(request):
    return request.param


def test_the_plan_of_the_larger_cnn():
    rows = made(larger_cnn).plan()
    assert [(row.layers, row.fused, row.function.rpartition("tinynet.")[2]) for row in rows] == [
        (("conv2d_1", "conv2d_1/relu", "max_pool2d_1"), True, "steps.convolutions.conv_relu_pool"),
        (("conv2d_2", "conv2d_2/relu", "max_pool2d_2"), True, "steps.convolutions.conv_relu_pool"),
        (("dropout_1",), True, "steps.fused.dropout"),
        (("flatten_1",), False, "layers.flatten.Flatten.forward"),
        (("dense_1", "dense_1/relu"), True, "steps.fused.dense_relu"),
        (("dense_2", "dense_2/relu"), True, "steps.fused.dense_relu"),
        (("dense_3",), True, "steps.fused.dense"),
        (("dense_3/softmax",), True, "losses.categorical.CategoricalCrossentropy.with_softmax"),
    ]
    assert [row.layers[0] for row in rows if "no input gradient" in row.why] == ["conv2d_1"]
    assert len(rows) == 8
    assert rows[-1].why == "the loss works from the logits, and makes the probabilities, too"


@pytest.mark.parametrize("of", ["labels", "one-hot"])
@pytest.mark.parametrize("batch", [20, 1000], ids=["few logits", "many"])
def test_a_loss_of_logits_in_one_pass_is_that_of_its_own_file(batch, of):
    """And a metric sees the model's logits, not the probabilities that are made besides."""
    x, y = samples(batch)
    y = y.argmax(axis=1) if of == "labels" else y
    loss, found = SparseCategoricalCrossentropy if of == "labels" else CategoricalCrossentropy, []
    for fuse in True, False:
        with kernels.use("fast", fuse=fuse):
            model = Sequential([Flatten(), Dense(8), Dense(3)], input_shape=IMAGE, seed=0)
            model.compile("sgd", loss(from_logits=True), [largest])
            found.append([*model.train_on_batch(x, y), *model.test_on_batch(x, y), *model.params["dense_1/kernel"][0]])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)


def largest(y_true, y_pred):
    return y_pred.max(axis=1)


class Doubled(CategoricalCrossentropy):
    def losses(self, y_true, y_pred):
        losses, slopes = super().losses(y_true, y_pred)
        return 2 * losses, 2 * slopes


@pytest.mark.parametrize("replaced", ["a subclass", "the instance", "the kernel set"])
def test_losses_that_were_replaced_are_what_runs(replaced):
    model = made(mlp)
    x, y = samples()
    once = model.test_on_batch(x, y)[0]
    with kernels.use("im2col" if replaced == "the kernel set" else "fast"):
        if replaced == "a subclass":
            model.compile("adam", Doubled(), ["accuracy"])
        elif replaced == "the instance":
            model.loss.losses = Doubled(from_logits=True).losses
        assert model.plan()[-1].function.endswith("forward")
        expected = once if replaced == "the kernel set" else 2 * once
        assert model.test_on_batch(x, y)[0] == pytest.approx(expected, rel=1e-6)


def test_a_convolution_in_groups_is_not_pooled_in_its_pass():
    rows = Sequential([Conv2D(4, 2, groups=2, activation="relu", input_shape=(2, 9, 9)), MaxPooling2D()]).plan()
    assert [(row.layers, row.fused) for row in rows] == [
        (("conv2d_1", "conv2d_1/relu"), True), (("max_pool2d_1",), True)]


def fused_into(*layers):
    """Return the functions that a model of these layers calls, by their short names."""
    return [row.function.rpartition(".")[2] for row in Sequential(layers, input_shape=(2, 9, 9)).plan()]


def test_what_follows_a_convolution_runs_in_its_step():
    conv, pool, norm, relu = (functools.partial(Conv2D, 4, 2), MaxPooling2D, BatchNormalization, ReLU)
    assert fused_into(conv(), pool(), norm(), relu()) == ["conv_pool_norm_relu"]
    assert fused_into(conv(), norm(), relu(), pool()) == ["conv_norm_relu", "pool"]
    assert fused_into(conv(activation="relu"), pool(), norm()) == ["conv_relu_pool", "forward"]
    assert fused_into(conv(), pool(), norm()) == ["conv_pool_norm"]
    assert fused_into(conv(), norm(), conv(), pool()) == ["conv_norm", "conv_pool"]
    assert fused_into(conv(), relu(), conv()) == ["conv_relu", "conv"]
    assert fused_into(norm(), relu(), pool(), norm()) == ["norm_relu", "pool", "forward"]
    assert fused_into(conv(groups=2), norm(), relu()) == ["conv_norm_relu"]
    assert fused_into(conv(), pool(2, strides=1), norm()) == ["conv", "pool", "forward"]


def test_a_residual_block_runs_what_its_layers_do_together():
    block = Residual([Conv2D(2, 3, padding="same"), BatchNormalization(), ReLU(), Conv2D(2, 3, padding="same")])
    assert fused_into(block) == ["residual", "conv_norm_relu", "conv"]


def test_a_plan_prints_as_a_table_a_row_for_each_function():
    lines = str(made(mlp).plan()).splitlines()
    assert lines[0].split() == ["layers", "runs", "function", "why"]
    assert lines[2].startswith("dense_1, dense_1/relu  in one pass  tinynet.steps.fused.dense_relu")
    assert len(lines) == 5


def test_prediction_has_a_plan_of_its_own_and_needs_no_compile():
    model = Sequential(simple_cnn(), input_shape=IMAGE)
    rows = {row.layers: row for row in model.plan(training=False)}
    assert rows["dropout_1",].function == "tinynet.layers.dropout.Dropout.forward"
    assert rows["dense_2/softmax",].function == "tinynet.steps.fused.softmax"
    assert not any("gradient" in row.why for row in rows.values())
    assert model.plan()[-1].function == "tinynet.steps.fused.softmax"                     # no loss to leave it to


def test_layers_before_the_first_with_parameters_are_not_run_backward():
    assert "not run backward" in made(mlp).plan()[0].why
    assert "no input gradient" in made(mlp).plan()[1].why


@pytest.mark.parametrize("name", ["naive", "im2col", "fast"])
def test_without_fusing_each_step_runs_the_function_that_the_plan_names(layers, name):
    with kernels.use(name, fuse=False):
        model = made(layers)
        assert [row.layers for row in model.plan()] == [(step.name,) for step in steps_of(model)]
        assert not any(row.fused for row in model.plan())
        assert {row.why for row in model.plan()} == {"as its file shows it"}


def counted(function, calls, name):
    """Count the calls of a function that returns (y, backward), and of what it returns."""
    @functools.wraps(function)
    def wrapper(self, x, training=False):
        y, backward = function(self, x, training)
        calls[name, id(self), "forward"] += 1

        def counted_backward(dy):
            calls[name, id(self), "backward"] += 1
            return backward(dy)
        return y, counted_backward
    return wrapper


def test_without_fusing_a_counter_sees_each_step_forward_and_backward_once_a_batch(layers, monkeypatch):
    x, y = samples()
    with kernels.use("fast", fuse=False):
        model, calls = made(layers), Counter()
        for name in {row.function for row in model.plan()}:
            module, cls, method = name.rsplit(".", 2)
            owner = getattr(importlib.import_module(module), cls)
            monkeypatch.setattr(owner, method, counted(getattr(owner, method), calls, name))
        model.fit(x, y, batch_size=5, epochs=2, verbose=0)
        assert len(calls) == 2 * len(steps_of(model))
        assert set(calls.values()) == {8}


def test_without_fusing_the_loss_works_on_the_probabilities():
    model = made(mlp)
    model.params["dense_2/bias"][...] = [100, 0, 0]
    x, y = samples(4)
    y = np.float32([[0, 1, 0]] * 4)
    exact = model.evaluate(x, y, verbose=0)[0]
    with kernels.use("fast", fuse=False):
        clipped = model.evaluate(x, y, verbose=0)[0]
    assert exact > 90
    assert clipped == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_training_without_fusing_ends_at_the_same_weights(layers):
    x, y = samples(40)
    fused, single = made(layers), made(layers)
    fused.fit(x, y, batch_size=8, epochs=3, verbose=0)
    with kernels.use("fast", fuse=False):
        single.fit(x, y, batch_size=8, epochs=3, verbose=0)
    for name, p in fused.params.items():
        np.testing.assert_allclose(single.params[name], p, rtol=1e-4, atol=1e-4, err_msg=name)


def test_training_computes_no_input_gradient_that_nobody_asks_for(monkeypatch):
    from tinynet.kernels import im2col
    calls, original = [], im2col.conv2d_input_gradient

    def counting(dy, *args):
        calls.append(dy.shape)
        return original(dy, *args)
    monkeypatch.setattr(im2col, "conv2d_input_gradient", counting)
    for fuse, expected in (True, 1), (False, 2):                       # of the second convolution; of both
        with kernels.use("im2col", fuse=fuse):
            calls.clear()
            made(larger_cnn).train_on_batch(*samples(4))
            assert len(calls) == expected


def test_use_puts_fusing_back():
    with kernels.use("fast", fuse=False):
        assert not kernels.fuses()
        with kernels.use("im2col"):
            assert kernels.fuses()
        assert not kernels.fuses()
    assert kernels.fuses()


def test_the_plan_is_kept_while_nothing_changes():
    model = made(larger_cnn)
    before, predicting = model.plan(), model.plan(training=False)
    model.fit(*samples(), verbose=0)
    assert model.plan() is before
    assert model.plan(training=False) is predicting


def mine(self, x, training=False):
    """A forward of one's own, marked by what it returns."""
    return x * 0 + 7, lambda dy: dy


def replace_forward_on_class(model, monkeypatch):
    monkeypatch.setattr(ReLU, "forward", mine)


def replace_forward_on_instance(model, monkeypatch):
    model.layers[1].forward = mine.__get__(model.layers[1])


def replace_linear_on_class(model, monkeypatch):
    original = Conv2D.linear
    monkeypatch.setattr(Conv2D, "linear", lambda self, x, training=False: original(self, x, training))


def replace_weighted_forward_on_instance(model, monkeypatch):
    model.layers[0].forward = functools.partial(Conv2D.forward, model.layers[0])


def replace_weighted_forward_on_class(model, monkeypatch):
    original = Conv2D.forward
    monkeypatch.setattr(Conv2D, "forward", lambda self, x, training=False: original(self, x, training))


def exchange_activation(model, monkeypatch):
    model.layers[0].activation = Tanh()


def limit_activation(model, monkeypatch):
    model.layers[0].activation.max_value = 0.1


def exchange_layer(model, monkeypatch):
    model.layers[1] = Shifted()


def exchange_windows(model, monkeypatch):
    other = MaxPooling2D(3, strides=2)
    model.layers[1].windows = other.windows


def insert_layer(model, monkeypatch):
    model.layers.insert(1, Shifted())
    model.layer_names.insert(1, "shifted_1")


class Shifted(Layer):
    def forward(self, x, training=False):
        return x + 1, lambda dy: dy


ALONE, WITH_ITS_RELU = ("conv2d_1",), ("conv2d_1", "conv2d_1/relu")
CHANGES = {                                      # what is left of the step that was convolution, ReLU and pooling
    replace_forward_on_class: (ALONE, True), replace_forward_on_instance: (WITH_ITS_RELU, True),
    replace_linear_on_class: (ALONE, False), replace_weighted_forward_on_instance: (ALONE, False),
    replace_weighted_forward_on_class: (ALONE, False), exchange_activation: (ALONE, True),
    limit_activation: (ALONE, True),
    exchange_layer: (WITH_ITS_RELU, True), exchange_windows: (WITH_ITS_RELU, True), insert_layer: (WITH_ITS_RELU, True)}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_plan_is_never_stale(change, monkeypatch):
    model = Sequential([Conv2D(4, 2, activation="relu"), MaxPooling2D()], input_shape=IMAGE, seed=1)
    model.compile("adam", "mse")
    x = samples(3)[0]
    before = model.plan()
    model.predict(x)
    change(model, monkeypatch)
    fresh = x
    for layer in model.layers:
        fresh = layer.forward(fresh)[0]
    np.testing.assert_allclose(model.predict(x), fresh, rtol=1e-5, atol=1e-6)
    y, backward = model.forward(x, training=True)
    assert y.shape == fresh.shape
    assert backward(y).shape == x.shape
    assert model.plan() is not before
    assert model.plan()[0][:2] == CHANGES[change]


def test_a_replaced_forward_runs_by_itself_in_fit_too():
    model, seen = made(simple_cnn), []
    relu = model.layers[0].activation
    original = relu.forward

    def forward(x, training=False):
        seen.append(training)
        return original(x, training)
    relu.forward = forward
    model.fit(*samples(), batch_size=10, verbose=0)
    assert seen == [True, True]
    assert model.plan()[1].function.endswith("forward")


def test_another_loss_and_another_kernel_set_make_another_plan():
    model = made(simple_cnn)
    before = model.plan()
    with kernels.use("im2col"):
        rows = model.plan()
        assert [row.layers for row in rows if row.fused] == [("dense_2/softmax",)]
    assert [tuple(row) for row in model.plan()] == [tuple(row) for row in before]
    model.loss = CategoricalCrossentropy(from_logits=True)
    assert model.plan()[-1].function == "tinynet.steps.fused.softmax"
    model.compile("sgd", "mse")
    assert model.plan()[-1].function == "tinynet.steps.fused.softmax"


def test_a_layer_that_makes_its_parameters_in_its_first_forward_learns_from_the_first_batch():
    class Late(Layer):
        def forward(self, x, training=False):
            scale = self.params.setdefault("scale", np.ones((), np.float32))

            def backward(dy):
                self.grads["scale"] = (dy * x).sum()
                return dy * scale
            return x * scale, backward
    model = Sequential([Late(), Flatten(), Dense(3, activation="softmax")], input_shape=IMAGE)
    model.compile("adam", "categorical_crossentropy")
    model.train_on_batch(*samples())
    assert model.params["late_1/scale"] != 1


def test_subclasses_that_only_replace_the_sum_are_run_by_their_own():
    class Doubled(Dense):
        def linear(self, x, training=False):
            y, backward = super().linear(x, training)
            return 2 * y, lambda dy: backward(2 * dy)
    model = Sequential([Doubled(4, activation="relu")], input_shape=(3,), seed=0)
    assert [row.layers for row in model.plan()] == [("doubled_1",), ("doubled_1/relu",)]
    assert "Doubled.linear" in model.plan()[0].function
