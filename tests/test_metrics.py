"""The metrics: one number for each sample, fitting labels, one-hot targets and single outputs."""

import copy
import pickle

import numpy as np
import pytest

from tinynet import Sequential, load_model, metrics
from tinynet.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint
from tinynet.layers import Dense
from tinynet.losses import SparseCategoricalCrossentropy

P = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.4, 0.5, 0.1]])
LABELS = np.array([1, 1, 2, 0])
RIGHT = [1, 0, 1, 0]


def compiled(given, units=2, loss="mse"):
    model = Sequential([Dense(units, input_dim=2)], seed=0)
    model.compile("sgd", loss, metrics=given)
    return model


def test_accuracy_by_hand():
    assert metrics.sparse_categorical_accuracy(LABELS, P).tolist() == RIGHT
    assert metrics.categorical_accuracy(np.eye(3)[LABELS], P).tolist() == RIGHT
    assert metrics.binary_accuracy(np.array([[1], [0], [1]]), np.array([[0.7], [0.6], [0.4]])).tolist() == [1, 0, 0]


def test_exactly_one_half_is_on_the_side_of_zero():
    y_pred = np.array([[0.5], [0.5], [0.5 + 1e-12]])
    assert metrics.binary_accuracy(np.array([[0], [1], [1]]), y_pred).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("y_true", "y_pred", "right"), [
    (LABELS, P, RIGHT), (LABELS[:, None], P, RIGHT), (np.eye(3)[LABELS], P, RIGHT),
    (np.array([1, 0, 0]), np.array([[0.9], [0.8], [0.1]]), [1, 0, 1]),
], ids=["labels", "column of labels", "one-hot", "single output"])
def test_accuracy_is_the_one_that_fits_the_shapes(y_true, y_pred, right):
    assert metrics.accuracy(y_true, y_pred).ravel().tolist() == right


def test_accuracy_of_sequences_counts_every_place():
    assert metrics.accuracy(LABELS.reshape(2, 2), P.reshape(2, 2, 3)).tolist() == [[1, 0], [1, 0]]


def test_errors_by_hand():
    y_true, y_pred = np.array([[0.0, 2.0], [1.0, 1.0]]), np.array([[1.0, -1.0], [1.0, 1.0]])
    assert metrics.get("mse")[1](y_true, y_pred).tolist() == [5, 0]
    assert metrics.get("mae")[1](y_true, y_pred).tolist() == [2, 0]


def test_cross_entropies_by_hand():
    expected = -np.log(P[np.arange(4), LABELS])
    np.testing.assert_allclose(metrics.get("sparse_categorical_crossentropy")[1](LABELS, P), expected)
    np.testing.assert_allclose(metrics.get("categorical_crossentropy")[1](np.eye(3)[LABELS], P), expected)


@pytest.mark.parametrize("name", ["acc", "accuracy", "mse", "mean_squared_error", "MSE", "mae", "MAE", "crossentropy",
                                  "ce", "binary_accuracy", "categorical_crossentropy"])
def test_a_metric_keeps_the_name_that_it_was_given(name, tmp_path, capsys):
    x, y = np.zeros((4, 2)), np.eye(2)[[0, 1, 0, 1]]
    model = compiled([name])
    callbacks = [EarlyStopping(f"val_{name}", min_delta=100, patience=1), CSVLogger(tmp_path / "log"),
                 ModelCheckpoint(tmp_path / f"{{{name}:.1f}}")]
    history = model.fit(x, y, epochs=9, validation_data=(x, y), verbose=2, callbacks=callbacks)
    assert list(history.history) == ["loss", name, "val_loss", f"val_{name}"]
    assert len(history.epoch) < 9                                                  # it stopped: the name is known
    assert (tmp_path / "log").read_text().startswith(f"epoch,{','.join(sorted(history.history))}\n")
    assert f" - {name}: " in capsys.readouterr().out
    assert list(model.test_on_batch(x, y, return_dict=True)) == ["loss", name]
    model.save(tmp_path / "m")
    assert load_model(tmp_path / "m").metrics == model.metrics


