"""Write the source code that the book's pages show into those pages.

A page asks for a function, class or method with a comment, which is invisible wherever the page is shown; the listing
stands between it and its end:

    <!--[[[cog show("tinynet/kernels/naive.py", "conv2d") ]]]-->
    <!--[[[end]]]-->

The tool that runs these comments is cog, https://cog.readthedocs.io. The listings are part of the pages, and not left
to Sphinx's ``literalinclude``, so that they can be read where the code is hosted as well; a test holds that they are
what the source says.

    python docs/listing.py              # bring the listings up to date; also: make listings
    python docs/listing.py --check      # say which are not, and change nothing
"""

from __future__ import annotations

import ast
import sys
import textwrap
from pathlib import Path

from cogapp import Cog

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def source(file: str, name: str) -> str:
    """Return the source text of a function, class or ``Class.method``, with its decorators, without its indentation."""
    text = (ROOT / file).read_text(encoding="utf-8")
    node: ast.AST | None = ast.parse(text)
    for part in name.split("."):
        node = next((child for child in getattr(node, "body", ()) if getattr(child, "name", None) == part), None)
        if node is None:
            raise ValueError(f"expected {name!r} to be defined in {file}. Received: a file without {part!r}.")
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1:node.end_lineno]))


def show(file: str, name: str) -> None:
    """Print a listing as a page has it; cog puts what is printed into the page."""
    print(f"```python\n{source(file, name)}\n```")


def cog(*pages: Path, check: bool = False) -> int:
    """Run the comments of some pages, or only `check` that it would change nothing; return 0 if all is well."""
    task = ["--check", "--diff", "--check-fail-msg=`make listings` brings the pages up to date"] if check else ["-r"]
    return Cog().main(["cog", *task, "-P", "-U", "-n", "utf-8", "--verbosity=1", "-I", str(DOCS),
                       "--markers=[[[cog ]]]--> [[[end]]]",         # cog's own end, ]]], is in printed arrays too
                       "-p", "from listing import show", *map(str, pages)])


if __name__ == "__main__":
    sys.exit(cog(ROOT / "README.md", *sorted(DOCS.glob("*.md")), check="--check" in sys.argv[1:]))
