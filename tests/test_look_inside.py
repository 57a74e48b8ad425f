"""The tour is whole: every stop has its figure, its words and its code, and the page needs nothing from elsewhere.

What it says of a model is held to that model, for two of them.
"""

import inspect
import re
import runpy
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from tinynet import Sequential, study
from tinynet.layers import Dense

pytestmark = [pytest.mark.book, pytest.mark.xdist_group("tour")]      # one process makes it
EXAMPLES = Path(__file__).parent.parent / "examples"
VOID = {"meta", "img"}


class Page(HTMLParser):
    """The elements of a page, in order; every one that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.opened = [], []
        self.feed(text)
        assert not self.opened

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def examples():
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


def run(*arguments):
    """Run the lesson; return its variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["look_inside.py", *map(str, arguments)])
        return runpy.run_path(str(EXAMPLES / "look_inside.py"))


def tour_of(folder, *arguments):
    """Make the tour on 60 test images, its figures at half their size."""
    import _page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_page, "DPI", 55)
        variables = run("--figures", folder, "--limit", 60, *arguments)
    text = (folder / "look_inside" / "index.html").read_text(encoding="utf-8")
    stops = [stop for _, _, stops in variables["tour"].chapters for stop in stops]
    return SimpleNamespace(folder=folder, text=text, page=Page(text), variables=variables, stops=stops)


@pytest.fixture(scope="module")
def tour(examples, tmp_path_factory):
    """Train the larger CNN on a few images, and make the tour."""
    return tour_of(tmp_path_factory.mktemp("figures"), "--epochs", 2, "--batch-size", 20)


@pytest.fixture(scope="module")
def other_tour(examples, tmp_path_factory):
    """Make the tour of a model of two dense layers, for images as rows of pixels."""
    folder = tmp_path_factory.mktemp("other")
    model = Sequential([Dense(12, activation="relu", input_shape=(784,)), Dense(10, activation="softmax")], seed=0)
    model.compile(loss="sparse_categorical_crossentropy")
    model.save(folder / "mlp.safetensors")
    return tour_of(folder, "--model", folder / "mlp.safetensors")


def test_every_figure_is_there(tour):
    images = tour.page.all("img")
    assert len(images) == len(tour.stops) == 32
    for attributes in images:
        picture = imread(tour.folder / "look_inside" / attributes["src"])
        height, width = picture.shape[:2]
        assert abs(width - int(attributes["width"])) <= 1
        assert abs(height - int(attributes["height"])) <= 1
        assert picture[..., :3].std() > 0.02, "an empty picture"
    written = {file.name for file in (tour.folder / "look_inside").iterdir()}
    assert written == {"index.html", *(attributes["src"] for attributes in images)}


def test_every_figure_is_told_in_words(tour):
    for stop, attributes in zip(tour.stops, tour.page.all("img"), strict=True):
        see = stop._replace(says=None).words(None)[0]
        assert attributes["alt"].startswith(stop.title)
        assert see.replace("`", "") in attributes["alt"]
        for words in see, *inspect.getdoc(stop.draw).split("\n\n")[1].replace("\n", " ").split("{said}"):
            assert words.replace("`", "").strip() in unescape(re.sub(r"</?code>", "", tour.text)), stop.name
    assert "{said}" not in tour.text


CHEAP = {"one_convolution", "one_pooling", "the_way_through", "softmax", "gradient_of_a_weight", "deeper_filters"}


