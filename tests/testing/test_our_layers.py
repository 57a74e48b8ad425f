"""Every layer and loss of ours keeps the contract, by name and at random; its gradients are right at any input.

By `check_layer`, the tool that users have, which must pass what is right; test_layer_contract.py holds the same layers
to the contract by its own means, so that a mistake in the tool cannot hide one in a layer.
"""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import tinynet.layers
import tinynet.losses
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
    Layer,
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
from tinynet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CosineSimilarity,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
)
from tinynet.testing import check_gradients, check_layer, strategies


def sine(x):
    """Return what a function of one's own returns, as an activation."""
    return np.sin(x), lambda dy: dy * np.cos(x)


# Each is the simplest in which one thing differs from the default; shapes do not fit evenly.
IMAGES, WINDOWED = (2, 7, 5), [
    Conv2D(3, 1),
    Conv2D(3, (2, 3)),
    Conv2D(3, (2, 3), use_bias=False),
    Conv2D(3, (2, 3), activation="relu"),
    Conv2D(3, (2, 3), kernel_regularizer="l2"),
    Conv2D(3, (3, 2), strides=2),
    Conv2D(3, (3, 2), strides=(1, 3)),
    Conv2D(3, (2, 1), strides=(3, 2)),                        # strides leave pixels out
    Conv2D(3, (7, 5)),                                        # one window
    Conv2D(3, 3, padding="same"),
    Conv2D(3, (2, 4), padding="same"),                        # the odd pixel
    Conv2D(3, (2, 4), strides=(3, 2), padding="same"),
    Conv2D(3, 9, padding="same"),                             # a window larger than the image
    Conv2D(3, (3, 2), dilation_rate=(2, 3)),
    Conv2D(3, 2, strides=2, dilation_rate=(3, 2)),
    Conv2D(3, (2, 3), strides=2, padding="same", dilation_rate=2, activation="tanh", use_bias=False),
    Conv2D(4, (2, 3), groups=2),
    Conv2DTranspose(2, 3, strides=(2, 1), padding="same", activation="tanh"),
    DepthwiseConv2D(2, strides=2, padding="same", depth_multiplier=2, depthwise_regularizer="l2"),
    SeparableConv2D(2, 2, depth_multiplier=2, dilation_rate=(1, 2), activation="relu", pointwise_regularizer="l2"),
    *(pool(**config) for pool in (MaxPool2D, AveragePool2D) for config in (
        {}, {"pool_size": 1}, {"pool_size": (3, 2)}, {"pool_size": 3, "strides": 1},
        {"pool_size": 2, "strides": 3}, {"pool_size": (2, 3), "strides": (1, 2)}, {"pool_size": (7, 5)},
        {"padding": "same"}, {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"},
        {"pool_size": 4, "strides": 3, "padding": "same"})),
    RandomAffine(0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2), RandomTranslation(0.2, 0.3, "constant", fill_value=1.5),
    RandomRotation(0.2, "nearest"), RandomZoom(0.3), RandomShear(0.3, 0.2), RandomElasticTransform(1.0, 2.0),
    RandomContrast(0.4), RandomFlip(), RandomCrop(3, 2),
    *(pool(keepdims=keepdims) for pool in (GlobalMaxPool2D, GlobalAvgPool2D) for keepdims in (False, True)),
    SpatialDropout2D(0.5),
    Reshape((7, -1)),
    Rescaling([0.5, -2.0]),
    ZeroPadding2D(),
    ZeroPadding2D(((0, 1), (2, 0))),
    UpSampling2D(),
    UpSampling2D((1, 3), interpolation="bilinear"),
]
ANY, SIMPLE = [(3,), (2, 3), (2, 3, 1)], [
    Dense(1),
    Dense(4),
    Dense(4, use_bias=False),
    Dense(4, activation="relu"),
    Dense(4, activation="softmax"),
    Dense(4, activation=Tanh(), kernel_regularizer="l1"),
    Dropout(0.0),
    Dropout(0.3),
    Dropout(0.3, seed=1),
    AlphaDropout(0.3),
    GaussianDropout(0.3),
    GaussianNoise(0.5),
    ActivityRegularization(0.1, 0.2), Dense(4, activity_regularizer="l2", kernel_constraint="max_norm"),
    *(Activation(name) for name in ("relu", "sigmoid", "tanh", "softmax", "linear")),
    ReLU(), ReLU(1.0, 0.2, 0.5), Sigmoid(), Tanh(), Softmax(), Softmax(axis=1), Flatten(),
    Reshape(-1), Rescaling(0.5, offset=-1.0),
    LeakyReLU(), PReLU(), PReLU("ones", "l2"), PReLU("normal", shared_axes=[1]), ELU(0.5),
    SELU(), ReLU6(), HardSigmoid(), GELU(), GELU(approximate=True), SiLU(), Softplus(), Softsign(),
    Dense(4, activation=sine), Lambda(sine),
    Sequential([Dense(4), Sequential([ReLU(), Dense(2)]), Softmax()]),
    BatchNormalization(),
    BatchNormalization(center=False, momentum=0.5, epsilon=0.1, gamma_initializer="normal", gamma_regularizer="l2"),
    LayerNormalization(axis=1, scale=False, epsilon=0.1),
]
MODELS = [
    Input(IMAGES),
    LayerNormalization(axis=(1, 3), center=False, gamma_initializer="normal"),
    Residual([Conv2D(2, 1)]),
    Sequential([Conv2D(3, 2, activation="relu"), MaxPool2D()]),
    Sequential([Conv2D(3, (2, 3)), ReLU(), MaxPool2D(), Flatten(), Dense(4, activation="softmax")]),
    Sequential([Conv2D(3, (3, 2), strides=(2, 1), padding="same", activation="relu"), MaxPool2D((2, 3), 1),
                Dropout(0.25), Sequential([Conv2D(2, 2, activation="tanh"), AveragePool2D((1, 2))])]),
    Sequential([AveragePool2D(2), Flatten(), Dropout(0.5), Sequential([Dense(3)]), Dense(2, use_bias=False)]),
]

THIRD = settings(max_examples=max(1, settings().max_examples // 3))     # each tries all rules


def name(layer):
    """Return the class of a layer, and the arguments that are not the defaults."""
    usual = {"use_bias": True, "strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], "groups": 1,
             "depth_multiplier": 1, "dtype": "float32", "center": True, "scale": True, "axis": 1, "momentum": 0.99,
             "epsilon": 0.001}
    parts = [type(layer).__name__]
    for key, value in layer.get_config().items():
        if key == "layers":
            parts.append("+".join(entry["class"] for entry in value))
        elif isinstance(value, dict) and not key.endswith("_initializer"):
            parts.append(value["class"])
        elif not isinstance(value, dict) and value is not None and value != usual.get(key):
            parts.append(f"{key}={value}".replace(" ", ""))
    return "-".join(parts)


DEAR = [
    Conv2DTranspose(3, (2, 3)),
    Conv2DTranspose(2, 2, strides=3, output_padding=(2, 0), dilation_rate=(1, 2), use_bias=False),
    DepthwiseConv2D((2, 3)),
    SeparableConv2D(3, (3, 2)),
]
CASES = [*((layer, IMAGES) for layer in WINDOWED + MODELS), *((layer, ANY) for layer in SIMPLE)]
# Of each class `make test` tries the first, `make test-rest` the last as well, `make test-long` all.
LAST, FIRST = {type(layer): layer for layer, _ in CASES}, {type(layer): layer for layer, _ in reversed(CASES)}
FORMULAS = {HardSigmoid, ReLU6, SELU, SiLU, Softsign}          # ELU and Softplus stand for them in `make test`


@pytest.mark.parametrize(("layer", "input_shapes"), [
    pytest.param(*case, id=name(case[0]), marks=[] if FIRST[type(case[0])] is case[0] and type(case[0]) not in FORMULAS
                 else pytest.mark.rest if LAST[type(case[0])] is case[0] else pytest.mark.long) for case in CASES])
@pytest.mark.slow
def test_keeps_the_contract(layer, input_shapes):
    check_layer(layer, input_shapes if input_shapes is IMAGES else input_shapes[1])


@pytest.mark.parametrize(("layer", "input_shapes"), [*((layer, IMAGES) for layer in DEAR),
                                                     *((layer, [*ANY[:1], *ANY[2:]]) for layer in SIMPLE)],
                         ids=[name(layer) for layer in DEAR + SIMPLE])
@pytest.mark.long
def test_keeps_the_contract_too(layer, input_shapes):
    check_layer(layer, input_shapes)


def test_every_public_layer_is_among_them():
    public = {thing for thing in vars(tinynet.layers).values() if isinstance(thing, type)} - {Layer}
    tried = {type(layer) for layer, _ in CASES} - {Sequential}
    assert tried == public, f"Add {public - tried} to the layers at the top of tests/testing/test_our_layers.py."


@THIRD
@given(strategies.layers())
def test_any_layer_keeps_the_contract(layer):
    check_layer(layer)


@settings(max_examples=max(1, settings().max_examples // 10))    # some models have many kinks, each looked at twice
@given(strategies.sequentials())
def test_any_model_keeps_the_contract(model):
    check_layer(model)


@given(st.data(), strategies.layers())
def test_gradients_of_any_layer_are_right_away_from_kinks(data, layer):
    check_gradients(layer, data.draw(strategies.tie_free_arrays((2, *layer.input_shape))))


@pytest.mark.parametrize("loss", [
    MeanSquaredError(), MeanAbsoluteError(), Huber(0.3), KLDivergence(), LogCosh(), MeanAbsolutePercentageError(),
    MeanSquaredLogarithmicError(), Poisson(), CosineSimilarity(), *(
    kind(from_logits) for kind in (CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy)
    for from_logits in (False, True))], ids=repr)
def test_gradients_of_a_loss_are_right_for_sequences_soft_targets_and_weights(loss, rng):
    p = rng.dirichlet(np.ones(4), (3, 2))                     # probabilities; as logits as good as any
    labels = isinstance(loss, SparseCategoricalCrossentropy)
    y = rng.integers(0, 4, (3, 2)) if labels else rng.uniform(size=(3, 2, 4))
    check_gradients(loss, p, y=y, sample_weight=[0.2, 1, 3])


@given(strategies.losses())
def test_gradients_of_any_loss_are_right(drawn):
    loss, y_true, y_pred = drawn
    check_gradients(loss, y_pred, y=y_true)


def test_every_public_loss_is_drawn():
    for loss in set(tinynet.losses.KNOWN.values()):
        find(strategies.losses(), lambda drawn, loss=loss: type(drawn[0]) is loss)
