"""Normalisation: batch statistics and running ones, what changes them, and gradients through them."""

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential, kernels, study
from tinynet.layers import BatchNormalization, Dense, LayerNormalization


def made(shape, dtype=np.float64, **config):
    return built(BatchNormalization(**config), shape, dtype)


def with_weights(layer, **weights):
    for key, numbers in weights.items():
        layer.params[key] = np.array(numbers, float)
    return layer


X = np.array([[1.0, 10.0], [3.0, 50.0]])                       # means 2 and 30, standard deviations 1 and 20


@pytest.mark.usefixtures("every_kernel_set")
def test_a_batch_is_normalised_by_its_own_mean_and_biased_variance():
    layer = with_weights(made((2,), epsilon=0), gamma=[2, 0.5], beta=[1, -1])
    np.testing.assert_allclose(layer(X, training=True), [[-1, -1.5], [3, -0.5]], rtol=1e-12)


@pytest.mark.usefixtures("every_kernel_set")
def test_running_statistics_move_towards_those_of_the_batch_and_inference_uses_them():
    layer = with_weights(made((2,), epsilon=0, momentum=0.9), gamma=[2, 1], beta=[1, 0])
    layer(X, training=True)
    np.testing.assert_allclose(layer.state["moving_mean"], [0.2, 3], rtol=1e-6)
    np.testing.assert_allclose(layer.state["moving_variance"], [1, 40.9], rtol=1e-6)
    assert {array.dtype for array in layer.state.values()} == {np.dtype(np.float32)}
    layer.state = {"moving_mean": np.array([1.0, 20.0]), "moving_variance": np.array([4.0, 25.0])}
    np.testing.assert_allclose(layer(X), [[1, -2], [3, 6]], rtol=1e-12)
    np.testing.assert_array_equal(layer.state["moving_mean"], [1, 20])


@pytest.mark.usefixtures("every_kernel_set")
def test_the_gradient_passes_through_the_mean_and_the_standard_deviation():
    x = np.array([[-1.0], [0.0], [1.0]]) * 6 ** 0.5            # mean 0, variance 4
    layer = with_weights(made((1,), epsilon=0), gamma=[2], beta=[5])
    _, backward = layer.forward(x, training=True)
    np.testing.assert_allclose(backward(np.array([[1.0], [0], [0]])), [[1 / 6], [-1 / 3], [1 / 6]], rtol=1e-12)
    np.testing.assert_allclose(layer.grads["gamma"], [-(1.5 ** 0.5)], rtol=1e-12)
    np.testing.assert_allclose(layer.grads["beta"], [1], rtol=1e-12)


