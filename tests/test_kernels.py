"""The kernels against numbers computed by hand, against SciPy and against views of the windows."""

import numpy as np
import oracles
import pytest

from tinynet import kernels

pytestmark = pytest.mark.usefixtures("every_kernel_set")

IMAGE = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
KERNEL = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])

# kernel, strides, dilation, image
GEOMETRIES = {
    "plain": ((3, 3), (1, 1), (1, 1), (5, 5)),
    "kernel and image not square": ((2, 3), (1, 1), (1, 1), (6, 4)),
    "strides": ((3, 2), (2, 3), (1, 1), (7, 8)),
    "rows and columns left over": ((2, 2), (2, 3), (1, 1), (7, 7)),
    "stride larger than the window": ((2, 1), (3, 4), (1, 1), (9, 10)),
    "dilation": ((2, 3), (1, 1), (2, 3), (6, 9)),
    "dilation and strides": ((3, 2), (2, 1), (2, 2), (8, 6)),
    "one pixel out": ((4, 5), (1, 1), (1, 1), (4, 5)),
    "kernel of one pixel": ((1, 1), (2, 2), (1, 1), (3, 4)),
}
POOLS = {
    "plain": ((2, 2), (2, 2), (4, 4)),
    "window not square": ((2, 3), (2, 3), (6, 7)),
    "overlap": ((3, 3), (1, 2), (5, 7)),
    "gaps": ((2, 1), (3, 2), (8, 5)),
    "remainder": ((2, 2), (2, 2), (5, 3)),
    "whole image": ((4, 3), (4, 3), (4, 3)),
}


def each(cases):
    return pytest.mark.parametrize("geometry", cases.values(), ids=cases.keys())


def test_conv2d_by_hand_does_not_flip_the_kernel():
    y = kernels.current().conv2d(IMAGE, KERNEL, (1, 1), (1, 1))
    np.testing.assert_array_equal(y, [[[[5421, 6532], [8754, 9865]]]])


def test_conv2d_kernel_gradient_by_hand():
    dy = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])
    dkernel = kernels.current().conv2d_kernel_gradient(IMAGE, dy, (2, 2), (1, 1), (1, 1))
    np.testing.assert_array_equal(dkernel, [[[[5421, 6532], [8754, 9865]]]])


def test_conv2d_input_gradient_by_hand_adds_where_windows_overlap():
    dy = np.array([[[[2.0, 3.0], [5.0, 7.0]]]])
    dx = kernels.current().conv2d_input_gradient(dy, KERNEL, (3, 3), (1, 1), (1, 1))
    np.testing.assert_array_equal(dx, [[[[2, 23, 30], [205, 2357, 3070], [500, 5700, 7000]]]])


def test_conv2d_input_gradient_by_hand_follows_the_stride():
    dy = np.array([[[[2.0, 3.0]]]])
    dx = kernels.current().conv2d_input_gradient(dy, KERNEL, (3, 5), (2, 3), (1, 1))
    np.testing.assert_array_equal(dx, [[[[2, 20, 0, 3, 30], [200, 2000, 0, 300, 3000], [0, 0, 0, 0, 0]]]])


def test_channel_sums_by_hand():
    x = np.array([[[1.0, 2.0], [5.0, 5.0]], [[3.0, 4.0], [8.0, 5.0]]])                  # (2, 2, 2), less 1 and 5:
    dy = np.array([[[1.0, 10.0], [1.0, 1.0]], [[100.0, 1000.0], [2.0, 1.0]]])           # 0, 1, 2, 3 and 0, 0, 3, 0
    sums, center = kernels.current().channel_sums, np.array([1.0, 5.0])
    np.testing.assert_array_equal(sums(x, center), [[6, 3], [14, 9]])
    np.testing.assert_array_equal(sums(x, center, dy), [[1111, 5], [3210, 6]])
    np.testing.assert_array_equal(sums(x[:, :, 0], center, dy[:, :, 0]), [[101, 3], [200, 6]])
    line = np.array([1.0, -1.0]), np.array([-1.0, 1.0])                 # a ReLU of d - 1, above 0 for 2 and 3; of 1 - d
    np.testing.assert_array_equal(sums(x, center, dy, line), [[1100, 3], [3200, 0]])


