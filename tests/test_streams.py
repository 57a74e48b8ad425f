"""Loops that are launched while Python goes on: whoever reads or writes their arrays meets what each loop has left.

Here they are as late as can be: there are no other threads, and none is done before somebody waits for it. So what does
not wait where it must computes with what was in memory before, in every run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tinynet import Sequential, losses, optimizers
from tinynet.kernels import streams
from tinynet.kernels.fast import products, threads, workers
from tinynet.kernels.fast.convolutions.conv2d import convolution
from tinynet.kernels.fast.llvm.chunks import chunked
from tinynet.layers import (
    ELU,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    Layer,
    LayerNormalization,
    MaxPool2D,
    PReLU,
    ReLU,
    Residual,
    SeparableConv2D,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)

CLASSES = 10


@pytest.fixture
def late(monkeypatch):
    """Three threads, two of which never come."""
    monkeypatch.setenv("TINYNET_NUM_THREADS", "3")
    monkeypatch.setattr(threads, "_shared", {"workers": workers.Workers(0, awake=False)})
    launched = []
    keep = streams.Stream.keep
    monkeypatch.setattr(streams.Stream, "keep", lambda self, *what: launched.append(1) or keep(self, *what))
    return launched


class Own(Layer):
    """x + x^2, by NumPy."""

    def forward(self, x, training=False):
        return x + x * x, lambda dy: dy * (1 + 2 * x)


class Shrinks:
    """A penalty of one's own, sum(w^4), by NumPy."""

    def value(self, w):
        return float(np.sum(w ** 4))

    def gradient(self, w):
        return 4 * w ** 3


class Steps(optimizers.Optimizer):
    """An optimizer of one's own, by NumPy."""

    def step(self, p, g, slots, learning_rate):
        p -= learning_rate * np.sign(g)


NETWORKS = {
    "MLP": ((50,), lambda: [Dense(64, activation="relu"), Dense(CLASSES, activation="softmax")]),
    "digits": ((784,), lambda: [Dense(784, activation="relu"), Dense(CLASSES, activation="softmax")]),
    "simple CNN": ((1, 28, 28), lambda: [Conv2D(32, 5, activation="relu"), MaxPool2D(), Dropout(0.2), Flatten(),
                                         Dense(128, activation="relu"), Dense(CLASSES, activation="softmax")]),
    "larger CNN": ((1, 28, 28), lambda: [
        Conv2D(30, 5, activation="relu"), MaxPool2D(), Conv2D(15, 3, activation="relu"), MaxPool2D(), Dropout(0.2),
        Flatten(), Dense(128, activation="relu"), Dense(50, activation="relu"), Dense(CLASSES, activation="softmax")]),
    "squares": ((16, 14, 14), lambda: [Conv2D(16, 3, padding="same", activation="relu"), Conv2D(16, 3, padding="same"),
                                       MaxPool2D(), Flatten(), Dense(CLASSES, activation="softmax")]),
    "normalised": ((3, 12, 12), lambda: [
        Conv2D(8, 3, use_bias=False), BatchNormalization(), ReLU(), Conv2D(17, 3), MaxPool2D(), BatchNormalization(),
        ReLU(), GlobalAvgPool2D(), Dense(CLASSES, activation="softmax")]),
    "residual": ((8, 9, 9), lambda: [Residual([Conv2D(8, 3, padding="same"), BatchNormalization(), ReLU()]), Flatten(),
                                     Dense(CLASSES, activation="softmax")]),
    "groups": ((4, 9, 9), lambda: [Conv2D(8, 3, groups=2, padding="same", activation="relu"), DepthwiseConv2D(3),
                                   SeparableConv2D(5, 3), Conv2D(6, 3, strides=2, activation="tanh"), Flatten(),
                                   Dense(CLASSES, activation="softmax")]),
    "of all kinds": ((2, 9, 9), lambda: [
        ZeroPadding2D(1), Conv2DTranspose(5, 3), PReLU(), AveragePool2D(2), SpatialDropout2D(0.2), UpSampling2D(2),
        LayerNormalization(), ELU(), GlobalMaxPool2D(), Dense(33, activation="sigmoid"), Dropout(0.5),
        BatchNormalization(), Dense(7, use_bias=False), Dense(CLASSES, activation="softmax")]),
    "dense on images": ((3, 9, 9), lambda: [
        Conv2D(4, 3, activation="relu"), Dense(16, activation="relu"), Dropout(0.2), Dense(5), Conv2D(3, 3), Dense(4),
        Flatten(), Dense(CLASSES, activation="softmax")]),
    "with a layer of one's own": ((1, 12, 12), lambda: [
        Conv2D(4, 3, activation="relu"), Own(), MaxPool2D(), Flatten(), Dense(40, activation="relu"), Own(),
        Dense(CLASSES, activation="softmax")]),
    "with a penalty of one's own": ((30,), lambda: [
        Dense(70, activation="relu", kernel_regularizer=Shrinks()), Dense(CLASSES, activation="softmax")]),
    "with penalties": ((30,), lambda: [
        Dense(70, activation="relu", kernel_regularizer="l2", bias_regularizer="l1", kernel_constraint="max_norm"),
        Dense(20, activation="relu", activity_regularizer="l2"), Dense(CLASSES, activation="softmax")]),
}
OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01), "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "running means": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "decay": lambda: optimizers.AdamW(0.01, weight_decay=0.1), "clipnorm": lambda: optimizers.Adam(0.01, clipnorm=0.1),
    "clipvalue": lambda: optimizers.Adam(0.01, clipvalue=0.01),
    "global_clipnorm": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "momentum": lambda: optimizers.SGD(0.01, momentum=0.9), "rmsprop": lambda: optimizers.RMSprop(0.01),
    "one's own": lambda: Steps(0.01),
}


