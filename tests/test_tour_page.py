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


def draws():
    """What you see: a < b & c > d, and `x < y`.

    What to notice: a < b & c > d.
    """
    print("a < b & c > d")
    return Figure((2, 1))


def test_text_is_escaped_and_backticks_are_code(page):
    assert page.marked(SPECIAL) == ESCAPED
    assert page.marked("`x < y` & 1") == "<code>x &lt; y</code> &amp; 1"
    assert page.marked('"quoted"') == "&quot;quoted&quot;"


def test_every_part_of_a_page_is_escaped(page, tmp_path):
    tour = page.Tour()
    tour.chapter(f"chapter {SPECIAL}", f"about {SPECIAL}")
    tour.stop(f"stop {SPECIAL}")(draws)
    text = tour.write(tmp_path / "tour", f"title {SPECIAL}", f"words {SPECIAL}").read_text(encoding="utf-8")
    assert SPECIAL not in text
    for part, count in {"title": 2, "words": 1, "chapter": 2, "about": 1, "stop": 3}.items():
        assert text.count(f"{part} {ESCAPED}") == count, part
    assert f"<details><summary>In numbers</summary><pre>{ESCAPED}</pre></details>" in text
    assert text.count(f"What you see: {ESCAPED}, and <code>x &lt; y</code>.") == 1
    assert f'alt="stop {ESCAPED}. What you see: {ESCAPED}, and x &lt; y."' in text
    assert f'print(&quot;{ESCAPED}&quot;)\nFigure((2, 1))</code>' in text
    assert (tmp_path / "tour" / "draws.png").exists()
