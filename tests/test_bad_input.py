"""Everything a person does wrong with data and settings, each with its message; and what must simply work."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.callbacks import EarlyStopping
from tinynet.layers import Conv2D, Dense, Flatten, Layer, MaxPool2D, RandomFlip, Rescaling

IMAGES = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 20)
ONE_HOT = np.eye(3)[LABELS]
ONE_HOT_LOSS, LABEL_LOSS = "categorical_crossentropy", "sparse_categorical_crossentropy"


def cnn(loss=ONE_HOT_LOSS):
    model = Sequential([Conv2D(2, 3, activation="relu", input_shape=(1, 8, 8)), MaxPool2D(), Flatten(),
                        Dense(3, activation="softmax")], seed=0)
    if loss:
        model.compile("adam", loss, metrics=["accuracy"])
    return model


def fit(x=IMAGES, y=ONE_HOT, loss=ONE_HOT_LOSS, **arguments):
    return cnn(loss).fit(x, y, **{"verbose": 0, **arguments})


def changed(array, where, value):
    array = array.copy()
    array[where] = value
    return array


def same_layer_twice():
    layer = Dense(3, input_dim=3)
    Sequential([layer, layer])


MISTAKES = {
    "wrong rank": (lambda: fit(IMAGES[:, 0]), "Conv2D 'conv2d_1': expected input (N, 1, H, W). Received: (20, 8, 8)."),
    "NHWC images": (lambda: fit(IMAGES.transpose(0, 2, 3, 1)),
                    "Conv2D 'conv2d_1': expected input (N, 1, H, W), channels first (images with channels last want "
                    "x.transpose(0, 3, 1, 2)). Received: (20, 8, 8, 1)."),
    "one image without its batch axis": (lambda: cnn().predict(IMAGES[0]),
                                         "Conv2D 'conv2d_1': expected input (N, 1, H, W). Received: (1, 8, 8)."),
    "images of another size": (lambda: fit(np.ones((20, 1, 9, 9))),
                               "expected input (N, 1, 8, 8). Received: (20, 1, 9, 9)."),
    "labels for the one-hot loss": (lambda: fit(y=LABELS),
                                    "CategoricalCrossentropy: expected one-hot targets (N, 3). Received: labels (20,). "
                                    "Use loss='sparse_categorical_crossentropy', or to_categorical(y, 3)."),
    "one-hot for the label loss": (lambda: fit(loss=LABEL_LOSS),
                                   "SparseCategoricalCrossentropy: expected labels (N,). Received: one-hot targets "
                                   "(20, 3). Use loss='categorical_crossentropy', or y.argmax(axis=-1)."),
    "labels from 1": (lambda: fit(y=LABELS + 1, loss=LABEL_LOSS),
                      "SparseCategoricalCrossentropy: expected labels from 0 to 2. Received: 1 to 3."),
    "labels below 0": (lambda: fit(y=LABELS - 1, loss=LABEL_LOSS), "expected labels from 0 to 2. Received: -1 to 1."),
    "labels with halves": (lambda: fit(y=LABELS + 0.5, loss=LABEL_LOSS),
                           "SparseCategoricalCrossentropy: expected class labels, whole numbers from 0. Received: "),
    "labels with NaN": (lambda: fit(y=changed(LABELS.astype(float), 3, np.nan), loss=LABEL_LOSS),
                        "expected class labels, whole numbers from 0."),
    "names for labels": (lambda: fit(y=np.array(["cat"] * 20), loss=LABEL_LOSS), "y: expected an array of numbers"),
    "too few classes": (lambda: fit(y=ONE_HOT[:, :2]),
                        "expected targets of the predictions' shape, (N, 3). Received: (20, 2)"),
    "fewer y than x": (lambda: fit(y=ONE_HOT[:7]), "Expected as many samples in each. Received: 20 in x, 7 in y."),
    "fewer x than y": (lambda: fit(IMAGES[:7]), "Received: 7 in x, 20 in y."),
    "no data": (lambda: fit(IMAGES[:0], ONE_HOT[:0]), "Expected at least one sample. Received: x, y of length 0."),
    "an empty list": (lambda: fit([], []), "expected input (N, 1, H, W). Received: (0,)."),
    "None": (lambda: fit(None), "x: expected an array"),
    "NaN in x": (lambda: fit(changed(IMAGES, (3, 0, 1, 1), np.nan)),
                 "fit: expected numbers in x. Received: NaN or infinity in 1 of 20 samples, the first of them 3."),
    "infinity in x": (lambda: fit(changed(IMAGES, [5, 7], -np.inf)),
                      "infinity in 2 of 20 samples, the first of them 5."),
    "NaN in y": (lambda: fit(y=changed(ONE_HOT, 19, np.nan)),
                 "numbers in y. Received: NaN or infinity in 1 of 20 samples, the first of them 19."),
    "NaN in weights": (lambda: fit(sample_weight=changed(np.ones(20), 2, np.nan)),
                       "fit: expected numbers in sample_weight."),
    "NaN in the validation data": (lambda: fit(validation_data=(IMAGES * np.nan, ONE_HOT)),
                                   "infinity in 20 of 20 samples"),
    "NaN in what is evaluated": (lambda: cnn().evaluate(changed(IMAGES, (3, 0, 1, 1), np.nan), ONE_HOT, verbose=0),
                                 "evaluate: expected numbers in x. Received: NaN or infinity in 1 of 20 samples, the "
                                 "first of them 3."),
    "NaN in its targets": (lambda: cnn().evaluate(IMAGES, changed(ONE_HOT, 19, np.nan)),
                           "evaluate: expected numbers in y."),
    "NaN in its weights": (lambda: cnn().evaluate(IMAGES, ONE_HOT, sample_weight=changed(np.ones(20), 2, np.inf)),
                           "evaluate: expected numbers in sample_weight."),
    "NaN in a batch to test": (lambda: cnn().test_on_batch(changed(IMAGES, (3, 0, 1, 1), np.nan), ONE_HOT),
                               "test_on_batch: expected numbers in x."),
    "batch_size 0": (lambda: fit(batch_size=0), "Expected batch_size, a whole number from 1. Received: 0."),
    "batch_size -1": (lambda: fit(batch_size=-1), "Expected batch_size, a whole number from 1. Received: -1."),
    "batch_size '32'": (lambda: fit(batch_size="32"), "Expected batch_size, a whole number from 1. Received: '32'."),
    "epochs 1.5": (lambda: fit(epochs=1.5), "Expected epochs, a whole number from 0. Received: 1.5."),
    "initial_epoch -1": (lambda: fit(initial_epoch=-1), "Expected initial_epoch, a whole number from 0. Received: -1."),
    "validation_split 1": (lambda: fit(validation_split=1),
                           "fit: expected validation_split between 0 and 1. Received: 1."),
    "validation_split 1.0": (lambda: fit(validation_split=1.0),
                             "expected validation_split between 0 and 1. Received: 1.0."),
    "validation_split 20": (lambda: fit(validation_split=20),
                            "expected validation_split between 0 and 1. Received: 20."),
    "verbose 3": (lambda: fit(verbose=3), "expected verbose 0 (silent), 1 (progress bar) or 2 (one line an epoch)."),
    "a function for a callback": (lambda: fit(callbacks=[print]),
                                  "fit: expected callbacks derived from tinynet.callbacks.Callback"),
    "a class for a callback": (lambda: fit(callbacks=EarlyStopping), "Did you mean EarlyStopping(...)?"),
    "a name for a callback": (lambda: fit(callbacks="early_stopping"), "a list or one. Received: 'early_stopping'."),
    "unknown loss": (lambda: cnn("categorical_crosentropy"),
                     "Unknown loss 'categorical_crosentropy'. Did you mean 'categorical_crossentropy'?"),
    "unknown optimizer": (lambda: cnn(None).compile("adaam", "mse"), "Unknown optimizer 'adaam'. Did you mean 'adam'?"),
    "unknown metric": (lambda: cnn(None).compile("adam", "mse", ["acuracy"]),
                       "Unknown metric 'acuracy'. Did you mean 'accuracy'?"),
    "unknown activation": (lambda: Dense(3, activation="relru"), "Unknown activation 'relru'. Did you mean 'relu'?"),
    "unknown initializer": (lambda: Dense(3, kernel_initializer="he_norml"), "'he_norml'. Did you mean 'he_normal'?"),
    "unknown regularizer": (lambda: Dense(3, kernel_regularizer="l22"),
                            "Unknown regularizer 'l22'. Did you mean 'l2'?"),
    "unknown padding": (lambda: Conv2D(3, 3, padding="samee"), "Unknown padding 'samee'. Did you mean 'same'?"),
    "unknown layer name": (lambda: cnn().get_layer("dense1"), "Unknown layer 'dense1'. Did you mean 'dense_1'?"),
    "window larger than its input": (lambda: Sequential([Conv2D(2, 9, input_shape=(1, 8, 8))]),
                                     "Conv2D 'conv2d_1': expected an image no smaller than its window (9, 9). "
                                     "Received: (8, 8)."),
    "pool larger than its input": (lambda: Sequential([MaxPool2D(9, input_shape=(1, 8, 8))]),
                                   "MaxPool2D 'max_pool2d_1': expected an image no smaller than its window (9, 9)."),
    "fit before compile": (lambda: fit(loss=None),
                           "Sequential: not compiled yet. Call compile(loss=..., optimizer=...) first."),
    "evaluate before compile": (lambda: cnn(None).evaluate(IMAGES, ONE_HOT), "not compiled yet"),
    "compile without a loss": (lambda: cnn(None).compile("adam"),
                               "compile: expected a loss, such as loss='categorical"),
    "a name that begins with $": (lambda: Sequential([Dense(3, name="$x")]),
                                  "Sequential: expected a layer name that does not begin with '$'. Received: '$x'."),
    "the same layer twice": (same_layer_twice, "Dense 'dense_1' is in this model already; a layer can be in it once."),
    "objects": (lambda: fit(np.full((20, 1, 8, 8), object())),
                "x: expected an array of numbers, all samples of one shape."),
    "words in an object array": (lambda: fit(np.full((20, 1, 8, 8), "1.x", object)), "x: expected an array of numbers"),
    "rows of different lengths": (lambda: fit([[1, 2], [3]]),
                                  "x: expected an array of numbers, all samples of one shape."),
    "a dict": (lambda: fit({"x": IMAGES}), "x: expected an array of numbers"),
    "a generator": (lambda: fit(image for image in IMAGES), "x: expected an array of numbers"),
    "weights too short": (lambda: fit(sample_weight=np.ones(3)),
                          "sample_weight: expected one number for each of 20 samples."),
    "validation data without y": (lambda: fit(validation_data=IMAGES), "fit: expected validation_data (x, y) or"),
}


@pytest.mark.parametrize(("mistake", "text"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_and_changes_nothing(mistake, text, monkeypatch):
    updates = []
    monkeypatch.setattr("tinynet.optimizers.Optimizer.update", lambda *args: updates.append(args))
    with pytest.raises((ValueError, TypeError)) as error:
        mistake()
    assert text in str(error.value)
    assert updates == []


PIXELS = np.random.default_rng(2).integers(0, 256, (20, 1, 8, 8))


@pytest.mark.parametrize("x", [PIXELS, PIXELS.astype(np.uint8), PIXELS.astype(float), PIXELS.tolist()],
                         ids=["int", "uint8", "float", "list"])
@pytest.mark.parametrize("where", ["training", "validation"])
def test_pixels_left_at_0_to_255_are_warned_of_and_trained_on(x, where):
    data = {"x": x} if where == "training" else {"validation_data": (x, ONE_HOT)}
    with pytest.warns(UserWarning, match=r"x looks like pixels from 0 to 255 \(it is from 0 to 255\).*divide by 255"):
        assert len(fit(**data).epoch) == 1


@pytest.mark.parametrize("x", [PIXELS / 255, PIXELS - 128.0, PIXELS * 4.0, PIXELS // 64, PIXELS / 2, IMAGES])
def test_data_of_another_scale_are_not_taken_for_pixels(x):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert fit(x).epoch == [0]
    assert told == []


def test_whole_numbers_of_a_table_are_not_taken_for_pixels():
    model = Sequential([Dense(1, input_dim=4)], seed=0)
    model.compile("adam", "mse")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(np.arange(200).reshape(50, 4), np.ones((50, 1)), verbose=0)
    assert told == []


class Column:
    """What a column or a table of pandas is to NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