def test_the_code_shown_runs_as_it_stands(tour):
    codes = [unescape(code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", tour.text, re.DOTALL)]
    names = tour.variables["tour"].names
    assert codes == [stop.code(names) for stop in tour.stops]
    assert not re.search(rf"\b({'|'.join(names)})\b", "".join(codes))                # "conv2d_1", not a variable
    for stop, code in zip(tour.stops, codes, strict=True):
        assert not re.search(r"^return|\"\"\"What", code, re.MULTILINE)
        if stop.name in CHEAP:
            *before, last = code.splitlines()
            namespace = {name: tour.variables[name] for name in ("study", "np", "model", "x", "y", "hard_x", "hard_y",
                                                                 "deep_filters")}
            exec("\n".join([*before, f"figure = {last}"]), namespace)
            assert namespace["figure"].axes


def test_everything_in_study_is_used(tour):
    functions = {name for name in study.__all__ if name[0].islower()}
    helpers = {"elementwise", "filter_axes", "im2col_size", "multiply_adds", "padding", "reach", "rectifies", "shares"}
    code = "\n".join(stop.code({}) for stop in tour.stops)
    used = set(re.findall(r"study\.(\w+)", (EXAMPLES / "look_inside.py").read_text()))
    elsewhere = {"plot_history", "plot_model", "pool_gradient", "explore", "export_page"}   # pool_step draws the third
    assert functions - helpers - used == elsewhere
    assert "history.plot()" in code
    assert "found = health\n" in code


def test_nothing_comes_from_elsewhere(tour):
    assert not re.search(r"https?:|//\w|@import|url\(|<script|<link|<iframe|javascript:", tour.text)
    assert {tag for tag, _ in tour.page.elements} == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "nav", "div", "ol", "li", "a", "main",
        "section", "span", "b", "img", "pre", "code", "details", "summary"}


def test_every_link_leads_somewhere(tour):
    names = [attributes["id"] for attributes in tour.page.all("section")]
    assert len(set(names)) == len(names)
    links = [attributes["href"] for attributes in tour.page.all("a")]
    assert [link[1:] for link in links if link.startswith("#") and link != "#contents"] == names
    assert links.count("#contents") == len(names)
    assert [attributes["id"] for attributes in tour.page.all("nav")] == ["contents"]
    pages = [Path(link) for link in links if link.startswith("../../site/")]                # made by `make docs`
    assert pages
    assert all((EXAMPLES.parent / "docs" / f"{page.stem}.md").exists() for page in pages)
    assert all((tour.folder / "look_inside" / link).exists() for link in links
               if not link.startswith(("#", "../../site/")))


def test_the_numbers_on_top_are_the_models(tour):
    model, x, y = (tour.variables[name] for name in ("model", "x_test", "y_test"))
    wrong = int((model.predict(x).argmax(axis=1) != y.argmax(axis=1)).sum())
    top = " ".join(tour.text[:tour.text.index("<nav")].split())
    assert f"It gets {wrong} of 60 test images wrong, an error of {100 * wrong / 60:.2f} %." in top
    assert "59,933 parameters" in top


def test_what_a_stop_finds_is_shown_in_numbers(tour):
    numbers = re.findall(r"<details>.*?<pre>(.*?)</pre>", tour.text, re.DOTALL)
    printing = [stop for stop in tour.stops if "print(" in stop.code({})]
    assert len(numbers) == len(printing) > 10
    assert all(text.strip() for text in numbers)
    x, model = tour.variables["hard_x"], tour.variables["model"]
    assert f"{study.Trace(model, x).logits[0, 0]:.6f}" in tour.text


def test_what_is_said_is_said_of_this_model(tour):
    model, x, labels = (tour.variables[name] for name in ("model", "x_test", "labels"))
    text = unescape(tour.text)
    logits = np.sort(study.Trace(model, x).logits, axis=1)
    right = model.predict(x).argmax(axis=1) == labels
    lead = np.max((logits[:, -1] - logits[:, -2])[right])
    assert f"its largest logit is {lead:.1f} above the second" in " ".join(text.split())
    dead = {step.name: step.dead_units for step in study.health(model, x[:500], tour.variables["y_test"][:500]).steps}
    for name, units in dead.items():
        assert (f"{len(units or [])} of" in text and f"in {name}" in text) or not units
    matrix = study.confusion(model, x, labels).matrix * (1 - np.eye(10, dtype=int))
    true, given = np.unravel_index(matrix.argmax(), (10, 10))
    assert f"Most often {true} is taken for {given} ({matrix.max()} times)" in text
    losses = tour.variables["history"].history["val_loss"]
    assert f"lowest, {min(losses):.4f}, after epoch {1 + losses.index(min(losses))} of 2" in text


def test_another_model_has_the_stops_that_fit_it(other_tour):
    assert [stop.name for stop in other_tour.stops] == [
        "one_dense_unit", "the_way_through", "softmax", "gradient_of_a_logit", "gradient_of_one_logit",
        "gradient_of_a_unit", "gradient_of_a_dense_pixel", "health_now", "surface", "components", "why_right",
        "why_wrong", "why_not_right", "confusion", "gallery", "calibration", "profile"]
    for word in "convolution", "filter ", "Grad-CAM", "occlusion", "pooling":
        assert word not in re.sub(r"<pre>.*?</pre>", "", other_tour.text, flags=re.DOTALL), word
    assert "A guided tour of a network that reads handwritten digits: Dense, Dense; 9,550 parameters" in other_tour.text
    assert "Nothing was kept of this model" in other_tour.text
    for attributes in other_tour.page.all("img"):
        assert imread(other_tour.folder / "look_inside" / attributes["src"])[..., :3].std() > 0.02


def test_the_model_is_used_again_with_what_was_kept_of_its_training(tour, capsys):
    import _larger
    args = SimpleNamespace(model=None, figures=tour.folder, seed=7)
    again = _larger.trained(args)
    assert "trained before" in capsys.readouterr().out
    for mine, kept in ((tour.variables["model"], again.model), (tour.variables["before"], again.before)):
        for key, array in mine.params.items():
            np.testing.assert_array_equal(kept.params[key], array)
    assert any((again.before.params[key] != array).any() for key, array in again.model.params.items())
    assert again.history.history == tour.variables["history"].history
    assert [str(one) for one in again.health.records] == [str(one) for one in tour.variables["health"].records]
    again.health.plot()


def test_a_model_without_its_training_is_shown_without_curves(tour, tmp_path, monkeypatch):
    import _page
    monkeypatch.setattr(_page, "shown", lambda stop, number, folder, names: "")       # the words on top are enough
    tour.variables["model"].save(tmp_path / "alone.safetensors")
    variables = run("--model", tmp_path / "alone.safetensors", "--figures", tmp_path, "--limit", 20)
    names = {stop.name for _, _, stops in variables["tour"].chapters for stop in stops}
    assert {stop.name for stop in tour.stops} - names == {
        "curves", "health_through_training", "filters_before_and_after"}
    assert "Nothing was kept of this model" in (tmp_path / "look_inside" / "index.html").read_text(encoding="utf-8")
    assert "Nothing was kept" not in tour.text


def test_a_model_that_is_not_one_of_digits_is_refused_in_words(examples, tmp_path):
    Sequential([Dense(10, input_shape=(784,))]).save(tmp_path / "other.safetensors")
    with pytest.raises(SystemExit, match=r"a model of 28 x 28 pixels that ends in a softmax .* ending in dense_1"):
        run("--model", tmp_path / "other.safetensors", "--figures", tmp_path)


def test_the_model_is_the_third_lessons(tour, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mnist_larger.py", "--limit=50", "--epochs=1", f"--figures={tmp_path}"])
    lesson = runpy.run_path(str(EXAMPLES / "mnist_larger.py"))["model"]
    mine = tour.variables["before"]
    assert [layer.get_config() for layer in lesson.layers] == [layer.get_config() for layer in mine.layers]
    assert type(lesson.optimizer) is type(mine.optimizer)
    assert lesson.optimizer.get_config() == mine.optimizer.get_config()
    assert type(lesson.loss) is type(mine.loss)
