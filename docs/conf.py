"""How Sphinx makes the site: pages in Markdown, formulas as MathML, and nothing loaded from another host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.addnodes import download_reference
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

DOCS = Path(__file__).resolve().parent
logger = logging.getLogger(__name__)

project = "tinynet"
html_title = "tinynet"
extensions = ["myst_parser"]
exclude_patterns = ["figures", "pictures"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


# Formulas: TeX to MathML, which browsers draw themselves.

def math(writer: Any, node: Any) -> None:
    """Write a formula in the line or a displayed one; one that docutils cannot translate is warned of."""
    displayed = isinstance(node, nodes.math_block)
    try:
        formula = tex2mathml(node.astext(), as_block=displayed)
    except MathError as error:
        logger.warning("%s In: %s", error, node.astext(), location=node)
        raise nodes.SkipNode from error
    writer.body.append(f'<div class="formula">{formula}</div>' if displayed else formula)
    raise nodes.SkipNode


# Links into the source: each file that a page links to becomes a page of its own.

class LinkSources(SphinxTransform):
    """Turn links to files of the repository, ``[dense.py](../tinynet/layers/dense.py)``, into links to their pages."""

    default_priority = 870          # before Sphinx collects what there is to download, at 880

    def apply(self, **kwargs: Any) -> None:
        """Replace the links of one page, and note where they lead."""
        page = self.env.docname
        for link in list(self.document.findall(download_reference)):
            file = (DOCS / link["reftarget"].lstrip("/")).resolve().relative_to(DOCS.parent).as_posix()
            self.env.metadata[page].setdefault("sources", []).append(file)
            uri = self.app.builder.get_relative_uri(page, f"source/{file}")
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri, internal=True))


def source_pages(app: Any) -> Any:
    """Make the pages of the files that are linked to."""
    files = {file for page in app.env.metadata.values() for file in page.get("sources", ())}
    for file in sorted(files):
        text = (DOCS.parent / file).read_text(encoding="utf-8")
        code = highlight(text, get_lexer_for_filename(file), HtmlFormatter())
        yield f"source/{file}", {"title": file, "body": f"<h1>{file}</h1>{code}"}, "page.html"


# The page file, which `make docs` makes before; where the site is built without, its front page says so.

PAGE_FILE = DOCS.parent / "build" / "docs" / "larger-cnn.html"
HERE_IT_IS = ('**<a href="larger-cnn.html">Touch a trained network, here and now</a>**: draw a digit, follow it '
              'through every layer of the larger CNN, and its gradient back, number by number. Nothing to install.')
NOT_HERE = ("A page on which a trained network can be touched, number by number, belongs here; this build of the site "
            "has none: `make docs` makes it.")
html_extra_path = [str(PAGE_FILE)] if PAGE_FILE.is_file() else []


def link_page_file(app: Any, page: str, source: list[str]) -> None:
    """Put the link to the page file into the front page, or say that there is none."""
    source[0] = source[0].replace("<!-- the page file -->", HERE_IT_IS if html_extra_path else NOT_HERE)


# Nothing from elsewhere.

LOADS = re.compile(r"""<(?:script|img|link|iframe|source|video|audio|embed|object)\b[^>]*?
                       (?:src|href|data)=["']?(?:https?:)?//[^>]*>|@import[^;]*//|url\(\s*["']?(?:https?:)?//[^)]*""",
                   re.VERBOSE)


def foreign_loads(site: Path) -> list[str]:
    """List what pages and styles would load from another host."""
    return [f"{file.relative_to(site)}: {found[0]}" for file in sorted(site.rglob("*"))
            if file.suffix in (".html", ".css", ".svg") for found in LOADS.finditer(file.read_text(encoding="utf-8"))]


def stay_at_home(app: Any, exception: Exception | None) -> None:
    """Fail a build whose pages load anything from another host."""
    if exception is None and (found := foreign_loads(Path(app.outdir))):
        raise ExtensionError("The site loads from another host:\n" + "\n".join(found))


def setup(app: Any) -> None:
    """Register all of this with Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(math, None), block_renderers=(math, None))
    app.add_transform(LinkSources)
    app.connect("source-read", link_page_file)
    app.connect("html-collect-pages", source_pages)
    app.connect("build-finished", stay_at_home)
