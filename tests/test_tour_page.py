"""The page of a tour, without the tour: what stands in a text, in code and in what is printed is never HTML."""

import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

SPECIAL = "a < b & c > d"
ESCAPED = "a &lt; b &amp; c &gt; d"


@pytest.fixture(scope="module")
def page():
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    import _page
    yield _page
    sys.path.pop(0)


class Found:
    def __str__(self):
        return SPECIAL

    def plot(self):
        return Figure((2, 1))


def draws():
    """What you see: a < b & c > d, and `x < y`.

    What to notice: {said}.
    """
    return Found()


def test_text_is_escaped_and_backticks_are_code(page):
    assert page.marked(SPECIAL) == ESCAPED
    assert page.marked("`x < y` & 1") == "<code>x &lt; y</code> &amp; 1"
    assert page.marked('"quoted"') == "&quot;quoted&quot;"


def test_every_part_of_a_page_is_escaped(page, tmp_path):
    tour = page.Tour({})
    tour.chapter(f"chapter {SPECIAL}", f"about {SPECIAL}")
    tour.stop(f"stop {SPECIAL}", says=lambda found: f"says {found}")(draws)
    text = tour.write(tmp_path / "tour", f"title {SPECIAL}", f"words {SPECIAL}").read_text(encoding="utf-8")
    assert SPECIAL not in text
    for part, count in {"title": 2, "words": 1, "chapter": 2, "about": 1, "stop": 3}.items():
        assert text.count(f"{part} {ESCAPED}") == count, part
    assert f"<details><summary>In numbers</summary><pre>{ESCAPED}</pre></details>" in text
    assert text.count(f"What you see: {ESCAPED}, and <code>x &lt; y</code>.") == 1
    assert text.count(f"What to notice: says {ESCAPED}.") == 1
    assert f'alt="stop {ESCAPED}. What you see: {ESCAPED}, and x &lt; y."' in text
    assert "found = Found()\nprint(found)\nfound.plot()</code>" in text
    assert (tmp_path / "tour" / "draws.png").exists()


def test_a_variable_of_the_tour_is_shown_as_what_it_stands_for(page):
    def draw(conv="conv2d_1"):
        """What you see."""
        maps = f"{conv}/relu"
        return maps

    def plot():
        """What you see."""
        return draw.plot(1,
                         2)
    assert page.Stop("", draw).code({"maps": "relu_1"}) == (
        '"relu_1" = f"{conv}/relu"\nfound = "relu_1"\nprint(found)\nfound.plot()')
    assert page.Stop("", plot).code({}).split() == ["draw.plot(1,", "2)"]                # a figure is shown as it is


def test_a_chapter_without_stops_is_left_out(page, tmp_path):
    tour = page.Tour({})
    tour.chapter("An empty one", "")
    tour.stop("left out", when="")(draws)
    tour.chapter("A full one", "")
    tour.stop("kept", says=str)(draws)
    text = tour.write(tmp_path / "tour", "title").read_text(encoding="utf-8")
    assert "An empty one" not in text
    assert "left out" not in text
    assert "A full one" in text
