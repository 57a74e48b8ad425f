"""Pooling: the largest and the mean of each window, and where their gradients go."""

import numpy as np
import pytest
from oracles import assert_gradients_right, window_views

from tinynet.layers import (
    AveragePool2D,
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)

X = np.array([[[[1.0, 9.0, 2.0, 3.0], [4.0, 5.0, 8.0, 6.0]]]])
GEOMETRIES = {
    "plain": ({}, (4, 6)),
    "window not square": ({"pool_size": (3, 2)}, (6, 5)),
    "overlap": ({"pool_size": 3, "strides": 1}, (4, 5)),
    "overlap, strides differ": ({"pool_size": (3, 4), "strides": (2, 1)}, (5, 6)),
    "gaps": ({"pool_size": 1, "strides": (2, 3)}, (5, 7)),
    "remainder": ({"pool_size": (2, 3)}, (5, 4)),
    "same": ({"padding": "same"}, (5, 3)),
    "same, overlap": ({"pool_size": (3, 2), "strides": (1, 2), "padding": "same"}, (4, 5)),
}


@pytest.fixture(params=[MaxPool2D, AveragePool2D])
def pool(request):
    return request.param


def each(cases):
    return pytest.mark.parametrize(("arguments", "image"), cases.values(), ids=cases.keys())


def test_max_by_hand():
    y, backward = MaxPool2D().forward(X)
    assert y.tolist() == [[[[9, 8]]]]
    assert backward(np.array([[[[5.0, 7.0]]]])).tolist() == [[[[0, 5, 0, 0], [0, 0, 7, 0]]]]


def test_average_by_hand():
    y, backward = AveragePool2D().forward(X)
    assert y.tolist() == [[[[4.75, 4.75]]]]
    assert backward(np.array([[[[4.0, 8.0]]]])).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2]]]]


def test_the_first_of_equals_takes_the_gradient():
    x = np.array([[[[0.0, 7.0], [7.0, 7.0]]], [[[3.0, 3.0], [3.0, 3.0]]]])
    _, backward = MaxPool2D().forward(x)
    dx = backward(np.array([5.0, 2.0]).reshape(2, 1, 1, 1))
    assert dx.tolist() == [[[[0, 5], [0, 0]]], [[[2, 0], [0, 0]]]]


def test_where_windows_overlap_gradients_are_added():
    x = np.array([[[[1.0, 5.0, 2.0]]]])
    _, backward = MaxPool2D((1, 2), strides=1).forward(x)
    assert backward(np.array([[[[10.0, 100.0]]]])).tolist() == [[[[0, 110, 0]]]]
    _, backward = AveragePool2D((1, 2), strides=1).forward(x)
    assert backward(np.array([[[[10.0, 100.0]]]])).tolist() == [[[[5, 55, 50]]]]


@pytest.mark.parametrize("x", [-np.inf, np.nan])
def test_max_hands_on_what_is_no_number(x):
    y = MaxPool2D()(np.full((1, 1, 2, 2), x))
    np.testing.assert_array_equal(y, [[[[x]]]])


@each(GEOMETRIES)
def test_gradients_are_slopes(pool, arguments, image, rng):
    x = rng.permutation(2 * 2 * image[0] * image[1]).reshape(2, 2, *image).astype(float)
    assert_gradients_right(pool(**arguments), x)


@pytest.mark.usefixtures("every_kernel_set")
def test_the_average_of_bytes_is_that_of_their_numbers():
    y, _ = AveragePool2D(2).forward(np.full((1, 1, 4, 6), 200, np.uint8))
    assert np.unique(y) == 200                                               # 200 + 200 is 144 in a byte


@each({key: GEOMETRIES[key] for key in ("plain", "overlap, strides differ", "same, overlap")})
@pytest.mark.usefixtures("every_kernel_set")
def test_gradients_are_slopes_on_every_kernel_set(pool, arguments, image, rng):
    x = rng.permutation(2 * image[0] * image[1]).reshape(1, 2, *image).astype(float)
    assert_gradients_right(pool(**arguments), x)


@each({key: case for key, case in GEOMETRIES.items() if "same" not in key})
def test_outputs_are_those_of_the_windows(arguments, image, rng):
    x = rng.normal(size=(2, 3, *image))
    rows, columns = np.broadcast_to(arguments.get("pool_size", 2), 2)
    seen = window_views(x, (rows, columns), np.broadcast_to(arguments.get("strides", (rows, columns)), 2))
    np.testing.assert_array_equal(MaxPool2D(**arguments)(x), seen.max(axis=(4, 5)))
    np.testing.assert_allclose(AveragePool2D(**arguments)(x), seen.mean(axis=(4, 5)), rtol=1e-12)


