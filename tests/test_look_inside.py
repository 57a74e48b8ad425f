"""The tour is whole: every stop has its figure, its words and its code, and the page needs nothing from elsewhere."""

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

from tinynet import study

pytestmark = pytest.mark.book
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


@pytest.fixture(scope="module")
def tour(examples, tmp_path_factory):
    """Train on a few images, and make the tour."""
    import _page
    folder = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_page, "DPI", 55)                                        # half of it is drawn sooner
        variables = run("--figures", folder, "--limit", 60, "--epochs", 2, "--batch-size", 20)
    text = (folder / "look_inside" / "index.html").read_text(encoding="utf-8")
    stops = [stop for _, _, stops in variables["tour"].chapters for stop in stops]
    return SimpleNamespace(folder=folder, text=text, page=Page(text), variables=variables, stops=stops)


def test_every_figure_is_there(tour):
    images = tour.page.all("img")
    assert len(images) == len(tour.stops) == 31
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
        assert len(stop.words) == 2
        assert attributes["alt"].startswith(stop.title)
        assert stop.words[0].replace("`", "") in attributes["alt"]
        for words in stop.words:
            assert re.sub(r"`|</?code>", "", words) in unescape(re.sub(r"</?code>", "", tour.text))


def test_the_code_shown_is_the_code_that_drew(tour):
    codes = [unescape(code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", tour.text, re.DOTALL)]
    assert codes == [stop.code for stop in tour.stops]
    for stop, code in zip(tour.stops, codes, strict=True):
        assert not re.search(r"^return|\"\"\"What", code, re.MULTILINE)
        lines = [line.strip() for line in code.splitlines()]
        source = Path(tour.variables["__file__"]).read_text()
        assert all(line in source for line in lines), stop.name
        namespace = dict(tour.variables)
        if stop.name == "the_way_through":                                   # it runs as it stands
            exec(f"figure = {code}", namespace)
            assert namespace["figure"].axes


def test_everything_in_study_is_used(tour):
    functions = {name for name in study.__all__ if name[0].islower()}
    helpers = {"elementwise", "filter_axes", "im2col_size", "multiply_adds", "padding", "reach", "rectifies", "shares"}
    code = "\n".join(stop.code for stop in tour.stops)
    used = set(re.findall(r"study\.(\w+)", (EXAMPLES / "look_inside.py").read_text()))
    assert functions - helpers - used == {"plot_history"}
    assert "history.plot()" in code
    assert "health.plot()" in code


def test_nothing_comes_from_elsewhere(tour):
    assert not re.search(r"https?:|//\w|@import|url\(|<script|<link|<iframe|javascript:", tour.text)
    assert {tag for tag, _ in tour.page.elements} == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "nav", "div", "ol", "li", "a", "main",
        "section", "span", "b", "img", "pre", "code", "details", "summary"}


def test_every_link_leads_somewhere(tour):
    names = [attributes["id"] for attributes in tour.page.all("section")]
    assert len(set(names)) == len(names)
    links = [attributes["href"] for attributes in tour.page.all("a")]
    assert [link[1:] for link in links if link.startswith("#")] == names
    assert all((tour.folder / "look_inside" / link).exists() for link in links if not link.startswith("#"))


def test_the_numbers_on_top_are_the_models(tour):
    model, x, y = (tour.variables[name] for name in ("model", "x_test", "y_test"))
    wrong = int((model.predict(x).argmax(axis=1) != y.argmax(axis=1)).sum())
    top = " ".join(tour.text[:tour.text.index("<nav")].split())
    assert f"It gets {wrong} of 60 test images wrong, an error of {100 * wrong / 60:.2f} %." in top
    assert "59,933 parameters" in top


def test_what_is_printed_is_shown(tour):
    numbers = re.findall(r"<details>.*?<pre>(.*?)</pre>", tour.text, re.DOTALL)
    printing = [stop for stop in tour.stops if "print(" in stop.code]
    assert len(numbers) == len(printing) > 10
    assert all(text.strip() for text in numbers)
    x, model = tour.variables["hard_x"], tour.variables["model"]
    assert f"{study.Trace(model, x).logits[0, 0]:.6f}" in tour.text


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
    monkeypatch.setattr(_page, "shown", lambda stop, number, folder: "")       # the words on top are enough
    tour.variables["model"].save(tmp_path / "alone.safetensors")
    variables = run("--model", tmp_path / "alone.safetensors", "--figures", tmp_path, "--limit", 20)
    names = {stop.name for _, _, stops in variables["tour"].chapters for stop in stops}
    assert {stop.name for stop in tour.stops} - names == {"curves", "health_through_training"}
    assert "Nothing was kept of this model" in (tmp_path / "look_inside" / "index.html").read_text(encoding="utf-8")
    assert "Nothing was kept" not in tour.text


def test_a_model_of_other_layers_is_refused(tour, tmp_path):
    from tinynet import Sequential
    from tinynet.layers import Dense, Flatten
    Sequential([Flatten(input_shape=(1, 28, 28)), Dense(10, activation="softmax")]).save(tmp_path / "other.safetensors")
    with pytest.raises(SystemExit, match="The tour goes through the larger CNN"):
        run("--model", tmp_path / "other.safetensors", "--figures", tmp_path)


def test_the_model_is_the_third_lessons(tour, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mnist_larger.py", "--limit=50", "--epochs=1", f"--figures={tmp_path}"])
    lesson = runpy.run_path(str(EXAMPLES / "mnist_larger.py"))["model"]
    mine = tour.variables["before"]
    assert [layer.get_config() for layer in lesson.layers] == [layer.get_config() for layer in mine.layers]
    assert type(lesson.optimizer) is type(mine.optimizer)
    assert lesson.optimizer.get_config() == mine.optimizer.get_config()
    assert type(lesson.loss) is type(mine.loss)
