"""What every layer keeps to, models and one's own layers included: each goes through each test.

This suite measures by its own means, from `oracles`, so that a mistake in `tinynet.testing` cannot hide one in a layer;
testing/test_our_layers.py puts the same layers through `check_layer`, the tool that users have.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from layers_for_tests import Scale
from oracles import LAYOUTS, assert_gradients_right, built, in_layout

from tinynet import Sequential
from tinynet.layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    ActivityRegularization,
    AlphaDropout,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    HardSigmoid,
    Input,
    Lambda,
    LayerNormalization,
    LeakyReLU,
    MaxPool2D,
    PReLU,
    RandomAffine,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    ReLU,
    ReLU6,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    SpatialDropout2D,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from tinynet.steps.run import run_steps
from tinynet.steps.step import steps_of


def small_cnn():
    return Sequential([Conv2D(3, 3, activation="relu"), MaxPool2D(), Dropout(0.2), Flatten(), Scale(),
                       Sequential([Dense(4, activation="tanh"), Dense(2)]), Softmax()])


def pairs(x):
    """Return products of neighbours: (N, ..., 2k) -> (N, ..., k)."""
    a, b = x[..., ::2], x[..., 1::2]

    def backward(dy):
        return np.stack([dy * b, dy * a], axis=-1).reshape(x.shape)
    return a * b, backward


LAYERS = {
    "dense": (lambda: Dense(4), (3,)),
    "dense softmax": (lambda: Dense(4, activation="softmax"), (3,)),
    "dense relu, no bias": (lambda: Dense(4, activation="relu", use_bias=False), (3,)),
    "dense rank 3": (lambda: Dense(4, activation="sigmoid"), (2, 3)),
    "activity regularised": (lambda: Dense(4, activity_regularizer="l2"), (3,)),
    "activity_regularization": (lambda: ActivityRegularization(0.1, 0.2), (3,)),
    "dropout of rows": (lambda: Dropout(0.5, (None, None, 1)), (4, 3)),
    "dense regularised": (lambda: Dense(4, kernel_regularizer="l2"), (3,)),
    "conv2d": (lambda: Conv2D(3, (2, 3)), (2, 5, 6)),
    "conv2d relu": (lambda: Conv2D(3, 3, activation="relu"), (1, 5, 4)),
    "conv2d same": (lambda: Conv2D(2, (2, 3), strides=2, padding="same", activation="tanh"), (2, 5, 6)),
    "conv2d dilated": (lambda: Conv2D(2, 2, dilation_rate=(2, 1), use_bias=False), (2, 4, 4)),
    "conv2d in groups": (lambda: Conv2D(4, 2, groups=2), (4, 4, 3)),
    "conv2d_transpose": (lambda: Conv2DTranspose(3, (2, 3), strides=2, padding="same"), (2, 3, 2)),
    "depthwise_conv2d": (lambda: DepthwiseConv2D(2, strides=(1, 2), padding="same", depth_multiplier=2), (2, 3, 4)),
    "separable_conv2d": (lambda: SeparableConv2D(3, (2, 1), activation="tanh"), (2, 3, 4)),
    "max_pool2d": (lambda: MaxPool2D(), (2, 5, 6)),
    "max_pool2d overlapping": (lambda: MaxPool2D((2, 3), strides=1), (2, 4, 4)),
    "max_pool2d same": (lambda: MaxPool2D(3, strides=2, padding="same"), (2, 5, 4)),
    "average_pool2d": (lambda: AveragePool2D(), (2, 4, 5)),
    "average_pool2d same": (lambda: AveragePool2D(3, strides=1, padding="same"), (2, 3, 4)),
    "dropout": (lambda: Dropout(0.4), (6,)),
    "flatten": (lambda: Flatten(), (2, 3, 4)),
    "activation": (lambda: Activation("tanh"), (2, 3)),
    "linear activation": (lambda: Activation(None), (2, 3)),
    "relu": (lambda: ReLU(), (2, 3)),
    "relu with settings": (lambda: ReLU(1.0, 0.2, 0.5), (2, 3)),
    "sigmoid": (lambda: Sigmoid(), (3,)),
    "tanh": (lambda: Tanh(), (3,)),
    "softmax": (lambda: Softmax(), (5,)),
    "softmax of channels": (lambda: Softmax(axis=1), (3, 2, 2)),
    "input": (lambda: Input((3,)), (3,)),
    "random affine": (lambda: RandomAffine(0.1, 0.2, x_shear=0.1, height_shift=0.2), (2, 4, 5)),
    "random translation": (lambda: RandomTranslation(0.3, 0.2, "constant", fill_value=2.0), (1, 4, 3)),
    "random rotation": (lambda: RandomRotation(0.3, "nearest"), (1, 4, 3)),
    "random zoom": (lambda: RandomZoom(0.3), (1, 4, 3)),
    "random shear": (lambda: RandomShear(0.3, 0.2), (1, 4, 3)),
    "random elastic": (lambda: RandomElasticTransform(0.5, 1.0), (1, 4, 3)),
    "random contrast": (lambda: RandomContrast(0.4), (2, 3, 2)),
    "random flip": (lambda: RandomFlip(), (2, 3, 2)),
    "random crop": (lambda: RandomCrop(2, 3), (2, 4, 4)),
    "batch_normalization": (lambda: BatchNormalization(), (3,)),
    "batch_normalization of images": (lambda: BatchNormalization(momentum=0.5, center=False), (2, 3, 2)),
    "residual": (lambda: Residual([Conv2D(3, (2, 1), padding="same", activation="relu"), BatchNormalization(),
                                   Dropout(0.2), Conv2D(2, 1)]), (2, 2, 2)),
    "layer_normalization": (lambda: LayerNormalization(), (4,)),
    "layer_normalization of channels": (lambda: LayerNormalization(axis=1, center=False), (3, 2, 2)),
    "global_max_pool2d": (lambda: GlobalMaxPool2D(), (2, 3, 4)),
    "global_avg_pool2d": (lambda: GlobalAvgPool2D(keepdims=True), (2, 4, 3)),
    "reshape": (lambda: Reshape((3, -1)), (2, 3, 4)),
    "rescaling": (lambda: Rescaling([0.5, -2.0], offset=1), (2, 3)),
    "spatial_dropout2d": (lambda: SpatialDropout2D(0.5), (3, 2, 2)),
    "alpha_dropout": (lambda: AlphaDropout(0.4), (2, 3)),
    "gaussian_dropout": (lambda: GaussianDropout(0.4), (2, 3)),
    "gaussian_noise": (lambda: GaussianNoise(0.5), (2, 3)),
    "leaky_relu": (lambda: LeakyReLU(0.1), (3,)),
    "prelu": (lambda: PReLU(alpha_regularizer="l2"), (2, 3)),
    "prelu shared": (lambda: PReLU(shared_axes=[2, 3]), (2, 3, 2)),
    "elu": (lambda: ELU(0.5), (3,)),
    "selu": (lambda: SELU(), (3,)),
    "relu6": (lambda: ReLU6(), (3,)),
    "hard_sigmoid": (lambda: HardSigmoid(), (3,)),
    "gelu": (lambda: GELU(), (2, 3)),
    "silu": (lambda: SiLU(), (3,)),
    "softplus": (lambda: Softplus(), (3,)),
    "softsign": (lambda: Softsign(), (3,)),
    "one's own": (lambda: Scale(), (2, 3)),
    "lambda": (lambda: Lambda(pairs), (2, 4)),
    "zero_padding2d": (lambda: ZeroPadding2D(((0, 1), (2, 1))), (2, 3, 4)),
    "up_sampling2d": (lambda: UpSampling2D((2, 3)), (2, 3, 4)),
    "up_sampling2d bilinear": (lambda: UpSampling2D((2, 3), interpolation="bilinear"), (2, 3, 4)),
    "model": (small_cnn, (2, 8, 7)),
}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class Setting:
    """A built layer, inputs and upstream gradients for it."""

    def __init__(self, make, shape):
        self.make, self.shape, self.rng = make, shape, np.random.default_rng(11)
        self.layer = self.of(np.float64)

    def of(self, dtype):
        return built(self.make(), self.shape, dtype)

    def x(self, N=4, dtype=np.float64):
        return self.rng.normal(size=(N, *self.shape)).astype(dtype)

    def dy(self, y):
        return self.rng.normal(size=y.shape).astype(y.dtype)


@pytest.fixture(params=LAYERS.values(), ids=LAYERS.keys())
def case(request):
    return Setting(*request.param)


def test_gradients_are_slopes(case):
    assert_gradients_right(case.layer, case.x())


def test_build_makes_float32_parameters_and_says_the_output_shape(case):
    layer = case.make()
    promised = layer.build(case.shape, np.random.default_rng(0))
    assert all(p.dtype == np.float32 for p in layer.params.values())
    assert layer(case.x(2, np.float32)).shape == (2, *promised)


def test_build_makes_parameters_of_its_own(case):
    one, two = case.make(), case.make()
    one.build(case.shape, np.random.default_rng(0))
    two.build(case.shape, np.random.default_rng(0))
    for key in one.params:
        np.testing.assert_array_equal(one.params[key], two.params[key])
        assert not np.shares_memory(one.params[key], two.params[key])


@DTYPES
@pytest.mark.parametrize("training", [False, True])
def test_dtype_of_the_arrays_is_kept(case, dtype, training):
    layer = case.of(dtype)
    y, backward = layer.forward(case.x(dtype=dtype), training)
    assert y.dtype == dtype
    assert backward(case.dy(y)).dtype == dtype
    assert {g.dtype for g in layer.grads.values()} <= {np.dtype(dtype)}


@pytest.mark.parametrize("training", [False, True])
def test_nothing_handed_in_is_written_to(case, training):
    x = case.x()
    y, backward = case.layer.forward(x, training)
    dy = case.dy(y)
    arrays = [x, dy, *case.layer.params.values()]
    before = [a.copy() for a in arrays]
    backward(dy)
    backward(dy)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_handed_out_is_overwritten_later(case):
    y1, backward1 = case.layer.forward(case.x())
    dx1 = backward1(case.dy(y1))
    handed_out = [y1, dx1, *case.layer.grads.values()]
    before = [a.copy() for a in handed_out]
    y2, backward2 = case.layer.forward(case.x())
    backward2(case.dy(y2))
    for a, b in zip(handed_out, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_grads_have_the_keys_and_shapes_of_params(case):
    y, backward = case.layer.forward(case.x())
    backward(case.dy(y))
    assert case.layer.grads.keys() == case.layer.params.keys()
    for key, p in case.layer.params.items():
        assert case.layer.grads[key].shape == p.shape


def test_backward_overwrites_grads_and_gives_the_same_when_called_again(case):
    y, backward = case.layer.forward(case.x())
    dy = case.dy(y)
    dx = backward(dy).copy()
    grads = {key: g.copy() for key, g in case.layer.grads.items()}
    backward(case.dy(y))
    np.testing.assert_array_equal(backward(dy), dx)
    for key, g in grads.items():
        np.testing.assert_array_equal(case.layer.grads[key], g)


def test_two_forwards_can_be_alive_at_once(case):
    x1, x2 = case.x(), case.x(3)
    y1, backward1 = case.layer.forward(x1)
    dy1 = case.dy(y1)
    alone = backward1(dy1).copy(), {key: g.copy() for key, g in case.layer.grads.items()}
    _, late = case.layer.forward(x1)
    y2, other = case.layer.forward(x2)
    other(case.dy(y2))
    np.testing.assert_array_equal(late(dy1), alone[0])
    for key, g in alone[1].items():
        np.testing.assert_array_equal(case.layer.grads[key], g)


def test_backward_uses_the_parameters_of_its_forward(case):
    x = case.x()
    y, backward = case.layer.forward(x)
    dy = case.dy(y)
    dx, grads = backward(dy).copy(), {key: g.copy() for key, g in case.layer.grads.items()}
    case.layer.params = {key: p + 1 for key, p in case.layer.params.items()}
    np.testing.assert_array_equal(backward(dy), dx)
    for key, g in grads.items():
        np.testing.assert_array_equal(case.layer.grads[key], g)


def test_a_batch_is_its_samples_one_by_one(case):
    x = case.x()
    y, backward = case.layer.forward(x)
    dy = case.dy(y)
    dx, grads = backward(dy), dict(case.layer.grads)
    total = {key: np.zeros_like(g) for key, g in grads.items()}
    for n in range(len(x)):
        y_n, backward_n = case.layer.forward(x[n:n + 1])
        np.testing.assert_allclose(y_n[0], y[n], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(backward_n(dy[n:n + 1])[0], dx[n], rtol=1e-10, atol=1e-12)
        for key, g in case.layer.grads.items():
            total[key] += g
    for key, g in grads.items():
        np.testing.assert_allclose(g, total[key], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
def test_an_empty_batch_is_fine_and_has_zero_gradients(case, training):
    x = case.x(0)
    y, backward = case.layer.forward(x, training)
    assert y.shape == (0, *case.layer.output_shape)
    assert backward(y).shape == x.shape
    assert not any(g.any() for g in case.layer.grads.values())


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_layout_in_memory_does_not_matter(case, layout):
    x = case.x()
    y, backward = case.layer.forward(x)
    dy = case.dy(y)
    expected = [y, backward(dy), *case.layer.grads.values()]
    for key, p in case.layer.params.items():
        case.layer.params[key] = in_layout(p, layout) if p.ndim > 1 else p
    y, backward = case.layer.forward(in_layout(x, layout))
    found = [y, backward(in_layout(dy, layout)), *case.layer.grads.values()]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool])
def test_whole_numbers_give_what_the_same_floats_give(case, dtype):
    layer, x = case.of(np.float32), case.rng.integers(0, 200, (3, *case.shape)).astype(dtype)
    expected = layer(x.astype(np.float32))
    for found in (layer(x), layer.forward(x)[0]):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert layer(x).dtype == np.float32


def test_a_config_makes_the_same_layer_again_through_json_too(case):
    config = case.layer.get_config()
    own = {"custom_layers": {"Scale": Scale, "pairs": pairs}} if isinstance(case.layer, (Sequential, Lambda)) else {}
    again = type(case.layer).from_config(json.loads(json.dumps(config)), **own)
    assert again.get_config() == config
    built(again, case.shape, seed=99)
    assert [p.shape for p in again.params.values()] == [p.shape for p in case.layer.params.values()]
    again.set_weights(case.layer.get_weights())
    x = case.x()
    np.testing.assert_array_equal(again(x), case.layer(x))


def test_threads_can_infer_at_once(case):
    batches = [case.x(6) for _ in range(16)]
    expected = [case.layer(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(case.layer, batches))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_parameter_gradients_do_not_need_that_of_the_input(case):
    y, backward = run_steps(steps_of(case.layer), case.x())
    dy = case.dy(y)
    assert backward(dy).shape[1:] == case.shape
    expected = {key: g.copy() for key, g in case.layer.grads.items()}
    for key, g in expected.items():
        case.layer.grads[key] = np.full_like(g, np.nan)
    assert backward(dy, need_dx=False) is None
    for key, g in expected.items():
        np.testing.assert_array_equal(case.layer.grads[key], g)


def test_calling_a_layer_is_its_forward(case):
    x = case.x()
    np.testing.assert_array_equal(case.layer(x), case.layer.forward(x)[0])


def test_inference_repeats(case):
    x = case.x()
    np.testing.assert_array_equal(case.layer(x), case.layer(x))


def test_training_differs_only_where_the_layer_says_so(case):
    x = case.x()
    same = np.array_equal(case.layer(x, training=True), case.layer(x))
    assert same != any(leaf.differs_in_training for leaf in case.layer.leaves())


def test_steps_run_one_by_one_are_the_layer(case):
    x = case.x()
    y = x
    for step in steps_of(case.layer):
        y, _ = step.run(y, False)
    np.testing.assert_allclose(y, case.layer(x), rtol=1e-12, atol=1e-14)


def test_weights_are_got_as_copies_and_set_in_place(case):
    layer = case.layer
    arrays, weights = [weight.value for weight in layer.weights], layer.get_weights()
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays, weights, strict=True))
    layer.set_weights([w + 1 for w in weights])
    for a, weight, w in zip(arrays, layer.weights, weights, strict=True):
        assert weight.value is a
        np.testing.assert_array_equal(a, w + 1)
    assert layer.count_params() == sum(w.size for w in weights)


def test_weights_of_other_shapes_are_refused(case):
    with pytest.raises(ValueError, match="expected weights of shapes"):
        case.layer.set_weights([*case.layer.get_weights(), np.zeros(3)])


def test_a_layer_works_in_a_model_as_it_does_alone(case):
    model = Sequential([case.make()], input_shape=case.shape, dtype="float64")
    model.set_weights(case.layer.get_weights())
    x = case.x()
    y, backward = model.forward(x)
    dy = case.dy(y)
    alone_y, alone_backward = case.layer.forward(x)
    np.testing.assert_allclose(y, alone_y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(backward(dy), alone_backward(dy), rtol=1e-10, atol=1e-12)
    assert model.grads.keys() == model.params.keys()
