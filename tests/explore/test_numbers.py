"""Every number that the page shows is the engine's: the products sum to the pixel, the terms to the gradient."""

import numpy as np
import pytest
from explored_models import MODELS, asked, compiled, session_of

from tinynet import kernels, study
from tinynet.layers import Conv2D, Dense, MaxPool2D


class Shown:
    """A model, its session, and one of its inputs as the page sends it."""

    def __init__(self, name):
        self.model = compiled(MODELS[name]())
        self.session, rng = session_of(self.model), np.random.default_rng(3)
        self.x = rng.random((1, *self.model.input_shape)).astype(self.model.dtype)
        self.pixels = self.x.ravel().tolist()
        self.tolerance = 1e-9 if self.model.dtype == np.float64 else 1e-4

    def ask(self, method, /, **fields):
        return asked(self.session, method, pixels=self.pixels, **fields)

    def places(self, shape, count, seed=0):
        rng = np.random.default_rng(seed)
        return [[int(rng.integers(size)) for size in shape] for _ in range(count)]

    def one_hot(self, label):
        return np.eye(self.model.output_shape[-1])[[label]]

    def same(self, total, value, scale=1.0):
        assert total == pytest.approx(value, rel=self.tolerance, abs=float(self.tolerance * 1e-2 * scale))


SAMPLE = ("own_layer", "larger_cnn")                        # the others: make test-browser


@pytest.fixture(scope="module", params=[name if name in SAMPLE else pytest.param(name, marks=pytest.mark.browser)
                                        for name in MODELS])
def shown(request):
    return Shown(request.param)


@pytest.fixture(autouse=True)
def float64_without_compiling(request):
    if "shown" in request.fixturenames and request.getfixturevalue("shown").model.dtype == np.float64:
        kernels.use("im2col")


LOSS, LOGIT = {"kind": "loss", "label": 2}, {"kind": "logit", "index": 1}


def test_values_and_gradients_are_those_of_the_trace(shown):
    answer, trace = shown.ask("run", objective=LOSS), study.Trace(shown.model, shown.x)
    for value, mine in zip(answer["values"], [trace.inputs[0], *trace.outputs], strict=True):
        np.testing.assert_array_equal(value, mine[0])
    gradients = trace.loss_gradients(shown.one_hot(2))
    for gradient, mine in zip(answer["gradients"], gradients, strict=False):
        np.testing.assert_array_equal(gradient, mine[0])
    step = study.softmax_step(shown.model, shown.x, shown.one_hot(2))
    np.testing.assert_allclose(answer["gradients"][-1], step.slope, rtol=1e-5)
    np.testing.assert_allclose(answer["probabilities"], step.probabilities, rtol=1e-5)
    assert answer["loss"] == pytest.approx(step.loss, rel=1e-5)


def test_the_gradients_of_a_logit_are_those_that_study_measures(shown):
    answer = shown.ask("run", objective=LOGIT)
    np.testing.assert_allclose(answer["gradients"][0], study.input_gradient(shown.model, shown.x, target=1)[0],
                               rtol=1e-5, atol=1e-7)
    assert not answer["gradients"][-1].any()                       # what comes after the logit
    assert answer["loss"] is None


def test_the_terms_of_every_step_make_its_output(shown):
    trace = study.Trace(shown.model, shown.x)
    for k, step in enumerate(trace.steps):
        for at in shown.places(trace.outputs[k].shape[1:], 3, seed=k):
            answer = shown.ask("explain", step=k, at=at)
            assert answer["value"] == trace.outputs[k][(0, *at)]
            shown.same(answer["total"], answer["value"])
            assert answer["of"] == f"{step.name}{at}"


@pytest.mark.parametrize("objective", [LOSS, LOGIT], ids=["loss", "logit"])
def test_the_terms_of_every_gradient_make_the_engines(shown, objective):
    answer = shown.ask("run", objective=objective)
    steps = shown.model.steps()
    for k, step in enumerate(steps):
        gradient = answer["gradients"][k]
        for at in shown.places(gradient.shape, 3, seed=k):
            found = shown.ask("explainGradient", step=k, at=at, objective=objective)
            assert found["value"] == gradient[tuple(at)]
            shown.same(found["total"], found["value"], np.abs(gradient).max())
        for key, array in step.layer.params.items():
            whole = shown.ask("parameter", step=k, name=key, objective=objective)
            for at in shown.places(array.shape, 3, seed=k):
                found = shown.ask("explainGradient", step=k, param=key, at=at, objective=objective)
                assert found["value"] == whole["gradient"][tuple(at)]
                shown.same(found["total"], found["value"], np.abs(whole["gradient"]).max())


def test_parameters_and_their_gradients_are_the_models(shown):
    study.Trace(shown.model, shown.x).loss_gradients(shown.one_hot(2))
    for k, step in enumerate(shown.model.steps()):
        for key in step.layer.params:
            answer = shown.ask("parameter", step=k, name=key, objective=LOSS)
            np.testing.assert_array_equal(answer["value"], step.layer.params[key])
            np.testing.assert_allclose(answer["gradient"], step.layer.grads[key], rtol=1e-5, atol=1e-8)


