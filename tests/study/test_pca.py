"""Principal components are the eigenvectors of the covariance, which is formed here."""

import numpy as np
import pytest
from study_models import samples, twisted

from tinynet import Sequential, study
from tinynet.layers import Dense, ReLU


def test_components_and_variances_are_those_of_the_covariance():
    model, (x, _) = twisted(), samples(60)
    outputs = study.activations(model, x)
    found = study.pca(model, x, count=3)
    assert list(found) == ["input", *outputs]
    for name in ("input", "inner/conv2d_1", "hidden/tanh", "last/softmax"):
        rows = (x if name == "input" else outputs[name]).reshape(60, -1)
        values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
        part, kept = found[name], min(3, rows.shape[1])
        values = values[::-1][:len(part.variance)].clip(0)
        np.testing.assert_allclose(part.variance, values, atol=1e-12 * values[0])
        np.testing.assert_allclose(part.ratio, values / values.sum(), atol=1e-12)
        for component, vector in zip(part.components, vectors.T[::-1], strict=False):
            np.testing.assert_allclose(component, vector * np.sign(vector @ component), atol=1e-7)
            assert component[np.abs(component).argmax()] > 0
        assert part.components.shape == (kept, rows.shape[1])
        np.testing.assert_allclose(part.mean, rows.mean(axis=0))
        np.testing.assert_allclose(part.scores, (rows - rows.mean(axis=0)) @ part.components.T)
        np.testing.assert_allclose(part.scores.var(axis=0, ddof=1), part.variance[:kept])


def test_more_numbers_than_samples():
    model, (x, _) = twisted("float32"), samples(6)
    part = study.pca(model, x, "first", count=5)["first"]
    rows = study.activations(model, x)["first"].reshape(6, -1).astype(np.float64)
    assert part.variance.shape == (6,)
    assert part.variance.sum() == pytest.approx(rows.var(axis=0, ddof=1).sum())
    assert part.variance[5] < 1e-20                                     # the mean takes one direction away
    np.testing.assert_allclose(part.mean + part.scores @ part.components, rows, atol=1e-12)


def test_the_sign_does_not_depend_on_the_samples_order():
    model, (x, _) = twisted(), samples(40)
    one, other = (study.pca(model, order, "hidden")["hidden"] for order in (x, x[::-1]))
    np.testing.assert_allclose(one.components, other.components, atol=1e-10)
    np.testing.assert_allclose(one.scores, other.scores[::-1], atol=1e-10)


def test_layers_can_be_chosen():
    model, (x, _) = twisted(), samples(8)
    assert list(study.pca(model, x, "hidden")) == ["hidden"]
    assert list(study.pca(model, x, model.get_layer("last"))) == ["last"]
    assert list(study.pca(model, x, ["first/tanh", "input"])) == ["first/tanh", "input"]
    whole = study.pca(model, x)
    for name, part in whole.items():
        np.testing.assert_allclose(study.pca(model, x, name)[name].scores, part.scores, atol=1e-12)
    with pytest.raises(ValueError, match="step"):
        study.pca(model, x, "nowhere")


def test_outputs_that_do_not_differ_have_no_variance():
    part = study.pca(Sequential([ReLU(input_shape=(3,))]), -np.arange(6.0).reshape(2, 3), "relu_1")["relu_1"]
    assert not part.variance.any()
    assert not part.ratio.any()
    assert not part.scores.any()


def test_too_few_samples_are_an_error():
    with pytest.raises(ValueError, match="samples from 2 and count from 1. Received: 1 samples".replace(".", r"\.")):
        study.pca(twisted(), samples(1)[0])
    with pytest.raises(ValueError, match="and count 0"):
        study.pca(twisted(), samples(3)[0], count=0)


@pytest.mark.rest
def test_each_class_is_drawn_where_its_scores_are_with_its_number(tmp_path):
    model, (x, y) = twisted(), samples(30)
    labels = y.argmax(axis=1)
    found = study.pca(model, x)
    figure = study.plot_pca(found, labels, tmp_path / "pca.png")
    drawn = [ax for ax in figure.axes if ax.collections]
    assert len(drawn) == len(found) == 14
    for ax, (name, part) in zip(drawn, found.items(), strict=True):
        assert ax.get_title() == f"{name}\n{100 * part.ratio[:2].sum():.0f} % of the variance"
        assert (ax.get_xlabel(), ax.get_ylabel()) == tuple(
            f"component {k + 1} ({100 * part.ratio[k]:.0f} %)" for k in (0, 1))
        for label, points in zip(np.unique(labels), ax.collections, strict=True):
            np.testing.assert_allclose(points.get_offsets(), part.scores[labels == label])
    shapes = [points.get_paths()[0].vertices for points in drawn[0].collections]
    assert len({shape.tobytes() for shape in shapes}) == len(np.unique(labels))


def test_one_component_and_no_labels_can_be_drawn():
    found = study.pca(Sequential([Dense(1, input_dim=2)]), np.random.default_rng(0).normal(size=(5, 2)), "dense_1")
    points = study.plot_pca(found).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 0], found["dense_1"].scores[:, 0])
    assert not points[:, 1].any()


def test_labels_must_be_whole_numbers_one_for_each():
    model, (x, y) = twisted(), samples(5)
    found = study.pca(model, x, "last")
    for labels in (y, y.argmax(axis=1)[:4], np.linspace(0, 1, 5)):
        with pytest.raises(ValueError, match="a whole number for each of 5 samples"):
            study.plot_pca(found, labels)
