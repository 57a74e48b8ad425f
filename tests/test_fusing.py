"""Steps that are run together for speed give the numbers they give one after the other."""

import numpy as np
import pytest
from oracles import assert_gradients_right
from sampled import sampled

from tinynet import Sequential, kernels
from tinynet.kernels import fast
from tinynet.layers import (
    GELU,
    Activation,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    LayerNormalization,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    ReLU6,
    Rescaling,
    Residual,
    SeparableConv2D,
    Sigmoid,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.layers.base import Layer
from tinynet.steps import fused
from tinynet.steps.plan import fuse
from tinynet.steps.run import run_steps
from tinynet.steps.step import steps_of

pytestmark = pytest.mark.usefixtures("small_chunks")

IMAGE = (3, 9, 8)


def Shifted():  # noqa: N802  (made as a layer is)
    return LayerNormalization(scale=False)


class Doubled(MaxPool2D):
    """A layer of one's own, derived from one that is fused."""

    def forward(self, x, training=False):
        y, backward = super().forward(x, training)
        return 2 * y, lambda dy: backward(2 * dy)


MODELS = {
    "activation of the convolution": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D()],
    "relu layer": lambda: [Conv2D(3, (2, 3)), ReLU(), MaxPool2D((3, 2))],
    "activation layer": lambda: [Conv2D(3, (3, 2)), Activation("relu"), MaxPool2D((3, 2))],
    "no bias": lambda: [Conv2D(3, 3, activation="relu", use_bias=False), MaxPool2D()],
    "same padding": lambda: [Conv2D(3, 4, activation="relu", padding="same"), MaxPool2D()],
    "same size": lambda: [Conv2D(8, (3, 2), padding="same"), Conv2D(5, (2, 3), dilation_rate=(2, 1), padding="same"),
                          Conv2D(8, 1)],
    "strides and dilation": lambda: [Conv2D(3, 2, strides=(1, 2), dilation_rate=(2, 1), activation="relu"),
                                     MaxPool2D()],
    "dilation of the columns": lambda: [Conv2D(3, (2, 3), dilation_rate=(1, 2), activation="relu"), MaxPool2D()],
    "strides of both": lambda: [Conv2D(3, 2, strides=2, activation="relu"), MaxPool2D()],
    "wide window": lambda: [Conv2D(3, (2, 6), activation="relu"), MaxPool2D((3, 2))],
    "large pool": lambda: [Conv2D(3, 2, activation="relu"), MaxPool2D((4, 5))],
    "pool of one": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(1)],
    "overlapping pool": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(3, strides=1)],
    "pool with gaps": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(2, strides=3)],
    "padded pool": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(2, padding="same")],
    "another activation": lambda: [Conv2D(3, 3, activation="tanh"), MaxPool2D()],
    "two blocks": lambda: [Conv2D(3, 2, activation="relu"), MaxPool2D(2), Conv2D(2, 2, activation="relu"),
                           MaxPool2D(2)],
    "many channels": lambda: [Conv2D(12, 2, activation="relu"), Conv2D(4, 3, activation="relu"), MaxPool2D()],
    "many channels, strides of both": lambda: [Conv2D(12, 2, activation="relu"),
                                               Conv2D(4, 3, strides=(1, 2), activation="relu"), MaxPool2D((3, 2))],
    "many filters": lambda: [Conv2D(33, (3, 6), activation="relu"), MaxPool2D()],
    "dense": lambda: [Flatten(), Dense(5, activation="relu"), Dense(3, activation="relu", use_bias=False)],
    "dense over the last axis": lambda: [Dense(5, activation="relu")],
    "dropout between": lambda: [Conv2D(3, 3, activation="relu"), Dropout(0.5), MaxPool2D()],
    "convolution alone": lambda: [Conv2D(3, (3, 2), padding="same"), Conv2D(9, 2, strides=2, padding="same")],
    "convolution and pool": lambda: [Conv2D(3, 3, padding="same"), MaxPool2D()],
    "normalised": lambda: [Conv2D(8, 3, padding="same"), BatchNormalization(), Conv2D(3, 2), BatchNormalization(),
                           ReLU()],
    "pooled and normalised": lambda: [Conv2D(8, 3, padding="same"), MaxPool2D(), BatchNormalization(), ReLU(),
                                      Conv2D(3, 2, padding="same"), MaxPool2D(), BatchNormalization()],
    "normalised first": lambda: [BatchNormalization(), ReLU(), Conv2D(3, 2, use_bias=False), BatchNormalization(),
                                 ReLU(), AveragePool2D()],
    "residual": lambda: [Conv2D(3, 3, padding="same"), Residual([BatchNormalization(), ReLU(),
                                                                 Conv2D(3, 3, padding="same")])],
    "groups": lambda: [Conv2D(32, 2), Conv2D(64, 3, padding="same", groups=2, activation="relu"),
                       Conv2D(32, (2, 3), dilation_rate=(1, 2), groups=2, use_bias=False), BatchNormalization(),
                       Conv2D(32, 2, strides=(2, 1), groups=2)],
    "groups of a few channels": lambda: [Conv2D(6, 2), Conv2D(4, 3, padding="same", groups=2, activation="relu"),
                                         Conv2D(12, (2, 3), dilation_rate=(1, 2), groups=4, use_bias=False),
                                         BatchNormalization(), Conv2D(6, 2, strides=(2, 1), groups=3),
                                         Conv2D(6, 1, groups=6)],
    "depthwise": lambda: [DepthwiseConv2D((3, 4), padding="same", depth_multiplier=2, activation="relu"),
                          DepthwiseConv2D((2, 3), dilation_rate=(1, 2), use_bias=False)],
    "depthwise with strides": lambda: [DepthwiseConv2D((2, 5), strides=(2, 1)), DepthwiseConv2D(1, strides=2)],
    "separable": lambda: [SeparableConv2D(9, (2, 3), padding="same", depth_multiplier=2, activation="relu"),
                          SeparableConv2D(3, 2, strides=2, use_bias=False), Conv2D(2, 1)],
    "softmax of channels": lambda: [Conv2D(4, 2), Softmax(1), Conv2D(2, 2), Softmax(-2)],
    "means of maps": lambda: [Conv2D(3, 2), GlobalAvgPool2D(keepdims=True), Conv2D(4, 1), GlobalAvgPool2D()],
    "a layer of one's own": lambda: [Conv2D(3, 3, activation="relu"), Doubled()],
}

