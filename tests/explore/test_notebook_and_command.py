"""The page where it is shown: in a notebook, and from the command line."""

import webbrowser
from html.parser import HTMLParser

import numpy as np
import pytest

from tinynet import Sequential, __main__, study
from tinynet.explore import command, explore, notebook
from tinynet.layers import Dense


class Frames(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "iframe":
            self.found.append(dict(attributes))


@pytest.fixture
def here(monkeypatch):
    for name in notebook.ELSEWHERE:
        monkeypatch.delenv(name, raising=False)


def small():
    model = Sequential([Dense(3, activation="softmax", input_dim=4)], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_a_notebook_shows_a_frame(here):
    with explore(small()) as page:
        frame, = Frames(page._repr_html_()).found
        assert frame["src"] == page.url
        assert frame["title"]


@pytest.mark.parametrize("name", sorted(notebook.ELSEWHERE))
def test_what_tells_that_a_notebook_runs_on_another_machine(here, monkeypatch, name):
    assert not notebook.runs_elsewhere()
    monkeypatch.setenv(name, "x")
    assert notebook.runs_elsewhere()


def test_a_notebook_on_another_machine_has_the_page_file_inline(here, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "x")
    with explore(small(), np.ones((30, 4)), np.zeros(30)) as page:
        frame, = Frames(page._repr_html_()).found
        assert "src" not in frame
        assert "tinynet-model" in frame["srcdoc"]
        assert page.url not in page._repr_html_()


def test_a_model_that_has_no_page_file_is_told_so_in_the_notebook(here, monkeypatch):
    class Mine(Dense):
        def forward(self, x, training=False):
            return super().forward(x, training)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    with explore(Sequential([Mine(3, input_dim=4)])) as page:
        shown = page._repr_html_()
        assert Frames(shown).found == []
        assert "Mine" in shown


def test_study_has_it_too():
    with study.explore(small()) as page:
        assert page.url.startswith("http://127.0.0.1:")
        assert isinstance(page.model, Sequential)


def test_a_browser_opens_only_when_it_is_asked_for(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with explore(small()):
        assert opened == []
    with explore(small(), open_browser=True) as page:
        assert opened == [page.url]


def interrupted():
    raise KeyboardInterrupt


def test_the_command_opens_the_page_of_a_saved_model(tmp_path, monkeypatch, capsys):
    opened, made = [], []

    def noted(model, **options):
        made.append((model, options))
        return explore(model, **options)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(command, "wait", interrupted)
    monkeypatch.setattr(command, "explore", noted)
    small().save(tmp_path / "mine.safetensors")
    assert __main__.main(["explore", str(tmp_path / "mine.safetensors")]) == 0
    model, options = made[0]
    assert (model.name, options) == ("mine", {"port": 0, "open_browser": True})
    assert opened[0] in capsys.readouterr().out
    assert __main__.main(["explore", str(tmp_path / "mine.safetensors"), "--no-browser"]) == 0
    assert len(opened) == 1


def test_the_command_trains_the_larger_cnn_if_there_is_none_and_keeps_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "wait", interrupted)
    trainings = []
    monkeypatch.setattr(command, "trained", lambda: trainings.append(1) or small())
    for arguments in ([], [], ["other.safetensors", "--train"], ["other.safetensors"]):
        assert command.main([*arguments, "--no-browser"]) == 0
    assert len(trainings) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"larger_cnn.safetensors", "other.safetensors"}
    assert [layer.name for layer in command.larger_cnn(0).layers][-1] == "dense_3"
    assert command.larger_cnn(0).count_params() == 59_933
    capsys.readouterr()


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_file_that_is_none_is_told_in_a_line(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "m.safetensors").write_bytes(content)
    assert command.main([str(tmp_path / "m.safetensors"), "--no-browser"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("python -m tinynet explore: ")
    assert output.err.count("\n") == 1
