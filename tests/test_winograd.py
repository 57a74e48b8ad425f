"""Convolutions 3 x 3 by Winograd's squares: their transforms, all sizes of images, and numbers that are not finite."""

import numpy as np
import pytest

from tinynet import Sequential, kernels
from tinynet.kernels import fast, im2col
from tinynet.kernels.fast.convolutions.conv import Convolution
from tinynet.kernels.fast.convolutions.conv2d import ConvolutionThenPool
from tinynet.kernels.fast.convolutions.winograd import IMAGE, KERNEL, OUTPUT, WinogradConvolution
from tinynet.layers import BatchNormalization, Conv2D, Dense, Flatten, MaxPool2D
from tinynet.testing import check_gradients

ONCE, NO_MARGINS = ((1, 1), (1, 1)), ((0, 0), (0, 0))
CLOSE = {"float32": 3e-6, "float64": 1e-14}                                     # of the largest number
PADDINGS = [NO_MARGINS, ((1, 1), (1, 1)), ((0, 1), (2, 0))]
WIDE = 16                                                                        # channels, of float32 a vector


def batch(rng, size, dtype="float32", samples=20, channels=WIDE, filters=2 * WIDE):
    """Return images of so many channels, kernels and a bias."""
    return (rng.normal(size=(samples, channels, *size)).astype(dtype),
            rng.normal(size=(filters, channels, 3, 3)).astype(dtype), rng.normal(size=filters).astype(dtype))


def winograd(x, kernel, margins=NO_MARGINS):
    product = fast.convolution(x, kernel, *ONCE, margins)
    assert isinstance(product, WinogradConvolution)
    return product


def defined(x, kernel, bias, dy, margins):
    """Return y, dkernel, dbias and dx by NumPy, in float64."""
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), *margins))
    (top, bottom), (left, right) = margins
    y = im2col.conv2d(padded, kernel.astype(float), *ONCE) + bias[:, None, None]
    dx = im2col.conv2d_input_gradient(dy.astype(float), kernel.astype(float), padded.shape[2:], *ONCE)
    return (y, im2col.conv2d_kernel_gradient(padded, dy.astype(float), (3, 3), *ONCE), dy.sum(axis=(0, 2, 3)),
            dx[:, :, top:dx.shape[2] - bottom, left:dx.shape[3] - right])


def assert_close(found, expected, dtype):
    assert (found.shape, found.dtype) == (expected.shape, dtype)
    assert abs(found - expected).max() <= CLOSE[dtype] * abs(expected).max()


