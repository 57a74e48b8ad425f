"""The page file: how large it is, what it may load, what it refuses. What it shows is in tests/browser."""

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tinynet import Sequential, study
from tinynet.explore.exporting.export import export_page
from tinynet.explore.exporting.inlining import as_function, as_one_script
from tinynet.layers import Activation, Conv2D, Dense, Flatten, Input, Lambda, MaxPool2D, ReLU, Residual


def small(**settings):
    return Sequential([Input((1, 28, 28)), Conv2D(4, 5, activation="relu"), MaxPool2D(), Flatten(),
                       Dense(10, activation="softmax")], seed=1, **settings)


def content_of(path):
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r' id="tinynet-model">(.*?)</script>', text, re.DOTALL)[1])


def test_path_is_returned(tmp_path):
    path = tmp_path / "page.html"
    assert study.export_page(small(), str(path)) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("samples", [0, 3, 5000])
def test_size_is_bounded_however_many_samples_there_are(samples, tmp_path, rng):
    model = small()
    x = rng.integers(0, 256, (samples, 1, 28, 28)).astype(np.float32) / 255
    path = export_page(model, tmp_path / "page.html", x if samples else None)
    assert path.stat().st_size <= 500_000 + 5.5 * model.count_params()
    count = content_of(path)["samples"]["count"]
    assert count == samples if samples < 5000 else 100 < count < 5000


def test_size_of_a_large_model_is_bounded(tmp_path):
    model = Sequential([Dense(784, activation="relu", input_shape=(784,)), Dense(10, activation="softmax")])
    assert export_page(model, tmp_path / "page.html").stat().st_size <= 500_000 + 5.5 * model.count_params()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_float32_to_the_last_bit(dtype, tmp_path):
    model = small(dtype=dtype)
    written = content_of(export_page(model, tmp_path / "page.html"))["model"]
    numbers, begin = np.frombuffer(b64decode(written["weights"]), "<f4"), 0
    for shape, weight in zip(written["arrays"], model.get_weights(), strict=True):
        np.testing.assert_array_equal(numbers[begin:begin + weight.size].reshape(shape), weight.astype(np.float32))
        begin += weight.size
    assert (begin, written["dtype"]) == (len(numbers), dtype)


@pytest.mark.parametrize(("make", "divisor"), [
    (lambda levels: levels.astype(np.float32) / 255, 255), (lambda levels: levels.astype(np.uint8), 1),
    (lambda levels: levels / 100, 0)])
def test_samples_are_bytes_where_that_is_exact(make, divisor, tmp_path, rng):
    x = make(rng.integers(0, 256, (2, 1, 28, 28)))
    written = content_of(export_page(small(), tmp_path / "page.html", x))["samples"]
    found = np.frombuffer(b64decode(written["pixels"]), "u1" if divisor else "<f4").astype(np.float32)
    np.testing.assert_array_equal(found / np.float32(divisor or 1), x.astype(np.float32).ravel())
    assert written["divisor"] == divisor


def test_policy_allows_the_pages_own_script_and_style_alone(tmp_path):
    text = export_page(small(), tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.DOTALL)[1]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    hashes = [f"'sha256-{b64encode(sha256(part.encode()).digest()).decode()}'" for part in (script, style)]
    assert policy.split("; ") == ["default-src 'none'", f"script-src {hashes[0]}", f"style-src {hashes[1]}",
                                  "img-src data:", "base-uri 'none'", "form-action 'none'"]
    assert text.count("<script") == 2                                # the model, and the modules
    assert "src=" not in text.partition("<style>")[0] + text.partition("</style>")[2].partition("<script")[0]
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert not re.search(r"^\s*(import|export)\b", script, re.MULTILINE)


def test_names_cannot_break_out_of_the_page(tmp_path):
    model = Sequential([Dense(3, input_shape=(2,), name="<script><b>")], name='"><script>alert(1)</script>')
    text = export_page(model, tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "alert(1)</script>" not in text
    assert content_of(tmp_path / "page.html")["description"]["steps"][0]["name"] == "<script><b>"


class Doubled(ReLU):
    pass


def halved(x):
    return x / 2, lambda dy: dy / 2


def replaced():
    layer = ReLU(input_shape=(3,))
    layer.forward = lambda x, training=False: (x, lambda dy: dy)
    return layer


@pytest.mark.parametrize(("layer", "name"), [
    (Doubled(input_shape=(3,)), "'doubled_1', Doubled of your own"),
    (Lambda(halved, input_shape=(3,)), "'lambda_1', Lambda of your own"),
    (Dense(3, activation=halved, input_shape=(3,)), "'dense_1/halved', OwnFunction of your own"),
    (Activation(halved, input_shape=(3,)), "OwnFunction of your own"),
    (Residual([Doubled()], input_shape=(3,)), "'doubled_1', Doubled of your own"),
    (replaced(), "'relu_1', a forward of your own"),
], ids=["subclass", "Lambda", "activation", "Activation", "inside", "replaced"])
def test_layers_of_ones_own_are_refused_by_name_and_nothing_is_written(layer, name, tmp_path):
    with pytest.raises(ValueError, match=r"export_page: expected layers of tinynet\.layers") as error:
        export_page(Sequential([layer]), tmp_path / "page.html")
    assert name in str(error.value)
    assert "study.explore(model)" in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("model", "x", "complaint"), [
    (Sequential([Dense(3)]), None, "expected a model that is built"),
    (Sequential([Dense(3, input_shape=(4,))]), np.zeros((2, 3)), r"expected samples x \(N, 4\)"),
    (Sequential([Dense(3, input_shape=(2,))]), [[0, np.nan]], "of finite numbers"),
    (Sequential([MaxPool2D(input_shape=(3, 400, 400))]), np.full((1, 3, 400, 400), 0.3), "expected samples x that fit"),
], ids=["not built", "shape", "NaN", "too large"])
def test_what_cannot_be_exported_is_said_in_words(model, x, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        export_page(model, tmp_path / "page.html", x)
    assert not list(tmp_path.iterdir())


# The modules as one script.

def test_modules_come_after_those_that_they_import(tmp_path):
    (tmp_path / "main.js").write_text('import { a } from "./a.js";\nconst { b } = await import("./in/b.js");\na(b);')
    (tmp_path / "a.js").write_text("export function a() {}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.js").write_text('import { a } from "../a.js";\nimport { gone } from "../gone.js";\n'
                                          "export const b = a;")
    script = as_one_script(tmp_path, "main.js", without=["gone.js"])
    assert re.findall(r"^// (.*)$", script, re.MULTILINE) == ["a.js", "in/b.js", "main.js"]
    assert 'const { b } = modules["in/b.js"];' in script


def test_modules_that_import_each_other_are_refused(tmp_path):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";')
    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        as_one_script(tmp_path, "a.js")


@pytest.mark.parametrize("line", ["export default 1;", "export { a };", "export let a = 1;", 'import "./a.js";',
                                  'import * as a from "./a.js";'])
def test_other_ways_to_import_and_export_are_refused(line):
    with pytest.raises(ValueError, match="expected import"):
        as_function("a.js", line)
