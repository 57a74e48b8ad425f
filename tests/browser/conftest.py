"""A real browser, and pages of the explorer in it. Every page is watched: what it says, whom it asks, what jumps."""

import sys
from pathlib import Path

import pytest
from installed import browser_path
from shown import Shown

from tinynet.explore import explore

sys.path.append(str(Path(__file__).parents[1] / "explore"))      # its models


def pytest_collection_modifyitems(items):
    """Mark what needs a browser, so that it runs in `make test-browser` alone."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path())
        yield browser
        browser.close()


@pytest.fixture
def show(chromium):
    """Open an address, or the explorer on a model, in a page of its own; when the test ends all of it was in order."""
    shown, explorers = [], []

    def opened(what, x=None, y=None, *, at="", **context):
        if not isinstance(what, str):
            explorers.append(explore(what, x, y))
        page = Shown(chromium, what if isinstance(what, str) else explorers[-1].url, at, context)
        page.explorer = None if isinstance(what, str) else explorers[-1]
        shown.append(page)
        return page

    yield opened
    try:
        for page in shown:
            page.expect_in_order()
    finally:
        for page in shown:
            page.close()
        for explorer in explorers:
            explorer.stop()