def trained(shape, layers, optimizer=OPTIMIZERS["adam"], loss="categorical_crossentropy", dtype="float32", samples=60,
            weights=False, metrics=()):
    """Return all bits of three steps: values, gradients and weights."""
    rng = np.random.default_rng(1)
    model = Sequential(layers(), input_shape=shape, seed=0, dtype=dtype)
    model.compile(optimizer(), loss, metrics=[*metrics])
    bits = hashlib.sha256()
    for step in range(3):
        x, y = rng.normal(size=(samples, *shape)).astype(dtype), np.eye(CLASSES)[rng.integers(CLASSES, size=samples)]
        x *= step < 2 or rng.random(x.shape) < 0.1                                       # mostly zeros, in the last
        value = model.train_on_batch(x, y, sample_weight=rng.random(samples) if weights else None)
        for array in (np.array(value), *model.grads.values(), *model.get_weights()):
            bits.update(np.ascontiguousarray(array).tobytes())
    return bits.hexdigest()


def on_one_thread(monkeypatch, *args, **kwargs):
    with monkeypatch.context() as patch:
        patch.setenv("TINYNET_NUM_THREADS", "1")
        return trained(*args, **kwargs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_steps_whose_loops_come_late_have_the_same_bits(network, dtype, late, monkeypatch):
    wanted = on_one_thread(monkeypatch, *network, dtype=dtype)
    assert not late
    assert trained(*network, dtype=dtype) == wanted
    assert len(late) > 3 * 5                                                     # or so many loops for each step


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("network", ["MLP", "normalised"])
def test_optimizers_meet_gradients_that_are_there(network, optimizer, late, monkeypatch):
    of_network = NETWORKS[network]
    assert trained(*of_network, optimizer) == on_one_thread(monkeypatch, *of_network, optimizer)


@pytest.mark.parametrize("options", [
    {"loss": "mse"}, {"loss": "binary_crossentropy"}, {"loss": losses.CategoricalCrossentropy(label_smoothing=0.1)},
    {"weights": True}, {"metrics": ["accuracy"]}, {"samples": 1}, {"samples": 2}, {"samples": 333}], ids=str)
def test_losses_and_metrics_meet_outputs_that_are_there(options, late, monkeypatch):
    of_network = NETWORKS["MLP"]
    assert trained(*of_network, **options) == on_one_thread(monkeypatch, *of_network, **options)


def launched_and_not(run):
    """Return what a function of kernels returns where its loops are launched, and where each is waited for."""
    def launching():
        with streams.launching_loops():
            found = run()
        streams.synchronize()
        return found
    return threads.in_stream(launching), run()


@pytest.mark.parametrize("where", ["nowhere", "x", "kernel", "dy"])
def test_squares_that_are_not_finite_are_seen_before_they_are_returned(where, late, rng):
    x, kernel, dy = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 16, 14, 14), (16, 16, 3, 3),
                                                                              (4, 16, 12, 12)))
    if where != "nowhere":
        {"x": x, "kernel": kernel, "dy": dy}[where][1, 2, 2, 2] = np.inf

    def run():
        product = convolution(x, kernel, (1, 1), (1, 1))
        return [product.forward(np.ones(16, np.float32)), *product.backward(dy, True)]
    for launched, waited_for in zip(*launched_and_not(run), strict=True):
        np.testing.assert_array_equal(launched, waited_for)