WORKS = {
    "lists": lambda x, y: (x.tolist(), y.tolist()),
    "lists of arrays": lambda x, y: (list(x), list(y)),
    "tuples": lambda x, y: (tuple(map(tuple, x.tolist())), tuple(y.tolist())),
    "ints": lambda x, y: (x.astype(int), y.astype(np.int8)),
    "float64": lambda x, y: (x.astype(float), y.astype(float)),
    "float16": lambda x, y: (x.astype(np.float16), y),
    "booleans": lambda x, y: (x.astype(bool).astype(int) * x, y),
    "object arrays of numbers": lambda x, y: (x.astype(object), y.astype(object)),
    "columns": lambda x, y: (Column(x), Column(y)),
    "labels as a column": lambda x, y: (x, y[:, None]),
    "Fortran order": lambda x, y: (np.asfortranarray(x), y),
    "every second": lambda x, y: (np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2)[::2]),
    "read-only": lambda x, y: (np.broadcast_to(x, x.shape), np.broadcast_to(y, y.shape)),
}


@pytest.mark.parametrize("make", WORKS.values(), ids=WORKS.keys())
def test_data_in_any_form_train_the_same(make):
    x, histories = np.random.default_rng(0).integers(0, 3, (20, 1, 8, 8)), []
    for data in (x, LABELS), make(x, LABELS):
        model = cnn(LABEL_LOSS)
        histories.append(model.fit(*data, batch_size=7, epochs=2, verbose=0, validation_data=data).history)
    assert histories[0] == histories[1]