@pytest.mark.usefixtures("every_kernel_set")
def test_a_channel_of_images_is_normalised_over_batch_and_space(rng):
    x = rng.normal(3, 2, (4, 2, 3, 5))
    layer = with_weights(made((2, 3, 5), epsilon=0.1), gamma=[1, 3], beta=[0, 2])
    y = layer(x, training=True)
    for c, (gamma, beta) in enumerate([(1, 0), (3, 2)]):
        expected = gamma * (x[:, c] - x[:, c].mean()) / (x[:, c].var() + 0.1) ** 0.5 + beta
        np.testing.assert_allclose(y[:, c], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.state["moving_mean"], 0.01 * x.mean(axis=(0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("config", [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False},
                                    {"trainable": False}], ids=str)
def test_gradients_are_slopes_in_training(config, rng):
    layer = made((2, 2, 3), **config)
    layer.state["moving_variance"][...] = 3
    assert layer.params.keys() == {key for key, part in {"gamma": "scale", "beta": "center"}.items()
                                   if config.get(part, True)}
    assert_gradients_right(layer, rng.normal(2, 3, (3, 2, 2, 3)), training=True)


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize("mean", [0, 1000])
def test_single_precision_loses_nothing_to_a_mean_that_is_large(mean, rng):
    x = rng.normal(mean, 1, (12, 2, 3, 3)).astype(np.float32)
    layer, exact = made((2, 3, 3), np.float32, momentum=0, scale=False), x.astype(np.float64)
    y = layer(x, training=True)
    variance = exact.var(axis=(0, 2, 3), keepdims=True)
    wanted = (exact - exact.mean(axis=(0, 2, 3), keepdims=True)) / (variance + 1e-3) ** 0.5
    np.testing.assert_allclose(layer.state["moving_variance"], variance.ravel(), rtol=1e-6)
    np.testing.assert_allclose(y - layer.params["beta"][:, None, None], wanted, atol=1e-6 * max(1, mean / 10))


@pytest.mark.usefixtures("every_kernel_set")
@pytest.mark.parametrize("first", [None, 0.0], ids=["alike", "the first sample far away"])
def test_variances_do_not_cancel_however_large_the_mean(first, rng):
    x = rng.normal(1e8, 1, (30, 1, 2, 2))
    if first is not None:
        x[0] = first
    _, variance = made((1, 2, 2)).batch_statistics(x)
    np.testing.assert_allclose(variance, [x.var()], rtol=1e-7)


def test_numbers_that_are_all_the_same_become_beta():
    layer = with_weights(made((2,)), gamma=[3, 3], beta=[1, 2])
    np.testing.assert_allclose(layer(np.full((4, 2), 7.3), training=True), np.tile([1.0, 2.0], (4, 1)), rtol=1e-9)


def test_a_frozen_layer_runs_as_in_inference_and_keeps_its_statistics():
    layer = made((2,))
    layer.trainable = False
    before = {key: array.copy() for key, array in layer.state.items()}
    np.testing.assert_array_equal(layer(X, training=True), layer(X))
    for key, array in before.items():
        np.testing.assert_array_equal(layer.state[key], array)
    layer.trainable = True
    assert not np.array_equal(layer(X, training=True), layer(X))


def test_an_empty_batch_leaves_the_statistics_alone():
    layer = made((2, 3, 3))
    y, backward = layer.forward(np.zeros((0, 2, 3, 3)), training=True)
    assert backward(y).shape == (0, 2, 3, 3)
    np.testing.assert_array_equal(layer.state["moving_mean"], [0, 0])
    np.testing.assert_array_equal(layer.state["moving_variance"], [1, 1])
    np.testing.assert_array_equal(layer.grads["gamma"], [0, 0])


def test_the_first_layer_of_a_model_need_not_return_a_gradient(rng):
    layer = made((2,))
    _, backward = layer.forward(rng.normal(size=(5, 2)), training=True)
    assert backward(np.ones((5, 2)), need_dx=False) is None
    np.testing.assert_allclose(layer.grads["beta"], [5, 5])


def test_weights_begin_as_their_initializers_say_and_stand_in_keras_order():
    model = Sequential([BatchNormalization(beta_initializer="ones", gamma_initializer="zeros",
                                           moving_mean_initializer="ones", moving_variance_initializer="zeros",
                                           input_shape=(3,))])
    assert list(model.params) == ["batch_normalization_1/gamma", "batch_normalization_1/beta"]
    assert list(model.state) == ["batch_normalization_1/moving_mean", "batch_normalization_1/moving_variance"]
    assert [array.tolist() for array in model.get_weights()] == [[0] * 3, [1] * 3, [1] * 3, [0] * 3]
    assert [array.tolist() for array in Sequential([BatchNormalization(input_shape=(1,))]).get_weights()] == [
        [1], [0], [0], [1]]


def test_arguments_are_taken_in_keras_order_with_keras_defaults():
    config = BatchNormalization(1, 0.5, 0.1, False, True, "ones", "zeros", "ones", "zeros", "l1", "l2").get_config()
    assert [config[key] for key in ("axis", "momentum", "epsilon", "center", "scale")] == [1, 0.5, 0.1, False, True]
    assert [config[f"{key}_initializer"]["class"] for key in ("beta", "gamma", "moving_mean", "moving_variance")] == [
        "Ones", "Zeros", "Ones", "Zeros"]
    assert [config[f"{key}_regularizer"]["class"] for key in ("beta", "gamma")] == ["L1", "L2"]
    usual = BatchNormalization().get_config()
    assert [usual[key] for key in ("momentum", "epsilon", "center", "scale")] == [0.99, 0.001, True, True]


def test_gamma_and_beta_are_penalised_by_their_own_regularizers():
    model = Sequential([BatchNormalization(gamma_regularizer="l2", beta_regularizer="l1", beta_initializer="ones",
                                           input_shape=(2,))], dtype="float64")
    model.compile("sgd", "mse")
    value, _, backward = model.objective(X, model(X))
    assert value == pytest.approx(2 * 0.01 * 1 + 2 * 0.01 * 1)                     # gamma 1, 1 and beta 1, 1
    backward()
    np.testing.assert_allclose(model.grads["batch_normalization_1/gamma"], [0.02, 0.02])
    np.testing.assert_allclose(model.grads["batch_normalization_1/beta"], [0.01, 0.01])
    assert BatchNormalization(scale=False, gamma_regularizer="l2").penalties() == []


@pytest.mark.parametrize(("axis", "shape"), [(1, (3,)), (-1, (3,)), (1, (3, 4, 5)), (-3, (3, 4, 5)), (1, (3, 4))])
def test_the_axis_of_the_channels_is_the_first_of_a_sample(axis, shape):
    assert made(shape, axis=axis).params["gamma"].shape == (3,)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (3, 4, 5)), (3, (4, 5, 3)), (2, (3,)), (0, (3,)), (-1, (4, 3))])
