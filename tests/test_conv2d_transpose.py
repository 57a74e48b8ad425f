"""Conv2DTranspose: a convolution run backward, its sizes and its gradients."""

import numpy as np
import pytest
from oracles import assert_gradients_right, built

from tinynet import Sequential, kernels, study
from tinynet.layers import Conv2D, Conv2DTranspose
from tinynet.layers.conv2d_transpose import transposed_placement
from tinynet.study.receptive_fields import receptive_fields

GEOMETRIES = {
    "plain": {"kernel_size": (2, 3)},
    "strides": {"kernel_size": (3, 2), "strides": (2, 3), "activation": "tanh"},
    "strides above the window": {"kernel_size": 1, "strides": (2, 3), "use_bias": False},
    "same": {"kernel_size": (3, 2), "strides": (1, 2), "padding": "same"},
    "dilation": {"kernel_size": 2, "strides": 2, "dilation_rate": (1, 2)},
    "output padding": {"kernel_size": 3, "strides": (2, 3), "output_padding": (1, 2)},
    "same, output padding": {"kernel_size": 4, "strides": 2, "padding": "same", "output_padding": (1, 0)},
}
each = pytest.mark.parametrize("arguments", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def test_output_and_gradients_by_hand():
    layer = Conv2DTranspose(1, 2, strides=(1, 2))
    assert layer.build((1, 1, 2), np.random.default_rng(0)) == (1, 2, 4)
    layer.params = {"kernel": np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), "bias": np.array([0.5])}
    y, backward = layer.forward(np.array([[[[1.0, 10.0]]]]))
    assert y[0, 0].tolist() == [[1.5, 2.5, 10.5, 20.5], [3.5, 4.5, 30.5, 40.5]]
    dx = backward(np.array([[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]]))
    assert dx.ravel().tolist() == [1 + 4 + 15 + 24, 3 + 8 + 21 + 32]
    assert layer.grads["kernel"].tolist() == [[[[31, 42], [75, 86]]]]
    assert layer.grads["bias"].tolist() == [36]


def test_windows_that_overlap_are_added_up():
    layer = Conv2DTranspose(1, (1, 3), use_bias=False)
    layer.build((1, 1, 2), np.random.default_rng(0))
    layer.params["kernel"] = np.array([[[[1.0, 10.0, 100.0]]]])
    assert layer(np.array([[[[1.0, 2.0]]]])).ravel().tolist() == [1, 12, 120, 200]


# size, reach, stride, output_padding, padding -> outputs, cut off before, after; by hand from Keras's rules
@pytest.mark.parametrize(("arguments", "expected"), [
    ((5, 3, 1, None, "valid"), (7, (0, 0))),
    ((5, 3, 2, None, "valid"), (11, (0, 0))),
    ((5, 2, 3, None, "valid"), (15, (0, 0))),            # windows of 2 at strides of 3: at least size * stride
    ((5, 2, 3, 0, "valid"), (14, (0, 0))),
    ((5, 3, 2, 1, "valid"), (12, (0, 0))),
    ((5, 3, 1, None, "same"), (5, (1, 1))),
    ((5, 4, 1, None, "same"), (5, (1, 2))),
    ((5, 3, 2, None, "same"), (10, (0, 1))),
    ((5, 2, 3, None, "same"), (15, (0, 0))),
    ((5, 3, 2, 0, "same"), (9, (1, 1))),                 # (5 - 1) * 2 + 1
    ((5, 4, 2, 1, "same"), (9, (1, 2))),                 # (5 - 1) * 2 + 0 + 1
    ((5, 1, 3, 2, "same"), (15, (0, 0))),                # (5 - 1) * 3 + 1 + 2
], ids=str)
def test_outputs_are_as_many_as_in_keras(arguments, expected):
    assert transposed_placement(*arguments) == expected


@each
def test_it_is_the_transpose_of_the_convolution_with_the_same_arguments(arguments, rng):
    """<K x, y> = <x, K^T y>, where the convolution of y's size makes x's."""
    arguments = {key: value for key, value in arguments.items() if key not in ("activation", "use_bias")}
    layer = built(Conv2DTranspose(3, **arguments, use_bias=False), (2, 4, 5))
    _, margins = layer.placement((4, 5))
    x, y = rng.normal(size=(2, 2, 4, 5)), rng.normal(size=(2, *layer.output_shape))
    around = np.pad(y, ((0, 0), (0, 0), *margins))
    there = kernels.current().conv2d(around, layer.params["kernel"], layer.windows.strides, layer.windows.dilation)
    assert there.shape == x.shape
    assert (there * x).sum() == pytest.approx((y * layer(x)).sum(), rel=1e-11)


