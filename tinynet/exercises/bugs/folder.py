"""The learner's folder: a folder for each bug that was started, and a file that remembers how far the learner is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tinynet.exercises.bugs.catalogue import HEAD, Bug

RECORD = "bugs.json"
FOUND, REPAIRED, SHOWN = "found", "repaired", "shown"           # how a bug came to its end


@dataclass
class Record:
    """What is remembered of one bug.

    Attributes
    ----------
    hints, guesses : how many were taken.
    end : `FOUND`, `REPAIRED` or `SHOWN`; "" as long as it goes on.
    distance : how far the last guess was off, see `guessing.Guess`; empty before the first.
    """

    hints: int = 0
    guesses: int = 0
    end: str = ""
    distance: list[int] = field(default_factory=list)


class Folder:
    """Where a learner works."""

    def __init__(self, path: Path):
        self.path = path

    def command(self, *arguments: str) -> str:
        """Write a command that works in this folder."""
        place = [] if self.path == Path(".") else ["--folder", str(self.path)]
        return " ".join(["python -m tinynet bugs", *arguments, *place])

    def place(self, bug: Bug) -> Path:
        """Return the folder of one bug."""
        return self.path / bug.name

    def started(self, bug: Bug) -> bool:
        """Tell whether the broken copy was written here."""
        return all((self.place(bug) / name).exists() for name in bug.right())

    def expect_started(self, bug: Bug) -> None:
        """Raise a ValueError unless the bug was started."""
        if not self.started(bug):
            raise ValueError(f"{bug.name} was not started in {self.path.resolve()}: {self.command('start', bug.name)}")

    def start(self, bug: Bug) -> tuple[list[Path], list[Path]]:
        """Write the copies and look.py; return what was written, and what was there already and stays as it is."""
        place = self.place(bug)
        place.mkdir(parents=True, exist_ok=True)
        written, kept = [], []
        for name, text in {**bug.broken(), "look.py": HEAD + bug.look}.items():
            path = place / name
            try:
                with path.open("x", encoding="utf-8") as file:         # x: never what is there already
                    file.write(text)
                written.append(path)
            except FileExistsError:
                kept.append(path)
        return written, kept

    def texts(self, bug: Bug) -> dict[str, str]:
        """Return the learner's files as they are now."""
        self.expect_started(bug)
        return {name: (self.place(bug) / name).read_text(encoding="utf-8") for name in bug.right()}

    def records(self) -> dict[str, Record]:
        """Return what is remembered, by bug."""
        path = self.path / RECORD
        if not path.exists():
            return {}
        try:
            return {name: Record(**entry) for name, entry in json.loads(path.read_text(encoding="utf-8")).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} cannot be read ({error}). Move it away to begin a new record; the copies stay "
                             "as they are.") from None

    def record(self, bug: Bug) -> Record:
        """Return what is remembered of a bug."""
        return self.records().get(bug.name, Record())

    def remember(self, bug: Bug, record: Record) -> None:
        """Write down what is remembered of a bug."""
        records = self.records() | {bug.name: record}
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: asdict(each) for name, each in records.items()}, indent=1)
        (self.path / RECORD).write_text(text + "\n", encoding="utf-8")
