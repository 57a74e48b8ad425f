"""The bugs: read from data/level_*.toml, each a small change of the text of a file that is right.

An entry::

    [[bugs]]
    name = "dense-1"                     # says where to look, and not for what
    file = "layers/dense.py"             # in tinynet; also = [...] names files that are copied along, and are right
    old = "drows.sum(axis=0)"            # stands in the file exactly once
    new = "drows.mean(axis=0)"
    title = "..."                        # what somebody complains of, in a line
    story = "..."                        # the same in a few lines
    look = "..."                         # a script, run beside the copy, that shows the symptom
    hints = ["...", "...", "..."]        # from the direction to nearly the line
    why = "..."                          # the solution in words
    catch = "..."                        # a script that fails beside the copy, and does not beside the right file
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tinynet
from tinynet.registry import pick

PACKAGE = Path(tinynet.__file__).parent
LEVELS = (1, 2, 3)
WIDEST = 120                                        # characters of a line in tinynet
COMMENT = re.compile(r"(  +)(# .*)$")               # behind a line of code
HEAD = """\
import numpy as np
from tinynet import kernels
kernels.use("im2col")                    # NumPy alone: nothing is compiled

"""


@dataclass(frozen=True)
class Bug:
    """One bug: in `file`, the text `old` has become `new`."""

    name: str
    level: int
    title: str
    story: str
    file: str
    old: str
    new: str
    look: str
    hints: tuple[str, ...]
    why: str
    catch: str
    also: tuple[str, ...] = ()

    @property
    def guilty(self) -> str:
        """The name of the copy that the bug is in."""
        return Path(self.file).name

    def right(self) -> dict[str, str]:
        """Return the files as they ought to be, {name of the copy: text}."""
        modules = [".".join(["tinynet", *Path(file).with_suffix("").parts]) for file in self.files]
        return {Path(file).name: beside_each_other(self.source(file), modules) for file in self.files}

    def broken(self) -> dict[str, str]:
        """Return the files with the bug in one of them, or raise a ValueError unless it fits in exactly one place."""
        files = self.right()
        count = files[self.guilty].count(self.old)
        if count != 1:
            raise ValueError(f"Bug {self.name!r}: expected its old text once in {self.file}. Found: {count} times. "
                             f"Has the source changed? The old text is:\n{self.old}")
        right = files[self.guilty]
        return files | {self.guilty: with_comments_in_place(right, right.replace(self.old, self.new))}

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are copied, by their paths in tinynet."""
        return (self.file, *self.also)

    @staticmethod
    def source(file: str) -> str:
        """Return the text of a file of tinynet."""
        return (PACKAGE / file).read_text(encoding="utf-8")


def beside_each_other(text: str, modules: Iterable[str]) -> str:
    """Let a file import those modules that are copied along from where it stands.

    >>> beside_each_other("from tinynet.layers.weighted import Weighted", ["tinynet.layers.weighted"])
    'from weighted import Weighted'
    """
    for module in modules:
        text = text.replace(f"from {module} import", f"from {module.rpartition('.')[2]} import")
    return text


def with_comments_in_place(right: str, broken: str) -> str:
    """Let the comments behind changed lines begin where they did: one out of line would point at the bug.

    So would a line that is longer than all others: where there is no room for the comment, it goes.

    >>> with_comments_in_place("y = x            # (N, D)", "y = x.mean()            # (N, D)")
    'y = x.mean()     # (N, D)'
    """
    pairs = list(zip(right.split("\n"), lines := broken.split("\n"), strict=False))
    if right.count("\n") != broken.count("\n"):
        return broken
    for k, (before, after) in enumerate(pairs):
        comment = COMMENT.search(after)
        if before != after and comment and (was := COMMENT.search(before)) and was[2] == comment[2]:
            code = after[:comment.start()]
            whole = code + " " * max(was.start(2) - len(code), 2) + comment[2]
            lines[k] = whole if len(whole) <= WIDEST else code
    return "\n".join(lines)


@cache
def load() -> dict[str, Bug]:
    """Return all bugs by their names, level by level."""
    bugs = []
    for level in LEVELS:
        for path in sorted((Path(__file__).parent / "data").glob(f"level_{level}_*.toml")):
            for entry in tomllib.loads(path.read_text(encoding="utf-8"))["bugs"]:
                lists = {key: tuple(entry[key]) for key in ("hints", "also") if key in entry}
                bugs.append(Bug(**{**entry, **lists, "level": level}))
    return {bug.name: bug for bug in bugs}


def find(name: str) -> Bug:
    """Return the bug of a name, or raise a ValueError that says which there are."""
    return pick("bug", name, load())
