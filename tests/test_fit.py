"""fit: epochs, batches, shuffling, running means, validation, weights and what data may look like."""

import itertools

import numpy as np
import pytest

from tinynet import Sequential, kernels
from tinynet.callbacks import Callback
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer
from tinynet.optimizers import SGD


class Seen(Layer):
    """Hands its input on, and remembers the batches it was trained and tested on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.trained, self.tested = [], []

    def forward(self, x, training=False):
        (self.trained if training else self.tested).append(x.copy())
        return x, lambda dy: dy

    def order(self, which="trained"):
        return [batch[:, 0].astype(int).tolist() for batch in getattr(self, which)]


def watched(seed=0):
    """Return a model of one weight and the layer before it that sees all batches."""
    seen = Seen(input_shape=(1,))
    model = Sequential([seen, Dense(1, use_bias=False)], seed=seed, dtype="float64")
    model.compile("sgd", "mse")
    return model, seen


def flat(lists):
    return list(itertools.chain(*lists))


def numbered(n):
    return np.arange(n, dtype=float)[:, None], np.ones((n, 1))


def linear(weight=0.0, rate=0.01, metrics=None):
    """Return y = w x, to be trained by plain SGD."""
    model = Sequential([Dense(1, use_bias=False, input_dim=1)], dtype="float64", seed=0)
    model.set_weights([np.array([[weight]])])
    model.compile(SGD(rate), "mse", metrics=metrics)
    return model


def weight(model):
    return model.get_weights()[0].item()


def test_one_step_by_hand():
    model = linear(weight=1.0, rate=0.1)
    history = model.fit([[1.0], [2.0]], [[3.0], [0.0]], verbose=0)
    assert history.history["loss"] == [4.0]                             # (2^2 + 2^2) / 2
    assert weight(model) == pytest.approx(1 - 0.1 * (2 * -2 * 1 + 2 * 2 * 2) / 2)


def test_history_has_the_keys_of_keras_and_one_number_an_epoch():
    model = Sequential([Dense(2, activation="softmax", input_dim=3)])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    x, y = np.ones((6, 3)), np.eye(2)[[0, 1, 0, 1, 0, 1]]
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert {len(numbers) for numbers in history.history.values()} == {3}
    assert all(type(n) is float for numbers in history.history.values() for n in numbers)
    assert history.epoch == [0, 1, 2]
    assert model.history is history


def test_batches_are_cut_in_order_and_the_last_may_be_short():
    model, seen = watched()
    model.fit(*numbered(7), batch_size=3, epochs=2, shuffle=False, verbose=0)
    assert seen.order() == [[0, 1, 2], [3, 4, 5], [6]] * 2


def test_batch_size_is_32_if_not_given():
    model, seen = watched()
    model.fit(*numbered(70), verbose=0)
    assert [len(batch) for batch in seen.trained] == [32, 32, 6]


def test_a_batch_may_be_larger_than_the_data():
    model, seen = watched()
    model.fit(*numbered(3), batch_size=100, verbose=0)
    assert [len(batch) for batch in seen.trained] == [3]


def test_shuffling_shows_every_sample_once_an_epoch_in_ever_new_orders():
    model, seen = watched()
    model.fit(*numbered(50), batch_size=8, epochs=3, verbose=0)
    order = flat(seen.order())
    epochs = [order[start:start + 50] for start in (0, 50, 100)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [*epochs, list(range(50))]}) == 4


def test_shuffling_mixes_the_batches_and_not_only_their_order():
    model, seen = watched()
    model.fit(*numbered(60), batch_size=6, verbose=0)
    assert max(max(batch) - min(batch) for batch in seen.order()) > 6


def test_shuffling_keeps_targets_and_weights_with_their_samples():
    x = np.arange(1.0, 41.0)[:, None]
    odd = x % 2 == 1
    heavy = np.where(odd[:, 0], 1.0, 0.0)
    model = linear(weight=2.0)
    y = np.where(odd, 2 * x, 5.0)                                      # wrong only where the weight is 0
    history = model.fit(x, y, sample_weight=heavy, batch_size=4, epochs=2, verbose=0)
    assert history.history["loss"] == [0, 0]
    assert weight(model) == 2


def test_shuffling_leaves_the_data_as_they_are():
    x, y = numbered(20)
    before = x.copy(), y.copy()
    linear().fit(x, y, verbose=0)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_running_means_count_a_short_last_batch_by_its_size():
    model = linear(weight=1.0, rate=0.0, metrics=["mae"])
    x, y = np.ones((5, 1)), np.array([[1.0], [1.0], [1.0], [1.0], [6.0]])
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert history.history == {"loss": [5.0], "mae": [1.0]}             # 25 / 5 and 5 / 5, not 25 / 2 and 5 / 2


def test_running_means_of_many_batches_are_the_mean_of_all_samples():
    y = np.arange(8.0)[:, None] ** 2
    model = linear(weight=0.0, rate=0.0, metrics=["mae"])
    seen = []

    class Watch(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["mae"])
    history = model.fit(np.ones((8, 1)), y, batch_size=3, shuffle=False, verbose=0, callbacks=[Watch()],
                        validation_data=(np.ones((8, 1)), y)).history
    assert seen == pytest.approx([y[:3].mean(), y[:6].mean(), y.mean()])
    assert history["mae"] == history["val_mae"] == pytest.approx([y.mean()])
    assert history["loss"] == history["val_loss"] == pytest.approx([(y ** 2).mean()])


def test_training_figures_are_of_the_weights_before_each_update_and_validation_of_the_last():
    model = linear(weight=0.0, rate=0.5)
    history = model.fit([[1.0]], [[2.0]], validation_data=([[1.0]], [[2.0]]), verbose=0)
    assert history.history == {"loss": [4.0], "val_loss": [0.0]}


def test_dropout_is_on_in_training_figures_and_off_in_validation():
    model = Sequential([Dropout(0.5, input_shape=(1000,))], dtype="float64", seed=0)
    model.compile("sgd", "mse")
    x = np.ones((4, 1000))
    history = model.fit(x, x, validation_data=(x, x), verbose=0).history
    assert history["val_loss"] == [0.0]
    assert history["loss"][0] == pytest.approx(1, abs=0.15)


def test_validation_split_takes_the_last_fraction_before_shuffling():
    model, seen = watched()
    model.fit(*numbered(10), batch_size=4, epochs=2, validation_split=0.3, verbose=0)
    assert sorted(flat(seen.order())) == sorted(list(range(7)) * 2)
    assert flat(seen.order("tested")) == [7, 8, 9] * 2


@pytest.mark.parametrize(("samples", "fraction", "trained"), [(10, 0.25, 7), (10, 0.3, 7), (7, 0.5, 3), (3, 0.34, 1)])
def test_validation_split_rounds_the_training_part_down_as_keras_does(samples, fraction, trained):
    model, seen = watched()
    model.fit(*numbered(samples), validation_split=fraction, verbose=0)
    assert (len(flat(seen.order())), len(flat(seen.order("tested")))) == (trained, samples - trained)


def test_validation_split_splits_the_weights_too():
    x, y = np.ones((4, 1)), np.array([[1.0], [1.0], [3.0], [3.0]])
    history = linear(weight=1.0, rate=0.0).fit(x, y, sample_weight=[1, 1, 2, 0], validation_split=0.5, verbose=0)
    assert history.history == {"loss": [0.0], "val_loss": [4.0]}


def test_validation_data_win_over_the_split_and_may_have_weights():
    x, y = np.ones((4, 1)), np.full((4, 1), 3.0)
    model = linear(weight=1.0, rate=0.0)
    history = model.fit(x, y, validation_data=(x[:2], y[:2], [1.0, 0.5]), validation_split=0.5, verbose=0)
    assert history.history == {"loss": [4.0], "val_loss": [3.0]}


def test_class_weights_fit_one_hot_targets_and_labels():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    labels = np.array([0, 1, 1])
    for loss, y in ("categorical_crossentropy", np.eye(2)[labels]), ("sparse_categorical_crossentropy", labels):
        model = Sequential([Dense(2, activation="softmax", input_dim=2)], seed=0, dtype="float64")
        model.compile("sgd", loss)
        p = model.predict(x)[np.arange(3), labels]
        loss = -np.log(p) * [1.0, 5.0, 5.0]
        assert model.train_on_batch(x, y, class_weight={1: 5.0}) == pytest.approx(loss.mean())
    fitted = linear_softmax().fit(x, labels, class_weight={0: 0.0, 1: 0.0}, verbose=0)
    assert fitted.history["loss"] == [0.0]


def linear_softmax():
    model = Sequential([Dense(2, activation="softmax", input_dim=2)], seed=0, dtype="float64")
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_sample_weights_below_zero_are_warned_of():
    with pytest.warns(UserWarning, match="Sample weights: 1 of 2 are below 0"):
        linear(weight=1.0, rate=0.0).fit([[1.0], [2.0]], [0, 1], sample_weight=[-1, 1], verbose=0)


def test_class_and_sample_weights_multiply():
    x, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    model = linear_softmax()
    losses = -np.log(model.predict(x)[[0, 1], labels])
    value = model.train_on_batch(x, labels, sample_weight=[2.0, 3.0], class_weight={0: 10.0, 1: 100.0})
    assert value == pytest.approx((losses * [20, 300]).sum() / 2)


@pytest.mark.parametrize("held_out", [{"validation_split": 0.5}, {"validation_data": ([[0.0, 0.0]] * 2, [1, 1])}],
                         ids=" ".join)
def test_class_weights_are_for_training_alone(held_out):
    model = linear_softmax()                                          # of zeros it makes 1/2 and 1/2
    model.compile(SGD(0.0), "sparse_categorical_crossentropy")
    history = model.fit(np.zeros((4, 2)), [1, 1, 1, 1], class_weight={1: 10.0}, verbose=0, **held_out).history
    assert history == {"loss": [pytest.approx(10 * np.log(2))], "val_loss": [pytest.approx(np.log(2))]}


def test_sample_weights_are_split_and_class_weights_multiply_those_of_training_alone():
    model = linear_softmax()
    model.compile(SGD(0.0), "sparse_categorical_crossentropy")
    history = model.fit(np.zeros((4, 2)), [0, 1, 1, 1], class_weight={1: 10.0}, sample_weight=[1, 2, 3, 5],
                        validation_split=0.5, verbose=0).history
    assert history == {"loss": [pytest.approx((1 + 20) / 2 * np.log(2))],
                       "val_loss": [pytest.approx((3 + 5) / 2 * np.log(2))]}


NO_CLASS_WEIGHTS = {
    "a label above all": ({7: 5.0}, "labels from 0 to 2. Received: 7."),
    "labels from 1": ({1: 1.0, 2: 2.0, 3: 5.0}, "labels from 0 to 2. Received: 3."),
    "a label below 0": ({-1: 5.0}, "labels from 0 to 2. Received: -1."),
    "True": ({True: 2.0}, "labels from 0 to 2. Received: True."),
    "a huge label": ({10**12: 2.0, 1: 1.0}, "labels from 0 to 2. Received: 1000000000000."),
    "a fraction": ({0.5: 2.0}, "labels from 0 to 2. Received: 0.5."),
    "a negative weight": ({1: -2.0}, "a weight of label 1, a number at least 0 and below inf. Received: -2.0."),
    "NaN": ({1: np.nan}, "a weight of label 1, a number at least 0 and below inf. Received: nan."),
    "a word for a weight": ({1: "much"}, "a weight of label 1, a number at least 0 and below inf. Received: 'much'."),
}


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy", "mse"])
@pytest.mark.parametrize(("class_weight", "text"), NO_CLASS_WEIGHTS.values(), ids=NO_CLASS_WEIGHTS.keys())
def test_class_weights_that_cannot_be_are_told_before_the_first_update(class_weight, text, loss):
    model = Sequential([Dense(3, activation="softmax", input_dim=2)], seed=0)
    model.compile("sgd", loss)
    y = np.array([0, 1, 1]) if "sparse" in loss else np.eye(3)[[0, 1, 1]]
    for call in model.fit, model.train_on_batch:
        with pytest.raises(ValueError, match=r"^class_weight: expected ") as error:
            call(np.ones((3, 2)), y, class_weight=class_weight)
        assert text in str(error.value)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(("labels", "class_weight", "weights"), [
    ([-1, 1, 1, -1], {1: 3.0}, [1, 3, 3, 1]), ([-1, 1, 1, -1], {-1: 2.0}, [2, 1, 1, 2]),
    ([0, 1, 0, 1], {0: 2.0, 1: 3.0}, [2, 3, 2, 3]), ([0, 0, 0, 0], {1: 3.0}, [1, 1, 1, 1]),
    ([4, 7, 7, 10**6], {7: 2.0, 10**6: 0.0}, [1, 2, 2, 0]), ([0, 1, 1, 0], {np.int64(1): np.float32(4)}, [1, 4, 4, 1]),
    ([0, 1, 1, 0], {0.0: 2.0, np.float32(1): 4.0}, [2, 4, 4, 2]),                   # as np.unique(y) may give them
], ids=str)
def test_class_weights_of_a_single_output_are_looked_up_by_the_labels_that_occur(labels, class_weight, weights):
    y = np.array(labels, float)[:, None]
    loss = linear(weight=0.0).train_on_batch(np.ones((4, 1)), y, class_weight=class_weight)
    assert loss == pytest.approx(np.mean(weights * y[:, 0] ** 2))


def test_a_class_weight_of_a_label_that_does_not_occur_in_a_single_output_is_told():
    with pytest.raises(ValueError, match=r"class_weight: expected labels that occur in y, or .*\. Received: 5\."):
        linear().fit([[1.0], [2.0]], [[0.0], [7.0]], class_weight={5: 1.0, 7: 2.0}, verbose=0)


@pytest.mark.parametrize("row", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.9, 0.8, 0.2], [3.0, -2.0, 0.0]], ids=str)
def test_class_weights_for_samples_of_several_labels_are_told(row):
    model = Sequential([Dense(3, activation="sigmoid", input_dim=2)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="class_weight: expected one-hot rows, one label for each sample") as error:
        model.fit(np.ones((2, 2)), np.array([[0, 1, 0], row]), class_weight={1: 2.0}, verbose=0)
    assert f"(for others, give sample_weight). Received: {row} for sample 1." in str(error.value)


def test_class_weights_for_soft_targets_are_those_of_the_largest():
    model = linear_softmax()
    model.compile(SGD(0.0), "categorical_crossentropy")
    y = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert model.train_on_batch(np.zeros((2, 2)), y, class_weight={1: 3.0}) == pytest.approx((1 + 3) / 2 * np.log(2))


@pytest.mark.parametrize("y", [np.array([[0, 1], [1, 1]]), np.array([[[0], [1]], [[1], [1]]])],
                         ids=["labels", "column"])
def test_class_weights_for_sequences_are_told(y):
    model = Sequential([Dense(2, activation="softmax", input_shape=(2, 3))], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"class_weight: expected one label for .* Received: targets \(2, 2\)"):
        model.fit(np.ones((2, 2, 3)), y, class_weight={1: 2.0}, verbose=0)


def test_no_class_weights_are_as_none():
    model = linear_softmax()
    x, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    assert model.train_on_batch(x, labels, class_weight={}) == linear_softmax().train_on_batch(x, labels)


def test_sample_weights_weigh_the_gradient():
    model = linear(weight=1.0, rate=0.1)
    model.fit([[1.0], [2.0]], [[3.0], [0.0]], sample_weight=[3.0, 0.0], verbose=0)
    assert weight(model) == pytest.approx(1 - 0.1 * 3 * (2 * -2) / 2)


def test_initial_epoch_counts_from_there_to_epochs():
    model = linear()
    history = model.fit(*numbered(4), epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert len(history.history["loss"]) == 2
    assert linear().fit(*numbered(4), epochs=2, initial_epoch=2, verbose=0).history == {}


def test_fitting_again_goes_on_where_it_was():
    one, two = linear(), linear()
    one.fit(*numbered(4), epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        two.fit(*numbered(4), shuffle=False, verbose=0)
    assert weight(one) == weight(two)
    assert two.optimizer.iterations == 2


def test_every_batch_is_one_update():
    model = linear()
    model.fit(*numbered(10), batch_size=3, epochs=2, verbose=0)
    assert model.optimizer.iterations == 8


@pytest.mark.parametrize("make", [
    lambda x: x, lambda x: x.tolist(), lambda x: x.astype(np.float32), lambda x: x.astype(np.uint8),
    lambda x: x.astype(np.int64), lambda x: x.astype(object), lambda x: list(x),
    lambda x: np.asfortranarray(x),
], ids=["float64", "lists", "float32", "uint8", "int64", "objects", "list of arrays", "fortran"])
def test_data_of_any_kind_train_the_same(make, rng):
    x, labels = rng.integers(0, 5, (12, 3)), rng.integers(0, 2, 12)
    weights = []
    for data in x.astype(float), make(x.astype(float)):
        model = Sequential([Dense(2, activation="softmax", input_dim=3)], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(data, labels, batch_size=5, verbose=0, validation_data=(data, labels))
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("make", [lambda y: y, lambda y: y.tolist(), lambda y: y[:, None], lambda y: y.astype(float),
                                  lambda y: y.astype(np.uint8)], ids=["int", "list", "column", "float", "uint8"])
def test_labels_of_any_kind_train_the_same(make, rng):
    x, labels = rng.normal(size=(12, 2)), rng.integers(0, 2, 12)
    model, expected = linear_softmax(), linear_softmax()
    model.fit(x, make(labels), verbose=0)
    expected.fit(x, labels, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], expected.get_weights()[0])


def test_objects_with_an_array_inside_are_data_too(rng):
    class Frame:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return np.array(self.array, dtype=dtype)
    x, labels = rng.normal(size=(12, 2)), rng.integers(0, 2, 12)
    model, expected = linear_softmax(), linear_softmax()
    model.fit(Frame(x), Frame(labels), verbose=0)
    expected.fit(x, labels, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], expected.get_weights()[0])


def test_a_nan_in_the_data_is_not_hidden():
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 2 samples"):
        linear(weight=1.0).fit([[np.nan], [1.0]], [[1.0], [1.0]], verbose=0)


def test_read_only_data_are_fine():
    x, y = numbered(10)
    x.flags.writeable = y.flags.writeable = False
    linear().fit(x, y, batch_size=3, verbose=0)


@pytest.mark.parametrize("first", [
    lambda: [Conv2D(2, 2, activation="relu", input_shape=(1, 5, 5)), Flatten(), Dense(2)],
    lambda: [Dropout(0.1, input_shape=(1, 5, 5)), Sequential([Conv2D(2, 2)]), Conv2D(2, 2), Flatten(), Dense(2)],
    lambda: [Flatten(input_shape=(1, 5, 5)), Dense(4, activation="relu"), Dense(2)],
], ids=["conv2d", "nested conv2d", "dense"])
def test_fit_does_not_compute_the_gradient_of_its_input(first, monkeypatch, rng):
    shapes = []

    def recorded(function):
        def record(*args):
            result = function(*args)
            shapes.append(result.shape)
            return result
        return record
    model = Sequential(first(), seed=0)
    model.compile("sgd", "mse")
    kernels.use("im2col")
    for name in "matmul", "conv2d_input_gradient":
        monkeypatch.setattr(f"tinynet.kernels.im2col.{name}", recorded(getattr(kernels.current(), name)))
    model.fit(rng.normal(size=(7, 1, 5, 5)), np.ones((7, 2)), verbose=0)
    assert shapes                                                      # of the other layers' gradients
    assert (7, 1, 5, 5) not in shapes
    assert (7, 25) not in shapes
    y, backward = model.forward(rng.normal(size=(7, 1, 5, 5)))
    backward(y)
    assert {(7, 1, 5, 5), (7, 25)} & set(shapes)
