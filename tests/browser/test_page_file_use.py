"""A page file, used as a person does, opened from the disk with the network off: every number is the engine's."""

from base64 import b64decode

import numpy as np
import pytest
from page_files import MODELS, digits, trained

from tinynet import study
from tinynet.digits.digit import from_ink

DRAWN = """
    const encode = window.btoa;
    window.drawn = [];
    window.btoa = text => { const encoded = encode(text); window.drawn.push(encoded); return encoded; };
"""


@pytest.fixture(params=MODELS)
def page_file(request, show, tmp_path):
    """A page file with three samples, open."""
    model, (x, _) = trained(request.param), digits(request.param)
    shown = show(study.export_page(model, tmp_path / "page.html", x[:3]).as_uri(), offline=True)
    shown.model = model
    return shown


def drawing_of(shown):
    """Return what was drawn, as the page's own canvas has it, brought to the shape of MNIST's by Python."""
    ink = np.frombuffer(b64decode(shown.page.evaluate("drawn.filter(each => each.length > 10000).at(-1)")), np.uint8)
    return from_ink(ink.reshape(112, 112) / 255).image.reshape(1, *shown.model.input_shape).astype(np.float32)


def test_drawing_is_followed_and_stepped_through(page_file):
    shown, model = page_file, page_file.model
    shown.page.evaluate(DRAWN)
    shown.draw()
    x = drawing_of(shown)
    trace = study.Trace(model, x)
    found = shown.page.evaluate("pixels => tinynet.forward(pixels)", x.ravel().tolist())
    np.testing.assert_allclose(found, model.predict(x)[0], atol=1e-5)
    for row, outputs in enumerate(trace.outputs, 1):                      # every layer, forward
        shown.point(row)
        numbers, at = shown.numbers("#view-explain"), shown.place()
        assert numbers["value"] == pytest.approx(outputs[(0, *at)], rel=1e-4, abs=1e-5)
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-5)
    times = shown.page.evaluate("performance.getEntriesByName('tinynet:stroke').map(({ duration }) => duration)")
    print(f"{len(times)} strokes to the last map: 95 % within {np.percentile(times, 95):.1f} ms")
    assert len(times) > 20


def test_gradients_are_stepped_through(page_file):
    shown, model = page_file, page_file.model
    shown.button("Backward").click()
    shown.settle()
    shown.page.get_by_role("button", name="Back", exact=False).first.wait_for()
    for row in range(len(model.steps())):
        shown.point(row)
        numbers = shown.numbers("#view-explain")
        assert numbers["total"] == pytest.approx(numbers["value"], rel=1e-4, abs=1e-6)