# The fused kernels are compiled, for seconds, for each size of a pooling window, each dtype, and with and without the
# gradient of the input. These do not depend on each other: windows that are not 2 x 2 are tried in float64 alone, and
# with the gradient of the input alone.
OTHER_WINDOWS = {"relu layer", "activation layer", "wide window", "pool of one", "many channels, strides of both"}
SQUARE_WINDOWS = {name: layers for name, layers in MODELS.items() if name not in OTHER_WINDOWS}
of_square_windows = pytest.mark.parametrize("layers", SQUARE_WINDOWS.values(), ids=SQUARE_WINDOWS.keys())


def made(layers, dtype="float64"):
    model = Sequential(layers(), input_shape=IMAGE, dtype=dtype, seed=3)
    for key, p in model.params.items():
        if key.endswith("bias"):
            p[...] = np.random.default_rng(5).normal(0, 0.3, p.shape)
    return model


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def layers(request):
    return request.param


@pytest.mark.parametrize("N", [0, pytest.param(1, marks=pytest.mark.rest), 5])
def test_a_model_computes_what_its_steps_compute_one_by_one(layers, N, rng):
    assert_computes_what_its_steps_compute(layers, "float64", 1e-11, N, rng)


@of_square_windows
@pytest.mark.parametrize("N", [0, pytest.param(1, marks=pytest.mark.rest), 5])
def test_a_model_computes_what_its_steps_compute_in_float32_too(layers, N, rng):
    assert_computes_what_its_steps_compute(layers, "float32", 1e-4, N, rng)


