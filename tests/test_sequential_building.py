"""Composing a model: adding, removing, naming and finding layers, and when weights appear."""

import json
import time

import numpy as np
import pytest
from layers_for_tests import Scale
from oracles import assert_gradients_right

from tinynet import Sequential
from tinynet.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    MaxPooling2D,
    ReLU,
)
from tinynet.regularizers import L2


def small():
    return Sequential([Dense(4, activation="relu", input_dim=3), Dense(2)])


def test_a_list_and_add_make_the_same_model():
    one = Sequential([Dense(4, activation="relu", input_dim=3), Dense(2)], seed=1)
    two = Sequential(seed=1)
    two.add(Dense(4, activation="relu", input_dim=3))
    two.add(Dense(2))
    assert one.layer_names == two.layer_names == ["dense_1", "dense_2"]
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_three_models_have_the_parameters_of_the_notebook():
    mlp = Sequential([Dense(784, activation="relu", input_dim=784, kernel_initializer="normal"),
                      Dense(10, activation="softmax", kernel_initializer="normal")])
    assert mlp.count_params() == 623_290
    simple = Sequential([Conv2D(32, (5, 5), input_shape=(1, 28, 28), activation="relu"),
                         MaxPooling2D(pool_size=(2, 2)), Dropout(0.2), Flatten(), Dense(128, activation="relu"),
                         Dense(10, activation="softmax")])
    assert simple.count_params() == 592_074
    larger = Sequential([Conv2D(30, (5, 5), input_shape=(1, 28, 28), activation="relu"), MaxPooling2D(),
                         Conv2D(15, (3, 3), activation="relu"), MaxPooling2D(), Dropout(0.2), Flatten(),
                         Dense(128, activation="relu"), Dense(50, activation="relu"),
                         Dense(10, activation="softmax")])
    assert larger.count_params() == 59_933


def test_layers_are_counted_by_kind_from_one_in_every_model():
    kinds = [Conv2D(2, 3, input_shape=(1, 9, 9)), MaxPool2D(), Conv2D(2, 2), ReLU(), Dropout(0.1), Flatten(),
             Dense(3), Activation("relu"), Dense(2)]
    expected = ["conv2d_1", "max_pool2d_1", "conv2d_2", "relu_1", "dropout_1", "flatten_1", "dense_1",
                "activation_1", "dense_2"]
    for model in Sequential(kinds), Sequential([type(k).from_config(k.get_config()) for k in kinds]):
        assert model.layer_names == expected


def test_params_and_grads_are_named_by_layer_and_key():
    model = small()
    keys = ["dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias"]
    assert list(model.params) == keys
    y, backward = model.forward(np.ones((2, 3), np.float32))
    backward(y)
    assert list(model.grads) == keys


def test_a_name_of_ones_own_is_kept_and_counting_goes_around_it():
    model = Sequential([Dense(4, name="dense_2", input_dim=3), Dense(4), Dense(2, name="logits")])
    assert model.layer_names == ["dense_2", "dense_3", "logits"]
    assert model.get_layer("logits") is model.layers[2]
    assert model.layers[2].name == "logits"


def test_a_name_with_a_slash_would_not_be_found_again():
    with pytest.raises(ValueError, match="name"):
        Sequential([Dense(2, name="a/b", input_dim=3, kernel_regularizer="l2")])


def test_two_layers_of_one_name_are_an_error():
    with pytest.raises(ValueError, match=r"Sequential: expected a layer name that is not taken\. Received: 'a'"):
        Sequential([Dense(2, name="a", input_dim=3), Dense(2, name="a")])


def test_get_layer_finds_by_name_and_by_place():
    model = small()
    assert model.get_layer("dense_2") is model.get_layer(index=1) is model.get_layer(index=-1) is model.layers[1]