def test_two_outputs_take_four_multiplications():
    image, kernel, output = map(np.array, (IMAGE, KERNEL, OUTPUT))
    d, g = np.array([3, 1, 4, 1]), np.array([5, 9, 2])
    np.testing.assert_array_equal(output @ ((kernel @ g) * (image @ d)), [3 * 5 + 1 * 9 + 4 * 2, 1 * 5 + 4 * 9 + 1 * 2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("margins", PADDINGS, ids=["valid", "same", "uneven"])
@pytest.mark.parametrize("size", [(6, 6), (7, 6), (6, 9), (13, 11), (4, 30)], ids=str)
def test_squares_give_what_windows_give(size, margins, dtype, rng):
    x, kernel, bias = batch(rng, size, dtype)
    product = winograd(x, kernel, margins)
    y = product.forward(bias)
    dy = rng.normal(size=y.shape).astype(dtype)
    for found, expected in zip((y, *product.backward(dy, need_dx=True)), defined(x, kernel, bias, dy, margins),
                               strict=True):
        assert_close(found, expected, dtype)
    np.testing.assert_array_equal(product.forward(bias, relu=True), np.maximum(y, 0))
    first = product.forward(bias, channels_last=False)
    assert first.flags.c_contiguous
    np.testing.assert_array_equal(first, y)
    assert product.backward(dy, need_dx=False)[2] is None


@pytest.mark.parametrize(("channels", "filters"), [(16, 16), (16, 48), (80, 32), (144, 64)])
@pytest.mark.parametrize("samples", [8, 9, 41])
def test_any_number_of_channels_filters_and_samples(channels, filters, samples, rng):
    x, kernel, bias = batch(rng, (8, 8), samples=samples, channels=channels, filters=filters)
    product = winograd(x, kernel, ((1, 1), (1, 1)))
    y = product.forward(bias)
    dy = rng.normal(size=y.shape).astype("float32")
    for found, expected in zip((y, *product.backward(dy, need_dx=True)),
                               defined(x, kernel, bias, dy, ((1, 1), (1, 1))), strict=True):
        assert_close(found, expected, "float32")


def test_the_functions_of_the_kernel_set_use_them(rng):
    x, kernel, _ = batch(rng, (9, 8))
    y = fast.conv2d(x, kernel, *ONCE)
    dy = rng.normal(size=y.shape).astype("float32")
    product = winograd(x, kernel)
    np.testing.assert_array_equal(y, product.forward(None))
    dkernel, dbias, dx = product.backward(dy, need_dx=True)
    assert dbias.shape == (0,)
    np.testing.assert_array_equal(fast.conv2d_kernel_gradient(x, dy, (3, 3), *ONCE), dkernel)
    np.testing.assert_array_equal(fast.conv2d_input_gradient(dy, kernel, (9, 8), *ONCE), dx)


@pytest.mark.parametrize("change", [
    {"channels": 15}, {"channels": 8}, {"filters": 20}, {"filters": 8}, {"samples": 3}, {"dtype": "float16"}], ids=str)
def test_where_they_are_not_used(change, rng):
    x, kernel, bias = batch(rng, (8, 8), **change)
    assert isinstance(fast.convolution(x, kernel, *ONCE), Convolution) != (change == {"dtype": "float16"})
    y = fast.convolution(x, kernel, *ONCE).forward(bias)
    np.testing.assert_allclose(y, im2col.conv2d(x.astype(float), kernel.astype(float), *ONCE) + bias[:, None, None],
                               atol=1e-4)


@pytest.mark.parametrize("kernel_size", [(3, 1), (1, 3), (2, 2), (5, 5)])
def test_other_windows_strides_and_groups_are_done_window_by_window(kernel_size, rng):
    x, kernel = rng.normal(size=(20, 16, 9, 9)), rng.normal(size=(32, 16, *kernel_size))
    assert isinstance(fast.convolution(x, kernel, *ONCE), Convolution)
    kernel = rng.normal(size=(32, 16, 3, 3))
    assert isinstance(fast.convolution(x, kernel, (2, 1), (1, 1)), Convolution)
    assert isinstance(fast.convolution(x, kernel, (1, 1), (1, 2)), Convolution)
    assert isinstance(fast.convolution(x, kernel[:, :8], *ONCE), Convolution)


def test_small_whole_numbers_are_exact(rng):
    x, kernel = (rng.integers(-4, 5, shape).astype("float32") for shape in ((20, 16, 7, 8), (32, 16, 3, 3)))
    product = winograd(x, kernel)
    y = product.forward(None)
    dy = rng.integers(-4, 5, y.shape).astype("float32")
    y_defined, dkernel, _, dx = defined(x, kernel, np.zeros(32), dy, NO_MARGINS)
    np.testing.assert_array_equal(y, y_defined)
    for found, expected in zip(product.backward(dy, need_dx=True), (dkernel, [], dx), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "kernel", "bias", "dy"])
def test_what_is_not_finite_reaches_what_its_windows_reach(where, odd, rng):
    x, kernel, bias = batch(rng, (8, 7))
    dy = rng.normal(size=(20, 32, 8, 7)).astype("float32")
    {"x": x, "kernel": kernel, "bias": bias, "dy": dy}[where][(-1,) * {"bias": 1}.get(where, 4)] = odd
    same = (1, 1), (1, 1)
    found, expected = winograd(x, kernel, same), Convolution(x, kernel, *ONCE, same)
    for a, b in zip((found.forward(bias, relu=True), *found.backward(dy, need_dx=True)),
                    (expected.forward(bias, relu=True), *expected.backward(dy, need_dx=True)), strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_array_equal(np.isposinf(a), np.isposinf(b))
        finite = np.isfinite(b)
        np.testing.assert_allclose(a[finite], b[finite], rtol=1e-4, atol=1e-3)


def test_a_sum_that_is_too_large_only_on_the_way_is_no_infinity(rng):
    x, kernel = np.full((20, 16, 6, 6), 3e38, "float32"), np.zeros((32, 16, 3, 3), "float32")
    kernel[:, 0, 1, 1] = 1
    np.testing.assert_array_equal(winograd(x, kernel).forward(None), np.full((20, 32, 4, 4), 3e38, "float32"))


def test_zeros_stay_zeros(rng):
    x, kernel, bias = batch(rng, (10, 10))
    x[:, :, :6, :6] = 0
    y = winograd(x, kernel).forward(bias)
    np.testing.assert_array_equal(y[:, :, :4, :4], np.broadcast_to(bias[:, None, None], (20, 32, 4, 4)))


def test_sums_that_would_take_too_much_memory_are_those_of_windows(rng, monkeypatch):
    x, kernel, bias = batch(rng, (8, 8))
    product, same = winograd(x, kernel), Convolution(x, kernel, *ONCE)
    y, _ = product.forward(bias), same.forward(bias)
    _, _, dx = product.backward(y, need_dx=True)
    monkeypatch.setattr("tinynet.kernels.fast.convolutions.winograd.MAX_SUMS", 1000)
    expected_of_all = *same.backward(y, need_dx=False)[:2], dx
    for found, expected in zip(product.backward(y, need_dx=True), expected_of_all, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arrays_may_lie_in_any_order_and_have_other_dtypes(rng):
    x, kernel, bias = batch(rng, (8, 8))
    product = winograd(x, kernel)
    y = product.forward(bias)
    dy = rng.normal(size=y.shape)
    expected = product.backward(dy.astype("float32"), need_dx=True)
    wider = np.empty((20, 16, 8, 16), "float32")
    wider[..., ::2] = x
    others = winograd(wider[..., ::2], np.asfortranarray(kernel))
    np.testing.assert_array_equal(others.forward(np.asfortranarray(bias)), y)
    for found, same in zip(others.backward(np.asfortranarray(dy), need_dx=True), expected, strict=True):
        np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [(2, 2), (3, 2)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_pooling_after_them_is_pooling_of_what_windows_give(size, pool, relu, rng):
    x, kernel, bias = batch(rng, size, "float64")
    same = (1, 1), (1, 1)
    product = fast.pooled_convolution(x, kernel, *ONCE, pool, same, relu)
    assert isinstance(product, ConvolutionThenPool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinynet.kernels.fast.convolutions.winograd.MIN_SQUARES", 10 ** 9)
        windows = fast.pooled_convolution(x, kernel, *ONCE, pool, same, relu)
    assert not isinstance(windows, ConvolutionThenPool)
    y, expected = product.forward(bias), windows.forward(bias)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(product.forward(bias, channels_last=False), y)
    assert product.forward(bias, channels_last=False).flags.c_contiguous
    dy = rng.normal(size=y.shape)
    for found, of_windows in zip(product.backward(dy, need_dx=True), windows.backward(dy, need_dx=True), strict=True):
        np.testing.assert_allclose(found, of_windows, rtol=1e-11, atol=1e-11)


def wide_network():
    """Return a model of such convolutions, with all that comes after them in one pass or in two."""
    return Sequential([Conv2D(16, 3, padding="same", use_bias=False), BatchNormalization(),
                       Conv2D(16, 3, activation="relu"), MaxPool2D(), Conv2D(32, 3, activation="relu", padding="same"),
                       Flatten(), Dense(3, activation="softmax")], input_shape=(16, 13, 12), seed=0, dtype="float64")


def test_a_model_of_them_has_the_gradients_of_im2col(rng):
    x, dy = rng.normal(size=(9, 16, 13, 12)), rng.normal(size=(9, 3))
    found = []
    for name, fuse in (("fast", True), ("fast", False), ("im2col", False)):
        with kernels.use(name, fuse=fuse):
            model = wide_network()
            y, backward = model.forward(x, training=True)
            found.append([y, backward(dy), *model.grads.values()])
    for others in found[:2]:
        for a, b in zip(others, found[2], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_their_gradients_are_those_of_finite_differences(rng):
    check_gradients(Conv2D(16, 3, padding="same", input_shape=(16, 7, 6)), rng.normal(size=(9, 16, 7, 6)))


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_the_bits_are_those_of_one_thread(threads, rng, monkeypatch):
    x, kernel, bias = batch(rng, (9, 9), samples=41, filters=64)

    def bits():
        product = winograd(x, kernel, ((1, 1), (1, 1)))
        y = product.forward(bias)
        return [y, *product.backward(y, need_dx=True)]
    monkeypatch.setenv("TINYNET_NUM_THREADS", "1")
    alone = bits()
    monkeypatch.setenv("TINYNET_NUM_THREADS", str(threads))
    for _ in range(3):
        for found, expected in zip(bits(), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