def assert_computes_what_its_steps_compute(layers, dtype, near, N, rng):
    model = made(layers, dtype)
    x = rng.normal(size=(N, *IMAGE)).astype(dtype)
    y, backward = model.forward(x)
    with kernels.use("im2col"):
        expected, expected_backward = run_steps(model.steps(), x)
    assert y.dtype == expected.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=near, atol=near)
    dy = rng.normal(size=y.shape).astype(dtype)
    expected_dx = expected_backward(dy)
    expected_grads = dict(model.grads)
    model.grads = {key: np.full_like(p, np.nan) for key, p in model.params.items()}
    dx = backward(dy)
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx, expected_dx, rtol=near, atol=near)
    assert model.grads.keys() == expected_grads.keys()
    for key, g in expected_grads.items():
        assert model.grads[key].dtype == dtype
        np.testing.assert_allclose(model.grads[key], g, rtol=near, atol=10 * near, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", sampled(["float64", "float32"], every=2))
@pytest.mark.parametrize("name", ["normalised", "pooled and normalised", "normalised first", "residual"])
def test_a_training_step_computes_what_its_steps_compute_one_by_one(name, dtype, rng):
    model, same = made(MODELS[name], dtype), made(MODELS[name], dtype)
    near = {"rtol": 1e-11, "atol": 1e-11} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-4}
    x = rng.normal(size=(9, *IMAGE)).astype(dtype)
    y, backward = model.forward(x, training=True)
    dy = rng.normal(size=y.shape).astype(dtype)
    found = [y, backward(dy), *model.grads.values(), *model.state.values()]
    with kernels.use("naive" if dtype == "float64" else "im2col"):
        y, backward = run_steps(same.steps(), x, training=True)
        for ours, theirs in zip(found, [y, backward(dy), *same.grads.values(), *same.state.values()], strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, **near)


def test_a_frozen_normalisation_in_one_step_uses_what_it_has_learned(rng):
    model = made(lambda: [Conv2D(4, 2), BatchNormalization(trainable=False), ReLU()])
    model.layers[1].state["moving_mean"][...] = 0.3
    x = rng.normal(size=(3, *IMAGE))
    y, backward = model.forward(x, training=True)
    found = y, backward(np.ones_like(y))
    with kernels.use("im2col"):
        y, backward = run_steps(model.steps(), x, training=True)
        for ours, theirs in zip(found, (y, backward(np.ones_like(y))), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)
    assert (model.layers[1].state["moving_mean"] == 0.3).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", sampled(MODELS, every=5))
def test_gradients_of_a_model_are_its_slopes(name, rng):
    assert_gradients_right(made(MODELS[name]), rng.normal(size=(2, *IMAGE)))


@of_square_windows
def test_gradients_of_the_parameters_are_the_same_without_that_of_the_input(layers, rng):
    model = made(layers)
    y, backward = model.forward(rng.normal(size=(3, *IMAGE)))
    dy = rng.normal(size=y.shape)
    backward(dy)
    expected = dict(model.grads)
    model.grads = {key: np.full_like(p, np.nan) for key, p in model.params.items()}
    assert backward(dy, need_dx=False) is None
    for key, g in expected.items():
        np.testing.assert_array_equal(model.grads[key], g)


@pytest.mark.parametrize("rate", [0.1, 0.6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_in_training_is_that_of_its_step(rate, dtype, rng):
    model, same = (Sequential([Dropout(rate)], input_shape=(7, 3), dtype=dtype, seed=2) for _ in range(2))
    x, dy = rng.normal(size=(2, 5, 7, 3)).astype(dtype)
    y, backward = model.forward(x, training=True)
    expected, expected_backward = run_steps(same.steps(), x, training=True)
    assert 0 < (y == 0).sum() < y.size
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(dy), expected_backward(dy))


@pytest.mark.parametrize("layout", ["first", "last"])
def test_dropout_of_channels_in_training_is_that_of_its_step(layout, rng):
    model, same = (Sequential([SpatialDropout2D(0.4)], input_shape=(5, 70, 30), seed=2) for _ in range(2))
    x, dy = rng.normal(size=(2, 17, 5, 70, 30)).astype("float32")                       # more than one thread's
    x = channels_last(x) if layout == "last" else x
    y, backward = model.forward(x, training=True)
    expected, expected_backward = run_steps(same.steps(), x, training=True)
    assert 0 < (y == 0).sum() < y.size
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(dy), expected_backward(dy))
    assert y.strides == x.strides
    for N in 0, 2:
        assert model.forward(x[:N], training=True)[0].shape == x[:N].shape
    assert model.forward(x)[0] is x


@pytest.mark.parametrize("dtype", ["float16", "longdouble", ">f4", "float64"])
@pytest.mark.parametrize("layout", ["first", "last"])
def test_dropout_of_channels_of_other_dtypes_is_that_of_its_step(dtype, layout, rng):
    model, same = (Sequential([SpatialDropout2D(0.4)], input_shape=(5, 7, 3), seed=2) for _ in range(2))
    x = rng.normal(size=(3, 5, 7, 3)).astype(dtype)
    x = channels_last(x) if layout == "last" else x
    y, backward = run_steps(fuse(model.steps()), x, training=True)
    expected, expected_backward = run_steps(same.steps(), x, training=True)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == expected.dtype
    for dy in x, x.astype("float32"):
        np.testing.assert_array_equal(backward(dy), expected_backward(dy))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", ">f8"])
