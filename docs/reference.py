"""The reference, which Sphinx makes from the docstrings, and the links between it and the chapters of the book.

A chapter links to what its code imports, and a name of the reference to the chapters that show its source or, if none
does, to the first that imports it.
"""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

DOCS = Path(__file__).resolve().parent
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMPORT = re.compile(r"^from (tinynet[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
LISTING = re.compile(r'cog show\("(tinynet/[\w/]+)\.py", "(\w+)')


@cache
def public() -> dict[str, object]:
    """Return the public objects by their full names; what two rooms export is that of the inner one."""
    found: dict[int, tuple[tuple[int, bool], str, object]] = {}
    for room in re.findall(r"^   (tinynet[\w.]+)$", (DOCS / "reference.md").read_text(encoding="utf-8"), re.MULTILINE):
        module = importlib.import_module(room)
        own = [name for name, thing in vars(module).items()
               if name[0] != "_" and getattr(thing, "__module__", None) == room]
        for name in getattr(module, "__all__", own):
            thing = getattr(module, name)
            rank = len(room), getattr(thing, "__name__", name) == name         # Keras's longer names are aliases
            if id(thing) not in found or rank > found[id(thing)][0]:
                found[id(thing)] = rank, f"{room}.{name}", thing
    return {name: thing for _, name, thing in found.values()}


@cache
def names() -> dict[int, str]:
    """Return the full names of the public objects by their identities."""
    return {id(thing): name for name, thing in public().items()}


def elsewhere() -> dict[str, list[str]]:
    """Return what each room exports and another one documents."""
    rooms = {name.rpartition(".")[0] for name in public()}
    return {room: [name for name in getattr(importlib.import_module(room), "__all__", ())
                   if names().get(id(getattr(importlib.import_module(room), name)), room).rpartition(".")[0] != room]
            for room in rooms}


def found_in(room: str, name: str) -> str | None:
    """Return the full public name of what is called `name` in a module, if it is public."""
    return names().get(id(getattr(importlib.import_module(room), name, None)))


@cache
def imported(page: Path) -> list[str]:
    """List the public names that a page's code imports, or takes from `study`, in the order of the page."""
    code = "\n".join(CODE.findall(page.read_text(encoding="utf-8")))
    taken = [(room, name) for room, some in IMPORT.findall(code) for name in re.findall(r"\w+", some)]
    taken += [("tinynet.study", name) for name in re.findall(r"\bstudy\.(\w+)", code)]
    return list(dict.fromkeys(name for name in (found_in(*each) for each in taken) if name))


@cache
def chapters_of() -> dict[str, list[str]]:
    """Return for each public name the pages to read about it."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = [DOCS / f"{stem}.md" for stem in re.findall(r"\]\((\S+)\.md\)", index) if stem != "reference"]
    shown, used = defaultdict(list), {}
    for page in pages:
        for file, name in LISTING.findall(page.read_text(encoding="utf-8")):
            full = found_in(file.replace("/", "."), name)
            if full and page.stem not in shown[full]:
                shown[full].append(page.stem)
        for full in imported(page):
            used.setdefault(full, [page.stem])
    return {**used, **shown}


def link_chapter(app, page: str, source: list[str]) -> None:
    """Add links into the reference to the end of a chapter."""
    file = DOCS / f"{page}.md"
    if (names := imported(file) if file.exists() else []):
        links = ", ".join(f"{{py:obj}}`{name.rpartition('.')[2]} <{name}>`" for name in names)
        source[0] += f"\n\n***\n\nIn the [reference](reference.md): {links}.\n"


def link_name(app, what: str, name: str, thing: object, options, lines: list[str]) -> None:
    """Add to a name of the reference the chapters to read."""
    if pages := chapters_of().get(names().get(id(thing), "")):
        lines += ["", "In the book: " + ", ".join(f":doc:`/{page}`" for page in pages) + ".", ""]


def head_examples(app, what: str, name: str, thing: object, options, lines: list[str]) -> None:
    """Give the doctest at the end of a docstring the heading by which numpydoc tells it from the section before."""
    at = next((k for k, line in enumerate(lines) if line.startswith(">>>")), None)
    if at and "Examples" not in lines and any(re.match(r"-{3,}$", line) for line in lines[:at]):
        lines[at:at] = ["Examples", "--------"]


def setup(app) -> None:
    """Register all of this with Sphinx."""
    app.connect("source-read", link_chapter)
    app.connect("autodoc-process-docstring", head_examples, priority=400)         # numpydoc's is 500
    app.connect("autodoc-process-docstring", link_name, priority=600)
