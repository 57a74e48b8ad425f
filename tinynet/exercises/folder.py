"""A learner's folder: the files to fill in, and which hints were asked for."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from tinynet.exercises.exercise import Answer, Exercise
from tinynet.exercises.marking.mark import mark
from tinynet.exercises.marking.verdict import TaskVerdict, Verdict
from tinynet.exercises.source import to_fill_in

HINTS = ".hints.json"                            # name of an exercise -> number of hints seen


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
            told = f"There is no file {self.file(exercise)} yet: `python -m tinynet exercises start` writes it."
            return Verdict(exercise.name, tuple(TaskVerdict(task.name, 0, 0, "unfinished", (told,), unfinished=True)
                                                for task in exercise.tasks))
        return mark(exercise, self.answers(exercise), seed)

    def answers(self, exercise: Exercise) -> Callable[[], Mapping[str, Answer]]:
        """Return a function that runs the file and gives its functions; files beside it can be imported."""
        return lambda: vars(loaded(self.file(exercise)))

    def hints_seen(self) -> dict[str, int]:
        """Return how many hints of each exercise were asked for."""
        try:
            seen: dict[str, int] = json.loads((self.path / HINTS).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return seen

    def next_hint(self, exercise: Exercise) -> int:
        """Count one hint more, and return its number, from 1; after the last one it stays at that."""
        seen = self.hints_seen()
        number = min(seen.get(exercise.name, 0) + 1, len(exercise.hints))
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / HINTS).write_text(json.dumps({**seen, exercise.name: number}), encoding="utf-8")
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
