"""Whole models learn: every layer's weights move, the loss falls, and the kernel sets agree on the way."""

import numpy as np
import pytest
from sampled import sampled

from tinynet import Sequential, TrainingDiverged, kernels
from tinynet.datasets import mnist
from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, Flatten, MaxPool2D
from tinynet.optimizers import SGD, Adam, RMSprop
from tinynet.utils import to_categorical


@pytest.fixture(scope="module")
def digits():
    (x, labels), _ = mnist.load_data()
    return (x[:500, None] / 255).astype(np.float32), to_categorical(labels[:500])


def larger_cnn(dtype="float32"):
    """Make the notebook's larger model with fewer filters; no dropout, so that the sets can be compared."""
    model = Sequential([Conv2D(8, (5, 5), activation="relu", input_shape=(1, 28, 28)), MaxPool2D((2, 2)),
                        Conv2D(6, (3, 3), activation="relu"), MaxPool2D((2, 2)), Flatten(),
                        Dense(32, activation="relu"), Dense(10, activation="softmax")], seed=7, dtype=dtype)
    model.compile(loss="categorical_crossentropy", optimizer=Adam(0.003), metrics=["accuracy"])
    return model


def tiny_cnn():
    model = Sequential([Conv2D(2, 3, activation="relu", padding="same", input_shape=(1, 7, 7)), MaxPool2D(),
                        Conv2D(3, 2, strides=2, activation="tanh"), AveragePool2D(2, strides=1, padding="same"),
                        Flatten(), Dense(3, activation="softmax")], seed=7, dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(0.01))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("kernel_set", ["im2col", "fast"])
def test_every_layer_of_a_cnn_moves_and_the_loss_falls(kernel_set, digits):
    model = larger_cnn()
    before = {key: p.copy() for key, p in model.params.items()}
    with kernels.use(kernel_set):
        history = model.fit(*digits, batch_size=50, epochs=6, verbose=0).history
    for key, p in model.params.items():
        assert np.isfinite(p).all()
        moved = np.sqrt(np.mean((p - before[key]) ** 2))
        assert moved > 0.001, f"{key} hardly moved: {moved}"
    assert history["loss"][0] < 2.3                          # log(10): no better than guessing
    assert history["loss"][-1] < 0.6                         # after 60 steps: 0.46
    assert history["accuracy"][-1] > 0.75


def test_the_gradients_of_the_convolutions_are_not_zero(digits):
    model = larger_cnn()
    _, _, backward = model.objective(digits[0][:50], digits[1][:50], training=True)
    backward()
    for key, g in model.grads.items():
        assert np.sqrt(np.mean(g ** 2)) > 1e-5, key
        assert (g != 0).mean() > 0.5, key


def test_im2col_and_fast_train_alike(digits):
    x, y = digits[0][:100], digits[1][:100]
    weights = {}
    for kernel_set in "im2col", "fast":
        with kernels.use(kernel_set):
            model = larger_cnn("float64")
            model.fit(x, y, batch_size=20, verbose=0)
            weights[kernel_set] = model.get_weights()
    for a, b in zip(weights["im2col"], weights["fast"], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-9)


def test_all_three_sets_train_alike_on_tiny_images(rng):
    x, y = rng.normal(size=(6, 1, 7, 7)), rng.integers(0, 3, 6)
    results = {}
    for kernel_set in kernels.NAMES:
        with kernels.use(kernel_set):
            model = tiny_cnn()
            losses = model.fit(x, y, batch_size=3, epochs=5, verbose=0).history["loss"]
            results[kernel_set] = [np.array(losses), *model.get_weights()]
    assert results["naive"][0][-1] < results["naive"][0][0]
    for kernel_set in "im2col", "fast":
        for a, b in zip(results["naive"], results[kernel_set], strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-10, err_msg=kernel_set)


def test_a_convolution_learns_a_known_kernel(rng):
    kernel = np.array([[[[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]]])
    teacher = Sequential([Conv2D(1, (2, 3), padding="same", input_shape=(1, 6, 6))], dtype="float64")
    teacher.set_weights([kernel, np.array([0.7])])
    student = Sequential([Conv2D(1, (2, 3), padding="same", input_shape=(1, 6, 6))], dtype="float64", seed=1)
    student.compile(SGD(0.3, momentum=0.5), "mse")
    x = rng.normal(size=(64, 1, 6, 6))
    student.fit(x, teacher.predict(x), batch_size=16, epochs=40, verbose=0)
    np.testing.assert_allclose(student.get_weights()[0], kernel, atol=1e-4)
    np.testing.assert_allclose(student.get_weights()[1], [0.7], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [SGD(0.5, momentum=0.9), SGD(0.5, momentum=0.9, nesterov=True),
                                       RMSprop(0.01), Adam(0.05)], ids=["momentum", "nesterov", "rmsprop", "adam"])
@pytest.mark.parametrize("head", sampled(["softmax", "sigmoid"], every=2))
def test_xor_is_learned(optimizer, head):
    x, labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    last = Dense(2, activation="softmax") if head == "softmax" else Dense(1, activation="sigmoid")
    loss = "sparse_categorical_crossentropy" if head == "softmax" else "mse"
    model = Sequential([Dense(8, activation="tanh", input_dim=2), last], seed=1)
    model.compile(type(optimizer)(**optimizer.get_config()), loss, metrics=["accuracy"])
    y = labels if head == "softmax" else labels[:, None]
    history = model.fit(x, y, epochs=400, batch_size=4, verbose=0).history
    assert history["accuracy"][-1] == 1
    assert history["loss"][-1] < 0.05


def test_dropout_regularises_but_does_not_keep_a_model_from_learning(digits):
    model = Sequential([Flatten(input_shape=(1, 28, 28)), Dense(64, activation="relu"), Dropout(0.5),
                        Dense(10, activation="softmax")], seed=0)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(*digits, batch_size=25, epochs=6, verbose=0).history
    loss, accuracy = model.evaluate(*digits, verbose=0)
    assert accuracy > 0.9
    assert loss < history["loss"][-1]                        # the training figures have dropout on


def test_a_diverging_training_says_so_in_its_loss(digits):
    model = Sequential([Flatten(input_shape=(1, 28, 28)), Dense(32, activation="relu"), Dense(10)], seed=0)
    model.compile(SGD(1e6), "mse")
    with pytest.raises(TrainingDiverged, match=r"The loss is (nan|inf) in epoch"):
        model.fit(*digits, epochs=3, verbose=0)
