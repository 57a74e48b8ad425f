"""What a check says: passed, unfinished or wrong, how much of it is right, and why the rest is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import fill, indent

WIDTH = 100


@dataclass(frozen=True)
class TaskVerdict:
    """What a check says of one function.

    Attributes
    ----------
    name : of the function.
    tried, passed : how many checks ran, and how many came out right.
    cause : what is wrong, as a short fixed name; None if nothing is.
    lines : what to tell about it, right or wrong, a paragraph each; those that begin with a space are kept as they are.
    unfinished : whether there is nothing to judge yet.
    """

    name: str
    tried: int
    passed: int
    cause: str | None = None
    lines: tuple[str, ...] = ()
    unfinished: bool = False

    def text(self) -> str:
        """Write it out."""
        if self.cause is None:
            state = f"right. {self.passed} of {self.tried} checks passed."
        else:
            state = "unfinished." if self.unfinished else f"wrong. {self.passed} of {self.tried} checks passed."
        return "\n".join([f"{self.name}: {state}", *map(paragraph, filter(None, self.lines))])


def paragraph(line: str) -> str:
    """Fill a paragraph, indented; a drawing stays as it is."""
    if line.startswith(" "):
        return indent(line, "    ")
    return fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ")


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check of an exercise says; printed, it is the text.

    Attributes
    ----------
    exercise : its name.
    tasks : what is said of each of its functions.
    notes : what else there is to say, such as that no time limit was kept.
    """

    exercise: str
    tasks: tuple[TaskVerdict, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether all is right."""
        return all(task.cause is None for task in self.tasks)

    @property
    def wrong(self) -> bool:
        """Whether something that is filled in is wrong."""
        return any(task.cause is not None and not task.unfinished for task in self.tasks)

    @property
    def unfinished(self) -> bool:
        """Whether something is not filled in, and nothing wrong."""
        return not self.passed and not self.wrong

    @property
    def score(self) -> float:
        """The fraction of the checks that came out right, the mean over the functions."""
        return sum(task.passed / max(task.tried, 1) for task in self.tasks) / len(self.tasks)

    @property
    def cause(self) -> str | None:
        """The cause of the first thing that is wrong, else of what is unfinished; None if all is right."""
        found = [task for task in self.tasks if task.cause is not None]
        return min(found, key=lambda task: task.unfinished).cause if found else None

    @property
    def state(self) -> str:
        """In a word: right, wrong or unfinished."""
        return "right" if self.passed else "wrong" if self.wrong else "unfinished"

    def __str__(self) -> str:
        return "\n".join([*(task.text() for task in self.tasks), *map(paragraph, self.notes)])

    def __repr__(self) -> str:
        return str(self)                         # the last line of a cell shows it