@pytest.mark.parametrize("layout", ["first", "last"])
def test_zero_padding_is_that_of_its_step(dtype, layout, rng):
    model = Sequential([ZeroPadding2D(((1, 0), (2, 3)))], input_shape=(5, 70, 30))
    x = (9 * rng.normal(size=(17, 5, 70, 30))).astype(dtype)                            # more than one thread's
    x = channels_last(x) if layout == "last" else x
    np.empty((17, 5, 71, 35), dtype).fill(7)                                            # memory that is used again
    y, backward = run_steps(fuse(model.steps()), x)
    expected, expected_backward = run_steps(model.steps(), x)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == expected.dtype
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous == (layout == "last")
    np.testing.assert_array_equal(backward(y), expected_backward(y))
    for N in 0, 2:
        np.testing.assert_array_equal(run_steps(fuse(model.steps()), x[:N])[0], expected[:N])


@pytest.mark.parametrize("dtype", ["float16", "longdouble", ">f4", "int64"])
@pytest.mark.parametrize("layer", [DepthwiseConv2D, SeparableConv2D])
def test_images_of_other_dtypes_are_computed_in_one_that_loops_know(layer, dtype):
    made_of = {DepthwiseConv2D: (3,), SeparableConv2D: (8, 3)}
    model = Sequential([layer(*made_of[layer], padding="same")], input_shape=(8, 5, 4), seed=0)
    x = np.arange(320).reshape(2, 8, 5, 4).astype(dtype)
    with kernels.use("im2col"):
        expected = model(x)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-3)


def test_two_forwards_can_be_alive_at_once(layers, rng):
    model = made(layers)
    x1, x2 = rng.normal(size=(2, 3, *IMAGE))
    y1, backward1 = model.forward(x1)
    dy = rng.normal(size=y1.shape)
    expected_y, expected_dx = y1.copy(), backward1(dy).copy()
    y2, backward2 = model.forward(x2)
    dx2 = backward2(dy)
    second = dx2.copy()
    np.testing.assert_array_equal(y1, expected_y)
    np.testing.assert_array_equal(backward1(dy), expected_dx)
    np.testing.assert_array_equal(dx2, second)
    assert not np.shares_memory(y1, y2)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_nan_and_infinity_come_out_where_they_come_out_of_the_steps(layers, special, rng):
    model = made(layers)
    x = rng.normal(size=(2, *IMAGE))
    x[1, 0, 4, 3] = special
    found = model(x)
    with kernels.use("im2col"):
        expected = model(x)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["input", "kernel", "gradient"])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_nan_and_infinity_go_back_as_through_the_steps(layers, special, what, rng):
    model = made(layers)
    x = rng.normal(size=(2, *IMAGE))
    if what == "input":
        x[1, 0, 4, 3] = special
    elif what == "kernel" and model.params:
        next(iter(model.params.values())).ravel()[1] = special
    assert_equal_to_its_steps(model, x, rng, special if what == "gradient" else None)


@pytest.mark.parametrize("filters", [3, 40])
@pytest.mark.parametrize("pool", [2, (3, 2)])
def test_an_image_larger_than_the_cache_is_computed_in_blocks(filters, pool, rng):
    model = Sequential([Conv2D(filters, 3, activation="relu", input_shape=(2, 61, 62)), MaxPool2D(pool)], seed=1,
                       dtype="float64")
    assert_equal_to_its_steps(model, rng.normal(size=(3, 2, 61, 62)), rng)


def test_of_equal_outputs_the_first_takes_the_gradient_and_none_at_zero(layers, rng):
    model = made(layers)
    for p in model.params.values():
        p[...] = rng.integers(-1, 2, p.shape)                        # sums are exact, and equal ones are many
    assert_equal_to_its_steps(model, rng.integers(0, 2, (3, *IMAGE)).astype(float), rng)


