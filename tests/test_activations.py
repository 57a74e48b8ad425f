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
    Flatten,
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
    GELU(approximate=True), Softplus(), Softsign(), ReLU(2.0, 0.1, 0.5)],
    ids=lambda layer: f"{layer}{layer.get_config() or ''}")


def run(layer, x, dy):
    y, backward = layer.forward(np.array(x))
    return y, backward(np.array(dy))


def test_relu_by_hand_and_its_slope_at_zero_is_zero():
    y, dx = run(ReLU(), [[-1.0, 0.0, 2.0, -0.0]], [[3.0, 5.0, 7.0, 9.0]])
    assert y.tolist() == [[0, 0, 2, 0]]
    assert dx.tolist() == [[0, 0, 7, 0]]


X = [[-3.0, 0.0, 0.5, 2.0, 4.0, 9.0]]


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize(("settings", "y", "slopes"), [
    ({"max_value": 4}, [0, 0, 0.5, 2, 4, 4], [0, 0, 1, 1, 0, 0]),
    ({"negative_slope": 0.5}, [-1.5, 0, 0.5, 2, 4, 9], [0.5, 0.5, 1, 1, 1, 1]),
    ({"threshold": 2}, [0, 0, 0, 0, 4, 9], [0, 0, 0, 0, 1, 1]),
    ({"max_value": 4, "negative_slope": 0.5, "threshold": 1}, [-2, -0.5, -0.25, 2, 4, 4], [0.5, 0.5, 0.5, 1, 0, 0]),
    ({"max_value": 0, "negative_slope": 0.5}, [-1.5, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0]),
    ({"max_value": 1, "threshold": 2}, [0, 0, 0, 0, 1, 1], [0] * 6)], ids=str)
def test_relu_with_settings_by_hand(settings, y, slopes):
    layer = ReLU(**settings)
    found, dx = run(layer, X, [[2.0, 3.0, 5.0, 7.0, 11.0, 13.0]])
    np.testing.assert_allclose(found, [y], rtol=1e-15)
    np.testing.assert_allclose(dx, [np.multiply([2.0, 3.0, 5.0, 7.0, 11.0, 13.0], slopes)], rtol=1e-15)
    again = ReLU.from_config(layer.get_config())
    np.testing.assert_array_equal(again(np.array(X)), found)
    np.testing.assert_array_equal(activations.relu(np.array(X), **settings), found)


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize("kind", [Conv2D, Dense])
def test_a_relu_with_settings_is_not_taken_for_one_without(kind, rng):
    before = [Conv2D(4, 3)] if kind is Conv2D else [Flatten(), Dense(4)]
    x = rng.normal(0, 5, (3, 1, 5, 5)).astype(np.float32)
    linear = Sequential([*before], input_shape=(1, 5, 5), seed=0)
    model = Sequential([*before, ReLU(1.0, 0.5)], input_shape=(1, 5, 5), seed=0)
    z = linear(x)
    y, backward = model.forward(x, training=True)
    np.testing.assert_allclose(y, np.where(z > 0, np.minimum(z, 1), 0.5 * z), rtol=1e-6)
    assert (y < 0).any()
    backward(np.ones_like(y))
    assert [row.fused for row in model.plan() if model.layers[-1].name in row.layers] == [False]


@pytest.mark.parametrize(("make", "text"), [
    (lambda: ReLU(-1), "ReLU: expected max_value, a number at least 0 and below inf. Received: -1."),
    (lambda: ReLU(negative_slope=None), "ReLU: expected negative_slope, a number at least 0 and below inf. Received: "),
    (lambda: ReLU(threshold=-0.5), "ReLU: expected threshold, a number at least 0"),
    (lambda: Softmax("1"), "Softmax: expected axis, a whole number or several. Received: '1'."),
    (lambda: Softmax([]), "Softmax: expected axis, a whole number or several"),
    (lambda: Sequential([Softmax(0, input_shape=(3,))]),
     r"'softmax_1': expected different axes of samples \(3,\), from 1 to 1; 0 is that of the batch. Received: \(0,\)."),
    (lambda: Softmax((1, -1))(np.ones((2, 3))), r"Softmax: expected different axes of samples \(3,\), from 1 to 1"),
    (lambda: Sequential([Softmax(3, input_shape=(3, 4))]), "expected different axes of samples")])
def test_settings_that_cannot_be_are_told(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize(("axis", "axes"), [(1, (1,)), (-2, (2,)), ([2, 3], (2, 3)), ((-1, 1), (1, 3)), (3, (3,))])
def test_softmax_along_other_axes(axis, axes, rng):
    x, dy = rng.normal(size=(2, 2, 3, 4, 5))
    layer = Softmax(axis)
    y, backward = layer.forward(x)
    np.testing.assert_allclose(y.sum(axis=axes), 1, rtol=1e-14)
    e = np.exp(x)
    np.testing.assert_allclose(y, e / e.sum(axis=axes, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(backward(dy), y * (dy - (dy * y).sum(axis=axes, keepdims=True)), rtol=1e-10, atol=1e-14)
    assert Softmax.from_config(layer.get_config()).axis == layer.axis
    model = Sequential([layer], input_shape=x.shape[1:])
    np.testing.assert_allclose(model.forward(x, training=True)[0], y, rtol=2e-6)
    assert layer.gives_probabilities == ("softmax" if axes == (3,) else None)
    if isinstance(axis, int):
        np.testing.assert_array_equal(activations.softmax(x[0], axis if axis < 0 else axis - 1), y[0])


def test_a_softmax_of_channels_is_not_left_to_the_loss(rng):
    x, t = rng.normal(size=(4, 3, 2)), np.eye(2)[rng.integers(0, 2, (4, 3))]
    model = Sequential([Softmax(axis=1)], input_shape=(3, 2), dtype="float64")
    model.compile("sgd", "categorical_crossentropy")
    with pytest.warns(UserWarning, match="softmax"):
        loss = model.evaluate(x, t, verbose=0)
    p = Softmax(axis=1)(x)
    assert loss == pytest.approx(-np.log((p / p.sum(axis=-1, keepdims=True) * t).sum(axis=-1)).mean(), rel=1e-6)


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
    settings = {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}
    assert configs == [{"activation": {"class": "ReLU", "config": settings}}] * 4


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