def test_channel_affine_by_hand():
    x, dy = np.array([[[1.0, 2.0], [5.0, 7.0]]]), np.array([[[1.0, 0.0], [0.0, 1.0]]])
    affine, center, scale, shift = kernels.current().channel_affine, *np.array([[1.0, 5.0], [10.0, -1.0], [3.0, 4.0]])
    np.testing.assert_array_equal(affine(x, center, scale, shift), [[[3, 13], [4, 2]]])
    np.testing.assert_array_equal(affine(x, center, scale, shift, dy, np.array([0.5, 0.25])),
                                  [[[3.5, 13], [4, 2.25]]])
    np.testing.assert_array_equal(affine(x[:, :, 1], center, scale, shift), [[13, 2]])
    np.testing.assert_array_equal(affine(x, center, scale, shift - 10, relu=True), [[[0, 3], [0, 0]]])
    line = np.array([1.0, 1.0]), np.array([0.0, -1.0])                                  # a ReLU of d, and of d - 1
    np.testing.assert_array_equal(affine(x, center, scale, shift, dy, np.array([0.5, 0.25]), through=line),
                                  [[[3, 13], [4, 2.25]]])


@each(GEOMETRIES)
def test_conv2d_is_scipys_correlation(geometry, rng):
    size, strides, dilation, image = geometry
    x, kernel = rng.normal(size=(2, 3, *image)), rng.normal(size=(4, 3, *size))
    y = kernels.current().conv2d(x, kernel, strides, dilation)
    np.testing.assert_allclose(y, oracles.conv2d(x, kernel, strides, dilation), rtol=1e-12, atol=1e-12)