def test_pop_takes_the_last_layer_off():
    model = small()
    popped = model.pop()
    assert isinstance(popped, Dense)
    assert popped.units == 2
    assert model.output_shape == (4,)
    assert model.count_params() == 16
    model.add(Dense(5))
    assert model.layer_names == ["dense_1", "dense_2"]
    assert model.predict(np.ones((1, 3))).shape == (1, 5)
    model.pop()
    model.add(popped)
    assert model.output_shape == (2,)


def test_a_model_that_was_emptied_takes_its_next_input_shape():
    model = Sequential([Dense(4, input_dim=3)])
    model.pop()
    model.add(Dense(2, input_dim=7))
    assert model.predict(np.ones((1, 7))).shape == (1, 2)


def test_an_empty_model_has_nothing_to_pop_or_to_run():
    with pytest.raises(ValueError, match=r"Sequential: expected a model with layers\. Received: an empty one"):
        Sequential().pop()
    with pytest.raises(ValueError, match="expected a model with layers"):
        Sequential().predict(np.ones((1, 2)))


@pytest.mark.parametrize("again", [lambda model: model.layers[0], lambda model: model], ids=["layer", "model itself"])
def test_the_same_layer_twice_in_a_model_is_an_error(again):
    model = small()
    with pytest.raises(ValueError, match="is in this model already; a layer can be in it once"):
        model.add(again(model))
    assert model.layer_names == ["dense_1", "dense_2"]


def test_the_same_layer_twice_is_found_inside_nested_models_too():
    shared = Dense(3, input_dim=3)
    inner = Sequential([shared])
    with pytest.raises(ValueError, match="is in this model already"):
        Sequential([inner, shared])
    with pytest.raises(ValueError, match="is in this model already"):
        Sequential([Dense(3, input_dim=3), inner, Sequential([Sequential([shared])])])


def test_two_models_may_share_layers():
    model = small()
    model.params["dense_1/kernel"][...] = np.ones((3, 4))
    front = Sequential(model.layers[:-1])
    assert front.output_shape == (4,)
    x = np.array([[1.0, 2.0, 3.0]])
    assert front.predict(x).tolist() == [[6, 6, 6, 6]]
    model.params["dense_1/kernel"][...] *= 2
    assert front.predict(x).tolist() == [[12, 12, 12, 12]]
    assert front.params["dense_1/kernel"] is model.params["dense_1/kernel"]


def test_a_layer_is_called_in_each_model_as_that_model_counts():
    model = Sequential([Dense(4, input_dim=3), Dense(3), Dense(2)])
    back = Sequential(model.layers[1:])
    assert back.layer_names == ["dense_1", "dense_2"]
    assert next(iter(back.params)) == "dense_1/kernel"
    assert model.layer_names == ["dense_1", "dense_2", "dense_3"]
    assert back.predict(np.ones((1, 4))).shape == (1, 2)


def test_sharing_layers_does_not_change_their_weights():
    model = small()
    before = model.get_weights()
    Sequential(model.layers, seed=9)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_exist_once_the_input_shape_is_known():
    model = Sequential([Dense(4), Dense(2)])
    assert model.output_shape is None
    assert repr(model) == "<Sequential, not built>"
    model.build((3,))
    assert model.count_params() == 26
    assert model.input_shape == (3,)
    assert model.output_shape == (2,)


@pytest.mark.parametrize("ask", [lambda thing: thing.count_params(),
                                 lambda thing: thing.set_weights([np.ones((3, 4)), np.ones(4)])],
                         ids=["count_params", "set_weights"])
@pytest.mark.parametrize("thing", [Sequential([Dense(4)]), Sequential(), Dense(4), Conv2D(2, 3)], ids=repr)
def test_what_has_no_weights_yet_says_how_it_gets_them(thing, ask):
    with pytest.raises(ValueError, match=r"has no weights yet\. .* build\(input_shape"):
        ask(thing)


def test_a_layer_that_learns_nothing_has_all_its_weights_at_once():
    assert ReLU().count_params() == 0