@pytest.mark.parametrize("shape", [(60, 784, 300), (60, 784, 320), (5, 7, 3), (64, 100, 48), (1, 100, 200)], ids=str)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("number", [1.0, np.inf])
def test_products_of_factors_that_loops_are_still_to_fill(shape, transposed, number, late, rng):
    """The left one is mostly zeros in the end, and anything before."""
    M, K, N = shape
    zeros, b = (rng.random((M, K)) < 0.1).astype(np.float32), rng.normal(size=(N, K) if transposed else (K, N))
    b = b.astype(np.float32)
    b[1, 1] = number

    def run():
        a = np.full(M * K, np.pi, np.float32)
        threads.for_chunks(add, a.size, a.size, -a[0], a)
        threads.for_chunks(add_all, a.size, a.size, zeros.reshape(-1), a)
        return [products.matmul(a.reshape(M, K), b.T if transposed else b)]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(*[found[0] for found in launched_and_not(run)])


@chunked
def add_all(start, stop, more, numbers):
    """Add numbers to others, both (n,)."""
    for n in range(start, stop):
        numbers[n] += more[n]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_loss_of_images_that_lie_channels_last(loss, late, monkeypatch):
    x = np.random.default_rng(0).normal(size=(20, 3, 9, 9)).astype(np.float32)
    labels = np.random.default_rng(1).integers(7, size=(20, 5, 7))
    y = labels if loss.startswith("sparse") else np.eye(7)[labels]

    def weights():
        model = Sequential([Conv2D(5, 3, activation="relu"), Softmax()], input_shape=(3, 9, 9), seed=0)
        model.compile("adam", loss)
        return [model.train_on_batch(x, y), *map(np.copy, model.get_weights()), *map(np.copy, model.grads.values())]
    found = weights()
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    for launched, waited_for in zip(found, weights(), strict=True):
        np.testing.assert_array_equal(launched, waited_for)


def test_who_overrides_the_objective_gets_gradients_that_are_there(late, monkeypatch):
    class Doubled(Sequential):
        def objective(self, *args, **kwargs):
            value, y_pred, backward = super().objective(*args, **kwargs)

            def doubled():
                backward()
                for key, g in self.grads.items():
                    self.grads[key] = 2 * g
            return value, y_pred, doubled

    def weights():
        model = Doubled([Dense(40, activation="relu"), Dense(CLASSES, activation="softmax")], input_shape=(5,), seed=0)
        model.compile("sgd", "categorical_crossentropy")
        model.train_on_batch(np.ones((60, 5), np.float32), np.eye(CLASSES)[np.arange(60) % CLASSES])
        return model.get_weights()
    found = weights()
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    for launched, waited_for in zip(found, weights(), strict=True):
        np.testing.assert_array_equal(launched, waited_for)


