"""The site that `make docs` builds: what it shows, and where its links lead; a page with a mistake is refused."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.skipif(not all(map(find_spec, ("sphinx", "myst_parser", "furo", "numpydoc"))),
                                reason="make docs installs what it needs")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", str(source), str(site)],
                          capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site():
    folder = DOCS.parent / "site"
    assert (folder / "index.html").is_file(), "expected the site that `make docs` builds: run `make test-site`"
    return folder


@pytest.mark.book
def test_site_has_formulas_and_source(site):
    dense = (site / "dense.html").read_text(encoding="utf-8")
    assert "<math" in dense
    assert "$" not in dense.partition("<article")[2].partition("</article")[0]         # no formula left as TeX
    assert (site / "source" / "tinynet" / "kernels" / "naive.py.html").is_file()


@pytest.mark.book
def test_front_page_links_to_the_page_file_or_says_that_there_is_none(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    there = (site / "larger-cnn.html").is_file()                         # if `make docs` has made it before
    assert ('<a href="larger-cnn.html">' in front) == there
    assert ("this build of the site has none" in front) != there


class Links(HTMLParser):
    """What a page links to and loads, and the names of its parts."""

    def __init__(self, page: Path):
        super().__init__()
        self.found, self.parts = set(), set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key in ("href", "src") and value:
                self.found.add(value)
            elif key in ("id", "name"):
                self.parts.add(value)


@pytest.mark.book
def test_every_link_of_every_page_leads_to_a_file_and_a_part_of_it(site):
    pages = {page: Links(page) for page in site.rglob("*.html")}
    broken, count = [], 0
    for page, links in pages.items():
        for link in links.found:
            address = urlsplit(link)
            if address.scheme or page.parent.name == "_static":
                continue
            count += 1
            file = (page.parent / unquote(address.path)).resolve() if address.path else page
            part = unquote(address.fragment)
            if not file.is_file() or (part and file in pages and part not in {*pages[file].parts, "top"}):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []
    assert count > 2000


@pytest.mark.book
def test_book_and_reference_link_to_each_other(site):
    pooling = (site / "pooling.html").read_text(encoding="utf-8")
    assert 'href="reference/tinynet.layers.html#tinynet.layers.MaxPool2D"' in pooling
    layers = (site / "reference" / "tinynet.layers.html").read_text(encoding="utf-8")
    about = layers.partition('id="tinynet.layers.MaxPool2D"')[2].partition('id="tinynet.')[0]
    assert 'href="../pooling.html"' in about
    public = importlib.import_module("tinynet.layers").__all__
    assert [name for name in public if f'id="tinynet.layers.{name}"' not in layers] == []


@pytest.mark.book
def test_chapters_and_lessons_can_be_taken_and_code_copied(site):
    pooling = (site / "pooling.html").read_text(encoding="utf-8")
    assert 'href="notebooks/pooling.ipynb" download' in pooling
    assert 'href="notebooks/pooling.py" download' in pooling
    assert "copybutton.js" in pooling
    lesson = (site / "source" / "examples" / "mnist_larger.py.html").read_text(encoding="utf-8")
    assert 'href="../../notebooks/mnist_larger.ipynb" download' in lesson
    assert json.loads((site / "notebooks" / "pooling.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4


@pytest.mark.parametrize(("text", "complaint"), [
    ("A formula: $\\nonsense{x}$", "nonsense"),
    ("![a picture](https://example.org/a.png)", "loads from another host"),
    ("[a chapter](nothing.md)", "nothing"),
])
@pytest.mark.book
def test_site_refuses(text, complaint, tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    for file in DOCS.glob("*.py"):
        shutil.copy(file, source)
    for folder in ("static", "templates"):
        shutil.copytree(DOCS / folder, source / folder)
    (source / "reference.md").write_text("---\norphan: true\n---\n# Reference\n", encoding="utf-8")
    (source / "index.md").write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    built = build(source, tmp_path / "site")
    assert built.returncode != 0
    assert complaint in built.stderr
