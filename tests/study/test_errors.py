"""Confusion, mistakes and calibration of predictions made by hand: a softmax of log p predicts p."""

import numpy as np
import pytest
from sampled import sampled

from tinynet import Sequential, study
from tinynet.layers import Dense, Flatten, Softmax
from tinynet.losses import CategoricalCrossentropy
from tinynet.utils import to_categorical

P = np.array([[0.7, 0.2, 0.1],         # 0: right
              [0.1, 0.6, 0.3],         # 0 taken for 1
              [0.05, 0.9, 0.05],       # 0 taken for 1
              [0.1, 0.8, 0.1],         # 1: right
              [0.35, 0.3, 0.35],       # 1 taken for 0: of two equal ones, the first
              [0.55, 0.25, 0.2]])      # 2 taken for 0
TRUE = np.array([0, 0, 0, 1, 1, 2])


def predicting(classes=3):
    return Sequential([Softmax(input_shape=(classes,))], dtype="float64")


@pytest.mark.parametrize("y", [TRUE, TRUE[:, None], to_categorical(TRUE), TRUE.tolist()],
                         ids=["labels", "column", "one-hot", "list"])
def test_rows_are_true_classes_and_columns_predicted_ones(y):
    found = study.confusion(predicting(), np.log(P), y)
    np.testing.assert_array_equal(found.matrix, [[1, 2, 0], [1, 1, 0], [1, 0, 0]])
    assert (found.samples, found.errors, found.error_rate) == (6, 4, 4 / 6)
    np.testing.assert_allclose(found.recall, [1 / 3, 1 / 2, 0])
    np.testing.assert_allclose(found.precision, [1 / 3, 1 / 3, np.nan])


def test_a_class_without_samples_has_no_recall():
    found = study.confusion(predicting(), np.log(P[:5]), TRUE[:5])
    np.testing.assert_allclose(found.recall, [1 / 3, 1 / 2, np.nan])
    assert str(found).splitlines()[4].split() == ["2", "0", "0", "0", "-"]


def test_the_most_confused_pairs_come_first_and_right_ones_never():
    found = study.confusion(predicting(), np.log(P), TRUE)
    assert found.most_confused() == [(0, 1, 2), (1, 0, 1), (2, 0, 1)]
    assert found.most_confused(1) == [(0, 1, 2)]


def test_the_matrix_is_what_evaluate_calls_accuracy():
    model = Sequential([Dense(4, "softmax", input_dim=3)], seed=0)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1003, 3)), rng.integers(4, size=1003)             # more than two batches
    found = study.confusion(model, x, y)
    assert found.error_rate == pytest.approx(1 - model.evaluate(x, y, verbose=0)[1])
    np.testing.assert_array_equal(found.matrix.sum(axis=1), np.bincount(y))
    np.testing.assert_array_equal(found.matrix.sum(axis=0), np.bincount(model.predict(x).argmax(1), minlength=4))


