"""A guess, FILE:LINE, and how near it is to the bug: warmer or colder, in words that say where to think."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

NEAR = 3                                            # lines
FAR = 99                                            # classes and functions: farther than any line that runs


@dataclass(frozen=True)
class Guess:
    """Where a guess is, measured from the bug.

    Attributes
    ----------
    right : whether it is the statement that the bug is in.
    distance : (another file, how many classes and functions around the bug are not around the guess, lines).
    words : what to tell the learner.
    """

    right: bool
    distance: tuple[int, int, int]
    words: str


def bug_lines(right: str, broken: str) -> set[int]:
    """Return the lines of the broken text that are not in the right one; where lines are missing, those around."""
    lines: set[int] = set()
    matcher = SequenceMatcher(None, right.splitlines(), broken.splitlines(), autojunk=False)
    for tag, _, _, first, last in matcher.get_opcodes():
        if tag != "equal":
            lines |= set(range(first + 1, last + 1)) or {first, first + 1}
    return lines


def original_line(line: int, now: str, broken: str) -> int:
    """Return where a line of the learner's text, as it is now, stood in the broken copy that was handed out."""
    matcher = SequenceMatcher(None, now.splitlines(), broken.splitlines(), autojunk=False)
    for _, first, last, first_then, last_then in matcher.get_opcodes():
        if first < line <= last:
            return min(first_then + line - first, max(last_then, first_then + 1))
    return line


def judge(line: int, file: str, guilty: str, right: str, broken: str) -> Guess:
    """Say how near line `line` of the copy `file` is to the bug, which turned `right` into `broken` in `guilty`."""
    if file != guilty:
        return Guess(False, (1, 0, 0), f"Cold: nothing in {file} is wrong. Another file is.")
    tree, answer = ast.parse(broken), bug_lines(right, broken)
    if line in statements_at(tree, answer):
        return Guess(True, (0, 0, 0), "Right.")
    nearest = min(answer, key=lambda each: abs(each - line))
    home, here = around(tree, nearest), around(tree, line)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(home, here, strict=False)))
    distance = 0, len(home) - shared + len(here) - shared, abs(nearest - line)
    if says_nothing(tree, line, broken):
        return Guess(False, (0, FAR, 0), f"Cold: line {line} of {file} computes nothing: it is empty, a comment, a "
                                         "docstring or an import. What these say is right; some line does not do it.")
    return Guess(False, distance, in_words(nearest - line, home, here))


def in_words(lines: int, home: list[str], here: list[str]) -> str:
    """Say where to look, for a guess that is `lines` above the bug; both lists name classes and functions around."""
    where = "further down" if lines > 0 else "further up"
    if here == home:
        place = f"right file, right function, {home[-1]}" if home else "right file, and not inside a function"
        if abs(lines) <= NEAR:
            return f"Hot: {place}; look one to three lines {where}."
        return f"Warm: {place}; look {where}, more than three lines."
    if home[:1] != here[:1]:
        return (f"Cold: right file, but {name(here)} does what it should. Look {where}, at another class or function: "
                "which of them makes the first number that is wrong?")
    if (home[-1] == "backward") != (here[-1] == "backward"):
        return (f"Lukewarm: the bug is in {home[0]}, but not in {name(here)} itself. Ask which way it goes wrong: are "
                f"the outputs wrong already, on the way forward, or only what comes back? Look {where}.")
    return f"Lukewarm: the bug is in {home[0]}, but not in {name(here)} itself. Look {where}."


def name(path: list[str]) -> str:
    """Say which function a path of classes and functions ends in."""
    return ".".join(path) if path else "what is outside of functions"


def around(tree: ast.AST, line: int) -> list[str]:
    """Return the names of the classes and functions around a line, from the outermost to the innermost."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            named = [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
            return named + around(node, line)
    return []


def statements_at(tree: ast.AST, lines: set[int]) -> set[int]:
    """Return all lines of the statements that some lines belong to; of a block, those of its head."""
    found = set(lines)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            whole = set(range(node.lineno, max(last, node.lineno) + 1))
            found |= whole if whole & lines else set()
    return found


def says_nothing(tree: ast.AST, line: int, text: str) -> bool:
    """Tell whether a line is empty, a comment, an import or part of a docstring."""
    lines = text.splitlines()
    if not 1 <= line <= len(lines) or lines[line - 1].lstrip()[:1] in ("", "#"):
        return True
    return any(isinstance(node, (ast.Import, ast.ImportFrom)) or
               (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
               for node in ast.walk(tree)
               if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
               and not hasattr(node, "body"))
