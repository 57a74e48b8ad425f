"""Answers to the exercises as learners write them, from the text files beside this one, and how they are marked."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinynet.exercises.catalogue import EXERCISES
from tinynet.exercises.marking.mark import mark

TASKS = {task.name: (exercise, task) for exercise in EXERCISES.values() for task in exercise.tasks}
HERE = Path(__file__).resolve().parent


class Answer(NamedTuple):
    """The body of a function, and the causes either of which it may be marked with; none for a right answer."""

    name: str
    task: str
    causes: tuple[str, ...]
    body: str


def read(folder):
    """List the answers of a folder's files: a line `## task: cause, other cause`, then the body."""
    found = []
    for path in sorted((HERE / folder).glob("*.txt")):
        for block in re.split(r"^## ", path.read_text(), flags=re.M)[1:]:
            head, body = block.split("\n", 1)
            task, _, causes = head.partition(": ")
            name = f"{task}-{sum(answer.task == task for answer in found)}"
            found.append(Answer(name, task, tuple(filter(None, causes.split(", "))), body))
    return found


def function(answer, **names):
    """Make the function: the task's own first line, with other names if some are given, and the body."""
    _, task = TASKS[answer.task]
    source = f"def {task.signature}:\n" + "".join(f"    {line}\n" for line in answer.body.splitlines())
    for old, new in names.items():
        source = re.sub(rf"(?<![.\w]){old}\b", new, source)         # no attribute of that name
    namespace = {"np": np}
    exec(compile(source, f"<{answer.name}>", "exec"), namespace)
    return namespace[task.name]


def marked(name, answer, seed=0):
    """Mark one function of an exercise; the others are solved."""
    exercise, _ = TASKS[name]
    solved = {task.name: task.solution for task in exercise.tasks}
    return mark(exercise, lambda: {**solved, name: answer}, seed)

