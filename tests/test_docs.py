"""The documentation holds: its code runs and prints what the pages show, its links lead somewhere.

Every ```python block of a page is run, in order, in one namespace and an empty folder:

- a block whose first line names a file, ``# prelu.py``, becomes that file, is imported, and later blocks can import it;
- a block of ``>>>`` lines is a doctest;
- what any other block prints must be what the ```text block after it shows, if there is one.

In what is shown, ``...`` stands for anything; spaces count as one; and from a number as small as rounding (1e-9 and
below, or 0e+00) to the end of its line nothing is compared.

A block that imports a library of OPTIONAL is left out where that is not installed.

A listing of tinynet's own source, which docs/listing.py wrote between its comments, is not run; tests/test_listings.py
holds it. Links to files and ``#headings``, pictures and the list of chapters are held here as well.

What a page should show is printed by the following, which leaves the page's files and pictures where it runs::

    python tests/test_docs.py docs/gradient-checking.md
"""

from __future__ import annotations

import doctest
import importlib
import io
import re
import sys
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BESIDE = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")]    # no code
LONG = {"augmentation.md", "batch-normalisation.md", "colour-images.md", "dropout.md", "gradient-checking.md",
        "initialisation.md", "looking-inside.md", "optimizers.md", "residual-connections.md", "training.md",
        "when-it-does-not-learn.md", "your-own-layer.md"}
A_SECOND = {"backpropagation.md", "several-processes.md", "tensors.md", "testing-gradients.md"}      # each, or more
OPTIONAL = ("torch", "jax", "autograd", "mygrad")      # shown on a page for those who have them
TAKES_MINUTES = ".fit(x_train"                         # marks the README's training, which the examples' tests run

FENCE = re.compile(r"(^<!--\[\[\[cog [^\n]*\n)?^```(\w*)[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
ROUNDING = re.compile(r"(?<![\d.])(\d(\.\d+)?e-(09|[1-9]\d+)|0(\.0+)?e[+-]00)\b.*")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A piece of Python on a page, the line it begins on, and what the page says that it prints."""

    code: str
    line: int
    shown: str | None

    @property
    def file(self) -> str | None:
        """Name of the file that the block is."""
        named = re.match(r"# (\w+\.py)\n", self.code)
        return named[1] if named else None


def can_run(block: Block) -> bool:
    """Say whether all that a block imports is installed.

    >>> can_run(Block("import numpy as np", 1, None))
    True
    """
    return all(find_spec(name) for name in OPTIONAL if re.search(rf"^(import|from) {name}\b", block.code, re.MULTILINE))


def blocks(text: str) -> list[Block]:
    """Find the Python blocks of a page that are to be run.

    >>> blocks("```python\\nprint(1)\\n```\\n\\nprints\\n\\n```text\\n1\\n```\\n")
    [Block(code='print(1)\\n', line=2, shown='1\\n')]
    >>> blocks('<!--[[[cog show("losses.py", "Loss") ]]]-->\\n```python\\nclass Loss:\\n```\\n<!--[[[end]]]-->\\n')
    []
    """
    fences = list(FENCE.finditer(text))
    found = []
    for fence, after in zip(fences, [*fences[1:], None], strict=False):
        listing, language, code = fence.groups()
        if language == "python" and not listing:
            shown = after[3] if after and after[2] == "text" else None
            found.append(Block(code, text.count("\n", 0, fence.start(3)) + 1, shown))
    return found


def run(block: Block, namespace: dict, page: str) -> str:
    """Run a block; return what it prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        if block.file:
            Path(block.file).write_text(block.code, encoding="utf-8")
            sys.modules.pop(Path(block.file).stem, None)
            importlib.invalidate_caches()
            importlib.import_module(Path(block.file).stem)
        elif ">>>" in block.code:
            test = doctest.DocTestParser().get_doctest(block.code, namespace, page, page, block.line - 1)
            doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False)
            namespace.update(test.globs)
        else:
            padding = "\n" * (block.line - 1)          # so that an error names the line on the page
            exec(compile(padding + block.code, page, "exec"), namespace)
    return out.getvalue()


def same_output(shown: str, printed: str) -> bool:
    """Say whether a page shows what its code prints.

    >>> same_output("x  1.0  3e-12  8", "x 1.0 9e-13 7"), same_output("x ... 1.0", "x   y 1.0")
    (True, True)
    >>> same_output("x 1.0", "x 1.1"), same_output("1.0e+00 2", "1.0e+00 3")
    (False, False)
    """
    shown, printed = ("\n".join(ROUNDING.sub("~", line).strip() for line in text.strip().splitlines())
                      for text in (shown, printed))
    return doctest.OutputChecker().check_output(shown + "\n", printed + "\n", FLAGS)


@contextmanager
def modules_of_their_own(folder: Path):
    """Let files in a folder be imported, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = written
        for name in set(sys.modules) - before:
            if (file := getattr(sys.modules[name], "__file__", None)) and Path(file).parent == folder:
                del sys.modules[name]


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.book if page.name in LONG else
                                               pytest.mark.rest if page.name in A_SECOND else ())
                                  for page in PAGES], ids=lambda page: page.name)
@pytest.mark.slow
def test_code_runs_and_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace: dict = {"__name__": "__main__"}
    if page.name == "README.md":
        exec("import numpy as np\nfrom tinynet.layers import Layer", namespace)
    with modules_of_their_own(tmp_path):
        for block in blocks(page.read_text(encoding="utf-8")):
            if page.name == "README.md" and TAKES_MINUTES in block.code:
                compile(block.code, page.name, "exec")
                continue
            if not can_run(block):
                continue
            printed = run(block, namespace, page.name)
            failed = ">>>" in block.code and printed
            assert not failed, f"{page.name}, line {block.line}: a doctest fails:\n{printed}"
            if block.shown is not None and not block.file:
                assert same_output(block.shown, printed), (
                    f"{page.name}, line {block.line}: the code prints\n{printed}\nand the page shows\n{block.shown}")


LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def prose(page: Path) -> str:
    """Return a page without its code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchor(heading: str) -> str:
    """Return what a link to a heading is written with.

    >>> anchor("ReLU'(0), and `argmax`: a choice")
    'relu0-and-argmax-a-choice'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES + BESIDE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    for link in LINK.findall(prose(page)):
        if not re.match(r"\w+:", link):
            file, _, heading = link.partition("#")
            target = page.parent / file if file else page
            assert target.is_file(), link
            assert not heading or heading in map(anchor, HEADING.findall(prose(target))), link


def test_index_lists_every_page_in_the_order_of_the_site():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    trees = [line for tree in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
             for line in tree.splitlines() if line and line[0] != ":"]
    linked = [link.removesuffix(".md") for link in LINK.findall(FENCE.sub("", index)) if link.endswith(".md")]
    assert trees == linked
    assert sorted([*trees, "index"]) == sorted(page.stem for page in (ROOT / "docs").glob("*.md"))


def main() -> None:
    """Print what the blocks of some pages print."""
    for page in map(Path, sys.argv[1:]):
        namespace: dict = {"__name__": "__main__"}
        with modules_of_their_own(Path.cwd()):
            for block in filter(can_run, blocks(page.read_text(encoding="utf-8"))):
                printed = run(block, namespace, page.name)
                if printed:
                    print(f"--- {page.name}, line {block.line}\n{printed}", end="")


if __name__ == "__main__":
    main()