@pytest.mark.parametrize("strides", [1, 2, (3, 2)], ids=str)
@pytest.mark.parametrize("window", [(1, 2), (3, 4), 5], ids=str)
def test_same_undoes_the_size_of_a_same_convolution_and_its_margins(window, strides, rng):
    back = built(Conv2DTranspose(2, window, strides, "same", use_bias=False), (3, 4, 5))
    forth = built(Conv2D(3, window, strides, "same", use_bias=False), back.output_shape)
    assert forth.output_shape == (3, 4, 5)
    forth.params["kernel"] = back.params["kernel"]
    dy = rng.normal(size=(1, 3, 4, 5))
    _, backward = forth.forward(rng.normal(size=(1, *back.output_shape)))
    np.testing.assert_allclose(back(dy), backward(dy), rtol=1e-12, atol=1e-12)


@each
@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(arguments, rng):
    assert_gradients_right(built(Conv2DTranspose(2, **arguments), (2, 2, 3)), rng.normal(size=(2, 2, 2, 3)))


@each
def test_build_promises_the_shape_that_comes(arguments, rng):
    layer = Conv2DTranspose(5, **arguments)
    promised = layer.build((2, 4, 3), rng)
    assert layer(rng.normal(size=(3, 2, 4, 3))).shape == (3, *promised)


def test_a_kernel_is_that_of_the_convolution_the_other_way(rng):
    layer = Conv2DTranspose(7, (3, 2))
    layer.build((5, 4, 4), rng)
    assert {key: p.shape for key, p in layer.params.items()} == {"kernel": (5, 7, 3, 2), "bias": (7,)}


def test_a_model_names_it_as_keras_does():
    assert Sequential([Conv2DTranspose(1, 2, input_shape=(1, 2, 2))]).layers[0].name == "conv2d_transpose_1"


def test_the_profile_counts_what_each_pixel_meets():
    model = Sequential([Conv2DTranspose(3, (2, 3), strides=2, input_shape=(4, 5, 6))], seed=0)
    step, = study.profile(model, 1, 1).steps
    assert (step.multiply_adds, step.im2col_bytes) == (4 * 5 * 6 * 3 * 6, 3 * 6 * 5 * 6 * 4)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_receptive_fields_are_where_the_gradient_reaches(padding, rng):
    layer = built(Conv2DTranspose(1, (4, 3), padding=padding, dilation_rate=(1, 2)), (1, 9, 9))
    (rows, columns), = receptive_fields(Sequential([layer]).steps(), [(1, 9, 9)])
    y, backward = layer.forward(rng.normal(size=(1, 1, 9, 9)))
    dy = np.zeros_like(y)
    dy[0, 0, 4, 5] = 1
    h, w = np.nonzero(backward(dy)[0, 0])
    assert (h.min(), h.max() - h.min() + 1) == (rows[0] + 4 * rows[2], rows[1])
    assert (w.min(), w.max() - w.min() + 1) == (columns[0] + 5 * columns[2], columns[1])


def test_study_knows_which_axes_are_a_filter():
    layer = built(Conv2DTranspose(3, 2), (2, 4, 4))
    assert study.filter_axes(layer, "kernel") == (0, 2, 3)
    with pytest.raises(ValueError, match=r"a built layer with a kernel .filters, C, kh, kw."):
        study.plot_filters(layer)


def test_with_strides_no_one_window_is_seen():
    model = Sequential([Conv2DTranspose(1, 3, strides=2, input_shape=(1, 4, 4))])
    assert receptive_fields(model.steps(), [(1, 4, 4)]) == [None]


@pytest.mark.parametrize(("make", "text"), [
    (lambda: Conv2DTranspose(0, 3), r"Conv2DTranspose: expected filters, a positive whole number. Received: 0."),
    (lambda: Conv2DTranspose(2, 3, 2, output_padding=2), r"each less than its stride, .2, 2.. Received: 2."),
    (lambda: Conv2DTranspose(2, 3, (2, 3), output_padding=(0, -1)), r"a whole number from 0 or a pair of them"),
    (lambda: Conv2DTranspose(2, 3, output_padding="same"), r"expected output_padding as a whole number"),
    (lambda: Conv2DTranspose(2, 3, output_padding=(0, 0, 0)), r"expected output_padding as a whole number"),
    (lambda: Conv2DTranspose(2, 2, padding="same", output_padding=0).build((1, 1, 3), np.random.default_rng(0)),
     r"expected an image that leaves an output of at least one pixel. Received: .1, 3.."),
    (lambda: Conv2DTranspose(3, 3)(np.ones((1, 1, 5, 5))), r"Conv2DTranspose: has no weights yet."),
    (lambda: built(Conv2DTranspose(3, 3), (2, 5, 5))(np.ones((1, 3, 5, 5))), r"expected input .N, 2, H, W.. Received"),
    (lambda: built(Conv2DTranspose(3, 3), (2, 5, 5))(np.ones((1, 5, 5, 2))), r"channels first"),
], ids=["filters", "as a stride", "negative", "a word", "three", "nothing left", "unbuilt", "channels", "last"])
def test_a_mistake_is_told(make, text):
    with pytest.raises(ValueError, match=text):
        make()
