"""Metrics that are objects: by hand, over batches of any size, with weights, in training, and from files."""

import copy
import pickle

import numpy as np
import pytest

from tinynet import Sequential, load_model, metrics
from tinynet.callbacks import BackupAndRestore, Callback, EarlyStopping, LambdaCallback
from tinynet.layers import Dense
from tinynet.metrics import (
    AUC,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    FalseNegatives,
    FalsePositives,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanMetric,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Metric,
    Poisson,
    Precision,
    Recall,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)

P = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.4, 0.5, 0.1]])
LABELS = np.array([1, 1, 2, 0])
HOT = np.eye(3)[LABELS]
YES, SCORES = np.array([1, 0, 1, 0, 1]), np.array([[0.9], [0.8], [0.4], [0.3], [0.6]])
WEIGHTS = np.array([1.0, 2.0, 3.0, 2.0])

BY_HAND = {                                                        # metric, targets, predictions, value, with WEIGHTS
    "accuracy": (CategoricalAccuracy(), HOT, P, 2 / 4, 4 / 8),
    "sparse accuracy": (SparseCategoricalAccuracy(), LABELS, P, 2 / 4, 4 / 8),
    "top 2": (TopKCategoricalAccuracy(2), HOT, P, 1, 1),
    "top 1, with ties": (SparseTopKCategoricalAccuracy(1), LABELS, np.round(P), 3 / 4, 6 / 8),     # rows of zeros
    "binary accuracy": (BinaryAccuracy(threshold=0.65), YES[:4], SCORES[:4], 2 / 4, 3 / 8),
    "mse": (MeanSquaredError(), [1, 2, 3, 4], [[1], [1], [1], [1]], 14 / 4, (2 + 12 + 18) / 8),
    "rmse": (RootMeanSquaredError(), [1, 2, 3, 4], [[1], [1], [1], [1]], 3.5 ** 0.5, 2),
    "mae": (MeanAbsoluteError(), [1, 2, 3, 4], [[1], [1], [1], [1]], 6 / 4, (2 + 6 + 6) / 8),
    "cross-entropy": (CategoricalCrossentropy(), HOT, P, -np.log([0.7, 0.3, 0.5, 0.4]).mean(),
                      -(np.log([0.7, 0.3, 0.5, 0.4]) @ WEIGHTS) / 8),
    "sparse cross-entropy": (SparseCategoricalCrossentropy(), LABELS, P, -np.log([0.7, 0.3, 0.5, 0.4]).mean(),
                             -(np.log([0.7, 0.3, 0.5, 0.4]) @ WEIGHTS) / 8),
    "binary cross-entropy": (BinaryCrossentropy(from_logits=True), [1, 0, 1, 0], np.zeros((4, 1)), np.log(2),
                             np.log(2)),
    "kl": (KLDivergence(), P, P, 0, 0),
    "cosine": (CosineSimilarity(), [[1, 0]] * 4, [[1, 0], [0, 2], [-3, 0], [3, 4]], (1 + 0 - 1 + 0.6) / 4,
               (1 + 0 - 3 + 1.2) / 8),
    "hinge": (Hinge(), [1, -1, 1, -1], [[2], [2], [0], [0]], 5 / 4, (0 + 6 + 3 + 2) / 8),
    "squared hinge": (SquaredHinge(), [1, 0, 1, 0], [[2], [2], [0], [0]], 11 / 4, (0 + 18 + 3 + 2) / 8),
    "categorical hinge": (CategoricalHinge(), [[1, 0]] * 4, [[2, 0], [0, 1], [0, 0], [1, 1]], 4 / 4,
                          (0 + 4 + 3 + 2) / 8),
    "mape": (MeanAbsolutePercentageError(), [1, 2, 4, 5], [[1], [1], [1], [1]], (50 + 75 + 80) / 4, 485 / 8),
    "msle": (MeanSquaredLogarithmicError(), [1, 1, 3, 7], [[1], [3], [1], [1]], 1.5 * np.log(2) ** 2,
             13 / 8 * np.log(2) ** 2),
    "log cosh": (LogCoshError(), [0, 0, 0, 0], np.log([[1], [2], [1], [2]]), np.log(1.25) / 2, np.log(1.25) / 2),
    "poisson": (Poisson(), [0, 0, 0, 0], [[1], [2], [3], [2]], 2, (1 + 4 + 9 + 4) / 8),
    "precision": (Precision(), YES[:4], SCORES[:4], 1 / 2, 1 / 3),
    "precision, higher": (Precision(thresholds=0.85), YES[:4], SCORES[:4], 1, 1),
    "precision at the threshold": (Precision(), YES[:4], [[0.5], [0.5], [0.7], [0.5]], 1, 1),
    "true positives": (TruePositives(), YES[:4], SCORES[:4], 1, 1),
    "false positives": (FalsePositives(), YES[:4], SCORES[:4], 1, 2),
    "false negatives": (FalseNegatives(), YES[:4], SCORES[:4], 1, 3),
    "true negatives": (TrueNegatives(), YES[:4], SCORES[:4], 1, 2),
    "true positives, higher": (TruePositives(0.95), YES[:4], SCORES[:4], 0, 0),
    "true negatives, of each output": (TrueNegatives(thresholds=0.05), HOT, np.zeros((4, 3)), 8, 16),
    "recall": (Recall(), YES[:4], SCORES[:4], 1 / 2, 1 / 4),
    "precision of one class": (Precision(thresholds=0.25, class_id=1), HOT, P, 2 / 4, 3 / 8),
    "recall among the best 2": (Recall(top_k=2), HOT, P, 1, 1),
    "precision among the best 2": (Precision(top_k=2), HOT, P, 4 / 8, 8 / 16),
    "precision among the best 2, of one class": (Precision(top_k=2, class_id=0), HOT, P, 1 / 2, 2 / 4),
}


