"""A function of one's own as an activation: told if it has no slope, trained, saved, checked."""

import pickle
import re

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential, load_model
from tinynet.layers import Activation, Conv2D, Dense, Flatten, Lambda
from tinynet.models import clone_model
from tinynet.testing import check_layer


def sine(x):
    return np.sin(x), lambda dy: dy * np.cos(x)


def halved(x):
    return x / 2, lambda dy: dy / 2


def model():
    return Sequential([Conv2D(2, 2, activation=sine, input_shape=(1, 3, 3)), Flatten(), Activation(sine),
                       Dense(2, activation=halved)], seed=0)


@pytest.mark.parametrize("make", [lambda: Dense(3, activation=sine), lambda: Activation(sine)])
def test_slopes(make, rng):
    assert_gradients_right(built(make(), (4,)), rng.normal(size=(2, 4)))


def test_it_computes_what_the_function_does(rng):
    x = rng.normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_array_equal(Activation(sine)(x), np.sin(x))
    y, _ = Activation(sine).forward(np.array([[2]], np.uint8))                   # NumPy's sine of it is a float16
    np.testing.assert_array_equal(y, np.sin(np.array([[2.0]], np.float32)))


def test_steps_are_called_after_it():
    assert [step.name for step in model().steps()] == ["conv2d_1", "conv2d_1/sine", "flatten_1", "activation_1",
                                                        "dense_1", "dense_1/halved"]


def test_it_is_trained_saved_and_found_by_its_name(tmp_path, rng):
    x, y = rng.normal(size=(8, 1, 3, 3)), rng.normal(size=(8, 2))
    first = model()
    first.compile("adam", "mse")
    first.fit(x, y, epochs=2, verbose=0)
    first.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_objects={"sine": sine, "halved": halved})
    np.testing.assert_array_equal(again.predict(x), first.predict(x))
    assert again.get_config() == first.get_config()
    own = {"sine": sine, "halved": halved}
    assert Sequential.from_config(first.get_config(), custom_layers=own).get_config() == first.get_config()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).predict(x), first.predict(x))


def test_a_file_cannot_name_a_function_that_was_not_passed_in(tmp_path):
    model().save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"Unknown layer 'sine'.*custom_layers={'sine': \.\.\.}"):
        load_model(tmp_path / "m", custom_objects={"halved": halved})


def test_the_layers_of_someone_who_uses_it_can_be_checked():
    assert check_layer(Dense(3, activation=sine), (2,)).passed


@pytest.mark.parametrize(("function", "returned"), [
    (np.sin, "<ufunc 'sin'>, which returned ndarray"), (lambda x: (x, x), "a tuple of ndarray, ndarray"),
    (lambda x: None, "which returned None"), (lambda x: (x.sum(), lambda dy: dy), "a tuple of float32, function")],
    ids=["no backward", "no function", "nothing", "another shape"])
@pytest.mark.parametrize("make", [Activation, lambda given: Dense(3, activation=given)], ids=["Activation", "Dense"])
def test_one_without_a_backward_is_told_at_once_and_what_to_do(make, function, returned):
    words = ("Expected an activation: a name or a layer, such as LeakyReLU(0.1); or a function that returns (y, "
             "backward) and so brings its slope, such as def sine(x): return np.sin(x), lambda dy: dy * np.cos(x). "
             "Received: ")
    with pytest.raises(ValueError, match=f"{re.escape(words)}.*{re.escape(returned)}"):
        make(function)


def test_what_is_no_function_is_told():
    with pytest.raises(ValueError, match=r"Expected an activation: a name or a layer\. Received: 3"):
        Dense(3, activation=3)


def pairs(x):
    a, b = x[..., ::2], x[..., 1::2]
    return a * b, lambda dy: np.stack([dy * b, dy * a], axis=-1).reshape(x.shape)


def test_a_lambda_may_make_another_shape_and_is_trained_through(rng):
    layer = Lambda(pairs)
    assert layer.build((2, 4), rng) == (2, 2)
    assert layer(np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.uint8)).tolist() == [[[2, 12], [30, 56]]]
    assert_gradients_right(built(Lambda(pairs), (2, 4)), rng.normal(size=(3, 2, 4)))


def test_a_lambda_is_saved_by_its_functions_name(tmp_path, rng):
    first = Sequential([Lambda(pairs, input_shape=(4,), name="products"), Dense(2)])
    first.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_objects={"pairs": pairs})
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(again.predict(x), first.predict(x))
    assert again.layers[0].get_config() == {"name": "products", "input_shape": [4],
                                            "function": {"class": "pairs", "config": {}}}
    with pytest.raises(ValueError, match="Unknown layer 'pairs'"):
        load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="Unknown function 'pairs'"):
        Lambda.from_config(first.layers[0].get_config())


@pytest.mark.parametrize(("function", "returned"), [
    (np.sin, "<ufunc 'sin'>, which returned ndarray"), (lambda x: (x, x), "a tuple of ndarray, ndarray"),
    (lambda x: (x.sum(), lambda dy: dy), "a tuple of float32, function"),
    (lambda x: (x.ravel(), lambda dy: dy), "a tuple of ndarray, function")],
    ids=["no backward", "no function", "a number", "more samples"])
def test_a_lambda_without_a_backward_is_told_when_it_is_built_and_what_to_do(function, returned):
    words = "Lambda 'lambda_1': expected a function that returns (y, backward) and so brings its slope"
    with pytest.raises(ValueError, match=f"{re.escape(words)}.*{re.escape(returned)}"):
        Sequential([Lambda(function)], input_shape=(2, 3))


def test_a_lambda_of_no_function_is_told():
    with pytest.raises(ValueError, match=r"Lambda: expected a function that returns \(y, backward\)\. Received: 3"):
        Lambda(3)


def test_functions_of_one_name_are_told_by_what_has_their_names_alone(tmp_path):
    def times(k):
        def f(x):
            return x * k, lambda dy: dy * k
        return f
    model = Sequential([Lambda(times(2)), Lambda(times(3))], input_shape=(1,))
    for write in (clone_model, lambda model: model.save(tmp_path / "model")):
        with pytest.raises(ValueError, match=r"functions with names of their own.*two that are called f"):
            write(model)
    twice = times(2)
    same = Sequential([Lambda(twice), Lambda(twice)], input_shape=(1,))
    assert clone_model(same).predict([[1.0]]) == 4