def test_another_axis_is_refused_in_words(axis, shape):
    with pytest.raises(ValueError, match=r"BatchNormalization 'norm': expected axis=1, the channels of images .*"
                                         rf"transpose\(0, 3, 1, 2\)\. Received: axis={axis} for samples"):
        Sequential([BatchNormalization(axis, name="norm", input_shape=shape)])


@pytest.mark.parametrize(("config", "message"), [
    ({"momentum": 1.5}, "momentum from 0 to 1"), ({"momentum": -0.1}, "momentum, a number at least 0"),
    ({"epsilon": -1}, "epsilon, a number at least 0"), ({"axis": "1"}, "axis, a whole number"),
    ({"axis": [1]}, "axis, a whole number"), ({"gamma_initializer": "one"}, "Did you mean 'ones'"),
    ({"gamma_initializer": lambda shape, rng: np.ones(3)}, r"a gamma \(2,\) from its initializer"),
], ids=lambda value: "" if isinstance(value, str) else "-".join(value))
def test_settings_that_cannot_be_are_told(config, message):
    with pytest.raises(ValueError, match=message):
        BatchNormalization(**config).build((2,), np.random.default_rng(0))


def test_input_that_does_not_fit_is_told():
    for x in np.zeros((4, 3)), np.zeros(2), np.zeros((2, 5, 2)):
        with pytest.raises(ValueError, match=r"BatchNormalization: expected input \(N, 2, \.\.\.\)\. Received: \("):
            made((2,))(x)
    with pytest.raises(ValueError, match="BatchNormalization: has no weights yet"):
        BatchNormalization()(X)


def test_statistics_go_through_one_function_of_which_parts_of_a_batch_add_up(monkeypatch, rng):
    (x, dy), center = rng.normal(5, 1, (2, 7, 3, 2, 2)), np.array([1.0, 2.0, 3.0])
    for args in (x,), (x, dy):
        parts = [kernels.batch_sums(args[0][part], center, *(each[part] for each in args[1:]))
                 for part in (slice(3), slice(3, 7))]
        np.testing.assert_allclose(sum(parts), kernels.batch_sums(args[0], center, *args[1:]), rtol=1e-12)
    asked = []
    monkeypatch.setattr(kernels, "batch_sums", lambda *args, ask=kernels.batch_sums: asked.append(args) or ask(*args))
    _, backward = made((3, 2, 2)).forward(x, training=True)
    assert len(asked) == 2
    backward(dy)
    assert len(asked) == 3


@pytest.mark.slow
def test_what_is_learned_is_bitwise_the_same_for_any_number_of_threads(monkeypatch, rng):
    x, dy = rng.normal(4, 1, (2, 50, 7, 20, 18)).astype(np.float32)             # three pieces
    found = []
    for threads in "1", "2", "3":
        monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
        layer = made((7, 20, 18), np.float32)
        y, backward = layer.forward(x, training=True)
        found.append([y, backward(dy), *layer.grads.values(), *layer.state.values()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_learns_what_it_is_for(rng):
    x = 1000 + rng.normal(size=(64, 4)).astype(np.float32)
    y = x[:, :1] - x[:, 1:2]                                       # lost in the offset to a layer without it
    model = Sequential([BatchNormalization(momentum=0.8, input_shape=(4,)), Dense(1)], seed=0)
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.05
    model.fit(x, y, batch_size=32, epochs=40, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.1


# Layer normalisation.

def of_samples(shape, dtype=np.float64, **config):
    return built(LayerNormalization(**config), shape, dtype)


def test_each_sample_is_normalised_by_itself():
    layer = with_weights(of_samples((2,), epsilon=0), gamma=[2, 1], beta=[1, -1])
    for training in False, True:
        np.testing.assert_allclose(layer(np.array([[1.0, 3.0], [10.0, 50.0]]), training), [[-1, 0], [-1, 0]])
    assert not LayerNormalization.differs_in_training


def test_the_gradient_passes_through_the_mean_and_the_standard_deviation_of_the_sample():
    x = np.array([[-1.0, 0.0, 1.0]]) * 6 ** 0.5                # mean 0, variance 4
    layer = with_weights(of_samples((3,), epsilon=0), gamma=[2, 1, 1], beta=[5, 5, 5])
    _, backward = layer.forward(x)
    np.testing.assert_allclose(backward(np.array([[1.0, 0, 0]])), [[1 / 6, -1 / 3, 1 / 6]], rtol=1e-12)
    np.testing.assert_allclose(layer.grads["gamma"], [-(1.5 ** 0.5), 0, 0], rtol=1e-12)
    np.testing.assert_allclose(layer.grads["beta"], [1, 0, 0], rtol=1e-12)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (4,)), (2, (3,)), (-3, (2,)), ((1, 2, 3), (2, 3, 4)),
                                             ((3, 1), (2, 4)), ([-1, -2], (3, 4))], ids=str)
