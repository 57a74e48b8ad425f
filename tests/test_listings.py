"""The source code that the book's pages show is tinynet's, as it stands today; docs/listing.py wrote it there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

sys.path.insert(0, str(ROOT / "docs"))
listing = importlib.import_module("listing")
sys.path.remove(str(ROOT / "docs"))

STALE = '''# A page

<!--[[[cog show("tinynet/kernels/naive.py", "at") ]]]-->
```python
def at(p):
    return p
```
<!--[[[end]]]-->
'''


@pytest.mark.slow
def test_pages_show_the_source_as_it_is(capsys):
    status = listing.cog(*PAGES, check=True)
    assert status == 0, "\n".join(capsys.readouterr())


def test_pages_show_code_where_they_are_hosted_too_and_leave_none_of_it_to_sphinx():
    assert [page.name for page in PAGES if "{literalinclude}" in page.read_text(encoding="utf-8")] == []


def test_a_listing_that_is_out_of_date_is_reported_with_the_command_that_mends_it(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(STALE, encoding="utf-8")
    assert listing.cog(page, check=True) != 0
    assert "make listings" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == STALE
    assert listing.cog(page) == 0
    assert listing.source("tinynet/kernels/naive.py", "at") in page.read_text(encoding="utf-8")
    assert listing.cog(page, check=True) == 0


def test_a_listing_is_a_whole_definition_with_its_decorators_and_without_its_indentation():
    method = listing.source("tinynet/layers/dense.py", "Dense.linear")
    assert method.startswith("def linear(self, x")
    assert method.splitlines()[-1].startswith("    return ")
    assert listing.source("tests/test_listings.py", "decorated") == "@pytest.fixture\ndef decorated():\n    return 1"


@pytest.fixture
def decorated():
    return 1


@pytest.mark.parametrize("name", ["nothing", "Dense.nothing", "Dense.linear.nothing"])
def test_a_listing_of_what_the_source_has_no_more_is_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"expected '{name}' to be defined in tinynet/layers/dense\.py.*'nothing'"):
        listing.source("tinynet/layers/dense.py", name)
