"""A model is a layer: nested, it computes and trains as its layers would flat."""

import copy

import numpy as np
import pytest
from oracles import assert_gradients_right

from tinynet import Sequential, load_model
from tinynet.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Residual


def parts():
    return [Conv2D(3, 3, activation="relu"), MaxPool2D(), Dropout(0.25), Flatten(),
            Dense(5, activation="tanh", kernel_regularizer="l2"), Dense(3, activation="softmax")]


def flat(**arguments):
    return Sequential(parts(), input_shape=(1, 8, 8), **arguments)


def nested(**arguments):
    p = parts()
    return Sequential([Sequential(p[:2]), p[2], Sequential([p[3], Sequential([p[4]])]), Sequential([p[5]])],
                      input_shape=(1, 8, 8), **arguments)


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 1, 8, 8)), np.eye(3)[rng.integers(0, 3, 20)]


def test_names_of_nested_parameters_are_paths():
    assert list(nested().params) == [
        "sequential_1/conv2d_1/kernel", "sequential_1/conv2d_1/bias",
        "sequential_2/sequential_1/dense_1/kernel", "sequential_2/sequential_1/dense_1/bias",
        "sequential_3/dense_1/kernel", "sequential_3/dense_1/bias"]


def test_nested_models_are_built_with_the_generator_of_the_outer_one():
    for a, b in zip(flat(seed=5).get_weights(), nested(seed=5).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert nested(seed=5).layers[1].rng is not None


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_nested_model_trains_as_the_flat_one_bit_by_bit(data, optimizer):
    models = flat(seed=5), nested(seed=5)
    histories = []
    for model in models:
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        histories.append(model.fit(*data, batch_size=6, epochs=3, verbose=0, validation_split=0.2).history)
    assert histories[0] == histories[1]
    for a, b in zip(*[model.get_weights() for model in models], strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradients_of_a_nested_model_are_slopes(rng):
    assert_gradients_right(nested(dtype="float64", seed=1), rng.normal(size=(2, 1, 8, 8)))


def test_a_trained_model_can_be_put_into_another(data):
    inner = flat(seed=1)
    inner.compile("sgd", "categorical_crossentropy")
    inner.fit(*data, verbose=0)
    outer = Sequential([inner, Dense(2)])
    assert outer.input_shape == (1, 8, 8)
    np.testing.assert_allclose(outer.predict(data[0]), inner.predict(data[0]) @ outer.params["dense_1/kernel"],
                               rtol=1e-5, atol=1e-6)


def test_the_dropout_of_a_nested_model_is_on_in_training_and_off_in_inference(rng):
    model = Sequential([Sequential([Dropout(0.5)])], input_shape=(100,))
    x = rng.normal(size=(2, 100)).astype(np.float32)
    np.testing.assert_array_equal(model(x), x)
    assert (model(x, training=True) == 0).mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("layer", [Dense(3, activation=Dropout(0.5)), Conv2D(3, 1, activation=Dropout(0.5)),
                                   Activation(Dropout(0.5)), Dropout(0.5)], ids=lambda layer: type(layer).__name__)
def test_what_differs_in_training_says_so_from_any_depth(layer):
    assert layer.differs_in_training
    assert Sequential([Flatten(), Sequential([layer])]).differs_in_training
    assert not Sequential([Dense(3, activation="relu"), Sequential([Activation("tanh")])]).differs_in_training


def test_inner_models_given_as_activation_are_run(rng):
    model = Sequential([Dense(3, activation=Sequential([ReLU()]), input_dim=2)], dtype="float64")
    x = rng.normal(size=(5, 2))
    np.testing.assert_allclose(model(x), np.maximum(x @ model.params["dense_1/kernel"], 0), rtol=1e-12)


def test_an_empty_model_inside_another_is_refused():
    with pytest.raises(ValueError, match="expected a model with layers"):
        Sequential([Dense(2, input_dim=3), Sequential([])])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inner", [
    lambda: Sequential([Dense(2)]), lambda: Sequential([Dense(2, input_dim=3)]),
    lambda: Sequential([Dense(2, input_dim=3)], dtype="float64"),
    lambda: Sequential([Sequential([Dense(4, input_dim=3)]), Sequential([Dense(2)])])],
    ids=["not built", "built", "built in float64", "two deep"])
@pytest.mark.parametrize("shape", [(3,), None], ids=["built at once", "built by its data"])
def test_models_inside_one_take_over_its_dtype_and_come_back_from_its_file(tmp_path, dtype, inner, shape):
    model = Sequential([inner(), Dense(1)], input_shape=shape, dtype=dtype, seed=0)
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    assert {array.dtype for array in model.get_weights()} == {np.dtype(dtype)}
    assert model.predict(np.ones((4, 3))).dtype == dtype
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(np.ones((4, 3))), model.predict(np.ones((4, 3))))
    assert again.layers[0].dtype == np.dtype(dtype)


@pytest.mark.parametrize("shared", [lambda layer: layer, lambda layer: Sequential([layer]),
                                    lambda layer: Residual([layer])], ids=["itself", "in a model", "in a residual"])
def test_what_is_in_a_model_of_another_dtype_is_refused_by_name(shared):
    layer = Dense(3, input_dim=3)
    inside = shared(layer)
    first = Sequential([inside], input_shape=(3,))
    for again in (inside, layer):
        with pytest.raises(ValueError, match=rf"{type(again).__name__} '.*': expected a model of dtype float32, as "
                                             r".*\. Received: one of dtype float64\."):
            Sequential([again], dtype="float64")
    assert layer.params["kernel"].dtype == first.predict(np.ones((2, 3))).dtype == np.float32
    Sequential([copy.deepcopy(layer)], dtype="float64")
    assert Sequential([first.pop()], input_shape=(3,), dtype="float64").get_weights()[0].dtype == np.float64
