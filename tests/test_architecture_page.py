"""docs/architecture.md is the map of the package as it is: every room is on it, and imports go the way it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinynet"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
OPEN_TO_ALL = {"registry", "checks", "utils", "tables", "figures"}


def rooms():
    return {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def drawn():
    """Return which rooms each room may import, in the order of the page's list."""
    listed = re.search(r"```text\n(.*? ->  .*?)```", PAGE, re.DOTALL)[1]
    may, below = {}, set()
    for line in reversed(listed.splitlines()):
        left, right = (set(re.findall(r"\w+", part)) for part in line.split("->"))
        for room in left:
            may[room] = below if right == {"all", "that", "follow"} else right & rooms()
        below = below | left
    return dict(reversed(may.items()))


def imported(path):
    """List the rooms that a file imports when it is loaded."""
    def walk(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.module == "tinynet":
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and (child.module or "").startswith("tinynet."):
                yield child.module.split(".")[1]
            elif isinstance(child, ast.Import):
                yield from (alias.name.split(".")[1] for alias in child.names if alias.name.startswith("tinynet."))
            elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                yield from walk(child)
    return {{"Sequential": "models"}.get(name, name) for name in walk(ast.parse(path.read_text(encoding="utf-8")))}


def test_every_room_and_file_at_the_top_is_on_the_map():
    named = set(re.findall(r"\.\./tinynet/(\w+)", PAGE)) | set(re.findall(r"\*\*(\w+)/\*\*", PAGE))
    assert rooms() - named == set()


def test_every_room_has_its_line_in_the_list_of_imports():
    assert rooms() - set(drawn()) == {"__init__", "backend", "elsewhere", "preprocessing", *OPEN_TO_ALL}


@pytest.mark.slow
def test_imports_go_the_way_that_the_map_says():
    may = drawn()
    wrong = [(room, other) for room in may for path in [PACKAGE / f"{room}.py", *(PACKAGE / room).rglob("*.py")]
             if path.exists() for other in imported(path) - {room} - OPEN_TO_ALL if other not in may[room]]
    assert sorted(set(wrong)) == []


def test_imports_go_down_the_list_and_never_up():
    order = list(drawn())
    assert [(room, other) for room in order for other in drawn()[room] if order.index(other) <= order.index(room)] == []