@pytest.mark.parametrize(("metric", "y_true", "y_pred", "value", "weighted"), BY_HAND.values(), ids=BY_HAND.keys())
def test_metrics_by_hand(metric, y_true, y_pred, value, weighted):
    metric, y_pred = copy.copy(metric), np.array(y_pred, float)
    assert metric(y_true, y_pred) == pytest.approx(value, abs=1e-12)
    metric.reset_state()
    assert metric(y_true, y_pred, WEIGHTS) == pytest.approx(weighted, abs=1e-12)


@pytest.mark.parametrize(("metric", "y_true", "y_pred", "value", "weighted"), BY_HAND.values(), ids=BY_HAND.keys())
def test_batches_of_any_size_make_the_metric_of_all(metric, y_true, y_pred, value, weighted):
    for weights, expected in (None, value), (WEIGHTS, weighted):
        metric = copy.copy(metric)
        metric.reset_state()
        for batch in slice(0, 1), slice(1, 4):
            metric.update_state(np.array(y_true)[batch], np.array(y_pred, float)[batch],
                                None if weights is None else weights[batch])
        assert metric.result() == pytest.approx(expected, abs=1e-12)


def test_auc_is_the_area_under_the_points_of_its_thresholds_by_hand():
    """Thresholds below 0, at 0.5 and above 1: recall 1, 2/3, 0 and false positive rate 1, 1/2, 0."""
    assert AUC(3)(YES, SCORES) == pytest.approx((1 + 2 / 3) / 2 / 2 + (2 / 3) / 2 / 2)
    assert AUC(3)(YES, SCORES, [2, 1, 1, 3, 1]) == pytest.approx((1 + 3 / 4) / 2 * 3 / 4 + 3 / 4 / 2 / 4)
    assert AUC(3, curve="PR")(YES, SCORES) == pytest.approx(             # 5 positive, 3 of them true; 3, 2; 0, 0
        (1 / 2 * (1 + 1 / 2 * np.log(5 / 3)) + 2 / 3 * 2) / 3)
    assert AUC(2)(YES, SCORES) == 0.5                                    # the corners alone


def test_auc_is_the_probability_that_a_positive_is_above_a_negative(rng):
    y, p = rng.integers(0, 2, 200), rng.random((200, 1))
    p[y == 1] **= 0.5
    above = (p[y == 1] > p[y == 0].T).mean()
    assert AUC(20_000)(y, p) == pytest.approx(above, abs=1e-3)
    assert AUC()(y, p) == pytest.approx(above, abs=0.02)
    logits = np.log(p / (1 - p))
    assert AUC(from_logits=True)(y, logits) == pytest.approx(AUC()(y, p), abs=1e-12)


def test_auc_counts_a_prediction_on_a_threshold_as_below_it():
    assert AUC(3)([1, 0], [[0.5], [0.25]]) == 0.5                        # one bin: neither is above the other
    assert AUC(3)([1, 0], [[0.5 + 1e-9], [0.25]]) == 1
    with pytest.warns(UserWarning, match=r"auc: expected predictions from 0 to 1; .* Received: -7 to 7"):
        assert AUC(3)([1, 0], [[7.0], [-7.0]]) == 1                      # clipped to 0 and 1


def test_where_there_is_nothing_to_count_metrics_are_zero():
    for metric in Precision(), Recall(), AUC(), AUC(curve="PR"):
        assert metric([0, 0], [[0.1], [0.2]]) == 0
    assert MeanSquaredError()([1.0], [[0.0]], [0.0]) == 0


