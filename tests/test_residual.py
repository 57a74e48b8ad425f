"""Residual: x + f(x), with everything that the layers of f have learned."""

import numpy as np
import pytest
from layers_for_tests import Scale
from oracles import assert_gradients_right, built

from tinynet import Sequential, kernels, load_model, study
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, MaxPool2D, ReLU, Residual
from tinynet.study.health.surface import parameters


def block():
    return Residual([Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer="l2"), BatchNormalization(),
                     Conv2D(2, 1)])


def made(dtype="float32", **config):
    model = Sequential([block(), MaxPool2D(), Flatten(), Dense(2, activation="softmax")], input_shape=(2, 4, 4), seed=1,
                       dtype=dtype, **config)
    model.compile("adam", "categorical_crossentropy")
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 2, 4, 4)), np.eye(2)[rng.integers(2, size=12)]


@pytest.mark.usefixtures("every_kernel_set")
def test_what_the_layers_make_is_added_to_x_and_so_are_the_gradients():
    layer = built(Residual([Dense(2, use_bias=False)]), (2,))
    layer.params["dense_1/kernel"] = np.array([[1.0, 10.0], [2.0, 20.0]])
    y, backward = layer.forward(np.array([[3.0, 4.0]]))
    np.testing.assert_array_equal(y, [[3 + 11, 4 + 110]])
    np.testing.assert_array_equal(backward(np.array([[1.0, 2.0]])), [[1 + 21, 2 + 42]])
    np.testing.assert_array_equal(layer.grads["dense_1/kernel"], [[3, 6], [4, 8]])


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a model"])
def test_gradients_are_slopes_in_training(alone, rng):
    layer = Residual([Conv2D(2, (1, 2), padding="same", activation="tanh"), BatchNormalization(),
                      Residual([Conv2D(2, 1)])])
    layer = built(layer if alone else Sequential([layer], dtype="float64"), (2, 2, 2))
    assert_gradients_right(layer, rng.normal(size=(2, 2, 2, 2)), training=True)


@pytest.mark.parametrize(("layers", "shape", "came"), [
    ([Conv2D(3, 3)], (3, 6, 6), r"samples \(3, 6, 6\), made \(3, 4, 4\)"),
    ([Conv2D(4, 3, padding="same")], (3, 6, 6), r"samples \(3, 6, 6\), made \(4, 6, 6\)"),
    ([Dense(4)], (3,), r"samples \(3,\), made \(4,\)")], ids=["size", "channels", "units"])
def test_layers_that_change_the_shape_are_refused_in_words(layers, shape, came):
    with pytest.raises(ValueError, match=r"Residual 'residual_1': expected layers that keep the shape.*padding="
                                         rf'"same" keeps the size, and a last Conv2D\(3, 1\).*Received: {came}\.'):
        Sequential([Residual(layers)], input_shape=shape)


@pytest.mark.parametrize(("layers", "error", "message"), [
    ([], ValueError, "Residual: expected one or more layers"),
    ([Dense], TypeError, r"Residual: expected a layer. .* Did you mean Dense\(...\)\?"),
    ([Dense(2, name="a"), Dense(2, name="a")], ValueError, "a layer name that is not taken"),
    ([layer := ReLU(), layer], ValueError, "is in this model already"),
], ids=["none", "a class", "a name twice", "a layer twice"])
def test_what_cannot_be_inside_is_told(layers, error, message):
    with pytest.raises(error, match=message):
        Residual(layers)


def test_a_block_that_was_refused_can_be_built_for_other_samples():
    layer = Residual([Dense(4), Dense(3)])
    with pytest.raises(ValueError, match="keep the shape"):
        layer.build((4,), np.random.default_rng(0))
    assert [each.output_shape for each in layer.layers] == [None, None]


