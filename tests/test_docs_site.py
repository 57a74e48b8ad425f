"""The book builds as a site, without a warning, and loads nothing from elsewhere. Needs the extra ``docs``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="make docs installs it")
pytest.importorskip("myst_parser", reason="make docs installs it")
pytest.importorskip("furo", reason="make docs installs it")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", str(source), str(site)],
                          capture_output=True, text=True, check=False)


@pytest.mark.book
def test_site_builds_with_formulas_and_source(tmp_path):
    built = build(DOCS, tmp_path / "site")
    assert built.returncode == 0, built.stderr
    dense = (tmp_path / "site" / "dense.html").read_text(encoding="utf-8")
    assert "<math" in dense
    assert "$" not in dense.partition("<article")[2].partition("</article")[0]         # no formula left as TeX
    assert (tmp_path / "site" / "source" / "tinynet" / "kernels" / "naive.py.html").is_file()
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    has_page_file = (tmp_path / "site" / "larger-cnn.html").is_file()                # if `make docs` has made it before
    assert ('<a href="larger-cnn.html">' in front) == has_page_file
    assert ("this build of the site has none" in front) != has_page_file


@pytest.mark.parametrize(("text", "complaint"), [
    ("A formula: $\\nonsense{x}$", "nonsense"),
    ("![a picture](https://example.org/a.png)", "loads from another host"),
    ("[a chapter](nothing.md)", "nothing"),
])
@pytest.mark.book
def test_site_refuses(text, complaint, tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_bytes((DOCS / "conf.py").read_bytes())
    (source / "static").mkdir()
    (source / "static" / "book.css").touch()
    (source / "index.md").write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    built = build(source, tmp_path / "site")
    assert built.returncode != 0
    assert complaint in built.stderr
