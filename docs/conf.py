"""How Sphinx makes the site: pages in Markdown, formulas as MathML, and nothing loaded from another host."""

from __future__ import annotations

import re
import shutil
import sys
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
sys.path.insert(0, str(DOCS))

from notebooks import chapters, lessons, write
from reference import elsewhere

logger = logging.getLogger(__name__)

project = "tinynet"
html_title = "tinynet"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_copybutton",
              "reference"]                      # docs/reference.py
templates_path = ["templates"]
autosummary_ignore_module_all = False           # what a room exports is what its __all__ says
autosummary_context = {"elsewhere": elsewhere()}
autodoc_typehints = "none"                      # the docstrings say it in words
numpydoc_show_class_members = False
toc_object_entries = False
copybutton_selector = "div.highlight-python pre, div.highlight-default pre, div.highlight-pycon pre"
copybutton_prompt_text = ">>> "
exclude_patterns = ["figures", "pictures", "templates"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_sidebars = {"**": ["sidebar/brand.html", "sidebar/search.html", "sidebar/scroll-start.html",
                        "sidebar/navigation.html", "beside.html", "sidebar/scroll-end.html"]}
TOUR = "figures/look_inside"
BESIDE = {"tour/index.html": "The tour", "larger-cnn.html": "A network to touch"}        # file in the site: title


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
        body = f"<h1>{file}</h1>{downloads(DOCS.parent / file)}{code}"
        yield f"source/{file}", {"title": file, "body": body}, "page.html"


# What there is to take home, and what stands beside the book.

def downloads(source: Path) -> str:
    """Return the line of links to the notebook and the script of a chapter or a lesson; nothing for another file."""
    if source not in [*chapters(), *lessons()]:
        return ""
    up = "" if source.suffix == ".md" else "../../"
    notebook, script, everything = (f'<a href="{up}notebooks/{file}" download>{words}</a>' for file, words in (
        (f"{source.stem}.ipynb", "notebook"), (f"{source.stem}.py", "script"), ("notebooks.zip", "all notebooks")))
    kind = "chapter" if source.suffix == ".md" else "lesson"
    return f'<p class="downloads">This {kind} as a {notebook} or a {script}; {everything}</p>'


def offer_downloads(app: Any, page: str, source: list[str]) -> None:
    """Put the downloads of a chapter below its title."""
    if offered := downloads(DOCS / f"{page}.md"):
        source[0] = source[0].replace("\n", f"\n\n{offered}\n", 1)


def write_notebooks(app: Any, exception: Exception | None) -> None:
    """Put the notebooks and scripts into the site."""
    if exception is None:
        write(Path(app.outdir) / "notebooks")


def copy_tour(app: Any) -> None:
    """Put the tour into the site, if examples/look_inside.py has written one."""
    if (DOCS.parent / TOUR / "index.html").exists():
        shutil.copytree(DOCS.parent / TOUR, Path(app.outdir) / "tour", dirs_exist_ok=True)


def link_beside(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the sidebar link to what stands beside the book, if it is in the site."""
    context["beside"] = {file: title for file, title in BESIDE.items() if (Path(app.outdir) / file).exists()}


# The page file, which `make docs` makes before; where the site is built without, its front page says so.

PAGE_FILE = DOCS.parent / "build" / "docs" / "larger-cnn.html"
HERE_IT_IS = ('**<a href="larger-cnn.html">Touch a trained network, here and now</a>**: draw a digit, follow it '
              'through every layer of the larger CNN, and its gradient back, number by number. Nothing to install.')
NOT_HERE = ("A page on which a trained network can be touched, number by number, belongs here; this build of the site "
            "has none: `make docs` makes it.")


def copy_page_file(app: Any) -> None:
    """Put the page file into the site, if there is one."""
    if PAGE_FILE.is_file():
        shutil.copy(PAGE_FILE, app.outdir)


def link_page_file(app: Any, page: str, source: list[str]) -> None:
    """Put the link to the page file into the front page, or say that there is none."""
    source[0] = source[0].replace("<!-- the page file -->", HERE_IT_IS if PAGE_FILE.is_file() else NOT_HERE)


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
    app.connect("builder-inited", copy_page_file)
    app.connect("source-read", link_page_file)
    app.connect("builder-inited", copy_tour)
    app.connect("source-read", offer_downloads)
    app.connect("html-page-context", link_beside)
    app.connect("html-collect-pages", source_pages)
    app.connect("build-finished", write_notebooks)
    app.connect("build-finished", stay_at_home)
