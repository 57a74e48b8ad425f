"""A page file, used as a person does, opened from the disk with the network off: every number is the engine's."""

from base64 import b64decode

import numpy as np
import pytest
from page_files import MODELS, digits, trained
from PIL import Image

from tinynet import Sequential, study
from tinynet.digits.digit import from_ink, normalise
from tinynet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    LayerNormalization,
    Residual,
    SeparableConv2D,
    UpSampling2D,
)
from tinynet.study import Trace
from tinynet.testing.cloning import clone

NOTE_THE_DRAWING = """() => {
    const encode = window.btoa;
    window.btoa = text => {
        if (text.length === 112 * 112) window.ink = encode(text);
        return encode(text);
    };
}"""


@pytest.fixture
def opened(show, tmp_path):
    """Write the page file of one of the models, with three digits, and open it."""
    def open_page(name, at=""):
        path = study.export_page(trained(name), tmp_path / "page.html", digits(name)[0][:3])
        return show(path.as_uri(), at=at, offline=True)
    return open_page


def expect_probabilities(shown, model, x):
    numbers = shown.numbers()
    assert [numbers[f"probability:{i}"] for i in range(10)] == pytest.approx(model.predict(x)[0].tolist(), abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_drawing_is_followed_to_every_layer_and_every_number_explained(name, opened):
    model, shown = trained(name), opened(name)
    shown.page.evaluate(NOTE_THE_DRAWING)
    shown.draw(steps=8)
    times = shown.page.evaluate("performance.getEntriesByName('tinynet:stroke').map(({ duration }) => duration)")
    print(f"{name}: {len(times)} strokes, 95 % of them at the last map within {np.percentile(times, 95):.1f} ms")
    assert len(times) > 20
    ink = np.frombuffer(b64decode(shown.page.evaluate("ink")), np.uint8).reshape(112, 112)
    x = from_ink(ink / 255).image.reshape(1, *model.input_shape).astype(np.float32)
    expect_probabilities(shown, model, x)
    for row, y in enumerate(Trace(model, x).outputs, 1):
        shown.point(row)
        numbers = shown.numbers("#view-explain")
        assert numbers["value"] == pytest.approx(y[(0, *shown.place())], rel=1e-4, abs=1e-5)
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_the_loss_is_explained_at_every_layer(name, opened):
    model, shown = trained(name), opened(name, "#sample=1&objective=loss.3&backward=place")
    gradients = Trace(model, digits(name)[0][1:2]).loss_gradients(np.eye(10)[[3]])
    for row, dy in enumerate(gradients):
        shown.point(row)
        numbers, at = shown.numbers("#view-explain"), shown.place()
        assert numbers["value"] == pytest.approx(dy[(0, *at)], rel=1e-4, abs=1e-5), (row, at)
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-5)


def test_terms_of_a_weights_gradient_are_those_of_study(opened):
    model = trained("larger CNN")
    shown = opened("larger CNN", "#sample=2&weight=conv2d_1:kernel:4.0.2.1&objective=loss.0&backward=weight")
    shown.settle()
    found = study.conv_gradient(model, "conv2d_1", digits("larger CNN")[0][2:3], np.eye(10)[[0]], weight=(4, 0, 2, 1))
    assert shown.numbers("#view-explain")["value"] == pytest.approx(found.gradient, rel=1e-4)
    _, terms = shown.terms()
    np.testing.assert_allclose(np.sort(terms[:, -1]), np.sort(found.terms), rtol=1e-4, atol=1e-7)


def test_changes_are_followed_and_put_back(opened):
    model, x = clone(trained("larger CNN")), digits("larger CNN")[0][2:3]
    shown = opened("larger CNN", "#sample=2&view=weights&weight=conv2d_1:kernel:3.0.2.1")
    shown.settle()
    model.params["conv2d_1/kernel"][3, 0, 2, 1] = 2.5
    shown.page.get_by_label("value of this weight").fill("2.5")
    shown.page.keyboard.press("Enter")
    shown.settle()
    expect_probabilities(shown, model, x)
    model.params["conv2d_1/kernel"][3] = model.params["conv2d_1/bias"][3] = 0
    shown.page.get_by_label("filter 3 on").uncheck()
    shown.settle()
    expect_probabilities(shown, model, x)
    assert shown.page.locator(".changes li").count() == 2
    shown.page.get_by_label("activation").select_option("tanh")
    shown.settle()
    p = shown.page.evaluate("pixels => tinynet.forward(pixels)", x.ravel().tolist())
    assert np.abs(p - model.predict(x)[0]).max() > 1e-4                   # another function now
    shown.button("Put all back").click()
    shown.settle()
    expect_probabilities(shown, trained("larger CNN"), x)


def test_what_a_file_cannot_do_is_said(opened):
    shown = opened("MLP")
    shown.tab("Train")
    assert "study.explore(model)" in shown.page.locator("#view-train").text_content()


def deep():
    blocks = [Conv2D(2, 3, padding="same", activation="relu") for _ in range(14)]
    return Sequential([Input((1, 12, 12)), *blocks, GlobalAveragePooling2D(), Dense(3)], seed=1)


def colourful():
    block = Residual([Conv2D(4, 3, padding="same", activation="gelu"), BatchNormalization()])
    return Sequential([Input((3, 8, 8)), Sequential([SeparableConv2D(4, 3, padding="same"), block]), UpSampling2D(2),
                       LayerNormalization(), Flatten(), Dense(5, activation="softmax")], seed=1)


def one_layer():
    return Sequential([Dense(3, input_shape=(6,))], seed=1)


@pytest.mark.parametrize("make", [deep, colourful, one_layer], ids=lambda make: make.__name__)
def test_other_models_are_explained_at_every_layer(make, show, tmp_path, rng):
    model = make()
    x = rng.random((2, *model.input_shape)).astype(np.float32)
    shown = show(study.export_page(model, tmp_path / "page.html", x).as_uri(), at="#sample=1", offline=True)
    for row, y in enumerate(Trace(model, x[1:]).outputs, 1):
        shown.point(row)
        numbers = shown.numbers("#view-explain")
        assert numbers["value"] == pytest.approx(y[(0, *shown.place())], rel=1e-4, abs=1e-5)
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-5)


def test_a_picture_file_is_read_by_the_browser(opened, tmp_path):
    ink = np.zeros((160, 120), np.uint8)
    ink[20:140, 50:66] = 255
    Image.fromarray(255 - ink).save(tmp_path / "one.png")
    shown = opened("larger CNN")
    with shown.page.expect_file_chooser() as chosen:
        shown.button("Picture").click()
    chosen.value.set_files(tmp_path / "one.png")
    shown.settle()
    x = normalise(1 - ink / 255).image.reshape(1, 1, 28, 28)
    numbers, p = shown.numbers(), trained("larger CNN").predict(x)[0]
    assert [numbers[f"probability:{i}"] for i in range(10)] == pytest.approx(p.tolist(), abs=0.02)
