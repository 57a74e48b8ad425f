"""The nonlinearities: values, slopes, and numbers too large for a careless formula."""

import numpy as np
import pytest
from oracles import assert_gradients_right

from tinynet import Sequential, activations, load_model
from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    Conv2D,
    Dense,
    HardSigmoid,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)

EACH = pytest.mark.parametrize("layer", [
    ReLU(), Sigmoid(), Tanh(), Softmax(), LeakyReLU(), ELU(), SELU(), ReLU6(), HardSigmoid(), SiLU(), GELU(),
    GELU(approximate=True), Softplus(), Softsign()], ids=lambda layer: f"{layer}{layer.get_config() or ''}")


def run(layer, x, dy):
    y, backward = layer.forward(np.array(x))
    return y, backward(np.array(dy))


def test_relu_by_hand_and_its_slope_at_zero_is_zero():
    y, dx = run(ReLU(), [[-1.0, 0.0, 2.0, -0.0]], [[3.0, 5.0, 7.0, 9.0]])
    assert y.tolist() == [[0, 0, 2, 0]]
    assert dx.tolist() == [[0, 0, 7, 0]]


def test_sigmoid_by_hand():
    y, dx = run(Sigmoid(), [[0.0, np.log(3.0), -np.log(3.0)]], [[4.0, 16.0, 32.0]])
    np.testing.assert_allclose(y, [[0.5, 0.75, 0.25]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[1, 3, 6]], rtol=1e-14)


def test_tanh_by_hand():
    y, dx = run(Tanh(), [[0.0, np.log(2.0)]], [[2.0, 25.0]])
    np.testing.assert_allclose(y, [[0, 0.6]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[2, 16]], rtol=1e-14)


def test_softmax_by_hand():
    y, dx = run(Softmax(), [[0.0, np.log(3.0)]], [[1.0, 5.0]])
    np.testing.assert_allclose(y, [[0.25, 0.75]], rtol=1e-15)
    np.testing.assert_allclose(dx, [[-0.75, 0.75]], rtol=1e-14)


def test_softmax_gradient_of_equal_upstream_gradients_is_zero():
    _, dx = run(Softmax(), [[0.3, -1.0, 2.0]], [[3.0, 3.0, 3.0]])
    np.testing.assert_allclose(dx, 0, atol=1e-15)


@EACH
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 5), (2, 2, 3, 4)], ids=str)
def test_gradients_are_slopes(layer, shape, rng):
    assert_gradients_right(layer, rng.normal(size=shape))


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_numbers_of_any_size_neither_overflow_nor_become_nan(layer, dtype):
    x = np.array([[1e4, -1e4, 0.0, 88.8, -88.8], [-1e30, -1e30, -1e30, -1e30, -1e30]], dtype)
    y, backward = layer.forward(x)
    dx = backward(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2, dtype))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


def test_sigmoid_and_tanh_saturate():
    x = np.array([[-800.0, 800.0]])
    assert Sigmoid()(x).tolist() == [[0, 1]]
    assert Tanh()(x).tolist() == [[-1, 1]]


def test_sigmoid_keeps_the_digits_of_small_outputs():
    np.testing.assert_allclose(Sigmoid()(np.array([[-50.0]])), [[np.exp(-50.0)]], rtol=1e-12)


def test_softmax_rows_are_probabilities(rng):
    y = Softmax()(rng.normal(size=(4, 3, 5)))
    assert (y > 0).all()
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-14)


def test_softmax_subtracts_each_rows_own_maximum():
    y = Softmax()(np.array([[1e5, 1e5 + 1], [0.0, 1.0], [-1e5, -1e5 + 1]]))
    np.testing.assert_allclose(y, [[1 / (1 + np.e), np.e / (1 + np.e)]] * 3, rtol=1e-12)


def test_softmax_of_images_runs_over_the_last_axis(rng):
    y = Softmax()(rng.normal(size=(2, 3, 4, 5)))
    np.testing.assert_allclose(y.sum(axis=3), 1, rtol=1e-14)
    assert not np.allclose(y.sum(axis=1), 1)


@EACH
def test_a_nan_is_not_hidden(layer):
    y = layer(np.array([[1.0, np.nan, -1.0]]))
    assert np.isnan(y[0, 1])


@pytest.mark.parametrize(("name", "layer"), [
    ("relu", ReLU()), ("sigmoid", Sigmoid()), ("tanh", Tanh()), ("softmax", Softmax()), ("elu", ELU(1.0)),
    ("selu", SELU()), ("gelu", GELU(approximate=False)), ("silu", SiLU()), ("swish", SiLU()), ("softplus", Softplus()),
    ("softsign", Softsign()), ("hard_sigmoid", HardSigmoid()), ("relu6", ReLU6()), ("leaky_relu", LeakyReLU(0.2))])
def test_activation_by_name_is_the_layer(name, layer, rng):
    x, dy = rng.normal(size=(2, 3, 4))
    for expected, found in zip(run(layer, x, dy), run(Activation(name), x, dy), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("nothing", [None, "linear"])
def test_linear_activation_changes_nothing(nothing, rng):
    x, dy = rng.normal(size=(2, 3, 4))
    y, dx = run(Activation(nothing), x, dy)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, dy)
    model = Sequential([Dense(2, activation=nothing, input_dim=4)], dtype="float64")
    np.testing.assert_allclose(model(x), x @ model.layers[0].params["kernel"], rtol=1e-6)