def assert_equal_to_its_steps(model, x, rng, special=None):
    y, backward = model.forward(x)
    dy = rng.normal(size=y.shape)
    if special is not None:
        dy.ravel()[3] = special
    found = [y, backward(dy), *model.grads.values()]
    with kernels.use("im2col"):
        y, backward = run_steps(model.steps(), x)
        for a, b in zip(found, [y, backward(dy), *model.grads.values()], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_what_is_fused_is_still_checked():
    model = Sequential([Conv2D(3, 3, activation="relu", input_shape=IMAGE), MaxPool2D()])
    with pytest.raises(ValueError, match="Conv2D 'conv2d_1': expected input"):
        model(np.zeros((5, 2, 9, 8)))
    with pytest.raises(ValueError, match="MaxPool2D 'max_pool2d_1': expected an image no smaller"):
        model(np.zeros((5, 3, 3, 3)))


@pytest.mark.parametrize(("N", "side", "pool"), [(37, 14, 2), (3, 26, 12)], ids=["many samples", "pools of 144"])
def test_work_that_is_cut_into_chunks_leaves_nothing_out(N, side, pool, rng, monkeypatch):
    model = Sequential([Conv2D(8, 3, activation="relu", input_shape=(2, side, side)), MaxPool2D(pool)], seed=0)
    x = rng.normal(size=(N, 2, side, side)).astype(np.float32)
    dy = rng.normal(size=(N, *model.output_shape)).astype(np.float32)
    found = []
    for threads in "1", "2", "3":
        monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
        y, backward = model.forward(x)
        found.append([y, backward(dy), *model.grads.values()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(b, a)
    with kernels.use("im2col"):
        y, backward = model.forward(x)
        for a, b in zip(found[0], [y, backward(dy), *model.grads.values()], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(0.1), GELU(), Sigmoid(), ReLU6()], ids=lambda layer: str(layer))
def test_a_layer_of_single_numbers_keeps_the_layout_and_shares_the_work_out(layer, layout, rng):
    x, dy = rng.normal(0, 4, size=(2, 3, 5, 70, 90)).astype(np.float32)                 # more than one thread's
    y, backward = layer.forward(layout(x))
    dx = backward(dy)
    with kernels.use("im2col"):
        expected, expected_backward = layer.forward(x)
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(dx, expected_backward(dy), rtol=2e-6, atol=1e-6)
    assert y.strides == dx.strides == layout(x).strides


@pytest.mark.parametrize("layer", [Softmax(), LayerNormalization(), LayerNormalization([3, 1, 2]), Shifted()],
                         ids=["softmax", "normalisation", "of all", "without a gamma"])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last, np.asfortranarray],
                         ids=["first", "last", "samples last"])
@pytest.mark.parametrize("samples", [3, 17])
def test_work_on_rows_computes_what_the_layer_computes(layer, layout, samples, rng):
    layer.build((5, 70, 31), rng)
    for key, array in layer.params.items():
        layer.params[key] = rng.normal(size=array.shape).astype(np.float32)
    x, dy = map(layout, rng.normal(3, 2, size=(2, samples, 5, 70, 31)).astype(np.float32))
    (step,) = fuse(steps_of(layer))
    assert step.run != layer.forward
    y, backward = step.run(x)
    found = [y, backward(dy), *map(layer.grads.get, layer.params)]
    expected, expected_backward = layer.forward(x)
    for ours, right in zip(found, [expected, expected_backward(dy), *map(layer.grads.get, layer.params)], strict=True):
        assert (ours.dtype, ours.shape) == (right.dtype, right.shape)
        np.testing.assert_allclose(ours, right, rtol=1e-4, atol=2e-4)
    x[1, 2, 3, 4] = np.nan
    np.testing.assert_array_equal(np.isnan(step.run(x)[0]), np.isnan(layer.forward(x)[0]))


def test_normalisation_of_other_axes_is_left_to_its_layer(rng):
    layer = LayerNormalization(1)
    layer.build((5, 70, 31), rng)
    assert fuse(steps_of(layer))[0].run == layer.forward


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("side", [8, 9])
def test_pooling_alone_in_tiles_computes_what_its_layer_computes(side, layout, rng):
    x = layout(rng.integers(-2, 3, size=(5, 3, side, 8)).astype(np.float32))            # many are equal
    (step,), dy = fuse(steps_of(MaxPool2D())), rng.normal(size=(5, 3, 4, 4)).astype(np.float32)
    y, backward = step.run(x)
    expected, expected_backward = MaxPool2D().forward(x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(backward(dy), expected_backward(dy))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 5, 16])
@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
@pytest.mark.parametrize("settings", [((3, 3), 2), ((3, 3), 1), ((2, 3), (3, 1)), ((4, 2), (1, 2), "same"),
                                      (3, 1, "same"), (3, 3, "same"), (2, 2)], ids=str)
