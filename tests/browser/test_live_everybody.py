"""Any model, any screen, anybody: and in a notebook."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from explored_models import compiled, larger_cnn

from tinynet import Sequential
from tinynet.layers import Conv2D, Dense

SIZES = {"telephone": (390, 844), "notebook": (900, 640), "desk": (1440, 900), "wall": (2560, 1440)}


@pytest.mark.parametrize("size", SIZES)
def test_no_screen_is_too_narrow_or_too_wide(show, size):
    width, height = SIZES[size]
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), viewport={"width": width, "height": height})
    shown.draw()
    for tab in ("Change", "Train", "Failures", "Explain"):
        shown.tab(tab)
        shown.settle()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        spilt = shown.page.locator("#panel *:visible").evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className)")
        assert spilt == []


def test_on_a_telephone_the_explanation_comes_up_from_below_and_goes_away(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), viewport={"width": 390, "height": 844},
                 has_touch=True)
    panel = shown.page.locator("#panel")
    assert panel.bounding_box()["height"] < 60
    shown.point(2, 3, (0.3, 0.5))
    assert panel.bounding_box()["height"] > 250
    shown.button("Show or hide this panel").click()
    assert panel.bounding_box()["height"] < 60


def test_a_finger_draws(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), viewport={"width": 390, "height": 844},
                 has_touch=True)
    box = shown.page.locator("canvas.pen").bounding_box()
    shown.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.settle()
    assert len(shown.drawings) >= 1


def test_dark_is_dark_and_as_readable(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), color_scheme="dark", at="#sample=0")
    assert contrast(shown, "#view-explain .how") > 7
    assert contrast(shown, ".note") > 4.5
    assert shown.picture(0)[0, 0, :3].max() < 60                       # paper
    assert shown.picture(0).reshape(-1, 4)[:, :3].max() > 200          # ink
    shown.page.emulate_media(color_scheme="light")
    shown.page.wait_for_timeout(300)
    assert shown.picture(0)[0, 0, :3].min() > 200
    assert contrast(shown, "#view-explain .how") > 7
    assert contrast(shown, ".note") > 4.5


def contrast(shown, selector):
    """Return the contrast of a text to its paper, as WCAG 2 defines it."""
    text, paper = shown.page.evaluate("""selector => {
        let element = [...document.querySelectorAll(selector)].find(e => e.offsetParent);
        const text = getComputedStyle(element).color;
        while (getComputedStyle(element).backgroundColor.endsWith(", 0)")) element = element.parentElement;
        return [text, getComputedStyle(element).backgroundColor].map(c => c.match(/[0-9.]+/g).slice(0, 3).map(Number));
    }""", selector)
    light, dark = sorted((luminance(text), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(rgb):
    share = np.array(rgb) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def test_less_motion_is_kept_to(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), reduced_motion="reduce")
    moving = shown.page.locator(":visible").evaluate_all(
        "all => all.map(e => getComputedStyle(e)).filter("
        "style => style.transitionDuration !== '0s' || style.animationName !== 'none').length")
    assert moving == 0


def test_a_model_of_one_dense_layer(show):
    shown = show(Sequential([Dense(3, input_shape=(5,))], seed=1))
    assert "dense_1[" in shown.point(1)
    numbers = shown.numbers("#view-explain")
    assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-5)
    shown.button("Random").click()
    shown.settle()
    assert len(set(shown.pixels().tolist())) == 5


def test_a_model_of_thirty_layers_of_colour_images_draws_only_what_is_seen(show):
    layers = [Conv2D(16, 3, padding="same", activation="relu") for _ in range(29)]
    model = Sequential([Conv2D(16, 3, padding="same", activation="relu", input_shape=(3, 16, 16)), *layers], seed=1)
    x = np.random.default_rng(0).random((20, 3, 16, 16)).astype(np.float32)
    shown = show(model, x)
    rows = shown.page.locator("[data-row]").count()
    assert rows == 61
    assert 0 < shown.page.locator("[data-row] canvas").count() < 25
    assert "conv2d_30/relu[" in shown.point(60, 15)
    assert shown.page.locator("[data-row='1'] canvas").count() == 0
    colours = shown.page.locator(".seen").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)")
    np.testing.assert_allclose(np.array(colours).reshape(16, 16, 4)[..., :3].transpose(2, 0, 1),
                               x[18] / x[18].max() * 255, atol=1.01)


class Notebook(BaseHTTPRequestHandler):
    """A page of somebody else's on this machine, with what a notebook shows of an explorer in it."""

    shows = ""

    def do_GET(self):
        body = f"<!doctype html><link rel=icon href=data:,><title>notebook</title><body>{self.shows}</body>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def notebook(html):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Shows", (Notebook,), {"shows": html}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_in_a_notebook_it_is_a_frame_in_which_one_draws(show, chromium):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"))
    with notebook(shown.explorer._repr_html_()) as url:
        page = chromium.new_page(viewport={"width": 1000, "height": 760})
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(url)
        frame = page.frame_locator("iframe")
        frame.locator("html[data-ready]").wait_for(timeout=180_000)
        before = frame.locator("[data-number='probability:0']").get_attribute("data-value")
        box = frame.locator("canvas.pen").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 150, steps=8)
        page.mouse.up()
        page.wait_for_timeout(1500)
        assert frame.locator("[data-number='probability:0']").get_attribute("data-value") != before
        assert said == []
        page.close()


def test_on_a_telephone_a_link_to_a_number_opens_its_explanation(show):
    shown = show(compiled(larger_cnn(), "sparse_categorical_crossentropy"), at="#sample=0&at=conv2d_2:4.4.5",
                 viewport={"width": 390, "height": 844}, has_touch=True)
    assert shown.page.locator("#panel").bounding_box()["height"] > 250
    shown.button("Show or hide this panel").click()
    assert not shown.page.locator("#view-explain").is_visible()             # nor found by the tabulator