@pytest.mark.slow
def test_colours_are_scaled_by_the_mistakes_and_counts_are_written(tmp_path):
    matrix = np.array([[990, 7, 0], [2, 1000, 1], [0, 0, 950]])
    figure = study.Confusion(matrix).plot(path=tmp_path / "confusion.png")
    ax = figure.axes[0]
    drawn = ax.images[0].get_array()
    np.testing.assert_array_equal(drawn.mask, np.eye(3, dtype=bool))
    np.testing.assert_array_equal(drawn.filled(0), [[0, 7, 0], [2, 0, 1], [0, 0, 0]])
    assert ax.images[0].get_clim() == (0, 7)
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "990", (0, 1): "7", (1, 0): "2", (1, 1): "1,000", (1, 2): "1", (2, 2): "950"}
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert colours == {"990": "black", "7": "white", "2": "black", "1,000": "black", "1": "black", "950": "black"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    above, right = ax.child_axes
    assert above.get_xlabel() == "precision, %"
    assert [label.get_text() for label in above.get_xticklabels()] == ["99.8", "99.3", "99.9"]     # 990 of 992, ...
    assert right.get_ylabel() == "recall, %"
    assert [label.get_text() for label in right.get_yticklabels()] == ["99.3", "99.7", "100.0"]    # 990 of 997, ...


@pytest.mark.slow
def test_no_mistakes_and_many_classes_can_be_drawn(tmp_path):
    right = study.Confusion(np.diag([3, 4])).plot().axes[0]
    assert right.get_title() == "0 errors in 7 samples (0.00%)"
    assert [text.get_text() for text in right.texts] == ["3", "4"]
    assert right.images[0].get_clim() == (0, 1)
    many = study.Confusion(np.ones((30, 30), int)).plot(path=tmp_path / "many.png")
    assert not many.axes[0].texts


def test_mistakes_are_sorted_by_the_probability_of_the_wrong_class():
    x = np.log(P)
    found = study.misclassified(predicting(), x, to_categorical(TRUE))
    assert (len(found), found.total) == (4, 6)
    np.testing.assert_array_equal(found.indices, [2, 1, 5, 4])
    np.testing.assert_array_equal(found.true, [0, 0, 2, 1])
    np.testing.assert_array_equal(found.predicted, [1, 1, 0, 0])
    np.testing.assert_allclose(found.confidence, [0.9, 0.6, 0.55, 0.35])
    np.testing.assert_allclose(found.probabilities, P[[2, 1, 5, 4]])
    np.testing.assert_array_equal(found.x, x[[2, 1, 5, 4]])


def test_a_loss_from_logits_is_turned_into_probabilities():
    model = Sequential([Dense(3, input_dim=3, use_bias=False)], dtype="float64")
    model.params["dense_1/kernel"] = np.eye(3)
    with pytest.raises(ValueError, match="ends in softmax, or a loss with from_logits=True"):
        study.misclassified(model, np.log(P), TRUE)
    model.compile(loss=CategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(study.misclassified(model, 5 + np.log(P), TRUE).confidence, [0.9, 0.6, 0.55, 0.35])


def images(count):
    """Make a model that takes the three pixels of images (1, 1, 3) for logits, and images that it gets wrong."""
    model = Sequential([Flatten(input_shape=(1, 1, 3)), Softmax()], dtype="float64")
    p = np.tile(P[[1, 2]], (count, 1))[:count]
    return model, np.log(p).reshape(-1, 1, 1, 3), np.zeros(count, int)


@pytest.mark.parametrize("count", sampled([8, 1, 3, 11]))
@pytest.mark.slow
def test_the_gallery_shows_the_first_mistakes_with_their_probabilities(count, tmp_path):
    found = study.misclassified(*images(count))
    figure = found.plot(path=tmp_path / "gallery.png")
    shown = [ax for ax in figure.axes if ax.images]
    bars = [ax for ax in figure.axes if len(ax.containers)]
    assert len(shown) == len(bars) == count
    for k in range(count):
        np.testing.assert_array_equal(shown[k].images[0].get_array(), found.x[k, 0])
        assert shown[k].get_title() == f"0 \u2192 1 ({found.confidence[k]:.2f})"
        assert shown[k].get_xlabel() == f"sample {found.indices[k]}"
    for ax in bars:
        shaded, = (patch for patch in ax.patches if patch not in ax.containers[0])
        assert (shaded.get_x(), shaded.get_width()) == (-0.5, 1)                         # all of them are of class 0
    heights = sorted(tuple(bar.get_height() for bar in ax.containers[0]) for ax in bars)
    np.testing.assert_allclose(heights, sorted(map(tuple, found.probabilities)))


def test_a_gallery_of_nothing_or_of_vectors_is_an_error():
    with pytest.raises(ValueError, match=r"expected images \(C, H, W\)"):
        study.misclassified(predicting(), np.log(P), TRUE).plot()
    model, x, y = images(2)
    with pytest.raises(ValueError, match="a count of at least one"):
        study.misclassified(model, x, y + 1).plot()


def test_calibration_error_of_probabilities_made_by_hand():
    p = np.array([0.95] * 4 + [0.75] * 4 + [0.55] * 2)
    right = np.array([1, 1, 1, 0, 1, 1, 1, 0, 0, 0], bool)
    found = study.calibration(predicting(2), np.log(np.stack([p, 1 - p], axis=1)), np.where(right, 0, 1), bins=10)
    np.testing.assert_array_equal(found.counts, [0, 0, 0, 0, 0, 2, 0, 4, 0, 4])
    np.testing.assert_allclose(found.confidence[[5, 7, 9]], [0.55, 0.75, 0.95])
    np.testing.assert_allclose(found.accuracy[[5, 7, 9]], [0, 0.75, 0.75])
    assert np.isnan(found.accuracy[[0, 1, 2, 3, 4, 6, 8]]).all()
    assert found.expected_error == pytest.approx(0.2 * 0.55 + 0.4 * 0 + 0.4 * 0.20)
    assert found.overall == pytest.approx((0.79, 0.6))


def test_a_model_whose_confidence_is_its_accuracy_has_no_calibration_error():
    p = np.repeat([[0.75, 0.25]], 8, axis=0)
    found = study.calibration(predicting(2), np.log(p), [0, 0, 0, 1] * 2)
    assert found.expected_error == pytest.approx(0, abs=1e-12)


def test_bins_have_their_upper_edge_and_sure_samples_are_in_the_last():
    x = [[0, -1000], [np.log(3), 0], [0, 0]]                                     # confidences 1, 0.75 and 0.5
    found = study.calibration(predicting(2), x, [0, 0, 0], bins=4)
    np.testing.assert_array_equal(found.counts, [0, 1, 1, 1])


def test_calibration_is_the_sum_over_the_samples_of_each_bin():
    rng = np.random.default_rng(0)
    logits, y = 2 * rng.normal(size=(700, 5)), rng.integers(5, size=700)
    found = study.calibration(predicting(5), logits, y, bins=7)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gaps = 0
    for b in range(7):
        inside = [n for n in range(700) if b / 7 < p[n].max() <= (b + 1) / 7]
        assert found.counts[b] == len(inside)
        gaps += abs(sum((p[n].argmax() == y[n]) - p[n].max() for n in inside))
    assert found.expected_error == pytest.approx(gaps / 700)


@pytest.mark.slow
def test_the_reliability_diagram_shows_accuracy_gap_and_counts(tmp_path):
    found = study.calibration(predicting(), np.log(P), TRUE, bins=5)
    upper, lower = found.plot(path=tmp_path / "calibration.png").axes
    full = found.counts > 0
    accuracy, gap = upper.containers
    np.testing.assert_allclose([bar.get_height() for bar in accuracy], found.accuracy[full])
    np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in gap], found.confidence[full])
    np.testing.assert_allclose([bar.get_height() for bar in lower.containers[0]], found.counts[full])
    np.testing.assert_allclose([bar.get_x() for bar in accuracy], found.edges[:-1][full])
    assert (upper.get_ylabel(), lower.get_xlabel()) == ("accuracy", "confidence: the largest probability")
    assert lower.get_ylabel() == "samples\n(logarithmic)"
    assert upper.get_title() == (f"expected calibration error {found.expected_error:.4f}\n"
                                 "mean confidence 0.6500, accuracy 0.3333")
    assert [text.get_text() for text in upper.get_legend().get_texts()] == [
        "perfect calibration", "accuracy", "gap to mean confidence"]


