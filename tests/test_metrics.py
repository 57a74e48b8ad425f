"""The metrics: one number for each sample, fitting labels, one-hot targets and single outputs."""

import numpy as np
import pytest

from tinynet import Sequential, metrics
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


def test_acc_is_called_accuracy():
    x, y = np.zeros((4, 2)), np.zeros((4, 2))
    assert list(compiled(["acc"]).test_on_batch(x, y, return_dict=True)) == ["loss", "accuracy"]
    assert list(compiled(["accuracy", "mae"]).test_on_batch(x, y, return_dict=True)) == ["loss", "accuracy", "mae"]


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