@pytest.mark.parametrize("first_use", [
    lambda model, x, y: model.predict(x),
    lambda model, x, y: model.fit(x, y, verbose=0),
    lambda model, x, y: model.evaluate(x, y, verbose=0),
    lambda model, x, y: model.train_on_batch(x, y),
    lambda model, x, y: model.test_on_batch(x, y),
], ids=["predict", "fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_a_model_without_input_shape_is_built_by_the_first_data(first_use):
    model = Sequential([Conv2D(2, 3), Flatten(), Dense(2)])
    model.compile("sgd", "mse")
    first_use(model, np.ones((4, 1, 5, 5)), np.ones((4, 2)))
    assert model.input_shape == (1, 5, 5)
    assert model.count_params() == 20 + 38


def test_a_build_that_fails_can_be_tried_again():
    model = Sequential([Conv2D(2, 3), Conv2D(2, 4), Flatten(), Dense(2)])
    with pytest.raises(ValueError, match="Conv2D 'conv2d_2': expected an image no smaller"):
        model.predict(np.ones((2, 1, 5, 5)))
    assert model.predict(np.ones((2, 1, 8, 8))).shape == (2, 2)


def test_an_add_that_fails_leaves_the_model_as_it_was():
    model = Sequential([Conv2D(2, 3, input_shape=(1, 5, 5))])
    with pytest.raises(ValueError, match="expected an image no smaller"):
        model.add(Conv2D(2, 4))
    assert model.layer_names == ["conv2d_1"]
    model.add(Conv2D(2, 2))
    assert model.output_shape == (2, 2, 2)


def test_deferred_and_immediate_building_draw_the_same_weights():
    one = Sequential([Dense(4, input_dim=3), Dense(2)], seed=4)
    two = Sequential([Dense(4), Dense(2)], seed=4)
    two.build((3,))
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def seconds_to_stack(layers):
    begin = time.process_time()
    Sequential(layers, input_shape=(1,))
    return time.process_time() - begin


def test_names_that_are_taken_already_cost_no_time():
    plain = seconds_to_stack([Flatten() for _ in range(300)])
    taken = [Flatten(name=f"dense_{number}") for number in range(1, 151)]
    assert seconds_to_stack([*taken, *[Dense(1) for _ in range(150)]]) < 4 * plain + 0.1


def test_the_input_shape_can_be_the_models_own():
    assert Sequential([Dense(4)], input_shape=(3,)).count_params() == 16


def test_a_layer_of_ones_own_needs_no_registration():
    model = Sequential([Scale(input_shape=(2, 3)), Flatten(), Dense(2)], dtype="float64")
    assert model.layer_names[0] == "scale_1"
    assert "scale_1/scale" in model.params
    assert_gradients_right(model, np.random.default_rng(0).normal(size=(3, 2, 3)))
    model.compile("sgd", "mse")
    before = model.params["scale_1/scale"].copy()
    model.train_on_batch(np.ones((3, 2, 3)), np.ones((3, 2)))
    assert (model.params["scale_1/scale"] != before).all()


@pytest.mark.parametrize("layer", [lambda: Activation(Scale()), lambda: Dense(3, activation=Scale())],
                         ids=["Activation", "activation="])
def test_an_activation_with_parameters_is_refused(layer):
    with pytest.raises(ValueError, match="expected an activation that keeps the shape and has neither parameters nor"):
        Sequential([layer()], input_shape=(3,))


@pytest.mark.parametrize("make", [lambda: [Scale()], lambda: [Dense(3, input_dim=3), Scale()]], ids=["first", "later"])
def test_parameters_of_ones_own_layer_are_trained_wherever_it_stands(make):
    model = Sequential(make(), input_shape=(3,), dtype="float64")
    scale, = [p for key, p in model.params.items() if key.endswith("scale")]
    before = scale.copy()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.zeros((4, 3)), verbose=0)
    assert (scale != before).all()


def test_a_forward_of_ones_own_is_used_in_a_model():
    class Doubled(Dense):
        def forward(self, x, training=False):
            y, backward = super().forward(x, training)
            return 2 * y, lambda dy: backward(2 * dy)
    model = Sequential([Doubled(2, kernel_initializer="ones", input_dim=3)])
    assert model.predict(np.ones((1, 3))).tolist() == [[6, 6]]


def test_a_plain_function_may_initialize_and_the_model_works():
    model = Sequential([Dense(2, kernel_initializer=lambda shape, rng: np.full(shape, 0.5), input_dim=4)])
    assert model.predict(np.ones((1, 4))).tolist() == [[2, 2]]


def test_a_config_makes_the_same_architecture_again_through_json_too():
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 8, 8), name="first"),
                        MaxPool2D(2, padding="same"), Dropout(0.1), Flatten(),
                        Sequential([Dense(4, kernel_regularizer=L2(0.1), trainable=False), ReLU()]),
                        Dense(2, activation="softmax", use_bias=False)], name="digits", dtype="float64")
    config = model.get_config()
    again = Sequential.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert again.layer_names == model.layer_names
    assert again.name == "digits"
    assert again.trainable_params().keys() == model.trainable_params().keys()
    again.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_steps_are_one_flat_list_with_names():
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Flatten(),
                        Sequential([Dense(4, activation="tanh"), ReLU()]), Dense(2, activation="softmax")])
    assert [step.name for step in model.steps()] == [
        "conv2d_1", "conv2d_1/relu", "max_pool2d_1", "flatten_1", "sequential_1/dense_1",
        "sequential_1/dense_1/tanh", "sequential_1/relu_1", "dense_1", "dense_1/softmax"]


