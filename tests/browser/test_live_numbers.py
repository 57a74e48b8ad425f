"""Every number that the page shows is `study`'s."""

import numpy as np
import pytest
from explored_models import MODELS, compiled, samples_for

from tinynet import study
from tinynet.layers import Conv2D, Dense, MaxPool2D, Softmax
from tinynet.study import Trace


@pytest.fixture(params=MODELS)
def shown(request, show):
    model = compiled(MODELS[request.param](), "sparse_categorical_crossentropy")
    x, y = (None, None) if model.input_shape[-1] in (28, 784) else samples_for(model, 30)
    return show(model, x, y)


def input_of(shown):
    model = shown.explorer.model
    return shown.pixels().reshape(1, *model.input_shape).astype(model.dtype)


def studied(trace, step, x, at):
    """Return the products of a number of a step, by `study`, where it has them."""
    layer, name = trace.steps[step].layer, trace.steps[step].name
    if isinstance(layer, Conv2D):
        found = study.conv_step(trace.model, name, x, at)
        return found.products[:, ~found.padding].ravel()
    if isinstance(layer, Dense):
        return study.dense_step(trace.model, name, x, at).products
    if isinstance(layer, Softmax):
        return study.softmax_step(trace.model, x).exps
    return None


def test_products_sum_to_every_layers_number(shown):
    x = input_of(shown)
    trace = Trace(shown.explorer.model, x)
    expect_probabilities_and_scales(shown, trace)
    for i, y in enumerate(trace.outputs):
        title = shown.point(i + 1)
        at, numbers = shown.place(), shown.numbers("#view-explain")
        assert title.startswith(f"{trace.steps[i].name}[")
        assert numbers["engine"] == numbers["value"] == pytest.approx(y[(0, *at)], rel=1e-6, abs=1e-9)
        assert numbers["total"] == pytest.approx(numbers["engine"], rel=2e-5, abs=1e-6)
        products = studied(trace, i, x, at)
        if products is not None:
            places, terms = shown.terms()
            largest = products[np.argsort(-np.abs(products), kind="stable")][:len(terms)]       # of thousands, not all
            assert len(terms) == min(len(products), 1000)
            np.testing.assert_allclose(np.sort(terms[:, -1]), np.sort(largest), rtol=1e-6, atol=1e-9)
            if len(places[0]) == x.ndim - 1 or isinstance(trace.steps[i].layer, Dense):
                np.testing.assert_allclose(terms[:, 0], [trace.inputs[i][(0, *at)] for at in places], rtol=1e-6)


def test_terms_sum_to_every_gradient(shown):
    x = input_of(shown)
    shown.button("Backward").click()
    shown.settle()
    label = shown.runs[-1]["objective"]["label"]
    trace = Trace(shown.explorer.model, x)
    gradients = trace.loss_gradients(np.array([label]))
    for i, dx in enumerate(gradients[:-1]):
        shown.point(i)
        at, numbers = shown.place(), shown.numbers("#view-explain")
        assert numbers["value"] == pytest.approx(dx[(0, *at)], rel=1e-5, abs=1e-9)
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-7)
        found = gradient_terms(trace, i, x, label, at)
        if found is not None:
            _, terms = shown.terms()
            np.testing.assert_allclose(np.sort(terms[:, -1]), np.sort(found.terms), rtol=1e-5, atol=1e-9)


def gradient_terms(trace, step, x, label, at):
    layer, name = trace.steps[step].layer, trace.steps[step].name
    if isinstance(layer, Conv2D):
        return study.conv_gradient(trace.model, name, x, np.array([label]), pixel=at)
    if isinstance(layer, Dense):
        return study.dense_gradient(trace.model, name, x, np.array([label]), unit=at)
    if isinstance(layer, MaxPool2D):
        return study.pool_gradient(trace.model, name, x, np.array([label]), pixel=at)
    return None


def test_a_weights_gradient_has_a_term_for_every_product_that_it_was_in(show):
    model = compiled(MODELS["larger_cnn"](), "sparse_categorical_crossentropy")
    shown = show(model, at="#sample=3&weight=conv2d_1:kernel:4.0.2.1&objective=loss.0&backward=weight")
    shown.settle()
    found = study.conv_gradient(shown.explorer.model, "conv2d_1", input_of(shown), np.array([0]), weight=(4, 0, 2, 1))
    numbers = shown.numbers("#view-explain")
    assert numbers["value"] == pytest.approx(found.gradient, rel=1e-5)
    assert numbers["total"] == pytest.approx(found.total, rel=1e-5)
    p = Trace(shown.explorer.model, input_of(shown)).outputs[-1][0]
    assert shown.numbers()["loss"] == pytest.approx(-np.log(p[0]), rel=1e-5)
    places, terms = shown.terms()
    np.testing.assert_allclose(np.sort(terms[:, -1]), np.sort(found.terms), rtol=1e-5, atol=1e-12)
    assert set(places) == {tuple(at[1:]) for at in found.left_at.tolist()}            # of one sample
    sizes = np.abs(terms[:, -1])
    assert (sizes[:-1] >= sizes[1:]).all()                                            # the largest first


def expect_probabilities_and_scales(shown, trace):
    numbers = shown.numbers()
    for i, p in enumerate(trace.outputs[-1][0]):
        assert numbers[f"probability:{i}"] == pytest.approx(p, rel=1e-6)
    for step, y in zip(trace.steps[:2], trace.outputs[:2], strict=True):
        assert numbers[f"scale:{step.name}"] == pytest.approx(np.abs(y).max(), rel=1e-6)


def test_a_map_is_drawn_blue_below_0_and_orange_above(show):
    shown = show(compiled(MODELS["larger_cnn"](), "sparse_categorical_crossentropy"))
    y = Trace(shown.explorer.model, input_of(shown)).outputs[0][0, 4]
    red, blue = shown.picture(1, 4)[..., 0], shown.picture(1, 4)[..., 2]
    clear = np.abs(y) > 0.2 * np.abs(y).max()
    assert clear.sum() > 20
    assert (red > blue)[clear & (y > 0)].all()
    assert (blue > red)[clear & (y < 0)].all()
