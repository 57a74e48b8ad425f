"""The three kernel sets give the same numbers, whatever the shapes, the dtype and the layout in memory."""

import warnings
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import LAYOUTS, in_layout

from tinynet import kernels
from tinynet.kernels.fast.layout import contiguous
from tinynet.layers.activations import relu_gradient
from tinynet.layers.gelu import gelu
from tinynet.layers.rectifiers import elu, leaky_relu, leaky_relu_gradient
from tinynet.layers.smooth import softplus, softplus_gradient

naive, im2col, fast = (import_module(f"tinynet.kernels.{name}") for name in ("naive", "im2col", "fast"))
# inf - inf is a NaN, and meant to be
pytestmark = [pytest.mark.usefixtures("small_chunks"),
              pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")]

TOLERANCE = {np.float32: {"rtol": 2e-5, "atol": 2e-5}, np.float64: {"rtol": 1e-12, "atol": 1e-12}}


EXACT = {"rtol": 0, "atol": 0}


class Case(NamedTuple):
    """Sizes of one call, and how its arrays look."""

    N: int = 2
    C: int = 2
    F: int = 2
    window: tuple = (2, 3)
    strides: tuple = (1, 1)
    dilation: tuple = (1, 1)
    counts: tuple = (2, 3)              # output rows and columns
    left_over: tuple = (0, 0)           # rows and columns that no window covers, fewer than the stride
    dtype: type = np.float32
    layout: str = "contiguous"
    specials: tuple = ()
    seed: int = 0

    @property
    def image(self):
        return tuple(d * (k - 1) + 1 + (p - 1) * s + r % s for k, s, d, p, r in
                     zip(self.window, self.strides, self.dilation, self.counts, self.left_over, strict=True))

    def array(self, *shape, few=False, salt=0):
        rng = np.random.default_rng((self.seed, salt, *shape))
        numbers = rng.integers(-2, 3, shape) if few else rng.normal(size=shape)
        numbers = numbers.astype(self.dtype)
        for special in self.specials if numbers.size else ():
            numbers.ravel()[rng.integers(numbers.size)] = special
        return in_layout(numbers, self.layout)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


cases = st.builds(Case, N=st.integers(0, 3), C=st.integers(1, 3), F=st.integers(1, 3), window=pairs(1, 3),
                  strides=pairs(1, 4), dilation=pairs(1, 3), counts=pairs(1, 3), left_over=pairs(0, 3),
                  dtype=st.sampled_from([np.float32, np.float64]), layout=st.sampled_from(LAYOUTS),
                  specials=st.one_of(st.just(()), st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
                                                           max_size=3).map(tuple)),
                  seed=st.integers(0, 1000))


def examples(test):
    """Cases that every run of the tests must meet, whatever Hypothesis draws."""
    for layout in LAYOUTS:
        test = example(Case(layout=layout))(test)
    for case in (Case(N=1), Case(N=0), Case(C=1), Case(F=1), Case(window=(1, 1)), Case(strides=(4, 3)),
                 Case(strides=(2, 2), left_over=(1, 1), window=(3, 3)), Case(dilation=(2, 3)),
                 Case(window=(2, 2), strides=(2, 2), specials=(np.nan, np.inf), counts=(3, 2)),
                 Case(window=(2, 2), strides=(1, 1), dtype=np.float64), Case(counts=(1, 1)),
                 Case(dtype=np.float64, strides=(2, 1), dilation=(1, 2)),
                 Case(specials=(np.nan,)), Case(specials=(np.inf, -np.inf)),
                 Case(dtype=np.float64, layout="read-only", N=1, C=1)):
        test = example(case)(test)
    return given(case=cases)(test)


def assert_same(function, *args, exact=False):
    """Call a function of all three sets on the same arrays; return what the naive one gave."""
    before = [np.array(arg) for arg in args if isinstance(arg, np.ndarray)]
    expected = getattr(naive, function)(*args)
    for other in (im2col, fast):
        found = getattr(other, function)(*args)
        pairs_of = zip(expected, found, strict=True) if isinstance(expected, tuple) else [(expected, found)]
        for right, ours in pairs_of:
            assert (ours.dtype.kind, ours.itemsize) == (right.dtype.kind, right.itemsize)         # in any byte order
            assert ours.shape == right.shape
            assert not any(np.shares_memory(ours, arg) for arg in args if isinstance(arg, np.ndarray))
            near = EXACT if exact or ours.dtype.kind != "f" else TOLERANCE[ours.dtype.type]
            np.testing.assert_allclose(ours, right, **near, err_msg=f"{other.__name__}.{function}")
    after = [np.array(arg) for arg in args if isinstance(arg, np.ndarray)]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now, err_msg=f"{function} wrote to its input")
    return expected