def test_the_factors_lie_where_the_page_is_told(shown):
    run = shown.ask("run", objective=LOSS)
    for k, step in enumerate(shown.model.steps()):
        for found in (shown.ask("explain", step=k, at=[0] * run["values"][k + 1].ndim, objective=LOSS),
                      shown.ask("explainGradient", step=k, at=[0] * run["values"][k].ndim, objective=LOSS)):
            terms = found["terms"] or {}
            for side in ("left", "right"):
                source = terms.get(f"{side}In")
                if source is not None:
                    array = (step.layer.params[source["name"]] if source["where"] == "parameter"
                             else run[source["where"]][source["index"]])
                    np.testing.assert_allclose(terms[side], array[tuple(terms[f"{side}At"].T)], rtol=1e-6)
            if terms and terms["right"] is not None:
                np.testing.assert_allclose(terms["product"], terms["left"] * terms["right"], rtol=1e-12)


@pytest.mark.parametrize("name", ["larger_cnn", pytest.param("simple_cnn", marks=pytest.mark.browser)])
def test_the_terms_are_those_that_study_writes_out(name):
    shown = Shown(name)
    for step in (step for step in shown.model.steps() if step.name in shown.model.layer_names):
        kind, at = type(step.layer), None
        if kind is Conv2D:
            at = (2, 3, 4)
            mine, weight = study.conv_step(shown.model, step.name, shown.x, at), (1, 0, 1, 2)
            found = shown.ask("explain", step=step.name, at=list(at))["terms"]
            assert found["product"].sum() == pytest.approx(mine.sum)
            terms = study.conv_gradient(shown.model, step.name, shown.x, shown.one_hot(2), weight=weight)
        elif kind is Dense:
            mine, weight = study.dense_step(shown.model, step.name, shown.x, 3), (5, 2)
            found = shown.ask("explain", step=step.name, at=[3])["terms"]
            np.testing.assert_array_equal(found["product"], mine.products)
            terms = study.dense_gradient(shown.model, step.name, shown.x, shown.one_hot(2), weight=weight)
        elif kind is MaxPool2D:
            mine = study.pool_step(shown.model, step.name, shown.x, (1, 2, 3))
            np.testing.assert_array_equal(shown.ask("explain", step=step.name, at=[1, 2, 3])["terms"]["right"],
                                          mine.shares.ravel())
            continue
        else:
            continue
        found = shown.ask("explainGradient", step=step.name, param="kernel", at=list(weight), objective=LOSS)["terms"]
        np.testing.assert_allclose(found["product"], terms.terms, rtol=1e-6)
        np.testing.assert_array_equal(found["leftAt"], terms.left_at[:, 1:])         # without the batch axis
        np.testing.assert_array_equal(found["rightAt"], terms.right_at[:, 1:])


def test_the_way_back_begins_with_probability_less_target(shown):
    step = study.softmax_step(shown.model, shown.x, shown.one_hot(2))
    for label in (0, 2):
        found = shown.ask("explainGradient", step=None, at=[label], objective=LOSS)
        assert found["total"] == pytest.approx(step.difference[label], rel=1e-5)
        assert found["value"] == pytest.approx(step.gradient[label], rel=1e-5)
    assert [shown.ask("explainGradient", step=None, at=[k], objective=LOGIT)["total"] for k in (0, 1)] == [0, 1]


def test_a_layer_of_ones_own_shows_what_it_offers():
    shown = Shown("own_layer")
    silent = shown.ask("explain", step="scale_1", at=[0, 1, 2])
    assert (silent["form"], silent["terms"]) == ("unknown", None)
    assert "explain(x, at)" in silent["how"]
    telling = shown.ask("explain", step="telling_scale_1", at=[0, 1, 2])
    assert telling["form"] == "products"
    assert telling["terms"]["leftAt"].tolist() == [[0, 1, 2]]
    kinds = {step["name"]: step["explains"] for step in shown.ask("describe")["steps"]}
    assert (kinds["scale_1"], kinds["telling_scale_1"]) == (False, True)


def test_a_regularizers_part_stands_by_itself():
    shown = Shown("own_layer")
    kernel = shown.model.params["dense_1/kernel"]
    found = shown.ask("explainGradient", step="dense_1", param="kernel", at=[4, 2], objective=LOSS)
    parts = {line["name"]: line["value"] for line in found["lines"]}
    assert parts["the regularizer's part"] == pytest.approx(2 * 0.01 * kernel[4, 2], rel=1e-5)
    assert shown.ask("parameter", step="dense_1", name="kernel", objective=LOSS)["penalty"][4, 2] == pytest.approx(
        2 * 0.01 * kernel[4, 2], rel=1e-5)
    logit = shown.ask("explainGradient", step="dense_1", param="kernel", at=[4, 2], objective=LOGIT)
    assert "the regularizer's part" not in {line["name"] for line in logit["lines"]}
