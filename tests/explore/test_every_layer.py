"""Every built-in layer is explained, forward and backward, at every place: in float64 the sums are the engine's."""

import numpy as np
import pytest

from tinynet import Sequential, kernels, layers
from tinynet.explore.computed import Computed
from tinynet.explore.explanations import explain_input, explain_output, explain_parameter, explains
from tinynet.explore.objective import Objective
from tinynet.layers import (
    ELU,
    GELU,
    Activation,
    ActivityRegularization,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    LayerNormalization,
    LeakyReLU,
    MaxPool2D,
    PReLU,
    RandomAffine,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomTranslation,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Softmax,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
    activations,
)
from tinynet.regularizers import counting_activity

IMAGE = (2, 5, 6)
CALLS = {
    "conv": (IMAGE, lambda: Conv2D(4, (3, 2), strides=(2, 1), padding="same", dilation_rate=(1, 2))),
    "conv without bias": (IMAGE, lambda: Conv2D(2, 3, use_bias=False, kernel_regularizer="l2")),
    "grouped": ((4, 5, 5), lambda: Conv2D(6, 3, groups=2, padding="same")),
    "depthwise": (IMAGE, lambda: DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2)),
    "separable": (IMAGE, lambda: SeparableConv2D(3, 3, depth_multiplier=2, pointwise_regularizer="l2")),
    "transposed": ((2, 3, 4), lambda: Conv2DTranspose(3, 5, strides=2, padding="same")),
    "transposed, dilated": ((2, 3, 4), lambda: Conv2DTranspose(3, (3, 2), strides=(1, 2), dilation_rate=2)),
    "dense": ((5,), lambda: Dense(4, bias_regularizer="l2")),
    "dense on rows": ((3, 5), lambda: Dense(4)),
    "max": (IMAGE, lambda: MaxPool2D(3, strides=2, padding="same")),
    "average": (IMAGE, lambda: AveragePool2D(3, strides=1, padding="same")),
    "global max": (IMAGE, lambda: GlobalMaxPool2D()),
    "global average": (IMAGE, lambda: GlobalAvgPool2D(keepdims=True)),
    "batch norm": (IMAGE, lambda: BatchNormalization(gamma_initializer="he_normal")),
    "batch norm, no gamma": ((4,), lambda: BatchNormalization(scale=False)),
    "layer norm": (IMAGE, lambda: LayerNormalization(axis=[1, 3])),
    "layer norm, last": ((3, 4), lambda: LayerNormalization(center=False)),
    "residual": (IMAGE, lambda: Residual([Conv2D(2, 3, padding="same", activation="relu", kernel_regularizer="l2"),
                                          Residual([Conv2D(2, 1)])])),
    "penalty": (IMAGE, lambda: ActivityRegularization(l1=0.1, l2=0.2)),
    "penalties in a block": ((4,), lambda: Residual([Dense(4, activity_regularizer="l2"), ReLU()])),
    "flatten": (IMAGE, lambda: Flatten()),
    "reshape": (IMAGE, lambda: Reshape((3, -1))),
    "zero padding": (IMAGE, lambda: ZeroPadding2D(((0, 1), (2, 0)))),
    "upsampling": ((2, 3, 2), lambda: UpSampling2D((2, 3))),
    "upsampling, bilinear": ((2, 3, 2), lambda: UpSampling2D((3, 2), interpolation="bilinear")),
    "rescaling": (IMAGE, lambda: Rescaling([2.0, 3.0], offset=[-1.0, 0.5])),
    "crop": (IMAGE, lambda: RandomCrop(3, 3)),
    "prelu": (IMAGE, lambda: PReLU("he_normal", shared_axes=[2, 3])),
    "leaky": ((7,), lambda: LeakyReLU(0.1)),
    "elu": ((7,), lambda: ELU(0.7)),
    "gelu, approximate": ((7,), lambda: GELU(approximate=True)),
    "softmax": ((2, 5), lambda: Softmax()),
    "softmax of channels": (IMAGE, lambda: Softmax(1)),
    "softmax of pixels": (IMAGE, lambda: Softmax([2, -1])),
    "relu with settings": ((7,), lambda: ReLU(2.0, 0.1, 0.5)),
    **{kind.__name__: (IMAGE, kind) for kind in (RandomFlip, SpatialDropout2D, RandomElasticTransform)},
    **{kind: (IMAGE, lambda kind=kind: getattr(layers, kind)(0.3)) for kind in (
        "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "RandomContrast", "RandomRotation",
        "RandomShear", "RandomZoom")},
    "RandomTranslation": (IMAGE, lambda: RandomTranslation(0.1, 0.1)),
    "RandomAffine": (IMAGE, lambda: RandomAffine(rotation=0.1)),
    "SpatialDropout2D": (IMAGE, lambda: SpatialDropout2D(0.2)),
    **{f"activation {name}": ((9,), lambda name=name: Activation(name)) for name in activations.KNOWN},
}
UNEXPLAINED = {"Layer", "Input", "InputLayer", "Lambda"}          # no step of their own, or a function of one's own


SAMPLE = {"conv", "depthwise", "dense on rows", "max", "batch norm", "layer norm, last", "upsampling, bilinear",
          "prelu", "Dropout", "softmax", "activation elu"}                # the others: make test-browser


@pytest.fixture(params=[name if name in SAMPLE else pytest.param(name, marks=pytest.mark.browser) for name in CALLS])
def computed(request):
    with kernels.use("im2col"):                                  # in float64 the others would have to be compiled
        yield compute(request.param)


def compute(name):
    shape, make = CALLS[name]
    model = Sequential([make()], dtype="float64", input_shape=shape, seed=4)
    rng = np.random.default_rng(5)
    for array in model.params.values():
        array += rng.normal(0, 0.2, array.shape)
    for array in model.state.values():
        array += rng.random(array.shape)
    x = rng.normal(0, 2, shape)
    found = Computed(model, x, Objective("loss", 0))
    dy = rng.normal(size=(1, *model.output_shape))
    with counting_activity([]):
        gradients = found.trace.backward(dy)
    for name, term in model.penalties():
        model.grads[name] = model.grads[name] + term.gradient(model.params[name])
    found.__dict__["slopes"] = type("Slopes", (), {"values": gradients, "params": dict(model.grads)})
    return found


def test_at_every_place_the_sum_is_the_engines(computed):
    step = computed.step(0)
    assert explains(step.layer, step.run)
    for at in np.ndindex(step.y.shape):
        found = explain_output(step, at)
        assert found.total == pytest.approx(step.y[at], rel=1e-9, abs=1e-12), at
    for at in np.ndindex(step.x.shape):
        found = explain_input(step, at)
        assert found.total == pytest.approx(step.dx[at], rel=1e-9, abs=1e-12), at
    for key, gradient in step.grads.items():
        for at in np.ndindex(gradient.shape):
            found = explain_parameter(step, key, at)
            assert found.total == pytest.approx(gradient[at], rel=1e-9, abs=1e-12), (key, at)


def test_every_public_layer_is_among_them():
    tried = {type(leaf) for _, make in CALLS.values() for leaf in Sequential([make()]).leaves()}
    tried |= {type(leaf.activation) for _, make in CALLS.values() for leaf in [make()] if isinstance(leaf, Activation)}
    public = {getattr(layers, name) for name in layers.__all__ if name not in UNEXPLAINED}
    assert public - tried == set()