@examples
def test_matmul(case):
    (M, K), N = case.window, case.N
    assert_same("matmul", case.array(M, K, salt=1), case.array(K, N, salt=2))


@examples
def test_conv2d(case):
    x, kernel = case.array(case.N, case.C, *case.image), case.array(case.F, case.C, *case.window, salt=1)
    y = assert_same("conv2d", x, kernel, case.strides, case.dilation)
    assert y.shape == (case.N, case.F, *case.counts)


@examples
def test_conv2d_kernel_gradient(case):
    x, dy = case.array(case.N, case.C, *case.image), case.array(case.N, case.F, *case.counts, salt=1)
    dkernel = assert_same("conv2d_kernel_gradient", x, dy, case.window, case.strides, case.dilation)
    assert dkernel.shape == (case.F, case.C, *case.window)


@pytest.mark.parametrize("N", [80, 97])
def test_conv2d_kernel_gradient_of_more_samples_than_are_added_up_at_once(N, rng):
    x, dy = rng.integers(-3, 4, size=(N, 3, 5, 4)).astype("float32"), rng.integers(-3, 4, size=(N, 8, 4, 2))
    assert_same("conv2d_kernel_gradient", x, dy.astype("float32"), (2, 3), (1, 1), (1, 1))


@pytest.mark.parametrize(("C", "F"), [(3, 8), (3, 128), (128, 8)])
@pytest.mark.parametrize("image", [(13, 18), (26, 9), (14, 16)], ids=str)                      # 13 rows are not parted
def test_conv2d_kernel_gradient_of_rows_some_at_a_time(image, C, F, rng):
    P, Q = image[0] - 1, image[1] - 3
    x, dy = rng.integers(-3, 4, size=(9, C, *image)), rng.integers(-3, 4, size=(9, F, P, Q))
    args = x.astype("float32"), dy.astype("float32"), (2, 4), (1, 1), (1, 1)
    np.testing.assert_array_equal(fast.conv2d_kernel_gradient(*args), im2col.conv2d_kernel_gradient(*args))


@examples
def test_conv2d_input_gradient(case):
    dy, kernel = case.array(case.N, case.F, *case.counts), case.array(case.F, case.C, *case.window, salt=1)
    dx = assert_same("conv2d_input_gradient", dy, kernel, case.image, case.strides, case.dilation)
    assert dx.shape == (case.N, case.C, *case.image)


@examples
def test_depthwise_conv2d_and_its_gradients(case):
    x, kernel = case.array(case.N, case.C, *case.image), case.array(case.F, case.C, *case.window, salt=1)
    dy = case.array(case.N, case.C * case.F, *case.counts, salt=2)
    y = assert_same("depthwise_conv2d", x, kernel, case.strides, case.dilation)
    dkernel = assert_same("depthwise_conv2d_kernel_gradient", x, dy, case.window, case.strides, case.dilation)
    dx = assert_same("depthwise_conv2d_input_gradient", dy, kernel, case.image, case.strides, case.dilation)
    assert (y.shape, dkernel.shape, dx.shape) == (dy.shape, kernel.shape, x.shape)


@pytest.mark.parametrize("dilation", [(1, 1), (1, 2)])
def test_a_kernel_large_enough_to_be_laid_out_on_all_cores(dilation, rng):
    x, kernel = rng.normal(size=(2, 64, 5, 7)), rng.normal(size=(70, 64, 3, 3))
    dy = assert_same("conv2d", x, kernel, (1, 1), dilation)
    assert_same("conv2d_input_gradient", dy, kernel, (5, 7), (1, 1), dilation)


def test_depthwise_conv2d_of_images_larger_than_a_block(rng):
    x, kernel, dy = (rng.normal(size=shape) for shape in ((1, 1, 70, 66), (1, 1, 3, 2), (1, 1, 34, 65)))
    assert_same("depthwise_conv2d", x, kernel, (2, 1), (1, 1))
    assert_same("depthwise_conv2d_kernel_gradient", x, dy, (3, 2), (2, 1), (1, 1))
    assert_same("depthwise_conv2d_input_gradient", dy, kernel, (70, 66), (2, 1), (1, 1))