def test_pooling_channels_last_computes_what_its_layer_computes(kind, settings, channels, dtype, rng):
    layer = kind(*settings)
    x = channels_last(rng.integers(-9, 0, size=(5, channels, 11, 8)).astype(dtype))     # many are equal, all below 0
    (step,) = fuse(steps_of(layer))
    y, backward = step.run(x)
    expected, expected_backward = layer.forward(x)
    assert y.dtype == expected.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    dy = rng.normal(size=y.shape).astype(dtype)
    for layout in (np.ascontiguousarray, channels_last):
        np.testing.assert_allclose(backward(layout(dy)), expected_backward(dy), rtol=1e-5, atol=1e-6)
    x[1, 0, 3, 2], x[2, 0, 0, 0] = np.nan, np.inf
    np.testing.assert_array_equal(np.isfinite(step.run(x)[0]), np.isfinite(layer.forward(x)[0]))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_dropout_takes_every_dtype(dtype, rng):
    x, dy = rng.normal(size=(2, 4, 300)).astype(dtype)
    one, other = (Sequential([Dropout(0.3, input_shape=(300,))], seed=0).steps() for _ in range(2))
    (y, backward), (expected, expected_backward) = fuse(one)[0].run(x, True), other[0].run(x, True)
    assert y.dtype == expected.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=2e-3)
    np.testing.assert_allclose(backward(dy), expected_backward(dy), rtol=2e-3)
    assert 0.2 < np.mean(y == 0) < 0.4


@pytest.mark.parametrize(("dtype", "other"), [("f4", "f8"), ("f8", "f4"), ("f2", "f4"), ("f4", "f2"), ("f4", "g")])
@pytest.mark.parametrize("channels", [3, 5, 12])
@pytest.mark.parametrize("layer", [MaxPool2D(), MaxPool2D(3, 2), AveragePool2D(), UpSampling2D(), GlobalMaxPool2D(),
                                   GlobalAvgPool2D(), UpSampling2D(interpolation="bilinear")], ids=str)
def test_a_gradient_of_another_dtype_is_what_its_layer_computes(layer, channels, dtype, other, rng):
    x = channels_last(rng.normal(size=(4, channels, 8, 8)).astype(dtype))
    y, backward = fuse(steps_of(layer))[0].run(x)
    expected_backward, dy = layer.forward(x)[1], rng.normal(size=y.shape).astype(other)
    found, expected = backward(dy), expected_backward(dy)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    assert found.dtype == expected.dtype or {found.dtype.char, expected.dtype.char} <= set("dg")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("channels", [1, 5, 16])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("image", [(4, 5), (40, 30), (3, 130)], ids=str)
def test_the_largest_of_an_image_is_what_its_layer_computes(image, layout, channels, keepdims, dtype, rng):
    layer = GlobalMaxPool2D(keepdims=keepdims)
    x = layout(rng.integers(-9, -3, size=(60, channels, *image)).astype(dtype))                  # many are equal
    x[1, 0, 2, 3:], x[2, 0, 0, 1], x[3, 0, 0, 0] = np.nan, np.inf, -np.inf
    x[4:, :, -1, -2] = 0
    y, backward = fuse(steps_of(layer))[0].run(x)
    expected, expected_backward = layer.forward(x)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y, expected)
    dy = rng.normal(size=y.shape).astype(dtype)
    np.testing.assert_array_equal(backward(dy), expected_backward(dy))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("N", [0, 1, 61])
def test_the_means_of_some_samples_at_a_time_are_what_its_layer_computes(N, layout, keepdims, dtype, monkeypatch, rng):
    monkeypatch.setattr(fused, "COPIED", 0)
    layer, x = GlobalAvgPool2D(keepdims=keepdims), layout(rng.normal(size=(N, 5, 6, 7)).astype(dtype))
    (step,), accuracy = fuse(steps_of(layer)), 10 * np.finfo(dtype).eps
    y, backward = step.run(x)
    expected, expected_backward = layer.forward(x)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(y, expected, rtol=accuracy, atol=accuracy)
    dy = rng.normal(size=y.shape).astype(dtype)
    dx = backward(dy)
    assert dx.strides == x.strides
    np.testing.assert_array_equal(dx, expected_backward(dy))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("image", [(6, 9), (2, 3), (1, 4)], ids=str)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling_in_one_pass_computes_what_its_layer_computes(interpolation, image, layout, dtype, rng):
    layer = UpSampling2D((2, 3), interpolation=interpolation)
    x = layout(rng.normal(size=(5, 6, *image)).astype(dtype))
    (step,), accuracy = fuse(steps_of(layer)), 20 * np.finfo(dtype).eps
    y, backward = step.run(x)
    expected, expected_backward = layer.forward(x)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=accuracy, atol=accuracy)
    dy = rng.normal(size=y.shape).astype(dtype)
    for turned in (np.ascontiguousarray, channels_last):
        np.testing.assert_allclose(backward(turned(dy)), expected_backward(dy), rtol=accuracy, atol=5 * accuracy)


