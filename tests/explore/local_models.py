"""Models that have every public layer in them, and what node makes of their page files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

from tinynet import Sequential
from tinynet.explore.exporting.export import contents
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
from tinynet.losses import CategoricalCrossentropy

IMAGE = (3, 7, 8)
LABEL = 2
NODE = shutil.which("node")


def with_images(*parts, flatten=True):
    return Sequential([Input(IMAGE), *parts, *([Flatten()] if flatten else []), Dense(4, activation="softmax")],
                      seed=1, name="images")


def with_vectors(*parts):
    return Sequential([Input((7,)), *parts, Dense(4, activation="softmax")], seed=1, name="vectors")


def convolutions():
    for strides, padding, dilation in [(1, "valid", 2), ((2, 3), "same", 1), (2, "valid", 1), (1, "same", (2, 1))]:
        shared = {"strides": strides, "padding": padding, "dilation_rate": dilation}
        name = f"strides {strides}, {padding}, dilation {dilation}"
        yield f"Conv2D, {name}", with_images(Conv2D(6, (3, 2), groups=3, activation="relu", **shared))
        yield f"DepthwiseConv2D, {name}", with_images(DepthwiseConv2D((2, 3), depth_multiplier=2, **shared))
        yield f"SeparableConv2D, {name}", with_images(SeparableConv2D(5, 3, depth_multiplier=2, **shared))
        yield f"Conv2DTranspose, {name}", with_images(Conv2DTranspose(4, (3, 2), **shared))
    yield "Conv2DTranspose, output_padding", with_images(Conv2DTranspose(2, 3, (3, 2), "same", (2, 0), use_bias=False))
    yield "groups of two channels", with_images(Conv2D(4, 2), Conv2D(6, (2, 3), groups=2))
    yield "without a bias", with_images(Conv2D(3, 2, use_bias=False), DepthwiseConv2D(2, use_bias=False))


def the_rest():
    for pool in (MaxPool2D, AveragePool2D):
        yield pool.__name__, with_images(pool((3, 2), strides=2, padding="same"), pool(2, strides=1))
    for pool in (GlobalMaxPool2D, GlobalAvgPool2D):
        yield pool.__name__, with_images(Conv2D(4, 3), pool(), flatten=False)
        yield f"{pool.__name__}, keepdims", with_images(pool(keepdims=True))
    curves = [ReLU(), ReLU(2.0, 0.1, 0.5), ReLU(negative_slope=0.3), Sigmoid(), Tanh(), ELU(0.5), SELU(), GELU(),
              GELU(approximate=True), SiLU(),
              Softplus(), Softsign(), HardSigmoid(), ReLU6(), LeakyReLU(0.1), Activation("gelu"),
              Activation("linear")]
    for k, curve in enumerate(curves):
        yield f"{type(curve).__name__} {k}", with_vectors(Rescaling(4.0), Dense(9), curve)
    yield "Softmax", with_vectors(Rescaling(0.2), Dense(9), Softmax())
    yield "Softmax of channels", with_images(Softmax(1), Softmax([2, 3]), Rescaling(4.0))
    yield "PReLU", with_images(*(PReLU("glorot_uniform", shared_axes=axes) for axes in (None, [2, 3], [1, 3])))
    yield "BatchNormalization", with_images(BatchNormalization(), BatchNormalization(scale=False, epsilon=0.1))
    yield "BatchNormalization of vectors", with_vectors(BatchNormalization(center=False))
    for axis in (-1, 1, (1, 3)):
        yield f"LayerNormalization {axis}", with_images(LayerNormalization(axis), LayerNormalization(axis, scale=False))
    yield "Rescaling", with_images(Rescaling([2.0, 0.3, 1.1], [[0.1], [0.2], [-1.0]]), Rescaling(0.5, 0.1))
    yield "moved", with_images(ZeroPadding2D(((0, 1), (2, 0))), RandomCrop(5, 7), UpSampling2D((2, 1)))
    yield "bilinear", with_images(UpSampling2D((3, 2), interpolation="bilinear"))
    yield "Reshape", with_images(Reshape((8, 21)), Dense(5, activation="tanh"), Reshape((5, -1)))
    yield "training alone", with_images(
        Dropout(0.5), SpatialDropout2D(0.4), AlphaDropout(0.5), GaussianDropout(0.5), GaussianNoise(1.0), RandomFlip(),
        RandomContrast(0.3), RandomElasticTransform(3.0, 2.0), RandomAffine(), RandomRotation(0.2), RandomShear(0.1),
        RandomTranslation(0.1, 0.1), RandomZoom(0.1), ActivityRegularization())
    yield "Residual", with_images(Residual([
        Conv2D(6, 3, padding="same", activation="relu"), BatchNormalization(), Residual([Conv2D(6, 1)]),
        Sequential([Conv2D(3, 3, padding="same")])]))
    yield "nested", with_images(Sequential([Conv2D(4, 3), Sequential([MaxPool2D(), Conv2D(2, 2)])]))
    yield "no softmax", Sequential([Dense(3, input_shape=(5,))], seed=1, name="no softmax")


def models():
    """Return the models by name, with weights that differ from each other, and an input for each."""
    rng, found = np.random.default_rng(0), {}
    for name, model in (*convolutions(), *the_rest()):
        for weight in model.weights:
            low = 0.5 if "variance" in weight.name else -1.0
            weight.overwrite(rng.uniform(low, 1, weight.value.shape).astype(np.float32))
        model.compile("sgd", CategoricalCrossentropy(from_logits=name == "no softmax"))
        found[name] = model, rng.normal(size=model.input_shape).astype(np.float32)
    return found


def ask(questions):
    """Ask the page's engine in node: [(model, [(method, request), ...]), ...] -> a list of answers for each."""
    text = json.dumps([{"file": contents(model), "requests": requests} for model, requests in questions])
    script = Path(__file__).with_name("ask_local_engine.mjs")
    ran = subprocess.run([NODE, str(script)], input=text, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout, object_hook=as_array)


def as_array(found):
    return np.array(found["numbers"], float).reshape(found["shape"]) if found.keys() == {"numbers", "shape"} else found