@examples
def test_max_pool2d_and_its_argmax_with_many_ties(case):
    case = case._replace(dilation=(1, 1))
    x = case.array(case.N, case.C, *case.image, few=True)
    y, argmax = assert_same("max_pool2d", x, case.window, case.strides, exact=True)
    assert y.shape == argmax.shape == (case.N, case.C, *case.counts)


@examples
def test_relu_gradient(case):
    y = case.array(case.N, case.C, *case.counts, few=True)
    assert_same("relu_gradient", case.array(case.N, case.C, *case.counts, salt=1), y, exact=True)


@examples
@pytest.mark.parametrize("formula", [relu_gradient, leaky_relu, softplus_gradient, softplus, elu, gelu],
                         ids=lambda formula: formula.__name__)
def test_elementwise(formula, case):
    arrays = [case.array(case.N, case.C, *case.counts, salt=salt) for salt in range(2)]
    args = {leaky_relu: [arrays[0], 0.1], elu: [arrays[0], 0.7], relu_gradient: arrays, softplus_gradient: arrays}
    assert_same("elementwise", formula.formula, *args.get(formula, arrays[:1]))


@examples
def test_elementwise_takes_an_array_for_all_samples(case):
    slope = case.array(case.C, *case.counts, salt=1)
    dy, x = (case.array(case.N, case.C, *case.counts, salt=salt) for salt in (2, 3))
    assert_same("elementwise", leaky_relu_gradient.formula, dy, x, slope)


@examples
def test_max_pool2d_gradient(case):
    case = case._replace(dilation=(1, 1))
    x = case.array(case.N, case.C, *case.image, few=True)
    dy = case.array(case.N, case.C, *case.counts, salt=1)
    argmax = naive.max_pool2d(x, case.window, case.strides)[1]
    dx = assert_same("max_pool2d_gradient", dy, argmax, case.image, case.window, case.strides)
    assert dx.shape == (case.N, case.C, *case.image)


@examples
def test_sum_pool2d(case):
    case = case._replace(dilation=(1, 1))
    assert_same("sum_pool2d", case.array(case.N, case.C, *case.image), case.window, case.strides)


@examples
def test_sum_pool2d_gradient(case):
    case = case._replace(dilation=(1, 1))
    dy = case.array(case.N, case.C, *case.counts)
    dx = assert_same("sum_pool2d_gradient", dy, case.image, case.window, case.strides)
    assert dx.shape == (case.N, case.C, *case.image)


@examples
def test_bilinear_and_its_gradient(case):
    case = case._replace(specials=())
    rows, columns = (4 * case.array(case.N, *case.counts, salt=axis) for axis in (1, 2))       # outside the image, too
    rows[..., :1], columns[..., -1:] = case.image[0] - 1, -1                    # on a pixel, and just outside of all
    y = assert_same("bilinear", case.array(case.N, case.C, *case.image), rows, columns)
    assert y.shape == (case.N, case.C, *case.counts)
    dx = assert_same("bilinear_gradient", case.array(case.N, case.C, *case.counts, salt=3), rows, columns, case.image)
    assert dx.shape == (case.N, case.C, *case.image)


@examples
def test_channel_sums(case):
    x, dy = case.array(case.N, case.C, *case.counts), case.array(case.N, case.C, *case.counts, salt=1)
    center, scale, shift = (np.linspace(low, 1, case.C) for low in (-1, 2, 0))
    for args in (x, center), (x, center, dy), (x, center, dy, (scale, shift)):
        sums = assert_same("channel_sums", *args)
        assert (sums.shape, sums.dtype) == ((2, case.C), np.float64)
    assert_same("channel_sums", x[:, :, 0, 0], center, dy[:, :, 0, 0])


@examples
def test_channel_affine(case):
    x, dy = case.array(case.N, case.C, *case.counts), case.array(case.N, case.C, *case.counts, salt=1)
    each = [np.linspace(low, 1, case.C) for low in (-1, 2, 0, 3)]
    for args in (x, *each[:3]), (x, *each[:3], dy, each[3]), (x[:, :, 0, 0], *each[:3], dy[:, :, 0, 0], each[3]):
        assert_same("channel_affine", *args)


