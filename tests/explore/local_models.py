"""Models that have every public layer in them, and what node makes of their page files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

from tinynet import Sequential
from tinynet import layers as L
from tinynet.explore.exporting.export import contents
from tinynet.losses import CategoricalCrossentropy

IMAGE = (3, 7, 8)
LABEL = 2
NODE = shutil.which("node")


def with_images(*layers, flatten=True):
    return Sequential([L.Input(IMAGE), *layers, *([L.Flatten()] if flatten else []), L.Dense(4, activation="softmax")],
                      seed=1, name="images")


def with_vectors(*layers):
    return Sequential([L.Input((7,)), *layers, L.Dense(4, activation="softmax")], seed=1, name="vectors")


def convolutions():
    for strides, padding, dilation in [(1, "valid", 2), ((2, 3), "same", 1), (2, "valid", 1), (1, "same", (2, 1))]:
        shared = {"strides": strides, "padding": padding, "dilation_rate": dilation}
        name = f"strides {strides}, {padding}, dilation {dilation}"
        yield f"Conv2D, {name}", with_images(L.Conv2D(6, (3, 2), groups=3, activation="relu", **shared))
        yield f"DepthwiseConv2D, {name}", with_images(L.DepthwiseConv2D((2, 3), depth_multiplier=2, **shared))
        yield f"SeparableConv2D, {name}", with_images(L.SeparableConv2D(5, 3, depth_multiplier=2, **shared))
        yield f"Conv2DTranspose, {name}", with_images(L.Conv2DTranspose(4, (3, 2), **shared))
    yield "Conv2DTranspose, output_padding", with_images(L.Conv2DTranspose(2, 3, (3, 2), "same", (2, 0), use_bias=False))
    yield "without a bias", with_images(L.Conv2D(3, 2, use_bias=False), L.DepthwiseConv2D(2, use_bias=False))


def the_rest():
    for pool in (L.MaxPool2D, L.AveragePool2D):
        yield pool.__name__, with_images(pool((3, 2), strides=2, padding="same"), pool(2, strides=1))
    for pool in (L.GlobalMaxPool2D, L.GlobalAvgPool2D):
        yield pool.__name__, with_images(L.Conv2D(4, 3), pool(), flatten=False)
        yield f"{pool.__name__}, keepdims", with_images(pool(keepdims=True))
    curves = [L.ReLU(), L.Sigmoid(), L.Tanh(), L.ELU(0.5), L.SELU(), L.GELU(), L.GELU(approximate=True), L.SiLU(),
              L.Softplus(), L.Softsign(), L.HardSigmoid(), L.ReLU6(), L.LeakyReLU(0.1), L.Activation("gelu"),
              L.Activation("linear"), L.Softmax()]
    for k, curve in enumerate(curves):
        yield f"{type(curve).__name__} {k}", with_vectors(L.Rescaling(4.0), L.Dense(9), curve)
    yield "PReLU", with_images(*(L.PReLU("glorot_uniform", shared_axes=axes) for axes in (None, [2, 3], [1, 3])))
    yield "BatchNormalization", with_images(L.BatchNormalization(), L.BatchNormalization(scale=False, epsilon=0.1))
    yield "BatchNormalization of vectors", with_vectors(L.BatchNormalization(center=False))
    for axis in (-1, 1, (1, 3)):
        yield f"LayerNormalization {axis}", with_images(L.LayerNormalization(axis), L.LayerNormalization(axis, scale=False))
    yield "Rescaling", with_images(L.Rescaling([2.0, 0.3, 1.1], [[0.1], [0.2], [-1.0]]), L.Rescaling(0.5, 0.1))
    yield "moved", with_images(L.ZeroPadding2D(((0, 1), (2, 0))), L.RandomCrop(5, 7), L.UpSampling2D((2, 1)))
    yield "bilinear", with_images(L.UpSampling2D((3, 2), interpolation="bilinear"))
    yield "Reshape", with_images(L.Reshape((8, 21)), L.Dense(5, activation="tanh"), L.Reshape((5, -1)))
    yield "training alone", with_images(
        L.Dropout(0.5), L.SpatialDropout2D(0.4), L.GaussianNoise(1.0), L.RandomFlip(), L.RandomContrast(0.3),
        L.RandomElasticTransform(3.0, 2.0), L.RandomAffine(), L.RandomRotation(0.2), L.RandomShear(0.1),
        L.RandomTranslation(0.1, 0.1), L.RandomZoom(0.1))
    yield "Residual", with_images(L.Residual([
        L.Conv2D(6, 3, padding="same", activation="relu"), L.BatchNormalization(), L.Residual([L.Conv2D(6, 1)]),
        Sequential([L.Conv2D(3, 3, padding="same")])]))
    yield "nested", with_images(Sequential([L.Conv2D(4, 3), Sequential([L.MaxPool2D(), L.Conv2D(2, 2)])]))
    yield "no softmax", Sequential([L.Dense(3, input_shape=(5,))], seed=1, name="no softmax")


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
