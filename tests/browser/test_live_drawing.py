"""Drawing with a real mouse: every map follows the pen, in time, and nothing jumps."""

from base64 import b64encode

import numpy as np
import pytest
from explored_models import compiled, larger_cnn
from PIL import Image
from shown import STROKE

from tinynet.datasets import mnist
from tinynet.digits import from_ink
from tinynet.study import Trace


@pytest.fixture
def shown(show):
    return show(compiled(larger_cnn(), "sparse_categorical_crossentropy"))


def expect_outputs_of(shown, pixels):
    """The probabilities shown are those of the model on these pixels."""
    trace = Trace(shown.explorer.model, pixels.reshape(1, 1, 28, 28))
    numbers = shown.numbers("#input")
    for i, p in enumerate(trace.outputs[-1][0]):
        assert numbers[f"probability:{i}"] == pytest.approx(p, rel=1e-6)


def test_a_drawing_is_brought_to_mnists_shape_and_run_through_every_layer(shown):
    shown.draw()
    ink = shown.ink()
    assert 0.05 < (ink > 0.5).mean() < 0.5                      # a stroke, not a full canvas
    expect_outputs_of(shown, from_ink(ink).image)
    top, bottom = shown.picture(0)[:14], shown.picture(0)[14:]
    assert (top[..., 0] < 128).any()                            # ink, dark on light
    assert (bottom[..., 0] < 128).any()


def test_the_maps_follow_while_the_pen_is_down(shown):
    before = shown.picture(1, 3)
    shown.draw(STROKE[:4])
    half = shown.picture(1, 3)
    shown.draw(STROKE[3:])
    assert (half != before).any()
    assert (shown.picture(1, 3) != half).any()
    assert len(shown.drawings) > 10                             # not only at the end of a stroke


def test_the_steps_of_normalising_are_shown(shown):
    shown.draw()
    shown.page.get_by_text("How it becomes an MNIST digit").click()
    captions = shown.page.locator(".normalise figcaption")
    captions.last.wait_for()
    names = captions.all_text_contents()
    assert names[-1] == "as MNIST's"
    sizes = shown.page.locator(".normalise canvas").evaluate_all("all => all.map(({width, height}) => [width, height])")
    assert sizes[-1] == [28, 28]
    assert max(sizes[-2]) == 20


def test_nothing_jumps_while_drawing(shown):
    shown.draw()
    shown.draw([(0.2, 0.5), (0.8, 0.5)])
    assert shown.shift(even_expected=True) < 0.1


def test_a_stroke_can_be_taken_back_and_all_cleared(shown):
    shown.draw([(0.3, 0.2), (0.3, 0.8)])
    one = shown.pixels()
    shown.draw([(0.5, 0.2), (0.7, 0.8)])
    shown.button("Undo", exact=True).first.click()
    shown.settle()
    np.testing.assert_array_equal(shown.pixels(), one)
    shown.button("Clear").click()
    shown.settle()
    np.testing.assert_array_equal(shown.pixels(), 0)


def test_the_address_keeps_the_drawing(shown):
    shown.draw()
    shown.wait_for("location.hash.includes('drawing=')")
    before = shown.pixels()
    shown.page.reload()
    shown.ready()
    np.testing.assert_array_equal(shown.pixels(), before)
    expect_outputs_of(shown, before)


def test_a_picture_file_is_read(shown, tmp_path):
    digit = mnist.load_data()[1][0][2]
    Image.fromarray(255 - np.kron(digit, np.ones((8, 8), np.uint8))).save(tmp_path / "one.png")
    shown.page.set_input_files("#file", tmp_path / "one.png")
    shown.settle()
    image = shown.pixels().reshape(28, 28)
    assert image.max() > 0.9
    assert np.corrcoef(image.ravel(), digit.ravel())[0, 1] > 0.8
    shown.wait_for("location.hash.includes('pixels=')")
    shown.page.reload()
    shown.ready()
    np.testing.assert_array_equal(shown.pixels().reshape(28, 28), image)


def test_what_is_no_picture_is_refused_in_words(shown, tmp_path):
    (tmp_path / "no.png").write_bytes(b"this is no picture")
    before = shown.pixels()
    shown.page.set_input_files("#file", tmp_path / "no.png")
    shown.settle()
    assert "picture" in shown.page.locator("#input > .note").text_content()
    np.testing.assert_array_equal(shown.pixels(), before)


def test_a_test_digit_is_picked(shown):
    x, _ = mnist.load_data()[1]
    shown.page.locator("[data-sample='4']").click()
    shown.settle()
    np.testing.assert_allclose(shown.pixels(), x[4].ravel() / 255, atol=1e-7)
    shown.page.locator("#sample-number").fill("17")
    shown.page.keyboard.press("Enter")
    shown.settle()
    np.testing.assert_allclose(shown.pixels(), x[17].ravel() / 255, atol=1e-7)
    expect_outputs_of(shown, shown.pixels())


DROP = """([base64, name, type]) => {
    const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0)), dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type }));
    const pen = document.querySelector("canvas.pen");
    const passed = kind => pen.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    return [passed("dragover"), passed("drop")];
}"""


def test_a_picture_file_is_dropped_on_the_drawing(shown, tmp_path):
    digit = mnist.load_data()[1][0][2]
    Image.fromarray(255 - np.kron(digit, np.ones((8, 8), np.uint8))).save(tmp_path / "one.png")
    content = b64encode((tmp_path / "one.png").read_bytes()).decode()
    left_to_the_browser = shown.page.evaluate(DROP, [content, "one.png", "image/png"])
    assert left_to_the_browser == [False, False]                # which would show the file in the page's place
    shown.settle()
    image = shown.pixels().reshape(28, 28)
    assert np.corrcoef(image.ravel(), digit.ravel())[0, 1] > 0.8
    expect_outputs_of(shown, image)