def test_crossentropy_is_the_one_that_fits_the_shapes():
    expected = -np.log(P[np.arange(4), LABELS])
    for y_true in LABELS, LABELS[:, None], np.eye(3)[LABELS]:
        np.testing.assert_allclose(metrics.crossentropy(y_true, P), expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("returned", [None, "a"])
def test_a_function_that_returns_no_numbers_is_told_before_the_first_update(returned, weighted):
    def own(y_true, y_pred):
        return returned
    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse", **{"weighted_metrics" if weighted else "metrics": [own]})
    with pytest.raises(ValueError, match=f"metric own: expected a number for each .* Received: {returned!r}"):
        model.fit([[1.0]], [[1.0]], verbose=0)
    assert model.optimizer.iterations == 0


def test_a_function_is_a_metric_under_its_own_name():
    def largest(y_true, y_pred):
        return y_pred.max(axis=-1)
    model = compiled([largest])
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    scores = model.test_on_batch(x, np.zeros((3, 2)), return_dict=True)
    assert scores["largest"] == pytest.approx(model.predict(x).max(axis=-1).mean())


def test_metrics_do_not_heed_sample_weights():
    model = compiled(["mae"])
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.ones((2, 2))
    assert model.test_on_batch(x, y)[1] == model.test_on_batch(x, y, sample_weight=[5, 0])[1]


def test_metrics_of_batches_are_weighted_by_their_size(rng):
    model = compiled(["mae"])
    x, y = rng.normal(size=(7, 2)), rng.normal(size=(7, 2))
    whole = abs(model.predict(x) - y).mean()
    assert model.evaluate(x, y, batch_size=3, verbose=0)[1] == pytest.approx(whole, rel=1e-5)


def test_accuracy_fits_labels_in_a_model_with_a_sparse_loss():
    model = compiled(["accuracy"], 2, SparseCategoricalCrossentropy(from_logits=True))
    model.params["dense_1/kernel"][...] = np.eye(2)
    x = np.array([[3.0, 1.0], [1.0, 2.0], [5.0, 4.0], [0.0, 1.0]])
    for y in [0, 1, 1, 1], [[0], [1], [1], [1]]:
        assert model.test_on_batch(x, y)[1] == 0.75


def test_accuracy_of_sequences_compares_classes_at_every_place():
    y_true = np.eye(3)[[[0, 1], [2, 2]]]                                  # (2, 2, 3): samples, places, classes
    y_pred = np.eye(3)[[[0, 2], [2, 2]]]
    np.testing.assert_array_equal(metrics.categorical_accuracy(y_true, y_pred), [[1, 0], [1, 1]])


NOT_FITTING = {
    "categorical_accuracy of labels": ("categorical_accuracy", LABELS,
                                       "one-hot targets (N, 3). Received: labels (4,)."),
    "categorical_accuracy of a column of labels": ("categorical_accuracy", LABELS[:, None], "Received: labels (4, 1)."),
    "categorical_crossentropy of labels": ("categorical_crossentropy", LABELS, "the metric whose name begins with "
                                           "sparse_, or to_categorical(y, 3)."),
    "sparse accuracy of one-hot": ("sparse_categorical_accuracy", np.eye(3)[LABELS],
                                   "labels (N,). Received: one-hot targets (4, 3). Use the metric without sparse_"),
    "sparse crossentropy of one-hot": ("sparse_categorical_crossentropy", np.eye(3)[LABELS], "Received: one-hot"),
    "sparse accuracy of labels that do not exist": ("sparse_categorical_accuracy", LABELS + 1,
                                                    "labels from 0 to 2. Received: 1 to 3."),
    "sparse accuracy of halves": ("sparse_categorical_accuracy", LABELS / 2, "class labels, whole numbers from 0."),
    "accuracy of labels that do not exist": ("accuracy", LABELS - 1, "labels from 0 to 2. Received: -1 to 1."),
    "accuracy of too few classes": ("accuracy", np.eye(3)[LABELS][:, :2], "labels (N,). Received: (4, 2)."),
    "binary_accuracy of labels": ("binary_accuracy", LABELS, "the predictions' shape, (N, 3). Received: (4,)."),
    "mse of labels": ("mse", LABELS, "targets of the predictions' shape, (N, 3). Received: (4,)."),
    "mae of labels": ("mae", LABELS, "targets of the predictions' shape, (N, 3). Received: (4,)."),
    "mae of a column of labels": ("mae", LABELS[:, None], "the predictions' shape, (N, 3). Received: (4, 1)."),
}


@pytest.mark.parametrize(("name", "y_true", "text"), NOT_FITTING.values(), ids=NOT_FITTING.keys())
def test_targets_that_do_not_fit_are_told_in_words(name, y_true, text):
    with pytest.raises(ValueError, match=rf"^metric {metrics.KNOWN[name].__name__}: expected ") as error:
        metrics.KNOWN[name](y_true, P)
    assert text in str(error.value)


@pytest.mark.parametrize("call", ["fit", "train_on_batch", "evaluate", "test_on_batch"])
@pytest.mark.parametrize(("metric", "loss"), [
    *[(name, "sparse_categorical_crossentropy") for name in
      ("categorical_accuracy", "binary_accuracy", "mse", "mae", "categorical_crossentropy")],
    ("sparse_categorical_accuracy", "categorical_crossentropy"), ("sparse_categorical_crossentropy", "mse"),
])
def test_a_metric_that_does_not_fit_the_targets_is_told_before_the_first_update(metric, loss, call):
    model = Sequential([Dense(3, activation="softmax", input_dim=2)], seed=0)
    model.compile("adam", loss, metrics=["accuracy", metric])
    labels = np.array([0, 1, 2])                                          # as many samples as classes would broadcast
    with pytest.raises(ValueError, match=r"metric .*: expected"):
        getattr(model, call)(np.ones((3, 2)), labels if "sparse" in loss else np.eye(3)[labels])
    assert model.optimizer.iterations == 0


def test_accuracy_of_numbers_that_are_no_classes_is_told_before_the_first_update():
    model = compiled(["accuracy"], 1)
    with pytest.raises(ValueError, match=r"metric accuracy: expected targets from 0 to 1, of two classes. Received: 3 "
                                         r"to 22.5. For other numbers use 'mae' or 'mse'."):
        model.fit(np.ones((2, 2)), [[3.0], [22.5]], verbose=0)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("name", ["mean_squared_error", "mean_absolute_error", "binary_accuracy", "accuracy"])
def test_targets_without_the_axis_of_a_single_output_give_one_number_for_each_sample(name):
    y_true, y_pred = np.array([1.0, 0.0, 0.0]), np.array([[0.9], [0.2], [0.6]])
    expected = {"mean_squared_error": [0.01, 0.04, 0.36], "mean_absolute_error": [0.1, 0.2, 0.6]}.get(name, [1, 1, 0])
    for targets in y_true, y_true[:, None], y_true.tolist():
        np.testing.assert_allclose(metrics.KNOWN[name](targets, y_pred), expected)
    with pytest.raises(ValueError, match=r"Received: \(3, 1\)"):
        metrics.KNOWN[name](y_true[:, None], y_pred[:, 0])


@pytest.mark.parametrize("name", ["categorical_accuracy", "categorical_crossentropy", "sparse_categorical_accuracy",
                                  "sparse_categorical_crossentropy"])
def test_metrics_of_classes_refuse_a_single_output(name):
    for y_true in np.ones((3, 1)), np.zeros(3):
        with pytest.raises(ValueError, match=f"metric {name}: expected predictions of two classes or more"):
            metrics.KNOWN[name](y_true, np.full((3, 1), 0.5))


def test_a_metric_of_ones_own_may_check_its_targets():
    def largest(y_true, y_pred):
        return y_pred.max(axis=-1)

    def check_targets(y_true, shape):
        raise ValueError(f"not these {y_true.shape}, for predictions {shape}")
    largest.check_targets = check_targets
    with pytest.raises(ValueError, match=r"not these \(4, 2\), for predictions \(4, 2\)"):
        compiled([largest]).fit(np.zeros((4, 2)), np.zeros((4, 2)), verbose=0)


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_mae", "epoch", "batch", "learning_rate"])
def test_a_metric_with_the_name_of_something_else_in_the_logs_is_refused(name):
    def metric(y_true, y_pred):
        return y_pred.max(axis=-1)
    metric.__name__ = name
    with pytest.raises(ValueError, match=rf"compile: expected metrics named otherwise than .* Received: '{name}'\."):
        compiled([metric])


@pytest.mark.parametrize("given", [[lambda a, b: a, lambda a, b: b], ["mae", "mse", "mae"]], ids=["lambdas", "names"])
def test_metrics_of_one_name_are_refused(given):
    with pytest.raises(ValueError, match=r"compile: expected metrics of different names .* Received: two called '"):
        compiled(given)


def test_a_compile_that_fails_changes_nothing():
    model = compiled(["mae"])
    before = model.optimizer, model.loss, model.metrics
    for wrong in {"metrics": ["nothing"]}, {"loss": "nothing"}, {"optimizer": "nothing"}:
        with pytest.raises(ValueError, match=r"Unknown .* 'nothing'"):
            model.compile(**{"optimizer": "adam", "loss": "mse", **wrong})
    assert (model.optimizer, model.loss, model.metrics) == before


def test_a_model_with_metrics_can_be_copied_and_pickled():
    model = compiled(["mae", "accuracy"])
    for again in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert again.metrics == {"mae": metrics.mean_absolute_error, "accuracy": metrics.accuracy}


def test_a_metric_of_ones_own_that_fails_costs_no_update():
    def difference(y_true, y_pred):
        return y_pred - y_true                                            # (4, 3) - (4,)
    model = compiled([difference], 3, SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    for call in model.fit, model.train_on_batch:
        with pytest.raises(ValueError, match="broadcast"):
            call(np.ones((4, 2)), LABELS)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert model.optimizer.iterations == 0
