"""The page file's arithmetic, in JavaScript, against the engine's: every public layer, forward, backward, explained."""

from functools import cache

import numpy as np
import pytest
from local_models import LABEL, NODE, ask, models
from sampled import sampled

from tinynet import Sequential, kernels
from tinynet.digits.digit import from_ink, normalise
from tinynet.explore.explanations.elementwise import Linear
from tinynet.explore.exporting.model_json import BUILT_IN
from tinynet.explore.exporting.samples_json import as_text
from tinynet.explore.samples import Data, Samples
from tinynet.explore.session import Session
from tinynet.layers import Conv2D, Dense, Flatten, Input
from tinynet.study import Trace

pytestmark = pytest.mark.skipif(NODE is None, reason="node runs the page's modules")
LOSS, LOGIT = {"kind": "loss", "label": LABEL}, {"kind": "logit", "index": 1}
MODELS = models()


@pytest.fixture(autouse=True)
def without_compiling():
    kernels.use("im2col")


def session_of(model):
    nothing = Samples(np.empty((0, *model.input_shape), np.float32), None)
    return Session(model, Data(nothing, nothing), "")


def middle(shape):
    """A place of an array."""
    return [int(i) for i in np.unravel_index(int(np.prod(shape)) // 2, shape)]


def explanations(model):
    """The requests for explanations of every step: of outputs, of inputs' gradients and of parameters'."""
    trace = Trace(model, np.zeros((1, *model.input_shape)))
    logits = [step.name for step in trace.steps[:len(trace.steps) - trace.ends_in_probabilities]]
    for step, x, y in zip(trace.steps, trace.inputs, trace.outputs, strict=True):
        yield "explain", {"step": step.name, "at": middle(y.shape[1:]), "objective": None}
        for key, shape in {None: x.shape[1:], **{key: p.shape for key, p in step.layer.params.items()}}.items():
            if step.name in logits:
                yield "explainGradient", {"step": step.name, "param": key, "at": middle(shape), "objective": LOSS}


@cache
def requests(name):
    model, x = MODELS[name]
    shared = {"pixels": x.ravel().tolist()}
    found = [("run", {"objective": LOSS}), ("run", {"objective": LOGIT}), *explanations(model)]
    found += [("parameter", {"step": step.name, "name": key, "objective": LOSS})
              for step in model.steps() for key in step.layer.params]
    return [(method, {**shared, **request}) for method, request in found]


@cache
def answers():
    """All answers of the page's engine, beside the requests, by the model's name: node is started once."""
    found = ask([(model, requests(name)) for name, (model, _) in MODELS.items()])
    return {name: list(zip(requests(name), each, strict=True)) for name, each in zip(MODELS, found, strict=True)}


def asked(name, method):
    return [(request, answer) for (which, request), answer in answers()[name] if which == method]


def close(ours, theirs, atol=1e-5):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol * max(1.0, np.abs(theirs).max(initial=0)))


def test_models_have_every_public_layer_in_them():
    met = {type(layer) for model, _ in MODELS.values() for layer in model.leaves()}
    met |= {type(step.layer) for model, _ in MODELS.values() for step in model.steps()}
    assert met >= BUILT_IN - {Input, Linear}               # an Input is no step; Linear is what a reader puts in


@pytest.mark.slow
@pytest.mark.parametrize("name", sampled(MODELS, every=3))
def test_outputs_and_gradients_are_the_engines(name):
    model, x = MODELS[name]
    trace = Trace(model, x[None])
    z = trace.logits[0].astype(np.float64)
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    upstream = {"loss": p - np.eye(len(z))[LABEL], "logit": np.eye(len(z))[1]}
    end = len(trace.steps) - trace.ends_in_probabilities
    for request, answer in asked(name, "run"):
        for ours, theirs in zip(answer["values"], [trace.inputs[0], *trace.outputs], strict=True):
            close(ours, theirs[0])
        gradients = trace.backward(upstream[request["objective"]["kind"]].astype(np.float32)[None], end)
        for ours, theirs in zip(answer["gradients"][:end + 1], gradients, strict=True):
            close(ours, theirs[0])
    assert asked(name, "run")[0][1]["loss"] == pytest.approx(-np.log(p[LABEL]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_parameters_are_the_engines(name):
    model, x = MODELS[name]
    trace = Trace(model, x[None])
    trace.loss_gradients(np.eye(model.output_shape[0])[[LABEL]])
    for request, answer in asked(name, "parameter"):
        key = f"{request['step']}/{request['name']}"
        np.testing.assert_array_equal(answer["value"], model.params[key])
        close(answer["gradient"], model.grads[key])


@pytest.mark.slow
@pytest.mark.parametrize("name", sampled(MODELS, every=3))
def test_explanations_add_up_to_the_engines_numbers(name):
    model, _ = MODELS[name]
    session = session_of(model)
    for method in ("explain", "explainGradient"):
        for request, ours in asked(name, method):
            theirs = session.methods[method]({"pixels": request["pixels"], **request})
            where = request["step"], request.get("param"), request["at"]
            assert ours["value"] == pytest.approx(theirs["value"], rel=1e-4, abs=1e-5), where
            assert ours["total"] == pytest.approx(ours["value"], rel=1e-4, abs=1e-5), where
            if theirs["terms"] is None or ours["form"] not in ("products", "sum"):
                continue
            for part in ("left", "right", "product", "leftAt", "rightAt"):
                if theirs["terms"][part] is not None and theirs["terms"]["product"].size:
                    close(ours["terms"][part], theirs["terms"][part], atol=1e-4)


def small():
    return Sequential([Input((1, 6, 6)), Conv2D(2, 3, activation="relu"), Flatten(), Dense(3, activation="softmax")],
                      seed=2)


def answers_of(model, *requests):
    return ask([(model, list(requests))])[0]


def test_float64_models_are_computed_in_float64(rng):
    model = Sequential(small().layers, dtype="float64")
    x = rng.normal(size=(1, 6, 6))
    run, = answers_of(model, ("run", {"pixels": x.ravel().tolist(), "objective": LOSS}))
    np.testing.assert_allclose(run["values"][-1], model.predict(x[None])[0], rtol=1e-13)


def test_changes_are_made_undone_and_told(rng):
    model, pixels = small(), rng.uniform(size=36).tolist()
    weight = {"kind": "weight", "step": "dense_1", "param": "kernel", "at": [4, 1], "value": 0.5}
    off = {"kind": "filter", "step": "conv2d_1", "channel": 1, "on": False}
    tanh = {"kind": "activation", "step": "conv2d_1/relu", "name": "tanh"}
    run = "run", {"pixels": pixels, "objective": None}
    first, one, _, two, _, three, changed, undone, _, on, last, reset, again = answers_of(
        model, run, ("change", weight), run, ("change", off), run, ("change", tanh), run, ("undo", {}), run,
        ("change", {**off, "on": True}), run, ("reset", {}), run)
    before = model.params["dense_1/kernel"][4, 1]
    assert one == {"changes": [f"dense_1/kernel[4, 1]: {before:.6g} to 0.5"], "version": 1}
    assert two["changes"] == [*one["changes"], "conv2d_1: number 1 switched off"]
    assert three["changes"] == [*two["changes"], "conv2d_1/relu: tanh in its place"]
    assert undone["changes"] == two["changes"]
    assert on["changes"] == one["changes"]
    assert (reset["changes"], reset["version"]) == ([], 6)
    for ours, theirs in zip(first["values"], again["values"], strict=True):
        np.testing.assert_array_equal(ours, theirs)

    model.params["dense_1/kernel"][4, 1] = 0.5                            # the same, in Python
    x = np.reshape(pixels, (1, 1, 6, 6)).astype(np.float32)
    close(last["values"][-1], model.predict(x)[0], atol=1e-6)
    model.params["conv2d_1/kernel"][1] = model.params["conv2d_1/bias"][1] = 0
    dense, softmax = (step.layer for step in model.steps()[-2:])
    map_1 = changed["values"][2]
    close(map_1, np.tanh(changed["values"][1]), atol=1e-6)
    assert not changed["values"][1][1].any()
    close(changed["values"][-1], softmax(dense.linear(map_1.reshape(1, -1).astype(np.float32))[0])[0], atol=1e-6)


BLANK = [0.0] * 36
REFUSED = [
    ("run", {"pixels": BLANK[1:], "objective": None}, "Expected 36 pixels, an input of 1 x 6 x 6. Received: 35."),
    ("run", {"pixels": BLANK, "objective": {"kind": "loss", "label": 3}}, "Expected a class from 0 to 2. Received: 3."),
    ("explain", {"pixels": BLANK, "step": "conv2d_2", "at": [0]}, "Expected the name of a step. Received: conv2d_2."),
    ("explain", {"pixels": BLANK, "step": "conv2d_1", "at": [2, 0, 0]}, "of shape 2 x 4 x 4. Received: 2, 0, 0."),
    ("change", {"kind": "activation", "step": "conv2d_1/relu", "name": "cube"}, "an activation. Received: cube"),
    ("change", {"kind": "filter", "step": "flatten_1", "channel": 0, "on": False}, "Expected a filter of a conv"),
    ("train", {"action": "start"}, "This page is a file, and has no engine behind it that trains or counts"),
    ("accuracy", {}, "This page is a file"),
    ("sample", {"index": 0}, "There are no samples"),
]


def test_what_cannot_be_answered_is_said_in_words():
    found = answers_of(small(), *[(method, request) for method, request, _ in REFUSED])
    for (method, request, complaint), answer in zip(REFUSED, found, strict=True):
        assert complaint in answer["error"], (method, request)


def strokes(seed):
    """A canvas with a few thick strokes on it."""
    rng, canvas = np.random.default_rng(seed), np.zeros((112, 112))
    rows, columns = np.indices(canvas.shape)
    at = rng.uniform(20, 90, 2)
    for _ in range(40):
        at = np.clip(at + rng.normal(0, 6, 2), 8, 103)
        distance = np.hypot(rows - at[0], columns - at[1])
        canvas = np.maximum(canvas, np.clip(5.5 - distance, 0, 1))
    return np.round(canvas * 255)


def test_drawings_are_brought_to_the_shape_of_mnists_as_in_python():
    canvases = [strokes(seed) for seed in range(5)]
    model = Sequential([Input((1, 28, 28)), Flatten(), Dense(3, activation="softmax")], seed=2)
    found = answers_of(model, *[
        ("draw", {"width": 112, "height": 112, "pixels": as_text(canvas.astype(np.uint8))})
        for canvas in [*canvases, np.zeros((112, 112))]])
    for canvas, answer in zip(canvases, found, strict=False):
        digit = from_ink(canvas / 255)
        np.testing.assert_allclose(answer["image"], digit.image, atol=1e-6)
        np.testing.assert_allclose(answer["run"]["values"][-1], model(digit.image[None, None])[0], atol=1e-6)
        for ours, (name, picture) in zip(answer["steps"], digit.steps[1:], strict=True):
            assert (ours["name"], ours["height"], ours["width"]) == (name, *picture.shape)
            np.testing.assert_allclose(ours["pixels"], picture, atol=1e-6)
    assert found[-1]["image"] is None
    assert "empty" in found[-1]["message"]


@pytest.mark.slow
def test_ink_is_found_in_a_picture_as_in_python():
    ink = strokes(3) / 255
    two = np.zeros((112, 112))
    two[10:60, 10:20] = two[40:100, 80:90] = 1
    pictures = {"dark on light": 0.9 - 0.7 * ink, "light on dark": 0.1 + 0.6 * ink, "two": 1 - two, "empty": 0 * ink}
    sizes = {"width": 112, "height": 112}
    requests = [("unpacked", {**sizes, "pixels": picture.ravel().tolist()}) for picture in pictures.values()]
    found = answers_of(small(), *requests)
    for picture, answer in zip(pictures.values(), found[:2], strict=False):
        np.testing.assert_allclose(answer["image"], normalise(picture).image, atol=0.1)
    assert "two things in the picture" in found[2]["error"]
    assert "The drawing is empty" in found[3]["error"]


def test_the_gradient_of_a_logit_is_explained_where_the_way_back_begins(rng):
    model, pixels = small(), rng.uniform(size=36).tolist()
    shared = {"pixels": pixels, "step": None, "param": None, "at": [1]}
    loss, logit, run = answers_of(model, ("explainGradient", {**shared, "objective": {"kind": "loss", "label": 1}}),
                                  ("explainGradient", {**shared, "objective": {"kind": "logit", "index": 1}}),
                                  ("run", {"pixels": pixels, "objective": None}))
    p = run["values"][-1][1]
    assert [line["value"] for line in loss["lines"]] == pytest.approx([p, 1, p - 1], abs=1e-6)
    assert loss["value"] == pytest.approx(p - 1, abs=1e-6)
    assert (logit["value"], logit["total"]) == (1, 1)


def test_description_tells_what_the_page_needs():
    description, = answers_of(small(), ("describe", {}))
    assert [step["name"] for step in description["steps"]] == [
        "conv2d_1", "conv2d_1/relu", "flatten_1", "dense_1", "dense_1/softmax"]
    assert [step["activation"] for step in description["steps"]] == [False, True, False, False, False]
    assert (description["logits"], description["softmax"], description["parameterCount"]) == (4, True, 119)
    assert {"relu", "tanh", "linear", "leaky_relu"} <= set(description["activations"])
    assert "softmax" not in description["activations"]                    # which would not end in logits then
    assert description["can"]["change"] is None
    assert "file" in description["can"]["train"]
    served = session_of(small()).methods["describe"]({})
    assert description.keys() == served.keys()
    assert [step.keys() for step in description["steps"]] == [step.keys() for step in served["steps"]]
