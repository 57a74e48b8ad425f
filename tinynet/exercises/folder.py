"""A learner's folder: the files to fill in, which hints were asked for, and how each exercise stood."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import tinynet
from tinynet.exercises.exercise import Answer, Exercise
from tinynet.exercises.marking.mark import mark
from tinynet.exercises.marking.verdict import TaskVerdict, Verdict
from tinynet.exercises.source import to_fill_in

HINTS = ".hints.json"                            # name of an exercise -> number of hints seen
MARKS = ".marks.json"                            # name of an exercise -> how it stood, and of what content of the files
IMPORTED = re.compile(rb"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)


class Mark(NamedTuple):
    """How an exercise stands: its state in a word, and the fraction of its checks that came out right."""

    state: str
    score: float


class Folder:
    """The folder in which somebody does the exercises.

    Parameters
    ----------
    path : where it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def file(self, exercise: Exercise) -> Path:
        """Return where an exercise's file is, or will be."""
        return self.path / exercise.file

    def start(self, exercise: Exercise) -> bool:
        """Write the file to fill in, if there is none yet; say whether it was written."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with self.file(exercise).open("x", encoding="utf-8") as file:
                file.write(to_fill_in(exercise))
        except FileExistsError:                  # what a learner wrote is never written over
            return False
        return True

    def check(self, exercise: Exercise, seed: int = 0) -> Verdict:
        """Mark what is in an exercise's file."""
        if not self.file(exercise).exists():
            told = f"There is no file {self.file(exercise)} yet: `python -m tinynet exercises start` writes it. " \
                   "If your files are elsewhere, go there, or name the folder: --folder FOLDER."
            return Verdict(exercise.name, tuple(TaskVerdict(task.name, 0, 0, "unfinished", (told,), unfinished=True)
                                                for task in exercise.tasks))
        verdict = mark(exercise, self.answers(exercise), seed)
        with suppress(OSError):                  # a folder that is for reading only is marked again each time
            self.remember(MARKS, {exercise.name: [self.content(exercise), verdict.state, verdict.score]})
        return verdict

    def standing(self, exercise: Exercise, remembered: bool = False) -> Mark:
        """Return how an exercise stands: it is marked again only if its file, or one that it imports, has changed.

        With `remembered` it is not marked at all; what was never marked is unfinished then.
        """
        content, state, score = self.read(MARKS).get(exercise.name, ["", "unfinished", 0.0])
        if remembered or (content and content == self.content(exercise)):
            return Mark(state, score)
        verdict = self.check(exercise)
        return Mark(verdict.state, verdict.score)

    def content(self, exercise: Exercise) -> str:
        """Return a digest of the exercise's file and of those beside it that it imports, directly or not."""
        found: dict[Path, bytes] = {}
        ahead = [self.file(exercise)]
        while ahead:
            path = ahead.pop()
            if path not in found and path.exists():
                found[path] = path.read_bytes()
                ahead += [self.path / f"{name.decode()}.py" for name in IMPORTED.findall(found[path])]
        parts = [tinynet.__version__.encode(), *(part for path in sorted(found) for part in
                                                 (path.name.encode(), found[path]))]
        return hashlib.sha256(b"\0".join(parts)).hexdigest() if found else ""

    def answers(self, exercise: Exercise) -> Callable[[], Mapping[str, Answer]]:
        """Return a function that runs the file and gives its functions; files beside it can be imported."""
        return lambda: vars(loaded(self.file(exercise)))

    def read(self, name: str) -> dict[str, Any]:
        """Return what is remembered in a file of ours."""
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def remember(self, name: str, more: dict[str, Any]) -> None:
        """Add to what is remembered in a file of ours."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(json.dumps({**self.read(name), **more}), encoding="utf-8")

    def hints_seen(self) -> dict[str, int]:
        """Return how many hints of each exercise were asked for."""
        return self.read(HINTS)

    def next_hint(self, exercise: Exercise) -> int:
        """Count one hint more, and return its number, from 1; after the last one it stays at that."""
        number = min(self.hints_seen().get(exercise.name, 0) + 1, len(exercise.hints))
        self.remember(HINTS, {exercise.name: number})
        return number


def loaded(path: Path) -> ModuleType:
    """Run a file, and return it as a module; a module of that name that was loaded before does not count."""
    sys.path.insert(0, str(path.parent.resolve()))
    sys.dont_write_bytecode = True
    try:
        sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()
        return importlib.import_module(path.stem)
    finally:
        sys.path.pop(0)
