"""fit, evaluate and predict on batches: by number, from generators, from anything that can be iterated over."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.callbacks import BackupAndRestore, Callback, LambdaCallback
from tinynet.layers import BatchNormalization, Dense, Dropout
from tinynet.utils import PyDataset, Sequence, train_test_split

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(int)


def model(*layers):
    net = Sequential([*layers, Dense(2, activation="softmax")], input_shape=(3,), seed=1)
    net.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return net


class Numbered(Sequence):
    def __init__(self, size=8, fail_at=None):
        self.size, self.asked, self.ended, self.fail_at = size, [], 0, fail_at

    def __len__(self):
        return -(-len(X) // self.size)

    def __getitem__(self, number):
        if len(self.asked) == self.fail_at:
            raise KeyboardInterrupt
        self.asked.append(number)
        part = slice(number * self.size, (number + 1) * self.size)
        return X[part], Y[part]

    def on_epoch_end(self):
        self.ended += 1


def pieces(size=8):
    for start in range(0, len(X), size):
        yield X[start:start + size], Y[start:start + size]


def endless(size=8):
    while True:
        yield from pieces(size)


class Iterable:
    def __iter__(self):
        return pieces()


def weights_after(batches, **options):
    net = model()
    net.fit(batches, verbose=0, **options)
    return net.get_weights()


@pytest.mark.parametrize(("batches", "options"), [
    (Numbered(), {"shuffle": False}), (Iterable(), {}), (list(pieces()), {"shuffle": False}),
    (endless(), {"steps_per_epoch": 5}), (Iterable(), {"steps_per_epoch": 5})],
    ids=["by number", "iterable", "list", "generator", "iterable with steps"])
def test_the_weights_are_those_of_the_arrays_to_the_bit(batches, options):
    net = model()
    net.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(net.get_weights(), weights_after(batches, epochs=2, **options), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_with_numbers_are_seen_in_another_order_each_epoch_and_told_when_it_ends():
    batches = Numbered()
    model().fit(batches, epochs=3, verbose=0)
    epochs = [batches.asked[1 + 5 * epoch:6 + 5 * epoch] for epoch in range(3)]          # the very first is to look at
    assert [sorted(epoch) for epoch in epochs] == 3 * [list(range(5))]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert batches.ended == 3


def test_weights_of_samples_and_of_classes_count():
    weight = np.linspace(0, 1, 40)
    one, other = model(), model()
    one.fit(X, Y, batch_size=20, sample_weight=weight, class_weight={1: 3.0}, shuffle=False, verbose=0)
    batches = [(X[:20], Y[:20], weight[:20]), (X[20:], Y[20:], weight[20:])]
    other.fit(batches, class_weight={1: 3.0}, shuffle=False, verbose=0)
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])


def test_steps_per_epoch_of_arrays_are_the_first_batches_of_each_order():
    part, seen = model(), []
    history = part.fit(X, Y, batch_size=8, epochs=2, steps_per_epoch=2, verbose=0,
                       callbacks=LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)))
    assert seen == [0, 1, 0, 1]
    assert len(history.history["loss"]) == 2
    first = model()
    first.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(first, "stop_training", batch == 1)))
    again = model()
    again.fit(X, Y, batch_size=8, epochs=1, steps_per_epoch=2, verbose=0)
    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])


def test_a_generator_goes_on_where_the_last_epoch_stopped():
    taken = []

    def counted():
        for number, batch in enumerate(endless()):
            taken.append(number)
            yield batch
    model().fit(counted(), epochs=3, steps_per_epoch=3, verbose=0)
    assert taken == list(range(9))


def test_a_generator_that_ends_too_early_ends_the_training_with_a_warning():
    with pytest.warns(UserWarning, match=r"came to an end after 2 of epoch 2, which was to have 3; .*steps_per_epoch"):
        history = model().fit(pieces(), epochs=4, steps_per_epoch=3, verbose=0)
    assert len(history.history["loss"]) == 2
    with pytest.warns(UserWarning, match="after 0 of epoch 2, which was to have some"):
        model().fit(pieces(), epochs=3, verbose=0)


@pytest.mark.parametrize("held_out", [(X[:16], Y[:16]), Numbered(16), list(pieces(16)), endless(16)],
                         ids=["arrays", "by number", "list", "generator"])
def test_validation_on_some_of_the_batches(held_out):
    net = model()
    logs = net.fit(X, Y, epochs=1, validation_data=held_out, validation_steps=1, validation_batch_size=None,
                   verbose=0).history
    loss, accuracy = net.evaluate(X[:16], Y[:16], verbose=0)
    assert logs["val_loss"] == [pytest.approx(loss, rel=1e-6)]
    assert logs["val_accuracy"] == [pytest.approx(accuracy)]


@pytest.mark.parametrize(("freq", "times"), [(1, 5), (2, 2), ([1, 4], 2), (9, 0)])
def test_validation_now_and_then(freq, times):
    history = model().fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=freq, verbose=0).history
    assert len(history.get("val_loss", ())) == times
    assert len(history["loss"]) == 5


def test_the_batch_size_of_the_validation_is_its_own():
    sizes = []

    class Sizes(Callback):
        def on_test_batch_end(self, batch, logs=None):
            sizes.append(batch)
    model().fit(X, Y, batch_size=8, validation_split=0.5, validation_batch_size=5, callbacks=Sizes(), verbose=0)
    assert sizes == [0, 1, 2, 3]


def test_evaluate_and_predict_take_batches_too():
    net = model()
    whole = net.evaluate(X, Y, batch_size=8, verbose=0)
    for batches in (Numbered(), list(pieces()), pieces()):
        assert net.evaluate(batches, verbose=0) == whole
    assert net.evaluate(endless(), steps=1, verbose=0) == net.evaluate(X[:8], Y[:8], verbose=0)
    expected = net.predict(X, batch_size=8)
    for batches in (Numbered(), list(pieces()), pieces(), (x for x, _ in pieces())):
        np.testing.assert_array_equal(net.predict(batches), expected)
    np.testing.assert_array_equal(net.predict(endless(), steps=2), expected[:16])
    np.testing.assert_allclose(net.predict_on_batch(X), net.predict(X), rtol=1e-6)


def test_callbacks_of_evaluate_and_predict_are_called():
    called = []

    class Told(Callback):
        def on_test_begin(self, logs=None):
            called.append("test")

        def on_test_end(self, logs=None):
            called.append(sorted(logs))

        def on_predict_begin(self, logs=None):
            called.append(type(self.model).__name__)

        def on_predict_batch_end(self, batch, logs=None):
            called.append((batch, logs["outputs"].shape))

        def on_predict_end(self, logs=None):
            called.append("end")
    net = model()
    net.evaluate(X, Y, verbose=0, callbacks=[Told()])
    net.predict(X, batch_size=25, callbacks=Told())
    assert called == ["test", ["accuracy", "loss"], "Sequential", (0, (25, 2)), (1, (15, 2)), "end"]


@pytest.mark.parametrize("stop", [3, 7, 12])
def test_an_interrupted_training_on_numbered_batches_ends_as_the_whole_one_to_the_bit(stop, tmp_path):
    def net():
        return model(Dense(5), BatchNormalization(), Dropout(0.3))
    whole = net()
    whole.fit(Numbered(), epochs=3, verbose=0)
    backup = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        net().fit(Numbered(fail_at=stop), epochs=3, verbose=0, callbacks=BackupAndRestore(backup, save_freq=1))
    resumed = net()
    resumed.fit(Numbered(), epochs=3, verbose=0, callbacks=BackupAndRestore(backup, save_freq=1))
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_on_a_generator_that_is_resumed_leaves_the_batches_that_are_done_aside(tmp_path):
    def net():
        return model(Dense(5), Dropout(0.3))

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if (self.run.epoch, batch) == (0, 2):
                raise KeyboardInterrupt
    whole, resumed = net(), net()
    whole.fit(endless(), epochs=1, steps_per_epoch=7, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        net().fit(endless(), epochs=1, steps_per_epoch=7, verbose=0,
                  callbacks=[BackupAndRestore(tmp_path / "b", save_freq=1), Stop()])
    resumed.fit(endless(), epochs=1, steps_per_epoch=7, verbose=0,
                callbacks=BackupAndRestore(tmp_path / "b", save_freq=1))
    np.testing.assert_array_equal(whole.get_weights()[0], resumed.get_weights()[0])


@pytest.mark.parametrize(("options", "words"), [
    ({"x": Numbered(), "batch_size": 4}, "fit: expected no batch_size beside batches, .* Received: 4"),
    ({"x": Numbered(), "sample_weight": np.ones(40)}, "no sample_weight beside batches"),
    ({"x": Numbered(), "validation_split": 0.5}, "no validation_split beside batches"),
    ({"x": X}, "fit: expected y, the targets. Received: None"),
    ({"x": iter([])}, "a batch or more. Received: none"),
    ({"x": Numbered(-50)}, "a batch or more. Received: a length of 0"),
    ({"x": iter([X])}, r"batches \(x, y\) or \(x, y, sample_weight\). Received: a ndarray"),
    ({"x": iter([(X, Y, Y, Y)])}, "Received: a tuple of 4"),
    ({"x": iter([(X, Y[:3])])}, "as many samples in each. Received: 40 in x, 3 in y"),
    ({"x": iter([(X * np.nan, Y)])}, "fit: expected numbers in x. Received: NaN"),
    ({"x": X, "y": Y, "steps_per_epoch": 0}, "steps_per_epoch, a whole number from 1"),
    ({"x": X, "y": Y, "validation_freq": 0}, "validation_freq, a whole number from 1"),
    ({"x": X, "y": Y, "validation_data": 3}, "validation_data"),
])
def test_what_cannot_be_is_told_before_the_first_update(options, words):
    net = model()
    before = net.get_weights()
    with pytest.raises(ValueError, match=words):
        net.fit(verbose=0, **options)
    for one, other in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def spoiled(number):
    return ((X * (np.nan if n == number else 1), Y) for n in range(4))


def test_an_error_says_which_batch_it_is_about_and_of_what():
    net, words = model(), r"batch 2 \(from 0\): {}: expected numbers in x\. Received: NaN"
    with pytest.raises(ValueError, match="^" + words.format("fit")):
        net.fit(spoiled(2), verbose=0)
    with pytest.raises(ValueError, match="^" + words.format("evaluate")):
        net.evaluate(spoiled(2), verbose=0)
    with pytest.raises(ValueError, match="^validation_data, " + words.format("fit")):
        net.fit(X, Y, validation_data=spoiled(2), verbose=0)
    with pytest.raises(ValueError, match=r"^batch 1 \(from 0\): .*expected input \(N, 3\)\. Received: \(40, 2\)"):
        net.predict(iter([X, X[:, :2]]))


def test_batches_to_predict_may_be_the_lists_that_fit_takes():
    net = model()
    np.testing.assert_array_equal(net.predict([x, y] for x, y in pieces()), net.predict(pieces()))
    assert net.predict(iter([[X[0], X[1]]])).shape == (2, 2)               # a list of samples stays one


def test_a_buffer_that_a_generator_uses_again_changes_no_prediction():
    def again():
        buffer = np.empty((1, 3), np.float32)
        for number in range(3):
            buffer[:] = number
            yield buffer
    assert Sequential([Dropout(0.5, input_shape=(3,))]).predict(again())[:, 0].tolist() == [0, 1, 2]


def test_a_model_without_an_input_shape_is_built_from_the_first_batch():
    net = Sequential([Dense(2, activation="softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy")
    net.fit(pieces(), verbose=0)
    assert net.input_shape == (3,)


def test_a_bar_counts_batches_where_nobody_knows_the_samples(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    model().fit(Numbered(), verbose=1)
    assert "5/5" in capsys.readouterr().out
    model().fit(pieces(), verbose=1)
    assert "5/?" in capsys.readouterr().out


def test_the_parts_of_a_split_are_shuffled_and_have_each_label_in_its_share():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    x = np.arange(100)
    train, test, train_labels, test_labels = train_test_split(x, labels, test_size=0.2, stratify=labels, seed=0)
    assert sorted([*train, *test]) == list(range(100))
    np.testing.assert_array_equal(labels[test], test_labels)
    assert np.bincount(test_labels).tolist() == [12, 6, 2]
    assert np.bincount(train_labels).tolist() == [48, 24, 8]
    assert (np.diff(train) < 0).any()
    again = train_test_split(x, test_size=0.2, stratify=labels, seed=0)[1]
    np.testing.assert_array_equal(test, again)
    assert not np.array_equal(test, train_test_split(x, test_size=0.2, stratify=labels, seed=1)[1])
    assert len(train_test_split(x)[1]) == 25


@pytest.mark.parametrize(("arguments", "options", "words"), [
    ((), {}, "arrays of one length. Received: none"), ((X, Y[:3]), {}, "Received: 40, 3"),
    ((X,), {"test_size": 0.0}, "leaves both parts of 40 samples something"), ((X,), {"test_size": 1.0}, "both parts")])
def test_a_split_that_cannot_be_is_told(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        train_test_split(*arguments, **options)


def test_keras_names_of_the_base():
    assert PyDataset is Sequence
    with pytest.raises(NotImplementedError, match=r"Sequence must define __len__\(\)\."):
        len(Sequence())
    with pytest.raises(NotImplementedError, match=r"Sequence must define __getitem__\(number\)\."):
        Sequence()[0]
