"""Parts that do not fit together: an error where nothing can be learned, a warning where hardly anybody means it."""

import warnings

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sigmoid, Softmax, Tanh
from tinynet.losses import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy

X, LABELS = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 2, 1, 0])
ONE_HOT = np.eye(3)[LABELS]
LOSSES = pytest.mark.parametrize("loss", [CategoricalCrossentropy, SparseCategoricalCrossentropy],
                                 ids=["one-hot", "labels"])


def made(*last, loss="categorical_crossentropy", optimizer="sgd"):
    model = Sequential([Dense(5, activation="relu", input_dim=4), *last], seed=0)
    model.compile(optimizer, loss)
    return model


def targets(loss):
    return LABELS if "Sparse" in str(loss) else ONE_HOT


def told(call):
    """Return the warnings of a call, as texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert {warning.category for warning in caught} <= {UserWarning}
    assert {warning.filename for warning in caught} <= {__file__}              # they point at the caller's line
    return [str(warning.message) for warning in caught]


def test_a_penalty_on_the_probabilities_hides_no_softmax():
    model = made(Dense(3, activation="softmax", activity_regularizer="l2"))
    assert told(lambda: model.train_on_batch(X, ONE_HOT)) == []


@LOSSES
@pytest.mark.parametrize(("last", "name"), [
    ([Dense(3)], "dense_2"), ([Dense(3, activation="sigmoid")], "dense_2/sigmoid"), ([Dense(3), Tanh()], "tanh_1"),
    ([Dense(3, activation="relu")], "dense_2/relu"), ([Sequential([Dense(3)])], "sequential_1/dense_1"),
], ids=["none", "sigmoid", "tanh", "relu", "inside"])
def test_a_cross_entropy_without_a_softmax_is_told(loss, last, name):
    model = made(*[type(layer).from_config(layer.get_config()) for layer in last], loss=loss())
    message, = told(lambda: model.fit(X, targets(loss()), verbose=0))
    assert message == (
        f"Loss and last layer: {loss.__name__} takes probabilities, and the model ends in '{name}', not in a softmax; "
        f"each row of its outputs is divided by its sum. Expected activation='softmax' at the end, or "
        f"loss={loss.__name__}(from_logits=True) for outputs without an activation. If it is meant so, "
        f"warnings.filterwarnings('ignore', 'Loss and last layer') before this silences it.")


@LOSSES
@pytest.mark.parametrize("activation", [Softmax, Sigmoid, Tanh])
def test_a_loss_from_logits_after_an_activation_that_bounds_them_is_told(loss, activation):
    model = made(Dense(3), activation(), loss=loss(from_logits=True))
    message, = told(lambda: model.train_on_batch(X, targets(loss())))
    assert f"{loss.__name__}(from_logits=True) takes logits" in message
    assert f"ends in '{activation.__name__.lower()}_1', which bounds them" in message


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
@pytest.mark.parametrize("last", [
    lambda: [Dense(3, activation="softmax"), Softmax()],
    lambda: [Dense(3), Activation("softmax"), Dropout(0.1), Softmax()],
    lambda: [Sequential([Dense(3, activation="softmax")]), Activation("softmax")],
], ids=["dense", "with dropout between", "inside"])
def test_softmax_twice_is_told(loss, last):
    message, = told(lambda: made(*last(), loss=loss).fit(X, ONE_HOT, verbose=0))
    assert "Loss and last layer: the model applies softmax twice, in '" in message


@pytest.mark.parametrize(("last", "loss"), [
    (lambda: [Dense(3, activation="softmax")], "categorical_crossentropy"),
    (lambda: [Sequential([Dense(3), Softmax()])], "categorical_crossentropy"),
    (lambda: [Dense(3)], CategoricalCrossentropy(from_logits=True)),
    (lambda: [Dense(3, activation="relu")], CategoricalCrossentropy(from_logits=True)),
    (lambda: [Dense(4, activation="softmax"), Dense(3, activation="softmax")], "categorical_crossentropy"),
    (lambda: [Dense(3)], "mse"), (lambda: [Dense(3, activation="softmax")], "mse"),
], ids=["softmax", "softmax inside", "logits", "relu as logits", "a softmax before", "mse", "softmax and mse"])
def test_what_fits_is_not_told(last, loss):
    assert told(lambda: made(*last(), loss=loss).fit(X, ONE_HOT, verbose=0)) == []


def test_of_two_reasons_one_is_told():
    model = made(Dense(3, activation="softmax"), Softmax(), loss=CategoricalCrossentropy(from_logits=True))
    message, = told(lambda: model.fit(X, ONE_HOT, verbose=0))
    assert "from_logits=True) takes logits" in message


def test_it_is_told_once_for_each_compile_by_whatever_comes_first():
    model = made(Dense(3))
    calls = [lambda: model.evaluate(X, ONE_HOT, verbose=0), lambda: model.fit(X, ONE_HOT, epochs=2, verbose=0),
             lambda: model.train_on_batch(X, ONE_HOT), lambda: model.test_on_batch(X, ONE_HOT)]
    for call in calls:
        model.compile("sgd", "categorical_crossentropy")
        assert [len(told(each)) for each in [call, *calls]] == [1, 0, 0, 0, 0]


def test_the_message_says_how_to_silence_it():
    model = made(Dense(3))
    message, = told(lambda: model.fit(X, ONE_HOT, verbose=0))
    model.compile("sgd", "categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(message.partition("If it is meant so, ")[2].partition(" before this")[0])
        model.fit(X, ONE_HOT, verbose=0)


def test_a_softmax_of_ones_own_fits_if_it_says_so():
    class Own(Softmax):
        pass
    assert told(lambda: made(Dense(3), Own()).fit(X, ONE_HOT, verbose=0)) == []


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("last", [lambda: [Dense(1, activation="softmax")], lambda: [Dense(1), Softmax()],
                                  lambda: [Sequential([Dense(1, activation="softmax")])]],
                         ids=["activation", "layer", "inside"])
def test_a_softmax_of_one_output_cannot_learn(last, loss):
    model = made(*last(), loss=loss)
    for call in model.fit, model.train_on_batch, model.evaluate:
        with pytest.raises(ValueError, match=r"expected .* two .* Dense\(2, activation='softmax'\)"):
            call(X, np.zeros((6, 1)))
    assert model.optimizer.iterations == 0


@LOSSES
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.filterwarnings("ignore:Loss and last layer")
def test_a_cross_entropy_of_one_class_cannot_learn(loss, from_logits):
    model = made(Dense(1, activation=None if from_logits else "sigmoid"), loss=loss(from_logits))
    with pytest.raises(ValueError, match=rf"{loss.__name__}: expected predictions of two classes or more, such as "):
        model.fit(X, np.zeros((6, 1)), verbose=0)
    assert model.optimizer.iterations == 0


def of_images(first, shape, built=True):
    """Fit a model that begins with some layers to images of `shape`, as input_shape, or as the data alone have it."""
    model = Sequential([*first, Flatten(), Dense(3)], input_shape=shape if built else None, seed=0)
    model.compile("sgd", "mse")
    return model.fit(np.zeros((2, *shape)), np.zeros((2, 3)), verbose=0)


@pytest.mark.parametrize("built", [True, False], ids=["input_shape", "from the data"])
@pytest.mark.parametrize("first", [
    lambda: [Conv2D(2, 3, padding="same")], lambda: [MaxPool2D((2, 1))], lambda: [ReLU(), Conv2D(2, (3, 1))],
    lambda: [Sequential([Conv2D(2, (3, 1))])],
], ids=["conv", "pool", "relu first", "inside"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_that_look_channels_last_are_told(first, channels, built):
    message, = told(lambda: of_images(first(), (8, 6, channels), built))
    assert f"takes (8, 6, {channels}) as 8 channels of 6 x {channels} pixels: images are channels first" in message
    assert f"expected input_shape=({channels}, 8, 6) and x.transpose(0, 3, 1, 2)" in message
    assert "warnings.filterwarnings('ignore', 'Image shape')" in message


@pytest.mark.parametrize(("first", "shape"), [
    (lambda: [Conv2D(2, 3)], (1, 8, 8)), (lambda: [Conv2D(2, 3)], (3, 8, 6)), (lambda: [Conv2D(2, 3)], (3, 9, 3)),
    (lambda: [Conv2D(2, 3)], (8, 3, 3)), (lambda: [Conv2D(2, 3)], (16, 5, 5)), (lambda: [Flatten()], (8, 6, 3)),
    (lambda: [Conv2D(8, 3), MaxPool2D(4), Conv2D(2, 1)], (1, 18, 10)),
], ids=lambda value: str(value) if isinstance(value, tuple) else "")
def test_images_that_are_channels_first_are_not_told(first, shape):
    assert told(lambda: of_images(first(), shape)) == []


def test_a_binary_cross_entropy_without_probabilities_is_told():
    model = made(Dense(1), loss="binary_crossentropy")
    message, = told(lambda: model.fit(X, LABELS > 0, verbose=0))
    assert message.startswith(
        "Loss and last layer: BinaryCrossentropy takes probabilities, and the model ends in 'dense_2', not in a "
        "sigmoid; outputs beyond 0 and 1 learn nothing. Expected activation='sigmoid' at the end, or "
        "loss=BinaryCrossentropy(from_logits=True) for outputs without an activation.")
    model = made(Dense(1, activation="sigmoid"), loss=BinaryCrossentropy(from_logits=True))
    message, = told(lambda: model.fit(X, LABELS > 0, verbose=0))
    assert "Expected no activation at the end, or a sigmoid and loss=BinaryCrossentropy()." in message
    for last in Dense(1, activation="sigmoid"), Dense(3, activation="softmax"):      # of several classes, too
        model = made(last, loss="binary_crossentropy")
        assert told(lambda: model.fit(X, ONE_HOT[:, :last.units], verbose=0)) == []                        # noqa: B023