@each(GEOMETRIES)
def test_build_promises_the_shape_that_comes(pool, arguments, image, rng):
    layer = pool(**arguments)
    assert (2, *layer.build((3, *image), rng)) == layer(rng.normal(size=(2, 3, *image))).shape


def test_windows_do_not_overlap_unless_strides_say_so(pool, rng):
    assert pool((2, 3)).build((1, 6, 9), rng) == (1, 3, 3)
    assert pool((2, 3), strides=1).build((1, 6, 9), rng) == (1, 5, 7)


def test_channels_and_samples_are_pooled_by_themselves(pool, rng):
    x = rng.normal(size=(3, 4, 5, 6))
    one_by_one = [[pool()(image[None, None])[0, 0] for image in sample] for sample in x]
    np.testing.assert_array_equal(pool()(x), one_by_one)


def test_pooling_has_no_parameters(pool, rng):
    layer = pool()
    layer.build((1, 4, 4), rng)
    assert layer.params == layer.grads == {}


def test_keras_names_are_aliases():
    assert MaxPooling2D is MaxPool2D
    assert AveragePooling2D is AvgPool2D is AveragePool2D
    assert GlobalMaxPooling2D is GlobalMaxPool2D
    assert GlobalAveragePooling2D is GlobalAvgPool2D


# Over the whole image.

TWO = np.array([[[[1.0, 9.0, 2.0], [4.0, 5.0, 3.0]], [[-6.0, -7.0, -2.0], [-9.0, -4.0, -2.0]]]])     # (1, 2, 2, 3)
WHOLE = pytest.mark.parametrize("pool", [GlobalMaxPool2D, GlobalAvgPool2D])


def test_global_max_by_hand_the_first_of_equals_takes_the_gradient():
    y, backward = GlobalMaxPool2D().forward(TWO)
    assert y.tolist() == [[9, -2]]
    assert backward(np.array([[5.0, 7.0]])).tolist() == [[[[0, 5, 0], [0, 0, 0]], [[0, 0, 7], [0, 0, 0]]]]


def test_global_average_by_hand():
    y, backward = GlobalAvgPool2D().forward(TWO)
    assert y.tolist() == [[4, -5]]
    assert backward(np.array([[6.0, 12.0]])).tolist() == [[[[1, 1, 1], [1, 1, 1]], [[2, 2, 2], [2, 2, 2]]]]


@WHOLE
def test_the_axes_of_the_image_are_kept_if_asked_for(pool, rng):
    x, dy = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3))
    (y, backward), (kept, kept_backward) = pool().forward(x), pool(keepdims=True).forward(x)
    np.testing.assert_array_equal(kept, y[:, :, None, None])
    np.testing.assert_array_equal(kept_backward(dy[:, :, None, None]), backward(dy))
    assert pool().build((3, 4, 5), rng) == (3,)
    assert pool(keepdims=True).build((3, 4, 5), rng) == (3, 1, 1)


@WHOLE
def test_global_pooling_is_pooling_with_a_window_of_the_images_size(pool, rng):
    x = rng.normal(size=(2, 3, 4, 5))
    window = {GlobalMaxPool2D: MaxPool2D, GlobalAvgPool2D: AveragePool2D}[pool]((4, 5))
    np.testing.assert_allclose(pool(keepdims=True)(x), window(x), rtol=1e-14)


@WHOLE
def test_slopes_of_global_pooling(pool, rng):
    assert_gradients_right(pool(), rng.permutation(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(float))


@WHOLE
def test_global_pooling_takes_bytes_and_hides_no_nan(pool):
    assert pool()(np.full((1, 1, 20, 20), 200, np.uint8)).tolist() == [[200]]
    assert np.isnan(pool()(np.array([[[[9.0, np.nan], [1.0, 2.0]]]])))


@WHOLE
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 0, 4)], ids=str)
def test_global_pooling_wants_images(pool, shape):
    with pytest.raises(ValueError, match=rf"{pool.__name__}: expected input \(N, C, H, W\)\. Received: \(2, 3"):
        pool()(np.zeros(shape))
    with pytest.raises(ValueError, match=r"expected input_shape \(C, H, W\)\. Received: \(3,\)"):
        pool().build((3,), np.random.default_rng(0))