class Own(Layer):
    """A layer of one's own, which may read images in the order of their shape."""

    def forward(self, x, training=False):
        return x + 1, lambda dy: dy


@pytest.mark.parametrize(("after", "first"), [(Flatten, True), (lambda: Dropout(0.3), True), (Own, True),
                                          (lambda: Conv2D(2, 2), False), (lambda: MaxPool2D(3, 1), False),
                                          (LeakyReLU, False)],
                         ids=["flatten", "dropout", "own", "convolution", "pooling", "elementwise"])
@pytest.mark.parametrize("group", [[ReLU, MaxPool2D], [MaxPool2D], [ReLU], []],
                         ids=["relu, pool", "pool", "relu", "alone"])
def test_images_lie_in_memory_as_the_next_step_reads_them(group, after, first, rng):
    layers = [Conv2D(3, 2, input_shape=(2, 9, 8)), *[kind() for kind in group]]
    steps = Sequential([*layers, after()], seed=0).plan().steps
    x = rng.normal(size=(9, 2, 9, 8)).astype(np.float32)
    y, backward = steps[0].run(x, True)
    with kernels.use("im2col", fuse=False):
        expected, expected_backward = run_steps([step for layer in layers for step in steps_of(layer)], x, True)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert y.flags.c_contiguous == first
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous == (not first)
    dy = rng.normal(size=y.shape).astype(np.float32)
    for layout in (np.ascontiguousarray, channels_last, np.asfortranarray):
        np.testing.assert_allclose(backward(layout(dy)), expected_backward(dy), rtol=1e-4, atol=1e-5)


def with_any_strides(array):
    """The same numbers in the same memory, but along axes of 1, where NumPy lets a stride be anything, another one."""
    strides = [stride if length > 1 else 7 * array.itemsize for stride, length in zip(array.strides, array.shape,
                                                                                      strict=True)]
    return np.lib.stride_tricks.as_strided(array, strides=strides)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("size", [(8, 1), (1, 8), (1, 1)])
def test_strides_along_axes_of_one_pixel_mean_nothing(size, layout, rng):
    x, kernel = layout(rng.normal(size=(2, 8, *size))), rng.normal(size=(8, 8, 1, 1))
    product = fast.pooled_convolution(x, kernel, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), relu=True)
    y = product.forward(np.zeros(8))
    dy = layout(rng.normal(size=y.shape))
    once = (1, 1), (1, 1)
    for function in (
            lambda image: product.backward(image, True),
            lambda image: fast.convolution(image, kernel, *once).backward(dy, True),
            lambda image: fast.convolution(image, kernel, *once, ((1, 1), (0, 2))).forward(None),
            lambda image: fast.conv2d_input_gradient(image, kernel, size, *once),
            lambda image: fast.max_pool2d(image, *once), lambda image: fast.channel_sums(image, np.zeros(8)),
            lambda image: fast.depthwise_conv2d(image, kernel[:1], *once)):
        for found, expected in zip(function(with_any_strides(dy)), function(dy), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_pool_of_one_and_arithmetic_before_a_convolution(rng):
    model = Sequential([Conv2D(3, (1, 2), activation="relu"), MaxPool2D(1), Rescaling([2.0, 1.0, 0.5], [1.0, 0.0, 2.0]),
                        Conv2D(2, 1)], input_shape=(2, 8, 2), seed=0, dtype="float64")
    x, dy = rng.normal(size=(2, 2, 8, 2)), rng.normal(size=(2, 2, 8, 1))
    found = model.forward(x)[1](dy)
    with kernels.use("naive"):
        np.testing.assert_allclose(found, model.forward(x)[1](dy), rtol=1e-12)