@examples
def test_adam(case):
    case, shape, found = case._replace(specials=()), (*case.window, case.C), []
    writable = case if case.layout != "read-only" else case._replace(layout="contiguous")
    for kernel_set in naive, im2col, fast:
        p, m = writable.array(*shape), writable.array(*shape, salt=1)
        g, v = case.array(*shape, salt=2), np.square(m)
        kernel_set.adam(p, g, m, v, 0.01, 0.9, 0.999, 1e-7)
        np.testing.assert_array_equal(g, case.array(*shape, salt=2))
        assert {np.dtype(array.dtype.newbyteorder("=")) for array in (p, m, v)} == {np.dtype(case.dtype)}
        found.append((p, m, v))
    for others in found[1:]:
        for right, ours in zip(found[0], others, strict=True):
            np.testing.assert_allclose(ours, right, **TOLERANCE[case.dtype])


def large(dtype):
    """Make the arrays of a convolution worth cutting into chunks; no number of chunks divides its batch."""
    rng = np.random.default_rng(0)
    shapes = (37, 3, 23, 21), (8, 3, 5, 4), (37, 8, 10, 18)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def scaled(x, alpha):
    return x * alpha


def test_images_without_pixels_are_no_error(every_kernel_set):
    k, none = kernels.current(), np.zeros((3, 2, 0, 4), np.float32)
    assert k.elementwise(leaky_relu_gradient.formula, none, none, 0.1).shape == none.shape
    assert k.elementwise(scaled, none, none[0]).shape == none.shape
    assert k.channel_affine(none, *np.ones((3, 2))).shape == none.shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_transposed_matrix_is_turned_before_it_is_multiplied(dtype, rng):
    a, b = rng.normal(size=(3, 131)).astype(dtype), rng.normal(size=(157, 131)).astype(dtype).T
    np.testing.assert_array_equal(contiguous(b), b)
    assert contiguous(b).flags.c_contiguous
    np.testing.assert_array_equal(fast.matmul(a, b), fast.matmul(a, np.ascontiguousarray(b)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_work_that_is_cut_into_chunks_leaves_no_sample_out(dtype):
    x, kernel, dy = large(dtype)
    error = 2e-4 if dtype is np.float32 else 1e-10
    for function, args in {
        "conv2d": (x, kernel, (2, 1), (1, 1)),
        "conv2d_kernel_gradient": (x, dy, (5, 4), (2, 1), (1, 1)),
        "conv2d_input_gradient": (dy, kernel, (23, 21), (2, 1), (1, 1)),
        "sum_pool2d": (x, (3, 2), (2, 2)),
        "matmul": (x.reshape(37 * 3, -1), dy.reshape(37 * 8, -1)[:, :180].T.repeat(3, axis=0)[:483]),
    }.items():
        expected, found = getattr(im2col, function)(*args), getattr(fast, function)(*args)
        np.testing.assert_allclose(found, expected, rtol=error, atol=error, err_msg=function)
    many = np.tile(x, (3, 1, 1, 1))                               # 160,839 numbers, two pieces
    center = np.ones(3)
    np.testing.assert_allclose(fast.channel_sums(many, center, -many), im2col.channel_sums(many, center, -many),
                               rtol=error)
    np.testing.assert_allclose(fast.channel_affine(many, center, 3 * center, center),
                               im2col.channel_affine(many, center, 3 * center, center), rtol=error, atol=error)
    y, argmax = fast.max_pool2d(x, (3, 2), (2, 2))
    np.testing.assert_array_equal(y, im2col.max_pool2d(x, (3, 2), (2, 2))[0])
    np.testing.assert_array_equal(argmax, im2col.max_pool2d(x, (3, 2), (2, 2))[1])
    np.testing.assert_array_equal(fast.max_pool2d_gradient(y, argmax, (23, 21), (3, 2), (2, 2)),
                                  im2col.max_pool2d_gradient(y, argmax, (23, 21), (3, 2), (2, 2)))


def test_results_are_bitwise_the_same_whatever_the_number_of_threads(monkeypatch):
    x, kernel, dy = large(np.float32)
    found = []
    for threads in "1", "2", "3", "5", "8", "16", "2":
        monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
        found.append([fast.conv2d(x, kernel, (2, 1), (1, 1)),
                      fast.conv2d_kernel_gradient(x, dy, (5, 4), (2, 1), (1, 1)),
                      fast.conv2d_input_gradient(dy, kernel, (23, 21), (2, 1), (1, 1)),
                      fast.matmul(x.reshape(111, -1), x.reshape(111, -1).T.repeat(5, axis=1))])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("M", "K", "N"), [(203, 99, 301), (501, 100, 303), (37, 200, 1501), (203, 500, 128),
                                           (200, 700, 10), (10, 200, 783), (700, 200, 10)])
def test_products_in_pieces_are_whole(M, K, N, rng):
    for dtype, error in (np.float32, 1e-4), (np.float64, 1e-12):
        for a, b in ((rng.normal(size=(M, K)), rng.normal(size=(K, N))),
                     (rng.normal(size=(K, M)).T, rng.normal(size=(N, K)).T)):
            a, b = a.astype(dtype), b.astype(dtype)
            y = fast.matmul(a, b)
            assert y.shape == (M, N)
            assert y.flags.c_contiguous
            np.testing.assert_allclose(y, np.einsum("mk,kn->mn", a, b, optimize=True), rtol=error, atol=30 * error)


@pytest.mark.parametrize(("C", "M"), [(19, 2), (32, 1)])              # copied to whole vectors, and read as they lie
def test_depthwise_samples_that_are_shared_out_are_the_same_whatever_the_number_of_threads(C, M, monkeypatch, rng):
    monkeypatch.setattr("tinynet.kernels.fast.convolutions.depthwise.MIN_PARALLEL", 0)
    kernel = rng.normal(size=(M, C, 3, 2)).astype(np.float32)
    x, dy = (rng.normal(size=shape).astype(np.float32).transpose(0, 3, 1, 2)
             for shape in ((11, 9, 8, C), (11, 4, 7, M * C)))
    calls = {"depthwise_conv2d": (x, kernel, (2, 1), (1, 1)),
             "depthwise_conv2d_kernel_gradient": (x, dy, (3, 2), (2, 1), (1, 1)),
             "depthwise_conv2d_input_gradient": (dy, kernel, (9, 8), (2, 1), (1, 1))}
    for function, args in calls.items():
        expected, found = getattr(im2col, function)(*args), []
        for threads in "1", "3", "2":
            monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
            found.append(getattr(fast, function)(*args))
            np.testing.assert_array_equal(found[-1], found[0])
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5, err_msg=function)