def test_columns_of_pandas_work():
    pandas = pytest.importorskip("pandas")
    table, weights = pandas.DataFrame(IMAGES.reshape(20, 64)).assign(label=LABELS), []
    for x, y in ((table.drop(columns="label"), table["label"]), (IMAGES.reshape(20, 64), LABELS)):
        model = Sequential([Dense(3, activation="softmax", input_dim=64)], seed=0)
        model.compile("adam", LABEL_LOSS)
        model.fit(x, y, verbose=0)
        weights.append(model.params["dense_1/kernel"])
    np.testing.assert_array_equal(weights[0], weights[1])


class Returning(Layer):
    """A layer of a reader's, whose forward or backward returns something else."""

    def __init__(self, y=lambda y: y, dx=lambda dx: dx):
        super().__init__(input_shape=(2,))
        self.y, self.dx = y, dx

    def forward(self, x, training=False):
        return self.y((x, lambda dy: self.dx(dy)))


@pytest.mark.parametrize(("y", "received"), [
    (lambda y: y[0], "ndarray"), (lambda y: None, "None"), (lambda y: list(y), "a list of ndarray, function"),
    (lambda y: (*y, 3), "a tuple of ndarray, function, int"), (lambda y: (y[0], None), "a tuple of ndarray, None"),
    (lambda y: ((y[0], y[0]), y[1]), "a tuple of tuple, function"),
])
def test_a_layer_whose_forward_returns_something_else_is_told_what_it_is_to_return(y, received):
    model = Sequential([Returning(y), Dense(1)], seed=0)
    text = re.escape(f": expected forward to return (y, backward), an array and a function. Received: {received}.")
    with pytest.raises(ValueError, match="Returning 'returning_1'" + text):
        model.predict(np.ones((3, 2)))
    with pytest.raises(ValueError, match="^Returning" + text):
        Returning(y)(np.ones((3, 2)))


