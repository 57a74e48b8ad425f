"""Model(inputs, outputs): layers called one on the other are a Sequential; what is no straight way is told."""

import numpy as np
import pytest

import tinynet
from tinynet import Input, Model, Sequential, load_model
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Residual
from tinynet.models import clone_model
from tinynet.utils import set_random_seed


def called(inputs):
    x = Conv2D(2, 3, activation="relu", name="first")(inputs)
    x = MaxPooling2D()(x)
    x = Residual([Conv2D(2, 3, padding="same")])(x)
    x = Sequential([Flatten(), Dropout(0.5)])(x)
    return Dense(3, activation="softmax")(x)


def test_it_is_the_sequential_of_the_layers_that_were_called(tmp_path, rng):
    set_random_seed(3)
    inputs = Input(shape=(1, 6, 6))
    model = Model(inputs=inputs, outputs=called(inputs), name="mine")
    set_random_seed(3)
    plain = Sequential([Input((1, 6, 6)), Conv2D(2, 3, activation="relu", name="first"), MaxPooling2D(),
                        Residual([Conv2D(2, 3, padding="same")]), Sequential([Flatten(), Dropout(0.5)]),
                        Dense(3, activation="softmax")], "mine")
    x, y = rng.normal(size=(9, 1, 6, 6)), np.eye(3)[np.arange(9) % 3]
    for each in model, plain:
        each.compile("adam", "categorical_crossentropy")
        each.fit(x, y, epochs=2, batch_size=4, verbose=0)
    assert type(model) is Sequential
    assert (model.name, model.layer_names) == ("mine", plain.layer_names)
    assert model.get_config() == plain.get_config()
    model.save(tmp_path / "m")
    for each in load_model(tmp_path / "m"), plain:
        np.testing.assert_array_equal(each.predict(x), model.predict(x))
    assert clone_model(model).get_config() == plain.get_config()


def test_two_models_of_one_chain_share_its_layers(rng):
    inputs = Input((4,))
    code = Dense(2, activation="tanh")(inputs)
    decoded = Dense(4)(code)
    autoencoder, encoder = Model(inputs, decoded), Model([inputs], [code])
    autoencoder.compile("sgd", "mse")
    x = rng.normal(size=(6, 4))
    before = encoder.predict(x)
    autoencoder.fit(x, x, verbose=0)
    assert encoder.layers[0] is autoencoder.layers[0]
    assert (encoder.predict(x) != before).all()
    assert autoencoder(x).shape == (6, 4)                                 # a model is called on numbers, too


def inputs():
    return Input((3,))


@pytest.mark.parametrize("make", [
    lambda x: x + Dense(3)(x), lambda x: Dense(3)(x) + x, lambda x: 2 * Dense(3)(x), lambda x: x / 255,
    lambda x: Dense(2)([x, Dense(3)(x)]), lambda x: np.exp(Dense(3)(x)), lambda x: Dense(3)(x)[:, 0],
], ids=["x + f", "f + x", "times", "divided", "several", "ufunc", "part"])
def test_what_no_layer_does_is_told_and_what_to_do_instead(make):
    with pytest.raises(TypeError, match=r"expected layers called one on the other.*x \+ f\(x\) is Residual"):
        make(inputs())


@pytest.mark.parametrize(("make", "message"), [
    (lambda x: Model(x, [Dense(1)(x), Dense(2)(x)]), "Model: expected one Input, and one output .* and 2 of them"),
    (lambda x: Model([x, inputs()], Dense(1)(x)), "Received: 2 of them and <Chain: Input, Dense>"),
    (lambda x: Model(x, x), "Model: expected one Input, and one output that layers have made of it"),
    (lambda x: Model(Dense(2)(x), Dense(1)(x)), "Model: expected one Input"),
    (lambda x: Model(inputs(), Dense(1)(x)), "Model: expected outputs that begin with its inputs. Received: <Chain: "),
    (lambda x: Model(x, Conv2D(2, 3)(x)), r"Conv2D 'conv2d_1': expected .*Received: \(3,\)"),
], ids=["outputs", "inputs", "no layer", "not an Input", "another Input", "shape"])
def test_what_is_no_chain_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make(inputs())


def test_a_layer_called_twice_is_told():
    x, layer = inputs(), Dense(3)
    with pytest.raises(ValueError, match="Dense 'dense_1' is in this model already"):
        Model(x, layer(layer(x)))


def test_a_subclass_is_told_what_to_be_instead():
    with pytest.raises(TypeError, match=r"Model: expected to be called.*a layer of one's own"):
        class Mine(tinynet.Model):
            pass