def test_a_nan_is_not_hidden_by_auc():
    assert np.isnan(AUC()([0, 1], [[0.5], [np.nan]]))


def test_names_are_those_of_keras():
    made = [cls() for cls in metrics.CLASSES.values()]
    assert sorted(metric.name for metric in made) == sorted([
        "auc", "binary_accuracy", "binary_crossentropy", "categorical_accuracy", "categorical_crossentropy",
        "true_positives", "false_positives", "true_negatives", "false_negatives",
        "categorical_hinge", "cosine_similarity", "hinge", "logcosh", "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error", "poisson", "squared_hinge",
        "kl_divergence", "mean_absolute_error", "mean_squared_error", "precision", "recall", "root_mean_squared_error",
        "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
        "top_k_categorical_accuracy"])
    given = AUC(name="area"), AUC, "AUC", Recall()
    assert [metrics.get(each)[0] for each in given] == ["area", "auc", "AUC", "recall"]


def compiled(given=(), weighted=(), loss="binary_crossentropy", last=None):
    model = Sequential([last or Dense(1, activation="sigmoid", input_dim=1)], seed=0)
    model.compile("sgd", loss, metrics=given, weighted_metrics=weighted)
    return model


X, Y, W = np.linspace(-1, 1, 7)[:, None], np.array([0, 1, 0, 1, 0, 1, 1]), np.array([3.0, 0, 1, 2, 1, 1, 5])


def test_fit_and_evaluate_count_over_all_batches_and_weigh_where_it_is_asked():
    model = compiled([Precision(), "auc", "mae"], [Precision(), Recall(name="found"), "mae"])
    names = ["loss", "precision", "auc", "mae", "weighted_precision", "found", "weighted_mae"]
    assert model.metrics_names == names
    p = model.predict(X)
    expected = [Precision()(Y, p), AUC()(Y, p), MeanAbsoluteError()(Y, p), Precision()(Y, p, W), Recall()(Y, p, W),
                MeanAbsoluteError()(Y, p, W)]
    for batch_size in 1, 3, 7:
        scores = model.evaluate(X, Y, batch_size=batch_size, sample_weight=W, verbose=0)
        assert scores[1:] == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(X, Y, W, return_dict=True) == pytest.approx(
        dict(zip(names, scores, strict=True)), rel=1e-6)
    model.trainable = False
    history = model.fit(X, Y, batch_size=2, sample_weight=W, validation_data=(X, Y, W), verbose=0).history
    for name, value in zip(names[1:], expected, strict=True):
        assert history[name] == pytest.approx([value], rel=1e-6)
        assert history[f"val_{name}"] == pytest.approx([value], rel=1e-6)
    assert model.train_on_batch(X, Y, W)[1:] == pytest.approx(expected, rel=1e-6)


def test_class_weights_count_in_weighted_metrics_alone():
    model = compiled(["accuracy"], ["accuracy"])
    right = (model.predict(X)[:, 0] > 0.5) == Y
    scores = model.train_on_batch(X, Y, class_weight={0: 3.0, 1: 1.0}, return_dict=True)
    weights = np.where(Y == 0, 3.0, 1.0)
    assert scores["accuracy"] == pytest.approx(right.mean())
    assert scores["weighted_accuracy"] == pytest.approx(right @ weights / weights.sum())


def test_the_state_of_a_metric_by_itself_is_its_own():
    metric = Precision()
    metric.update_state([1, 0], [[0.9], [0.9]])
    compiled([metric]).evaluate(X, Y, verbose=0)
    assert metric.result() == 0.5
    metric.reset_state()
    with pytest.raises(ValueError, match=r"metric precision: expected update_state\(y_true, y_pred\) before result"):
        metric.result()


class Stop(Callback):
    """Raises KeyboardInterrupt after so many batches."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_counts_go_on_inside_an_epoch_after_an_interruption(tmp_path):
    def fit(folder, after=0):
        model = compiled([Precision(), AUC()], [Recall()])
        return model.fit(X, Y, batch_size=2, epochs=3, verbose=0, sample_weight=W,
                         callbacks=[BackupAndRestore(folder, save_freq=1), Stop(after)]).history
    whole = fit(tmp_path / "whole")
    for after in 3, 4:
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "interrupted", after)
    assert fit(tmp_path / "interrupted") == whole
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "other", 3)
    other = compiled([Precision(0.7), AUC()], [Recall()])
    with pytest.raises(ValueError, match=r"expected metrics: .*thresholds=0.7.* Found: .*thresholds=None"):
        other.fit(X, Y, batch_size=2, epochs=3, verbose=0, sample_weight=W,
                  callbacks=[BackupAndRestore(tmp_path / "other", save_freq=1)])


class Largest(MeanMetric):
    """A metric of one's own."""

    def __init__(self, factor=1.0, name=None):
        super().__init__(name)
        self.factor = factor

    def values(self, y_true, y_pred):
        return self.factor * y_pred.max(axis=-1)


