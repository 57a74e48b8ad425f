"""The image that was found excites its unit more than any sample does, and as much as can be where that is known."""

import numpy as np
import pytest
from study_models import mnist_model, samples, seeing, twisted

from tinynet import Sequential, study
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Flatten, MaxPool2D


def deep(dtype="float64"):
    return Sequential([Conv2D(4, 3, activation="relu", input_shape=(1, 12, 12)), MaxPool2D(),
                       Conv2D(3, 3, activation="relu"), Flatten(), Dense(4, activation="softmax")], dtype=dtype, seed=5)


def test_a_convolution_on_the_image_is_driven_to_the_sum_of_its_positive_weights():
    model = deep()
    found = study.maximise(model, "conv2d_1", range(4), rate=1, decay=0, smooth=0)
    kernel = model.layers[0].params["kernel"]                                           # (4, 1, 3, 3)
    np.testing.assert_allclose(found.values[-1], kernel.clip(0).sum(axis=(1, 2, 3)))
    assert found.at == (5, 5)
    np.testing.assert_array_equal(found.images[:, :, 5:8, 5:8], kernel > 0)
    assert np.argwhere(found.seen).tolist() == [[h, w] for h in (5, 6, 7) for w in (5, 6, 7)]


@pytest.mark.parametrize("layer", ["conv2d_1", pytest.param("conv2d_2", marks=pytest.mark.rest), "dense_1"])
@pytest.mark.slow
def test_the_output_grows_and_beats_all_that_it_makes_of_digits(layer):
    model, x = mnist_model(larger=True), mnist.load_data()[1][0][:300, None] / 255
    found = study.maximise(model, layer, [0, 2])
    outputs = study.activations(model, x)[layer]
    best = outputs.reshape(*outputs.shape[:2], -1).max(axis=(0, 2))[[0, 2]]
    assert (found.values[-1] > found.values[0]).all()
    assert (found.values[-1] > best).all()
    outputs = study.activations(model, found.images)[layer]
    np.testing.assert_allclose(found.values[-1], [outputs[k, channel, *found.at] for k, channel in enumerate((0, 2))],
                               rtol=1e-5)
    assert found.images.min() >= 0
    assert found.images.max() <= 1


def test_one_step_is_that_of_the_equation():
    model, rate, decay, smooth = seeing(), 0.01, 0.7, 0.3
    first = study.maximise(model, "inner/conv2d_1", 1, steps=0, bounds=(-9, 9), seed=4)
    found = study.maximise(model, "inner/conv2d_1", 1, 1, rate, decay, smooth, bounds=(-9, 9), seed=4)
    x = first.images
    trace = study.Trace(model, x)
    dy = np.zeros_like(trace.outputs[trace.place("inner/conv2d_1")])
    dy[0, 1, *found.at] = 1
    gradient = trace.backward(dy, trace.place("inner/conv2d_1") + 1)[0]
    rms = np.sqrt((gradient[:, :, found.seen] ** 2).mean())
    rough = np.zeros_like(x)
    for _, c, h, w in np.ndindex(x.shape):
        for i, j in ((h - 1, w), (h + 1, w), (h, w - 1), (h, w + 1)):
            if 0 <= i < 9 and 0 <= j < 8:
                rough[0, c, h, w] += x[0, c, h, w] - x[0, c, i, j]
    np.testing.assert_allclose(found.images, x + rate * (gradient / rms - decay * x - smooth * rough), rtol=1e-10)
    assert found.values[0] == trace.outputs[trace.place("inner/conv2d_1")][0, 1, *found.at]


def test_a_seed_repeats_to_the_bit_and_units_do_not_disturb_each_other():
    model = deep()
    several, again = (study.maximise(model, "conv2d_2", [2, 0, 1], steps=20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(several.images, again.images)
    alone = study.maximise(model, "conv2d_2", 0, steps=20, seed=3)
    np.testing.assert_allclose(alone.images[0], several.images[1], rtol=1e-9, atol=1e-12)
    assert not np.allclose(alone.images, study.maximise(model, "conv2d_2", 0, steps=20, seed=4).images)


@pytest.mark.slow
def test_smoothing_smooths_and_decay_darkens():
    model = deep()

    def image(**settings):
        return study.maximise(model, "dense_1", 0, steps=100, **settings).images[0, 0]

    def rough(x):
        return np.square(np.diff(x, axis=0)).sum() + np.square(np.diff(x, axis=1)).sum()
    assert rough(image(decay=0, smooth=2)) < 0.7 * rough(image(decay=0, smooth=0))
    assert image(decay=2, smooth=0).sum() < 0.9 * image(decay=0, smooth=0).sum()


def test_a_unit_that_nothing_moves_stays_where_it_is():
    model = Sequential([Conv2D(2, 3, activation="relu", bias_initializer="zeros", input_shape=(1, 6, 6)),
                        Conv2D(1, 3)], dtype="float64", seed=0)
    model.params["conv2d_1/bias"] = np.full(2, -100.0)                                  # dead
    found = study.maximise(model, "conv2d_2", 0, steps=5, decay=0, smooth=0)
    assert np.isfinite(found.images).all()
    assert (found.values == found.values[0]).all()


def test_the_model_stays_as_it_was_and_a_layer_without_a_rule_is_seen_through():
    model, (x, y) = twisted(), samples()
    model.objective(x, y)[2]()
    before, params = ({k: a.copy() for k, a in arrays.items()} for arrays in (model.grads, model.params))
    found = study.maximise(model, model.get_layer("scale_1"), 1, steps=30)
    assert found.values[-1] > found.values[0]
    assert found.seen.all()
    for key, array in before.items():
        np.testing.assert_array_equal(model.grads[key], array)
        np.testing.assert_array_equal(model.params[key], params[key])


def test_odd_arguments_are_errors():
    model = deep()
    with pytest.raises(ValueError, match=r"a channel of conv2d_1, an index into shape \(4,\)\. Received: 4"):
        study.maximise(model, "conv2d_1", 4)
    with pytest.raises(ValueError, match="and bounds that rise"):
        study.maximise(model, "conv2d_1", 0, bounds=(1, 0))
    with pytest.raises(ValueError, match="steps, rate, decay and smooth from 0"):
        study.maximise(model, "conv2d_1", 0, decay=-1)
    with pytest.raises(ValueError, match="whose input shape is known"):
        study.maximise(Sequential([Dense(2)]), "dense_1", 0)
    with pytest.raises(ValueError, match="maximise: expected images"):
        study.maximise(Sequential([Dense(2, input_dim=2)]), "dense_1", 0)


def test_the_figure_shows_what_the_unit_sees(tmp_path):
    found = study.maximise(deep(), "conv2d_2", [1, 2], steps=10)
    figure = found.plot(tmp_path / "maximised.png")
    axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    top, left = (2 * p for p in found.at)
    for k, ax in enumerate(axes):
        np.testing.assert_allclose(ax.images[0].get_array(), found.images[k, 0, top:top + 8, left:left + 8])
        assert ax.images[0].get_clim() == (0, found.images[:, :, top:top + 8, left:left + 8].max())
        assert ax.get_title() == f"{k + 1}: {found.values[-1, k]:.3g}"
