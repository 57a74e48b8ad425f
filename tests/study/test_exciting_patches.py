"""The patches are where each filter's output is largest, found here by brute force, and its whole receptive field."""

import numpy as np
import pytest
from layers_for_tests import Scale
from study_models import samples, seeing, twisted

from tinynet import Sequential, study
from tinynet.layers import AveragePool2D, Conv2D, Dense, Flatten, MaxPool2D


def valid(dtype="float64"):
    """Make a model without padding, nested, whose layers run on a patch too."""
    return Sequential([
        Conv2D(3, (3, 2), strides=(2, 1), activation="tanh", input_shape=(2, 19, 18), name="first"), MaxPool2D((2, 3)),
        Sequential([Conv2D(4, 2, dilation_rate=(1, 2), activation="relu"), AveragePool2D(2, strides=1)], name="inner")],
        dtype=dtype, seed=1)


def images(count=40):
    return np.random.default_rng(8).normal(size=(count, 2, 19, 18))


def ordered(maps, count):
    """Return (value, sample, row, column) of the largest elements of maps (N, P, Q), one for each sample, by loops."""
    best = []
    for n, one in enumerate(maps):
        top = max(((one[p, q], n, p, q) for p in range(one.shape[0]) for q in range(one.shape[1])), key=lambda t: t[0])
        best.append(top)
    return sorted(best, key=lambda t: -t[0])[:count]


@pytest.mark.parametrize("name", ["first", "max_pool2d_1", "inner/conv2d_1", "inner/average_pool2d_1"])
def test_they_are_the_largest_outputs_one_for_each_sample(name):
    model, x = valid(), images()
    found = study.exciting_patches(model, name, x, count=5)
    maps = study.activations(model, x)[name]
    assert found.filters.tolist() == list(range(maps.shape[1]))
    for f in found.filters:
        expected = ordered(maps[:, f], 5)
        np.testing.assert_allclose(found.values[f], [value for value, *_ in expected], rtol=1e-12)
        assert [(n, *place) for n, place in zip(found.samples[f].tolist(), found.places[f].tolist(), strict=True)] == \
            [tuple(where) for _, *where in expected]


