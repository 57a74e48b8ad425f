"""Weights: getting, setting, writing through, counting."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense, Flatten


@pytest.fixture
def model():
    return Sequential([Conv2D(2, 3, input_shape=(1, 5, 5)), Flatten(), Sequential([Dense(3)]),
                       Dense(2, use_bias=False)], seed=0)


def test_weights_come_in_the_order_of_params(model):
    shapes = [w.shape for w in model.get_weights()]
    assert shapes == [p.shape for p in model.params.values()] == [(2, 1, 3, 3), (2,), (18, 3), (3,), (3, 2)]


def test_weights_that_were_got_are_copies(model):
    weights = model.get_weights()
    weights[0][...] = 99
    assert (model.params["conv2d_1/kernel"] != 99).all()


def test_weights_that_are_set_are_copied_into_the_same_arrays_and_dtype(model):
    arrays, weights = list(model.params.values()), [w.astype(float) + 1 for w in model.get_weights()]
    model.set_weights(weights)
    weights[0][...] = 99
    for array, now in zip(arrays, model.params.values(), strict=True):
        assert now is array
        assert now.dtype == np.float32
    assert (model.params["conv2d_1/kernel"] != 99).all()
    np.testing.assert_allclose(model.params["sequential_1/dense_1/kernel"], weights[2], rtol=1e-6)


@pytest.mark.parametrize("change", [lambda w: w[:-1], lambda w: [*w, w[0]], lambda w: w[::-1],
                                    lambda w: [w[0].T, *w[1:]]], ids=["few", "many", "reversed", "transposed"])
def test_weights_of_other_shapes_are_refused_and_nothing_is_set(model, change):
    before = model.get_weights()
    with pytest.raises(ValueError, match="Sequential: expected weights of shapes"):
        model.set_weights(change([w + 1 for w in before]))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_writing_to_params_writes_to_the_layers(model):
    new = np.ones((3, 2), np.float32)
    model.params["dense_1/kernel"] = new
    assert model.layers[-1].params["kernel"] is new
    model.params["sequential_1/dense_1/bias"] = np.full(3, 7, np.float32)
    assert model.layers[2].layers[0].params["bias"].tolist() == [7, 7, 7]
    assert model.params["sequential_1/dense_1/bias"].tolist() == [7, 7, 7]
    model.params.update({"dense_1/kernel": 2 * new})
    assert (model.layers[-1].params["kernel"] == 2).all()


def test_writing_into_an_array_of_params_changes_the_model(model):
    model.params["dense_1/kernel"][...] = 0
    assert not model.predict(np.ones((1, 1, 5, 5))).any()


def test_setting_params_or_grads_as_a_whole_sets_the_layers(model):
    model.params = {key: np.zeros_like(p) for key, p in model.params.items()}
    assert not any(p.any() for p in model.layers[0].params.values())
    model.grads = {key: np.ones_like(p) for key, p in model.params.items()}
    assert (model.layers[2].layers[0].grads["bias"] == 1).all()


def test_weights_that_were_written_are_the_ones_that_are_trained(model):
    model.compile("sgd", "mse")
    model.params["dense_1/kernel"] = np.full((3, 2), 0.5, np.float32)
    model.train_on_batch(np.ones((2, 1, 5, 5)), np.ones((2, 2)))
    assert (model.params["dense_1/kernel"] != 0.5).all()
    assert abs(model.params["dense_1/kernel"] - 0.5).max() < 0.5


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_transposed_array_from_elsewhere_is_trained_too(optimizer):
    model = Sequential([Dense(3, input_dim=4)], seed=0)
    model.params["dense_1/kernel"] = np.arange(12, dtype=np.float32).reshape(3, 4).T
    before = model.get_weights()[0]
    model.compile(optimizer, "mse")
    model.train_on_batch(np.ones((2, 4)), np.zeros((2, 3)))
    assert (model.get_weights()[0] != before).all()


def test_counts_are_the_sizes_of_the_arrays(model):
    assert [layer.count_params() for layer in model.layers] == [20, 0, 57, 6]
    assert model.count_params() == 83


def test_a_model_with_the_same_weights_computes_the_same(model):
    again = Sequential.from_config(model.get_config())
    x = np.random.default_rng(1).normal(size=(3, 1, 5, 5))
    assert (again.predict(x) != model.predict(x)).all()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