@each(GEOMETRIES)
def test_conv2d_gradients_are_the_slopes_of_scipys_correlation(geometry, rng):
    size, strides, dilation, image = geometry
    x, kernel = rng.normal(size=(2, 2, *image)), rng.normal(size=(2, 2, *size))
    dy = rng.normal(size=oracles.conv2d(x, kernel, strides, dilation).shape)

    def loss():
        return float((oracles.conv2d(x, kernel, strides, dilation) * dy).sum())
    k = kernels.current()
    dkernel = k.conv2d_kernel_gradient(x, dy, size, strides, dilation)
    dx = k.conv2d_input_gradient(dy, kernel, image, strides, dilation)
    # linear in both: a large step is exact, and leaves no rounding
    np.testing.assert_allclose(dkernel, oracles.slope(loss, kernel, step=1.0), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(dx, oracles.slope(loss, x, step=1.0), rtol=1e-9, atol=1e-11)


def test_depthwise_conv2d_by_hand_keeps_the_channels_apart():
    x = np.array([[[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]])                              # (1, 2, 1, 3)
    kernel = np.array([[[[1.0, 10.0]], [[2.0, 20.0]]], [[[0.0, 1.0]], [[1.0, -1.0]]]])  # (2, 2, 1, 2)
    k, dy = kernels.current(), np.array([1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 5.0, 6.0]).reshape(1, 4, 1, 2)
    y = k.depthwise_conv2d(x, kernel, (1, 1), (1, 1))
    assert y[0, :, 0].tolist() == [[21, 32], [2, 3], [108, 130], [-1, -1]]        # channel 0 twice, then channel 1
    dkernel = k.depthwise_conv2d_kernel_gradient(x, dy, (1, 2), (1, 1), (1, 1))
    assert dkernel[:, :, 0].tolist() == [[[1 + 4, 2 + 6], [12 + 20, 15 + 24]], [[10 + 40, 20 + 60], [20 + 30, 25 + 36]]]
    dx = k.depthwise_conv2d_input_gradient(dy, kernel, (1, 3), (1, 1), (1, 1))
    assert dx[0, :, 0].tolist() == [[1, 10 + 2 + 10, 20 + 20], [6 + 5, 60 + 8 - 5 + 6, 80 - 6]]


@each(GEOMETRIES)
def test_depthwise_conv2d_is_scipys_correlation_of_each_channel(geometry, rng):
    size, strides, dilation, image = geometry
    x, kernel = rng.normal(size=(2, 3, *image)), rng.normal(size=(2, 3, *size))
    expected = [oracles.conv2d(x[:, c:c + 1], kernel[:, c:c + 1], strides, dilation) for c in range(3)]
    y = kernels.current().depthwise_conv2d(x, kernel, strides, dilation)
    np.testing.assert_allclose(y, np.concatenate(expected, axis=1), rtol=1e-12, atol=1e-12)


def test_max_pool2d_by_hand():
    x = np.array([[[[1.0, 9.0, 2.0, 3.0], [4.0, 5.0, 8.0, 6.0]]]])
    y, argmax = kernels.current().max_pool2d(x, (2, 2), (2, 2))
    assert y.tolist() == [[[[9, 8]]]]
    assert argmax.tolist() == [[[[1, 2]]]]
    dx = kernels.current().max_pool2d_gradient(np.array([[[[5.0, 7.0]]]]), argmax, (2, 4), (2, 2), (2, 2))
    assert dx.tolist() == [[[[0, 5, 0, 0], [0, 0, 7, 0]]]]


def test_a_pixel_that_wins_several_windows_gets_the_sum():
    x = np.array([[[[1.0, 5.0, 2.0]]]])
    y, argmax = kernels.current().max_pool2d(x, (1, 2), (1, 1))
    assert y.tolist() == [[[[5, 5]]]]
    dx = kernels.current().max_pool2d_gradient(np.array([[[[10.0, 100.0]]]]), argmax, (1, 3), (1, 2), (1, 1))
    assert dx.tolist() == [[[[0, 110, 0]]]]


def test_the_first_of_equals_in_row_major_order_wins():
    x = np.array([[[[0.0, 3.0, 1.0], [3.0, 3.0, 3.0]], [[-2.0, -2.0, -2.0], [-2.0, -2.0, -2.0]]]])
    _, argmax = kernels.current().max_pool2d(x, (2, 3), (1, 1))
    assert argmax.ravel().tolist() == [1, 0]


def test_max_pool2d_does_not_lose_a_nan_wherever_it_stands():
    for place in range(4):
        x = np.array([1.0, 2.0, np.inf, -4.0])
        x[place] = np.nan
        y, argmax = kernels.current().max_pool2d(x.reshape(1, 1, 2, 2), (2, 2), (2, 2))
        assert np.isnan(y).all()
        assert argmax.ravel() == [place]


def test_max_pool2d_takes_the_first_nan_of_two():
    x = np.array([[[[1.0, np.nan], [np.nan, 3.0]]]])
    y, argmax = kernels.current().max_pool2d(x, (2, 2), (2, 2))
    assert np.isnan(y).all()
    assert argmax.tolist() == [[[[1]]]]


def test_max_pool2d_of_a_window_of_minus_infinity_is_minus_infinity():
    y, argmax = kernels.current().max_pool2d(np.full((1, 1, 2, 2), -np.inf), (2, 2), (2, 2))
    assert y.tolist() == [[[[-np.inf]]]]
    assert argmax.tolist() == [[[[0]]]]


@each(POOLS)
def test_pooling_takes_the_maximum_and_the_sum_of_each_window(geometry, rng):
    size, strides, image = geometry
    x = rng.normal(size=(2, 3, *image))
    seen = oracles.window_views(x, size, strides)
    y, argmax = kernels.current().max_pool2d(x, size, strides)
    np.testing.assert_array_equal(y, seen.max(axis=(4, 5)))
    np.testing.assert_array_equal(argmax, seen.reshape(*y.shape, -1).argmax(axis=-1))
    total = kernels.current().sum_pool2d(x, size, strides)
    np.testing.assert_allclose(total, seen.sum(axis=(4, 5)), rtol=1e-12, atol=1e-12)


@each(POOLS)
def test_pooling_gradients_are_the_slopes_of_maximum_and_sum(geometry, rng):
    size, strides, image = geometry
    x = rng.permutation(2 * 2 * image[0] * image[1]).reshape(2, 2, *image).astype(float)     # no two are near
    y, argmax = kernels.current().max_pool2d(x, size, strides)
    dy = rng.normal(size=y.shape)

    def loss_of_maxima():
        return float((oracles.window_views(x, size, strides).max(axis=(4, 5)) * dy).sum())

    def loss_of_sums():
        return float((oracles.window_views(x, size, strides).sum(axis=(4, 5)) * dy).sum())
    dx = kernels.current().max_pool2d_gradient(dy, argmax, image, size, strides)
    np.testing.assert_allclose(dx, oracles.slope(loss_of_maxima, x, step=0.25), atol=1e-10)
    dx = kernels.current().sum_pool2d_gradient(dy, image, size, strides)
    np.testing.assert_allclose(dx, oracles.slope(loss_of_sums, x, step=0.25), atol=1e-9)


@pytest.mark.parametrize(("M", "K", "N"), [(1, 1, 1), (2, 3, 4), (4, 1, 2), (0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_matmul_is_the_matrix_product(M, K, N, rng):
    a, b = rng.normal(size=(M, K)), rng.normal(size=(K, N))
    y = kernels.current().matmul(a, b)
    assert y.shape == (M, N)
    np.testing.assert_allclose(y, np.einsum("mk,kn->mn", a, b), rtol=1e-12, atol=1e-14)