@pytest.mark.parametrize(("dx", "received"), [(lambda dx: (dx,), "a tuple of ndarray"), (lambda dx: None, "None")])
def test_a_layer_whose_backward_returns_something_else_is_told_what_it_is_to_return(dx, received):
    model = Sequential([Dense(2, input_dim=2), Returning(dx=dx)], seed=0)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=re.escape("Returning 'returning_1': expected backward to return dx, an array, "
                                                   f"alone. Received: {received}.")):
        model.fit(np.ones((3, 2)), np.ones((3, 2)), verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


@pytest.mark.parametrize("batch_size", [19, 20, 21, 10**6, None, np.int64(3)])
def test_any_batch_size_works_and_a_last_batch_of_one(batch_size):
    assert np.isfinite(fit(batch_size=batch_size, epochs=2).history["loss"]).all()
    assert fit(IMAGES[:1], ONE_HOT[:1], batch_size=batch_size).epoch == [0]


def test_mistakes_are_told_in_the_same_words_in_optimised_python():
    """No check is an assert, which ``python -O`` leaves out."""
    code = ("import numpy as np\nfrom tinynet import Sequential\nfrom tinynet.layers import Dense\n"
            "model = Sequential([Dense(3, input_dim=2)])\nmodel.compile('adam', 'mse')\n"
            "try:\n    model.fit(np.ones((4, 5)), np.ones((4, 3)))\nexcept ValueError as error:\n    print(error)")
    out = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "Dense 'dense_1': expected input (N, 2). Received: (4, 5).\n"


def test_pixels_that_are_rescaled_after_an_augmentation_are_not_warned_of():
    model = Sequential([RandomFlip("horizontal"), Rescaling(1 / 255), Flatten(), Dense(2, activation="softmax")],
                       input_shape=(1, 4, 4))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.full((4, 1, 4, 4), 255, np.uint8), [0, 1, 0, 1], verbose=0)                  # warnings are errors here


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_of_the_validation_that_cannot_be_is_told_by_its_name(size):
    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=f"validation_batch_size, a whole number from 1. Received: {size}"):
        model.fit([[1.0]], [[1.0]], validation_data=([[1.0]], [[1.0]]), validation_batch_size=size, verbose=0)