@pytest.mark.parametrize("name", ["first", "first/tanh", "max_pool2d_1", "inner/conv2d_1", "inner/average_pool2d_1"])
def test_the_layers_below_make_the_same_number_of_the_patch_alone(name):
    model, x = valid(), images()
    found = study.exciting_patches(model, name, x, count=3)
    last = [step.name for step in model.steps()].index(name)
    for f, values, patches in zip(found.filters, found.values, found.patches, strict=True):
        for value, patch in zip(values, patches, strict=True):
            out = patch[None]
            for step in model.steps()[:last + 1]:
                out = step.run(out, False)[0]
            assert out.shape[2:] == (1, 1)
            assert out[0, f, 0, 0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", ["first", "largest", "inner/conv2d_1"])
def test_the_output_does_not_depend_on_what_lies_outside_the_patch(name):
    model, (x, _) = seeing(), samples(30)
    found = study.exciting_patches(model, name, x, count=4)
    rng, sticks_out = np.random.default_rng(0), 0
    for f in found.filters:
        for n, (p, q), value, patch, (top, left) in zip(found.samples[f], found.places[f], found.values[f],
                                                        found.patches[f], found.corners[f], strict=True):
            other, seen = rng.normal(size=x[n].shape), 0
            for (c, i, j), pixel in np.ndenumerate(patch):
                if 0 <= top + i < 9 and 0 <= left + j < 8:
                    assert pixel == x[n, c, top + i, left + j]
                    other[c, top + i, left + j] = pixel
                    seen += 1
                else:
                    assert np.isnan(pixel)
            sticks_out += seen < patch.size
            outputs = study.activations(model, np.stack([other, x[n]]))[name]
            assert outputs[0, f, p, q] == pytest.approx(value, rel=1e-12)
    assert sticks_out


def test_fields_start_where_they_were_counted_by_hand():
    model, (x, _) = seeing(), samples(10)
    sizes = {"first": (3, 2), "largest": (5, 4), "inner/conv2d_1": (9, 7)}
    starts = {"first": (-1, 0), "largest": (-1, -1), "inner/conv2d_1": (-1, -1)}
    for name, size in sizes.items():
        found = study.exciting_patches(model, name, x, count=2)
        assert found.patches.shape[3:] == size
        np.testing.assert_array_equal(found.corners, found.places * [2, 1] + starts[name])


def test_a_unit_of_a_vector_sees_the_whole_image():
    model, (x, _) = seeing(), samples(12)
    found = study.exciting_patches(model, "last", x, filters=[2, 0], count=3)
    outputs = study.activations(model, x)["last"]
    for k, unit in enumerate((2, 0)):
        order = np.argsort(-outputs[:, unit])[:3]
        np.testing.assert_array_equal(found.samples[k], order)
        np.testing.assert_array_equal(found.patches[k], x[order])
        np.testing.assert_allclose(found.values[k], outputs[order, unit])
    assert found.places.shape == (2, 3, 0)
    assert "filter 2: " in str(found)


def test_more_samples_than_one_batch(monkeypatch):
    from tinynet.study.features import exciting
    model, x = valid(), images()
    whole = study.exciting_patches(model, "first", x)
    monkeypatch.setattr(exciting, "BATCH", 7)
    parts = study.exciting_patches(model, "first", x)
    np.testing.assert_array_equal(whole.samples, parts.samples)
    np.testing.assert_allclose(whole.values, parts.values)


def test_a_layer_whose_receptive_field_is_not_known_is_an_error_until_it_has_a_rule():
    class Mine(Scale):
        pass
    model = Sequential([MaxPool2D(input_shape=(2, 19, 18)), Mine(), Conv2D(2, 3)], dtype="float64", seed=0)
    with pytest.raises(ValueError, match=r"layers up to 'conv2d_1' whose receptive fields are known"):
        study.exciting_patches(model, "conv2d_1", images())
    study.reach.register(Mine, study.elementwise)
    study.padding.register(Mine, lambda layer, input_shape: (1, 2))
    found = study.exciting_patches(model, "conv2d_1", images())
    assert found.patches.shape[3:] == (6, 6)
    np.testing.assert_array_equal(found.corners, found.places * 2 - [2, 4])                # padding of pooled pixels


def test_odd_arguments_are_errors():
    model, x = valid(), images(4)
    with pytest.raises(ValueError, match=r"count from 1 to the number of samples, 4\. Received: 9"):
        study.exciting_patches(model, "first", x)
    with pytest.raises(ValueError, match=r"a filter of first, an index into shape \(3,\)\. Received: 3"):
        study.exciting_patches(model, "first", x, filters=3, count=1)
    with pytest.raises(ValueError, match="exciting_patches: expected images"):
        study.exciting_patches(Sequential([Dense(2, input_dim=3)]), "dense_1", np.zeros((2, 3)), count=1)


def test_the_model_stays_as_it_was():
    model, (x, y) = twisted(), samples(10)
    model.objective(x, y)[2]()
    before = {key: array.copy() for key, array in model.grads.items()}
    study.exciting_patches(model, "first", x)
    for key, array in before.items():
        np.testing.assert_array_equal(model.grads[key], array)


@pytest.mark.slow
def test_the_figure_shows_the_patches_from_the_strongest(tmp_path):
    model, (x, _) = seeing(), samples(12)
    found = study.exciting_patches(model, "largest", x, count=4)
    figure = found.plot(tmp_path / "patches.png")
    axes = [ax for ax in figure.axes if ax.images and ax.get_label() != "<colorbar>"]
    assert len(axes) == 3
    for f, ax in enumerate(axes):
        shown = np.ma.filled(ax.images[0].get_array(), np.nan)
        np.testing.assert_allclose(shown[:5, :4], found.patches[f, 0].mean(axis=0))
        np.testing.assert_allclose(shown[6:, 5:], found.patches[f, 3].mean(axis=0))
        assert np.isnan(shown[5]).all()
        limit = np.nanmax(np.abs(found.patches.mean(axis=2)))
        assert ax.images[0].get_clim() == (-limit, limit)
        assert ax.get_title() == f"{f}: {found.values[f, 0]:.3g} to {found.values[f, -1]:.3g}"
    one = Sequential([Flatten(input_shape=(1, 2, 2)), Dense(1)])
    study.exciting_patches(one, "dense_1", np.zeros((1, 1, 2, 2)), count=1).plot()