MEMORY = """
import sys
sys.path.insert(0, "tests")
from test_streams import NETWORKS, trained
from tinynet.kernels.fast import threads, workers
threads._shared["workers"] = workers.Workers(0, awake=False)
for name in "larger CNN", "normalised", "groups", "with penalties":
    print(trained(*NETWORKS[name], samples=20))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs what glibc has: it spoils memory that is freed")
def test_what_launched_loops_read_stays_in_memory():
    found = [subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, env={
        **os.environ, "TINYNET_NUM_THREADS": number, "MALLOC_PERTURB_": "173", "MALLOC_MMAP_THRESHOLD_": "65536",
        }).stdout for number in ("1", "3")]
    assert found[0] == found[1]


@chunked
def add(start, stop, amount, numbers):
    """Add to numbers (n,)."""
    for n in range(start, stop):
        numbers[n] += amount


def test_loops_are_done_in_order_when_somebody_waits(late):
    numbers = np.zeros(5)

    def run():
        with streams.launching_loops():
            threads.for_chunks(add, 5, 1, 1.0, numbers)
            after_first = streams.waiting(lambda: numbers.tolist())
            threads.for_chunks(add, 5, 5, 2.0, numbers)
            seen = [numbers.tolist(), after_first(), numbers.tolist()]
            streams.synchronize()
            return [*seen, numbers.tolist(), after_first()]
    assert threads.in_stream(run) == [[0] * 5, [1] * 5, [1] * 5, [3] * 5, [1] * 5]
    threads.for_chunks(add, 5, 2, 1.0, numbers)                               # outside, each is waited for
    assert numbers.tolist() == [4] * 5


def test_more_loops_than_the_queue_has_room_for(late):
    numbers = np.zeros(3)

    def run():
        with streams.launching_loops():
            for _ in range(500):
                threads.for_chunks(add, 3, 1, 1.0, numbers)
    threads.in_stream(run)
    assert numbers.tolist() == [500] * 3


def test_python_loops_wait_for_those_launched_before(late):
    numbers, seen = np.zeros(4), []

    def run():
        with streams.launching_loops():
            threads.for_chunks(add, 4, 1, 1.0, numbers)
            threads.parallel_for(lambda start, stop: seen.append(numbers[start:stop].tolist()), 4, 2)
    threads.in_stream(run)
    assert seen == [[1, 1], [1, 1]]


def test_an_error_in_a_step_leaves_no_loop_behind(late):
    numbers = np.zeros(4)

    def run():
        with streams.launching_loops():
            threads.for_chunks(add, 4, 1, 1.0, numbers)
            raise KeyboardInterrupt
    for k in range(1, 4):
        with pytest.raises(KeyboardInterrupt):
            threads.in_stream(run)
        assert numbers.tolist() == [k] * 4
        assert streams.current_stream() is None


def test_only_one_thread_launches_at_a_time(late):
    found = []

    def run():
        other = threading.Thread(target=lambda: found.append(threads.in_stream(streams.current_stream)))
        other.start()
        other.join()
        return streams.current_stream()
    assert threads.in_stream(run) is not None
    assert found == [None]


def test_other_threads_do_their_loops_alone(late):
    launched, others = np.zeros(5), np.zeros(5)

    def run():
        with streams.launching_loops():
            threads.for_chunks(add, 5, 1, 1.0, launched)
            other = threading.Thread(target=lambda: threads.for_chunks(add, 5, 1, 1.0, others))
            other.start()
            other.join()
            return launched.tolist(), others.tolist()
    assert threads.in_stream(run) == ([0] * 5, [1] * 5)


def test_trainings_side_by_side_have_the_bits_of_one_alone(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "3")
    monkeypatch.setattr(threads, "_shared", {"workers": workers.Workers(2, awake=True)})
    found = []
    callers = [threading.Thread(target=lambda: found.append(trained(*NETWORKS["larger CNN"]))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [on_one_thread(monkeypatch, *NETWORKS["larger CNN"])] * 3


def test_a_loss_that_is_no_number_changes_nothing(late):
    model = Sequential([Dense(40, activation="relu"), Dense(CLASSES, activation="softmax")], input_shape=(5,), seed=0)
    model.compile("adam", "categorical_crossentropy")
    x, y = np.ones((60, 5), np.float32), np.eye(CLASSES, dtype=np.float32)[np.arange(60) % CLASSES]
    model.train_on_batch(x, y)
    before = [array.copy() for array in (*model.get_weights(), *model.grads.values())]
    with np.errstate(all="ignore"):
        assert np.isnan(model.train_on_batch(x * np.nan, y))
    for array, old in zip((*model.get_weights(), *model.grads.values()), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("finite", [True, False])
def test_a_layer_that_refuses_gradients_is_heard_unless_the_loss_is_no_number(finite, late):
    class Refuses(Layer):
        def forward(self, x, training=False):
            def backward(dy):
                raise ValueError("refused")
            return x, backward
    model = Sequential([Dense(4), Refuses(), Dense(CLASSES, activation="softmax")], input_shape=(5,), seed=0)
    model.compile("sgd", "categorical_crossentropy")
    x, y = np.full((60, 5), 1.0 if finite else np.nan, np.float32), np.eye(CLASSES)[np.arange(60) % CLASSES]
    before = [array.copy() for array in model.get_weights()]
    with np.errstate(all="ignore"):
        if finite:
            with pytest.raises(ValueError, match="refused"):
                model.train_on_batch(x, y)
        else:
            assert np.isnan(model.train_on_batch(x, y))
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_an_objective_put_on_one_model_is_what_trains_it(late):
    model = Sequential([Dense(CLASSES, activation="softmax")], input_shape=(5,), seed=0)
    model.compile("sgd", "categorical_crossentropy")
    own, calls = model.objective, []
    model.objective = lambda *args, **kwargs: calls.append(1) or own(*args, **kwargs)
    model.train_on_batch(np.ones((60, 5), np.float32), np.eye(CLASSES)[np.arange(60) % CLASSES])
    assert calls == [1]


def test_a_metric_that_fails_costs_no_update(late):
    def fails(y_true, y_pred):
        raise ZeroDivisionError
    model = Sequential([Dense(CLASSES, activation="softmax")], input_shape=(5,), seed=0)
    model.compile("adam", "categorical_crossentropy", [fails])
    before = [array.copy() for array in model.get_weights()]
    with pytest.raises(ZeroDivisionError):
        model.train_on_batch(np.ones((60, 5), np.float32), np.eye(CLASSES)[np.arange(60) % CLASSES])
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)