def test_the_gap_is_hollow_and_bins_of_few_samples_are_pale():
    edges = np.array([0, 0.5, 1])
    found = study.Calibration(edges, np.array([9, 10]), np.array([0.4, 0.9]), np.array([0.3, 0.7]))
    accuracy, gap = found.plot().axes[0].containers
    assert [bar.get_alpha() for bar in accuracy] == [bar.get_alpha() for bar in gap] == [0.3, None]
    assert {bar.get_hatch() for bar in gap} == {"////"}
    assert gap[1].get_facecolor()[3] == 0
    assert accuracy[1].get_facecolor() == (0.75, 0.75, 0.75, 1)


@pytest.mark.parametrize(("y", "message"), [
    ([0, 1, 2, 3, 0, 0], "labels from 0 to 2. Received: 0 to 3"), ([0, 1], "6 in x, 2 in y"),
    (np.zeros((6, 4)), r"labels \(N,\), or one-hot \(N, 3\). Received: \(6, 4\)"), ([0.5] * 6, "whole numbers")])
@pytest.mark.parametrize("look", [study.confusion, study.misclassified, study.calibration])
def test_targets_that_are_not_classes_are_an_error(look, y, message):
    with pytest.raises(ValueError, match=message):
        look(predicting(), np.log(P), y)


def test_a_model_without_classes_and_odd_bins_are_errors():
    with pytest.raises(ValueError, match=r"outputs \(N, classes\). Received: \(2, 1\)"):
        study.confusion(Sequential([Dense(1, input_dim=2)]), [[1, 2], [3, 4]], [0, 1])
    with pytest.raises(ValueError, match="bins, a whole number from 1"):
        study.calibration(predicting(), np.log(P), TRUE, bins=0)