def test_float64_models_hold_and_compute_in_float64():
    model = Sequential([Conv2D(2, 3, input_shape=(1, 5, 5)), Flatten(), Dense(2)], dtype="float64")
    assert {p.dtype for p in model.params.values()} == {np.dtype("float64")}
    assert model.predict(np.ones((1, 1, 5, 5), np.float32)).dtype == np.float64
    model.compile("adam", "mse")
    model.fit(np.ones((3, 1, 5, 5)), np.ones((3, 2)), verbose=0)
    assert {a.dtype for a in (*model.params.values(), *model.grads.values())} == {np.dtype("float64")}


@pytest.mark.parametrize("x", [np.ones((4, 3), np.float64), np.ones((4, 3), int), [[1, 2, 3]] * 4], ids=repr)
def test_float32_models_train_in_float32_whatever_they_are_given(x):
    model = Sequential([Dense(4, activation="sigmoid", input_dim=3), Dropout(0.5), Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, np.eye(2)[[0, 1, 1, 0]], sample_weight=[1.0, 2.0, 3.0, 4.0], verbose=0)
    assert {a.dtype for a in (*model.params.values(), *model.grads.values())} == {np.dtype("float32")}
    assert model.predict(x).dtype == np.float32


def test_the_input_shape_of_a_later_layer_is_not_asked_as_in_keras():
    def layers():
        return [Dense(4, input_shape=(3,)), Dense(2, input_shape=(99,))]
    built, later = Sequential(layers()), Sequential(layers()[1:] + layers()[1:])
    assert built.layers[1].input_shape == (4,)
    assert Sequential.from_config(built.get_config()).output_shape == (2,)
    assert later.layers[1].input_shape == (2,)                                # the first one's is asked
    with pytest.raises(ValueError, match=r"Dense 'dense_1': expected samples of its input_shape, \(99,\)"):
        later.build((98,))


def test_a_later_layer_that_is_built_already_must_fit():
    layer = Dense(2)
    Sequential([layer], input_shape=(99,))
    with pytest.raises(ValueError, match=r"expected samples of its input_shape, \(99,\)\. Received: \(4,\)"):
        Sequential([Dense(4, input_shape=(3,)), layer])