def test_what_is_inside_has_names_weights_and_state_of_its_own():
    model = made()
    assert list(model.params)[:6] == [f"residual_1/{key}" for key in (
        "conv2d_1/kernel", "conv2d_1/bias", "batch_normalization_1/gamma", "batch_normalization_1/beta",
        "conv2d_2/kernel", "conv2d_2/bias")]
    assert list(model.state) == [f"residual_1/batch_normalization_1/moving_{key}" for key in ("mean", "variance")]
    assert [array.shape for array in model.get_weights()[:6]] == [(3, 2, 3, 3), (3,), (3,), (3,), (3,), (3,)]
    assert model.layers[0].count_params() == 54 + 3 + 4 * 3 + 6 + 2
    assert model.get_layer("residual_1").get_layer("conv2d_2") is model.layers[0].layers[2]
    assert parameters(model)[0].name == "residual_1/conv2d_1/kernel"
    lines = []
    model.summary(print_fn=lines.append)
    assert "residual_1 (Residual)        (None, 2, 4, 4)           77" in lines[0]
    assert "Non-trainable params: 6" in lines[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_comes_back_from_a_file_and_trains_on_to_the_bit(tmp_path, data, dtype):
    model = made(dtype)
    model.fit(*data, epochs=2, batch_size=5, verbose=0)
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert {array.dtype for array in again.get_weights()} == {np.dtype(dtype)}
    for each in model, again:
        each.fit(*data, epochs=2, batch_size=5, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_of_ones_own_inside_come_back_from_a_file_too(tmp_path):
    model = Sequential([Residual([Scale(), Sequential([Dense(3)])])], input_shape=(3,))
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_layers={"Scale": Scale})
    np.testing.assert_array_equal(again.predict(np.ones((2, 3))), model.predict(np.ones((2, 3))))
    twin = Residual.from_config(model.layers[0].get_config(), custom_layers={"Scale": Scale})
    assert [type(each) for each in twin.layers] == [Scale, Sequential]


def test_frozen_it_neither_learns_nor_is_penalised_and_thawed_layers_do(data):
    model = made()
    assert model.penalties()[0][0] == "residual_1/conv2d_1/kernel"
    model.layers[0].trainable = False
    model.layers[0].layers[2].trainable = True
    before = {key: array.copy() for key, array in {**model.params, **model.state}.items()}
    model.fit(*data, verbose=0)
    changed = {key for key, array in {**model.params, **model.state}.items() if not np.array_equal(array, before[key])}
    assert changed == {"residual_1/conv2d_2/kernel", "residual_1/conv2d_2/bias", "dense_1/kernel", "dense_1/bias"}
    assert model.penalties() == []
    assert "trainable" not in model.layers[0].get_config()
    assert not Residual([Dense(2)], trainable=False).layers[0].trainable


@pytest.mark.parametrize("first", [True, False], ids=["first", "after a convolution"])
def test_its_layers_run_in_as_few_passes_as_a_models_and_give_the_same(first, rng):
    inner = [Conv2D(4, 2, padding="same"), ReLU(), Dropout(0.5), Conv2D(2, 1, activation="relu")]
    model = Sequential([*([] if first else [Conv2D(2, 1)]), Residual(inner), Flatten(), Dense(3)],
                       input_shape=(2, 5, 4), seed=2, dtype="float64")
    model.compile("sgd", "mse")
    x, y, found = rng.normal(size=(7, 2, 5, 4)), rng.normal(size=(7, 3)), []
    rows = [(row.layers, row.function.rpartition(".")[2]) for row in model.plan() if "residual_1" in row.layers[0]]
    assert rows == [(("residual_1",), "residual"), (("residual_1/conv2d_1", "residual_1/relu_1"), "conv_relu"),
                    (("residual_1/dropout_1",), "dropout"),
                    (("residual_1/conv2d_2", "residual_1/conv2d_2/relu"), "conv_relu")]
    for fuse in True, False:
        with kernels.use("fast", fuse=fuse):
            model.rng.bit_generator.state = np.random.default_rng(5).bit_generator.state
            value, _, backward = model.objective(x, y, training=True)
            backward()
            found.append([value, *(np.copy(g) for g in model.grads.values())])
            plan = model.plan()
            assert plan[0 if first else 1].fused is fuse
            assert sum(len(row.layers) for row in plan) == 6 + (2 if first else 3)
            assert sum(row.fused for row in plan) == fuse * (5 if first else 6)
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_it_counts_and_sees_what_its_layers_do_together():
    model = Sequential([Conv2D(2, 3), Residual([Conv2D(4, (3, 5), padding="same", activation="relu"),
                                                Conv2D(2, 3, padding="same")]), MaxPool2D(), Conv2D(1, 2)],
                       input_shape=(1, 12, 12))
    inner = model.layers[1]
    steps = study.profile(model, batch_size=2, repeats=1).steps
    assert steps[1].name == "residual_1"
    assert steps[1].multiply_adds == 2 * 3 * 5 * 400 + 4 * 9 * 200                 # 10 x 10 pixels of 4 and of 2
    assert [step.field for step in steps] == ["3", "7x9", "8x10", "10x12"]
    assert [step.jump for step in steps] == ["1", "1", "2", "2"]
    assert study.padding(inner, (2, 10, 10)) == (2, 3)
    assert study.Trace(model, np.ones((1, 1, 12, 12))).outputs[1].shape == (1, 2, 10, 10)


def test_a_block_of_vectors_sees_what_its_layers_see_and_what_nobody_knows_of_one_inside_is_not_known():
    for inner, field, multiply_adds in (Dense(4), "all", 16), (ReLU(), "1", 0), (Scale(), "?", None):
        model = Sequential([Flatten(), Residual([inner])], input_shape=(1, 2, 2))
        step = study.profile(model, batch_size=1, repeats=1).steps[1]
        assert (step.field, step.multiply_adds) == (field, multiply_adds)


def test_the_shape_may_come_from_its_first_layer():
    assert Sequential([Residual([Dense(3, input_dim=3)])]).input_shape == (3,)
    assert Sequential([Residual([Input((3,)), Dense(3)])]).output_shape == (3,)


def test_whole_numbers_are_added_as_floats():
    layer = built(Residual([ReLU()]), (1,))
    np.testing.assert_array_equal(layer.forward(np.array([[200]], np.uint8))[0], [[400]])
