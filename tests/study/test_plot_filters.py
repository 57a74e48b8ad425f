"""The pictures of kernels show every number of them, to one scale, before and after."""

import numpy as np
import pytest
from study_models import twisted

from tinynet import Sequential, study
from tinynet.layers import Conv2D, Dense
from tinynet.study.drawing import mosaic


def panels(figure):
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]


def test_kernels_of_one_channel_are_in_rows_of_8():
    model = Sequential([Conv2D(11, (3, 2), input_shape=(1, 6, 6))], seed=0)
    kernel = model.layers[0].params["kernel"]
    ax, = panels(study.plot_filters(model.layers[0]))
    drawn = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert drawn.shape == (2 * 4 - 1, 8 * 3 - 1)
    for f in range(11):
        top, left = 4 * (f // 8), 3 * (f % 8)
        np.testing.assert_allclose(drawn[top:top + 3, left:left + 2], kernel[f, 0])
    assert np.isfinite(drawn).sum() == kernel.size
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "8"]
    assert [label.get_text() for label in ax.get_xticklabels()] == [f"+{k}" for k in range(8)]


def test_of_several_channels_each_filter_is_a_row():
    layer = twisted().layers[3].layers[0]                                               # nested, (4, 3, 2, 2)
    ax, = panels(study.plot_filters(layer))
    drawn, kernel = np.ma.filled(ax.images[0].get_array(), np.nan), layer.params["kernel"]
    for f, c in np.ndindex(4, 3):
        np.testing.assert_allclose(drawn[3 * f:3 * f + 2, 3 * c:3 * c + 2], kernel[f, c])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("filter", "channel")


def test_before_and_after_have_one_scale_around_0(tmp_path):
    model = twisted()
    layer = model.get_layer("first")
    before = layer.params["kernel"].copy()
    layer.params["kernel"] = before * 3
    figure = study.plot_filters(layer, before, tmp_path / "filters.png")
    one, other = panels(figure)
    limit = 3 * np.abs(before).max()
    assert one.images[0].get_clim() == other.images[0].get_clim() == pytest.approx((-limit, limit))
    assert (one.get_title(), other.get_title()) == ("before training", "after training")
    np.testing.assert_allclose(3 * one.images[0].get_array(), other.images[0].get_array())
    shown = other.images[0].get_array()
    assert len(other.collections[0].get_offsets()) == (shown < -0.15 * limit).sum()
    assert (tmp_path / "filters.png").exists()


def test_of_a_model_the_first_convolution_is_drawn_and_of_many_filters_the_first():
    model = Sequential([Conv2D(40, 2, input_shape=(1, 5, 5)), Conv2D(33, 2)], seed=0)
    figure = study.plot_filters(model)
    assert figure.get_suptitle() == "Conv2D 'conv2d_1', 32 of 40 filters"
    drawn = panels(figure)[0].images[0].get_array()
    np.testing.assert_allclose(drawn, mosaic(model.layers[0].params["kernel"][:32, 0], 8))
    second = study.plot_filters(model.layers[1])
    assert second.get_suptitle() == "Conv2D 'conv2d_2', 32 of 33 filters, 32 of 40 channels"
    assert panels(second)[0].images[0].get_array().count() == 32 * 32 * 4


def test_layers_without_kernels_that_are_images_and_other_shapes_are_errors():
    with pytest.raises(ValueError, match=r"a kernel \(filters, C, kh, kw\)\. Received: Dense 'dense_1'"):
        study.plot_filters(Sequential([Dense(2, input_dim=2)]).layers[0])
    with pytest.raises(ValueError, match="a built layer"):
        study.plot_filters(Conv2D(2, 3))
    with pytest.raises(ValueError, match=r"before of the kernel's shape, \(3, 2, 3, 2\)\. Received: \(3, 3, 2\)"):
        study.plot_filters(twisted(), np.zeros((3, 3, 2)))