def test_a_whole_layer_of_infinities_comes_out_as_it_does_in_numpy():
    x = np.array([[[[np.inf, 1.0], [2.0, 3.0]]], [[[-np.inf, 1.0], [np.inf, 3.0]]]])
    kernel = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    for name in kernels.NAMES:
        y = import_module(f"tinynet.kernels.{name}").conv2d(x, kernel, (1, 1), (1, 1)).ravel()
        assert y[0] == np.inf
        assert np.isnan(y[1])


def test_the_callers_errstate_holds_in_every_thread(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    a = np.ones((300, 200))
    a[::7, ::5], a[1::7, 1::5] = np.inf, -np.inf
    b = np.zeros((200, 400))
    monkeypatch.setattr("tinynet.kernels.fast.blas.is_narrower", lambda: False)    # NumPy looks for them, tiles do not
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        fast.matmul(a, b)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            fast.matmul(a, b)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16])
def test_convolutions_take_numbers_of_any_kind(dtype, rng):
    x, kernel, dy = (rng.integers(0, 5, shape).astype(dtype) for shape in ((2, 2, 6, 5), (3, 2, 2, 3), (2, 3, 5, 3)))
    for found, expected in (
            (fast.conv2d(x, kernel, (1, 1), (1, 1)), naive.conv2d(*map(wide, (x, kernel)), (1, 1), (1, 1))),
            (fast.conv2d_kernel_gradient(x, dy, (2, 3), (1, 1), (1, 1)),
             naive.conv2d_kernel_gradient(*map(wide, (x, dy)), (2, 3), (1, 1), (1, 1))),
            (fast.conv2d_input_gradient(dy, kernel, (6, 5), (1, 1), (1, 1)),
             naive.conv2d_input_gradient(*map(wide, (dy, kernel)), (6, 5), (1, 1), (1, 1)))):
        np.testing.assert_array_equal(found, expected)


def wide(array):
    return array.astype(np.float64)


@pytest.mark.parametrize("filters", [3, 40])
def test_an_image_larger_than_the_cache_is_convolved_in_blocks(filters, rng):
    x, kernel = rng.normal(size=(2, 2, 61, 62)), rng.normal(size=(filters, 2, 3, 3))
    np.testing.assert_allclose(fast.conv2d(x, kernel, (1, 1), (1, 1)), im2col.conv2d(x, kernel, (1, 1), (1, 1)),
                               rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("one", "other"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_a_large_product_of_two_precisions_has_the_better_one(one, other, rng):
    a, b = rng.normal(size=(300, 400)).astype(one), rng.normal(size=(400, 300)).astype(other)
    y = fast.matmul(a, b)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-10, atol=1e-10)