def test_metrics_come_back_from_a_file_with_their_settings(tmp_path):
    model = compiled([Precision(0.3, name="p"), "AUC", "accuracy", Largest(2.0)],
                     ["accuracy", Recall(class_id=0), AUC(9)])
    assert list(model.weighted_metrics) == ["weighted_accuracy", "recall", "auc"]
    model.save(tmp_path / "m")
    again = load_model(tmp_path / "m", custom_objects={"Largest": Largest})
    assert again.metrics == model.metrics
    assert again.weighted_metrics == model.weighted_metrics
    for other in again, copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert other.evaluate(X, Y, verbose=0, sample_weight=W) == model.evaluate(X, Y, verbose=0, sample_weight=W)
    with pytest.raises(ValueError, match="Largest"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("monitor", ["auc", "val_precision", "val_recall", "val_AUC"])
def test_callbacks_know_that_larger_is_better(monitor):
    assert EarlyStopping(monitor).better(0.9, 0.8)
    assert not EarlyStopping("val_kl_divergence").better(0.9, 0.8)


def test_early_stopping_follows_a_metric_that_counts():
    model = compiled([AUC()])
    best = EarlyStopping("val_auc", patience=3)
    seen = []
    model.fit(X, Y, epochs=4, validation_data=(X, Y), verbose=0,
              callbacks=[best, LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_auc"]))])
    assert best.best == max(seen)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: AUC(1), "AUC: num_thresholds, a whole number from 2"),
    (lambda: AUC(curve="ROP"), "Unknown curve 'ROP'. Did you mean 'ROC'"),
    (lambda: Precision([0.3, 0.5]), "Precision: expected thresholds, of which there is one here, a number"),
    (lambda: Recall(top_k=0), "Recall: top_k, a whole number from 1"),
    (lambda: Recall(class_id=-1), "Recall: class_id, a whole number from 0"),
    (lambda: TopKCategoricalAccuracy(0), "TopKCategoricalAccuracy: k, a whole number from 1. Received: 0."),
    (lambda: BinaryAccuracy(threshold=None), "BinaryAccuracy: expected threshold, a number"),
    (lambda: Precision()(LABELS, P), r"metric precision: expected targets of the predictions' shape, \(N, 3\)"),
    (lambda: Precision(class_id=3)(HOT, P), "metric precision: expected class_id below 3, the number of outputs"),
    (lambda: AUC()([1, 2], [[0.1], [0.2]]), "metric auc: expected targets from 0 to 1, of two classes. Received: 1"),
    (lambda: CategoricalAccuracy()(LABELS, P), "metric categorical_accuracy: expected one-hot targets"),
    (lambda: SparseTopKCategoricalAccuracy(2)(HOT, P), "metric sparse_top_k_categorical_accuracy: expected label"),
    (lambda: compiled([AUC(), AUC(9)]), "two called 'auc'"),
    (lambda: compiled(weighted="auc"), r"a list of metrics, such as \['auc'\]"),
    (lambda: compiled([AUC(name="loss")]), "expected metrics named otherwise than"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_is_told(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_targets_that_do_not_fit_are_told_before_the_first_update():
    for given in ({"given": [Precision()]}, {"weighted": [Precision()]}, {"weighted": ["categorical_accuracy"]}):
        model = compiled(**given, loss="sparse_categorical_crossentropy",
                         last=Dense(3, activation="softmax", input_dim=1))
        with pytest.raises(ValueError, match="metric"):
            model.fit(X, np.array([0, 1, 2, 0, 1, 2, 0]), verbose=0)
        assert model.optimizer.iterations == 0


def test_every_class_is_a_metric_and_exported():
    assert all(issubclass(cls, Metric) and cls.__name__ in metrics.__all__ for cls in metrics.CLASSES.values())


def test_counts_that_are_one_number_are_told_before_the_first_update():
    class Positives(metrics.Metric):
        def counts(self, y_true, y_pred, sample_weight=None):
            return y_true.sum()

        def value(self, counts):
            return float(counts)
    model = Sequential([Dense(1, input_dim=1)], seed=0)
    model.compile("sgd", "mse", metrics=[Positives()])
    before = model.get_weights()[0].copy()
    with pytest.raises(ValueError, match=r"metric positives: expected counts to return an array, np.array\(\[...\]\)"):
        model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    assert model.get_weights()[0] == before
