"""evaluate, predict, train_on_batch and test_on_batch: what they return."""

import tracemalloc

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import AveragePool2D, Conv2D, Dense, Dropout, Flatten


@pytest.fixture
def model():
    model = Sequential([Dropout(0.5, input_shape=(3,)), Dense(2, activation="softmax")], seed=0, dtype="float64")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def xy(rng):
    return rng.normal(size=(11, 3)), rng.integers(0, 2, 11)


def by_hand(model, x, y):
    p = np.exp(x @ model.params["dense_1/kernel"] + model.params["dense_1/bias"])
    p /= p.sum(axis=1, keepdims=True)
    return [-np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(axis=1) == y).mean()], p


@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
def test_evaluate_is_the_mean_over_all_samples_whatever_the_batches(model, xy, batch_size):
    assert model.evaluate(*xy, batch_size=batch_size, verbose=0) == pytest.approx(by_hand(model, *xy)[0])


def test_evaluate_and_predict_are_without_dropout(model, xy):
    np.testing.assert_allclose(model.predict(xy[0]), by_hand(model, *xy)[1], rtol=1e-12)
    assert model.evaluate(*xy, verbose=0) == model.evaluate(*xy, verbose=0)


def test_evaluate_changes_nothing(model, xy):
    before = model.get_weights()
    model.evaluate(*xy, verbose=0)
    model.test_on_batch(*xy)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations == 0


def test_scores_are_a_list_a_dict_or_the_loss_alone(model, xy):
    scores = model.evaluate(*xy, verbose=0)
    assert isinstance(scores, list)
    assert model.evaluate(*xy, verbose=0, return_dict=True) == dict(zip(["loss", "accuracy"], scores, strict=True))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.evaluate(*xy, verbose=0) == scores[0]
    assert model.evaluate(*xy, verbose=0, return_dict=True) == {"loss": scores[0]}


def test_evaluate_heeds_sample_weights(model, xy):
    x, y = xy
    weight = np.zeros(11)
    weight[3] = 2.0
    alone = model.evaluate(x[3:4], y[3:4], verbose=0)[0]
    assert model.evaluate(x, y, batch_size=4, sample_weight=weight, verbose=0)[0] == pytest.approx(2 * alone / 11)


@pytest.mark.parametrize("batch_size", [1, 4, 100, None])
def test_predict_returns_all_outputs_in_order(model, xy, batch_size):
    p = model.predict(xy[0], batch_size=batch_size)
    np.testing.assert_allclose(p, by_hand(model, *xy)[1], rtol=1e-12)


def test_predict_of_no_samples_is_empty_but_shaped(model):
    assert model.predict(np.zeros((0, 3))).shape == (0, 2)


def test_predict_takes_lists_and_needs_no_compiling():
    model = Sequential([Dense(1, kernel_initializer="ones", input_dim=2)])
    y = model.predict([[1, 2], [3, 4]])
    assert y.tolist() == [[3], [7]]
    assert y.dtype == np.float32


@pytest.mark.parametrize("use", [lambda model, x, y: model.predict(x), lambda model, x, y: model.evaluate(x, y, 32, 0),
                                 lambda model, x, y: model.fit(x, y, verbose=0)], ids=["predict", "evaluate", "fit"])
def test_images_on_disk_are_cast_a_batch_at_a_time(tmp_path, use):
    images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (2000, 784))
    model = Sequential([Dense(1, input_dim=784)], seed=0)
    model.compile("sgd", "mse")
    y = np.zeros((2000, 1))
    use(model, images[:32], y[:32])
    tracemalloc.start()
    try:
        use(model, images, y)
        assert tracemalloc.get_traced_memory()[1] < images.nbytes
    finally:
        tracemalloc.stop()


def test_predict_returns_an_array_of_its_own(rng):
    model, x = Sequential([Dropout(0.5, input_shape=(3,))]), rng.normal(size=(4, 3)).astype(np.float32)
    for predict in model.predict, model.predict_on_batch:
        assert not np.shares_memory(predict(x), x)


def test_a_list_of_the_one_input_and_the_one_output_is_what_is_in_it(model, xy):
    x, y = xy
    np.testing.assert_array_equal(model.predict([x]), model.predict(x))
    assert model.evaluate([x], [y], verbose=0) == model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(model.predict([x[0]]), model.predict(x[:1]))       # a list of one sample stays one