def test_an_activation_can_be_a_name_a_class_a_layer_or_a_config():
    configs = [Activation(given).get_config() for given in
               ("relu", ReLU, ReLU(), {"class": "ReLU", "config": {}})]
    assert configs == [{"activation": {"class": "ReLU", "config": {}}}] * 4


# Keras's functions of an array, `tinynet.activations`.

FUNCTIONS = [(activations.relu, ReLU), (activations.sigmoid, Sigmoid), (activations.tanh, Tanh),
             (activations.softmax, Softmax), (activations.elu, ELU), (activations.selu, SELU), (activations.gelu, GELU),
             (activations.silu, SiLU), (activations.softplus, Softplus), (activations.softsign, Softsign),
             (activations.hard_sigmoid, HardSigmoid), (activations.relu6, ReLU6)]
NAMED = pytest.mark.parametrize(("function", "layer"), FUNCTIONS, ids=lambda value: value.__name__)


@NAMED
def test_a_function_computes_what_its_layer_does(function, layer, rng):
    x = rng.normal(size=(3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(function(x), layer()(x))
    assert function(x).dtype == np.float32


@NAMED
def test_a_function_takes_lists_and_arrays_of_any_rank(function, layer):
    row = [-1.0, 0.0, 2.0]
    assert function(row).tolist() == layer()(np.array([row]))[0].tolist()
    assert function([[row]]).shape == (1, 1, 3)


def test_the_elementwise_ones_take_a_number_too():
    assert activations.relu(-2.0) == 0
    assert activations.sigmoid(0) == 0.5


def test_a_softmax_of_a_number_is_an_error():
    with pytest.raises(ValueError, match="Softmax: expected input"):
        activations.softmax(3.0)


@NAMED
@pytest.mark.parametrize("make", [lambda given: Dense(3, given, input_dim=5),
                                  lambda given: Dense(3, activation=given, input_dim=5),
                                  lambda given: Activation(given, input_shape=(5,))],
                         ids=["Dense by position", "Dense", "Activation"])
def test_a_layer_takes_function_name_and_class_alike(function, layer, make, rng):
    x = rng.normal(size=(2, 5)).astype(np.float32)
    models = [Sequential([make(given)], seed=0) for given in (function, function.__name__, layer)]
    assert models[0].get_config() == models[1].get_config() == models[2].get_config()
    for model in models:
        np.testing.assert_array_equal(model(x), models[1](x))
        assert type(model.layers[0].activation) is layer


def test_functions_are_saved_as_their_names_are(tmp_path):
    def model(relu, softmax):
        return Sequential([Conv2D(2, 3, activation=relu, input_shape=(1, 5, 5)), Dense(2, activation=softmax)], seed=0)
    by_function, by_name = model(activations.relu, activations.softmax), model("relu", "softmax")
    by_function.save(tmp_path / "function")
    by_name.save(tmp_path / "name")
    assert (tmp_path / "function").read_bytes() == (tmp_path / "name").read_bytes()
    assert load_model(tmp_path / "function").steps()[1].name == "conv2d_1/relu"


def test_linear_is_the_identity_as_a_function_and_in_a_layer():
    assert activations.linear([1.0, -2.0]).tolist() == [1, -2]
    assert Dense(3, activation=activations.linear).activation is None


def test_get_returns_a_function_by_name_and_callables_as_they_are():
    assert activations.get("sigmoid") is activations.sigmoid
    assert activations.get(None) is activations.linear
    assert activations.get(np.sin) is np.sin
    with pytest.raises(ValueError, match=r"Unknown activation 'rellu'\. Did you mean 'relu'"):
        activations.get("rellu")
    with pytest.raises(ValueError, match="Expected an activation: a name, or a callable"):
        activations.get(3)


def test_functions_with_arguments_have_those_of_keras(rng):
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(activations.leaky_relu(x), LeakyReLU(0.2)(x))          # the class has 0.3
    np.testing.assert_array_equal(activations.leaky_relu(x, negative_slope=0.5), LeakyReLU(0.5)(x))
    np.testing.assert_array_equal(activations.elu(x, alpha=2.0), ELU(2.0)(x))
    np.testing.assert_array_equal(activations.gelu(x, approximate=True), GELU(approximate=True)(x))
    assert Dense(3, activation=activations.leaky_relu).activation.negative_slope == 0.2


def test_swish_is_another_name_of_silu():
    assert activations.swish is activations.silu is activations.get("swish")
    assert activations.serialize(activations.swish) == "silu"


def test_serialize_returns_the_name_that_get_takes():
    assert [activations.get(activations.serialize(function)) for function, _ in FUNCTIONS] == [
        function for function, _ in FUNCTIONS]
    with pytest.raises(ValueError, match=r"Expected a function of tinynet\.activations"):
        activations.serialize(np.sin)
