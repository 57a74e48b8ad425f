"""docs/reliability.md and docs/beside-keras.md name, for each promise and each difference, tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = {name: (TESTS.parent / "docs" / f"{name}.md").read_text(encoding="utf-8")
         for name in ("reliability", "beside-keras")}
HEADS = "| promise", "| what happens", "| here |"


def rows(page):
    """Return the rows of the tables on a page, without their heads."""
    with_tests = PAGES[page].partition("## Not here, ")[0]           # a list of what cannot be tested: it is not there
    return [line for line in with_tests.splitlines() if line.startswith("| ") and not line.startswith(HEADS)]


@pytest.mark.parametrize(("page", "at_least"), [("reliability", 30), ("beside-keras", 40)])
def test_every_test_that_a_page_names_exists(page, at_least):
    named = re.findall(r"`((?:study/)?test_\w+\.py)::(\w+)`", PAGES[page])
    assert len(named) > at_least
    for file, test in named:
        assert f"def {test}(" in (TESTS / file).read_text(encoding="utf-8"), (file, test)


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_names_its_test(page):
    assert [row for row in rows(page) if "::test_" not in row] == []


def test_every_difference_from_keras_says_why():
    assert len(rows("beside-keras")) > 30
    for row in rows("beside-keras"):
        cells = row.split(" | ")
        assert len(cells) == 4, row
        assert all(cell.strip("| ") for cell in cells), row
        assert "::test_" in cells[3], row