def test_the_axes_that_are_normalised_are_those_of_gamma_and_beta(axis, shape, rng):
    x, axes = rng.normal(5, 2, (3, 2, 3, 4)), tuple(sorted(np.atleast_1d(axis) % 4))
    layer = of_samples((2, 3, 4), axis=axis, epsilon=0.1)
    assert layer.params["gamma"].shape == layer.params["beta"].shape == shape
    along = [size if each in axes else 1 for each, size in enumerate(x.shape)]
    gamma, beta = (layer.params[key].reshape(along) for key in ("gamma", "beta"))
    h = (x - x.mean(axis=axes, keepdims=True)) / (x.var(axis=axes, keepdims=True) + 0.1) ** 0.5
    np.testing.assert_allclose(layer(x), gamma * h + beta, rtol=1e-12, atol=1e-12)
    assert_gradients_right(layer, x[:2])
    assert LayerNormalization.from_config(layer.get_config()).get_config() == layer.get_config()


def test_arguments_of_both_are_keras_and_axes_are_counted_with_the_batch():
    config = LayerNormalization(1, 0.1, False, True, "ones", "zeros", "l1", "l2").get_config()
    assert [config[key] for key in ("axis", "epsilon", "center", "scale")] == [1, 0.1, False, True]
    assert [config[f"{key}_initializer"]["class"] for key in ("beta", "gamma")] == ["Ones", "Zeros"]
    assert [config[f"{key}_regularizer"]["class"] for key in ("beta", "gamma")] == ["L1", "L2"]
    assert [LayerNormalization().get_config()[key] for key in ("axis", "epsilon", "center", "scale")] == [
        -1, 0.001, True, True]


def test_a_large_mean_costs_single_precision_no_more_than_its_own_rounding(rng):
    x = rng.normal(1000, 1, (5, 64)).astype(np.float32)
    exact = x.astype(np.float64)
    h = (exact - exact.mean(axis=1, keepdims=True)) / (exact.var(axis=1, keepdims=True) + 1e-3) ** 0.5
    layer = of_samples((64,), np.float32, center=False, scale=False)
    y = layer(x)
    np.testing.assert_allclose(y, h, atol=5e-5)                         # 1000 is known to 3e-5
    assert y.dtype == np.float32


@pytest.mark.parametrize("axis", [0, -2, 2, (1, 1), (1, -1)], ids=str)
def test_axes_that_are_not_there_or_of_the_batch_are_refused_in_words(axis):
    with pytest.raises(ValueError, match=r"LayerNormalization 'norm': expected different axes of samples \(3,\), "
                                         r"from 1 to 1; 0 is that of the batch\. Received: \("):
        Sequential([LayerNormalization(axis, name="norm", input_shape=(3,))])
    with pytest.raises(ValueError, match="axis, a whole number or several"):
        LayerNormalization(axis=())


def test_input_of_another_shape_is_told_and_other_axes_may_differ():
    layer = of_samples((2, 3), axis=2)
    assert layer(np.ones((4, 7, 3))).shape == (4, 7, 3)
    for x in np.ones((4, 2, 5)), np.ones((4, 3)):
        with pytest.raises(ValueError, match=r"LayerNormalization: expected input \(N, any, 3\)\. Received: \("):
            layer(x)
    with pytest.raises(ValueError, match="has no weights yet"):
        LayerNormalization(input_shape=(3,))(np.ones((2, 3)))


@pytest.mark.parametrize(("axis", "field"), [(-1, "1xall"), (1, "1"), (2, "allx1"), ((1, 2, 3), "all")], ids=str)
def test_what_is_normalised_is_seen_whole(axis, field):
    model = Sequential([LayerNormalization(axis)], input_shape=(2, 3, 4))
    step = study.profile(model, batch_size=2, repeats=1).steps[0]
    assert (step.field, step.multiply_adds) == (field, 3 * 24)
    assert study.reach(LayerNormalization(), (5,)) == (None, None)
    assert study.reach(BatchNormalization(), (2, 3, 4)) == ((1, 1), (1, 1))
