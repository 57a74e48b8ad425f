"""One HTML file of the page's parts: its style, its modules as one script, and what it is to show, as JSON."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from tinynet.explore.exporting.inlining import as_one_script

PAGE = Path(__file__).parent.parent / "page"
CHARSET = '<meta charset="utf-8">'
STYLE = '<link rel="stylesheet" href="style.css">'
SCRIPT = '<script type="module" src="main.js"></script>'
BOOK = '<meta name="tinynet-book" content="">'


def as_document(content: Mapping[str, Any], title: str, book: str) -> str:
    """Return the page with what it is to show, under a title; `book` is the address of the book's folder, if any."""
    page, style, script = parts()
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    replacements = {
        CHARSET: f'{CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">',
        STYLE: f"<style>{style}</style>",
        SCRIPT: f'<script type="application/json" id="tinynet-model">{data}</script>\n'
                f'<script type="module">{script}</script>',
        BOOK: BOOK.replace('""', f'"{html.escape(book)}"'),
        "<title>tinynet explorer</title>": f"<title>{html.escape(title)}, tinynet explorer</title>",
    }
    for old, new in replacements.items():
        before, found, after = page.partition(old)
        if not found:
            raise ValueError(f"index.html: expected {old} in it. Received: a page without.")
        page = before + new + after
    return page


@cache
def parts() -> tuple[str, str, str]:
    """Return the page's HTML, its style and its script."""
    script = as_one_script(PAGE, "main.js", without=["remote.js"])
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    for text, end in ((script, "</script"), (style, "</style")):
        if end in text.lower():
            raise ValueError(f"expected no {end} in the page's modules and style, where it would end them.")
    return (PAGE / "index.html").read_text(encoding="utf-8"), style, script


def policy(style: str, script: str) -> str:
    """Return a content security policy under which nothing but this script runs, and nothing is loaded."""
    return (f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; img-src data:; "
            "base-uri 'none'; form-action 'none'")


def digest(text: str) -> str:
    """Return the hash by which a policy allows a script or a style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