@pytest.mark.parametrize("as_targets", [lambda y: y, lambda y: [y], lambda y: y.tolist()])
def test_a_list_of_the_one_input_builds_a_model_that_does_not_know_its_shape(as_targets, xy):
    x, y = xy
    model = Sequential([Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit([x], as_targets(y), verbose=0)
    assert model.input_shape == (3,)


@pytest.mark.parametrize("y", [5, np.array(5), [np.array(5)]])
@pytest.mark.parametrize("as_samples", [lambda x: x, lambda x: [x]])
def test_targets_that_are_a_number_are_told_of_before_a_model_knows_its_shape(as_samples, y, xy):
    model = Sequential([Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="y: expected an array with a batch axis"):
        model.fit(as_samples(xy[0]), y, verbose=0)


def test_test_on_batch_is_the_figures_of_that_batch(model, xy):
    assert model.test_on_batch(*xy) == pytest.approx(by_hand(model, *xy)[0])
    assert list(model.test_on_batch(*xy, return_dict=True)) == ["loss", "accuracy"]


def test_train_on_batch_returns_the_figures_before_its_update(xy):
    model = Sequential([Dense(2, activation="softmax", input_dim=3)], seed=0, dtype="float64")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = model.test_on_batch(*xy)
    assert model.train_on_batch(*xy) == expected
    after = model.test_on_batch(*xy, return_dict=True)
    assert after["loss"] < expected[0]
    assert model.train_on_batch(*xy, return_dict=True) == after
    assert model.optimizer.iterations == 2


def test_train_on_batch_steps_as_fit_does(xy):
    models = [Sequential([Dense(2, activation="softmax", input_dim=3)], seed=0) for _ in range(2)]
    for model in models:
        model.compile("adam", "sparse_categorical_crossentropy")
    models[0].fit(*xy, batch_size=4, shuffle=False, epochs=2, verbose=0)
    for start in [0, 4, 8] * 2:
        models[1].train_on_batch(xy[0][start:start + 4], xy[1][start:start + 4])
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_objective_gives_value_predictions_and_gradients_without_an_update(model, xy):
    before = model.get_weights()
    value, y_pred, backward = model.objective(*xy)
    backward()
    assert value == pytest.approx(by_hand(model, *xy)[0][0])
    np.testing.assert_allclose(y_pred, by_hand(model, *xy)[1], rtol=1e-12)
    assert model.grads.keys() == model.params.keys()
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_losses_of_sequences_are_means_over_their_places(rng):
    model = Sequential([Dense(3, activation="softmax", input_shape=(5, 2))], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = rng.normal(size=(7, 5, 2)), rng.integers(0, 3, (7, 5))
    p = np.take_along_axis(model.predict(x), y[..., None], axis=-1)
    loss, accuracy = model.evaluate(x, y, batch_size=3, verbose=0)
    assert loss == pytest.approx(-np.log(p).mean(), rel=1e-5)
    assert 0 <= accuracy <= 1
    assert model.fit(x, y, epochs=2, verbose=0).history["loss"][0] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.uint8, np.int64, np.float32, ">f4", np.float64, list])
def test_calling_a_model_casts_its_input_as_predict_does(dtype, given):
    model = Sequential([AveragePool2D(input_shape=(1, 2, 2)), Flatten(), Dense(2)], dtype=dtype, seed=0)
    images = np.array([[[[200, 200], [200, 201]]]])
    x = images.tolist() if given is list else images.astype(given)
    y = model(x)
    assert y.dtype == model.cast(x).dtype == dtype
    np.testing.assert_array_equal(y, model.predict(x))
    np.testing.assert_array_equal(y, model(images.astype(dtype)))


def test_a_model_is_called_like_a_function(rng):
    model = Sequential([Conv2D(2, 3, input_shape=(1, 5, 5)), Flatten(), Dense(2)], seed=0)
    x = rng.normal(size=(4, 1, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(model(x), model.predict(x))
    y, backward = model.forward(x)
    assert backward(np.ones_like(y) * [1.0, -2.0]).shape == x.shape
