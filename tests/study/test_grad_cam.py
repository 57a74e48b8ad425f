"""Grad-CAM is its two equations, upsampled at the centres of the receptive fields; the figure shows its values."""

import numpy as np
import pytest
import scipy  # loads scipy.interpolate when it is first asked for
from study_models import samples, seeing, twisted

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D


def coarse(model, x, name, target):
    """Compute the map before it is upsampled, from gradients that are measured number by number."""
    index = [step.name for step in model.steps()].index(name)
    maps = study.activations(model, x)[name]
    gradient = np.zeros_like(maps)
    for at in np.ndindex(maps.shape):
        logit = []
        for change in (1e-6, -1e-6):
            out = maps.copy()
            out[at] += change
            for step in model.steps()[index + 1:-1]:
                out = step.run(out, False)[0]
            logit.append(out[at[0], target[at[0]]])
        gradient[at] = (logit[0] - logit[1]) / 2e-6
    return np.einsum("nk,nkpq->npq", gradient.mean(axis=(2, 3)), maps)


@pytest.mark.slow
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(("name", "start"), [("first", (0, 0.5)), ("largest", (1, 0.5)),
                                             ("inner/conv2d_1/relu", (3, 2))])
def test_the_map_is_that_of_the_equations_in_the_middle_of_its_fields(name, start, relu):
    model, (x, _), jump = seeing(), samples(2), (2, 1)
    target = [3, 1]
    expected = coarse(model, x, name, target)
    expected = expected.clip(0) if relu else expected
    found = study.grad_cam(model, x, name, target, relu=relu)
    assert found.shape == (2, 9, 8)
    for one, image in zip(expected, found, strict=True):
        axes = [first + step * np.arange(count) for first, step, count in zip(start, jump, one.shape, strict=True)]
        positions = np.stack(np.meshgrid(*(np.clip(np.arange(size), axis[0], axis[-1]) for size, axis in
                                           zip((9, 8), axes, strict=True)), indexing="ij"), axis=-1)
        inside = np.ix_(*((axis[0] - step / 2 <= np.arange(size)) & (np.arange(size) <= axis[-1] + step / 2)
                          for size, axis, step in zip((9, 8), axes, jump, strict=True)))
        wanted = np.zeros((9, 8))
        wanted[inside] = scipy.interpolate.RegularGridInterpolator(axes, one)(positions)[inside]
        np.testing.assert_allclose(image, wanted, rtol=1e-6, atol=1e-8)
    assert (found < 0).any() == (not relu)


def test_a_linear_head_gives_the_weights_by_hand():
    model = Sequential([Conv2D(3, 3, activation="relu", input_shape=(1, 8, 8)), Flatten(),
                        Dense(4, activation="softmax")], dtype="float64", seed=1)
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8))
    weights = model.layers[2].params["kernel"].reshape(3, 6, 6, 4).mean(axis=(1, 2))                # (K, classes)
    maps = study.activations(model, x)["conv2d_1/relu"]
    expected = np.einsum("k,nkpq->npq", weights[:, 2], maps)
    np.testing.assert_allclose(study.grad_cam(model, x, "conv2d_1/relu", 2, relu=False)[:, 1:7, 1:7], expected)
    np.testing.assert_allclose(study.grad_cam(model, x, "conv2d_1/relu", 2)[:, 1:7, 1:7], expected.clip(0))


def test_after_a_layer_whose_receptive_field_is_not_known_the_map_is_stretched():
    model, (x, _) = twisted(), samples(1)
    found = study.grad_cam(model, x, "scale_1", 1, relu=False)                              # (5, 8) on (9, 8)
    other = coarse(model, x, "scale_1", [1])
    np.testing.assert_allclose(found[0, 4], other[0, 2], rtol=1e-6, atol=1e-8)               # the middle row, untouched
    np.testing.assert_allclose(found[0, 0], other[0, 0], rtol=1e-6, atol=1e-8)


def test_a_layer_whose_output_is_not_images_is_an_error():
    with pytest.raises(ValueError, match=r"step whose output is images\. Received: 'hidden', whose output is \(5, 6\)"):
        study.grad_cam(twisted(), samples()[0], "hidden")
    with pytest.raises(ValueError, match="grad_cam: expected images"):
        study.grad_cam(Sequential([Dense(2, input_dim=3)]), np.zeros((1, 3)), "dense_1")


def negative_evidence():
    """Make a model in which every feature is evidence against class 0."""
    model = Sequential([Conv2D(2, 3, kernel_initializer="ones", activation="relu", input_shape=(1, 8, 8)), MaxPool2D(),
                        Flatten(), Dense(2, activation="softmax")], dtype="float64", seed=0)
    kernel = model.layers[3].params["kernel"]
    model.layers[3].params["kernel"] = np.abs(kernel) * [-1, 1]
    return model, np.random.default_rng(0).uniform(size=(1, 1, 8, 8))


def test_a_map_that_is_nowhere_positive_is_labelled_so():
    model, x = negative_evidence()
    flat, signed = (study.grad_cam(model, x, "conv2d_1/relu", 0, relu=relu)[0] for relu in (True, False))
    assert not flat.any()
    assert signed.max() == 0                                                    # beyond the outermost fields
    assert signed[1:-1, 1:-1].max() < 0
    figure = study.plot_attributions(x[0], {"ReLU": flat, "signed": signed})
    image, empty, against_it = figure.axes[:3]
    assert not empty.images
    assert "nowhere positive" in empty.texts[0].get_text()
    assert against_it.get_title() == "signed\nnowhere positive"
    assert image.get_title() == "image"
    positive = study.grad_cam(model, x, "conv2d_1/relu", 1)[0]
    assert study.plot_attributions(x[0], {"for": positive}).axes[1].get_title() == "for"


@pytest.mark.slow
def test_each_map_has_its_own_scale(tmp_path):
    rng = np.random.default_rng(0)
    image, signed, positive = rng.uniform(size=(2, 6, 5)), rng.normal(size=(2, 6, 5)), rng.uniform(size=(6, 5))
    figure = study.plot_attributions(image, {"signed": signed, "positive": positive}, "title", tmp_path / "maps.png")
    drawn = [ax.images[0] for ax in figure.axes if ax.images and ax.get_label() != "<colorbar>"]
    np.testing.assert_allclose(drawn[0].get_array(), image.mean(axis=0))
    np.testing.assert_allclose(drawn[1].get_array(), signed.sum(axis=0))
    limit = np.abs(signed.sum(axis=0)).max()
    assert drawn[1].get_clim() == (-limit, limit)
    assert drawn[2].get_clim() == (0, positive.max())
    assert len([ax for ax in figure.axes if ax.get_label() == "<colorbar>"]) == 3
    dots = drawn[1].axes.collections[0].get_offsets()
    assert {(int(h), int(w)) for w, h in dots} == set(zip(*np.nonzero(signed.sum(axis=0) < -0.15 * limit), strict=True))
    assert not drawn[2].axes.collections
    assert (tmp_path / "maps.png").exists()


def test_maps_of_another_size_and_no_maps_are_errors():
    with pytest.raises(ValueError, match=r"maps of one image \(1, 6, 5\). Received: \(5, 6\) for 'turned'"):
        study.plot_attributions(np.zeros((1, 6, 5)), {"turned": np.zeros((5, 6))})
    with pytest.raises(ValueError, match="and maps"):
        study.plot_attributions(np.zeros((6, 5)), {})
