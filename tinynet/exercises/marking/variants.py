"""The known mistakes of a task, made: the solution with its source changed, to compare with what a learner's does."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tinynet.exercises.exercise import Answer, Mistake, Task, Trial
from tinynet.exercises.marking.comparing import same
from tinynet.exercises.marking.outcome import Outcome, Outputs, copied, returned


class Evidence(NamedTuple):
    """All that is known of a wrong answer: what it led to in each trial, and what is right there; or a part of it."""

    task: Task
    trials: list[Trial]
    yours: list[Outcome]
    rights: list[Outputs]
    part: int | None = None                      # the number of the one output that it is about

    def of(self, part: int) -> Evidence:
        """Return what is known of one output alone."""
        return self._replace(yours=[only(mine, part) for mine in self.yours],
                             rights=[right[part:part + 1] for right in self.rights], part=part)

    def right(self, k: int) -> bool:
        """Whether trial k came out right."""
        mine, right = self.yours[k], self.rights[k]
        return mine.kind == "output" and all(same(self.task, a, b) for a, b in zip(mine.outputs, right, strict=True))


def only(outcome: Outcome, part: int | None) -> Outcome:
    """Leave one of the outputs, where there are several."""
    return outcome if part is None else replace(outcome, outputs=outcome.outputs[part:part + 1])


class Cause(NamedTuple):
    """A likely cause: its short name, what to tell the learner, and as what it is told."""

    name: str
    words: str
    label: str = "Likely cause"


@lru_cache(maxsize=1000)
def make(solution: Answer, mistakes: tuple[Mistake, ...]) -> Answer | None:
    """Return the solution with the edits of some mistakes; None if they are edits of the same piece."""
    source = without_docstring(inspect.getsource(solution))
    for old, new in [edit for mistake in mistakes for edit in mistake.edits]:
        if source.count(old) != 1:
            return None
        source = source.replace(old, new)
    namespace = dict(solution.__globals__)
    try:
        exec(compile(source, "<mistake>", "exec"), namespace)
    except SyntaxError:                          # two edits that do not go together
        return None
    answer: Callable[..., object] = namespace[solution.__name__]
    return answer


def without_docstring(source: str) -> str:
    """Leave a function's docstring out, so that an edit finds code alone."""
    function = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    docstring, lines = function.body[0], source.splitlines(keepends=True)
    return "".join(lines[:docstring.lineno - 1] + lines[docstring.end_lineno:])


def outcomes(evidence: Evidence, answer: Answer) -> Iterator[Outcome]:
    """Try a variant on the same arguments, one trial after the other, as long as somebody asks."""
    for trial in evidence.trials:
        yield only(returned(evidence.task, answer, copied(trial.args)), evidence.part)


def alike(task: Task, one: Outcome, other: Outcome) -> bool:
    """Whether two trials led to the same: the same numbers, or an exception both times.

    Nothing but zeros is another thing than numbers that are very small.
    """
    if one.kind != other.kind or len(one.outputs) != len(other.outputs):
        return False
    return all(same(task, a, b) and np.any(a) == np.any(b) for a, b in zip(one.outputs, other.outputs, strict=True))


def fits(evidence: Evidence, answer: Answer) -> bool:
    """Whether a variant leads to the same as the learner's answer in every trial.

    An exception counts where it says the same, with the same sizes; else there must be wrong numbers in another trial.
    """
    seen = False
    for k, (mine, its) in enumerate(zip(evidence.yours, outcomes(evidence, answer), strict=True)):
        if not alike(evidence.task, mine, its):
            return False
        seen = seen or (not evidence.right(k) and mine.message == its.message)
    return seen


def known(evidence: Evidence) -> list[Cause]:
    """List the known mistakes that lead to exactly what was seen."""
    return [Cause(mistake.cause, mistake.words) for mistake in evidence.task.mistakes
            if (answer := make(evidence.task.solution, (mistake,))) is not None and fits(evidence, answer)]


def two_at_once(evidence: Evidence) -> list[Cause]:
    """List the pairs of known mistakes that together lead to exactly what was seen; what all have in common, alone."""
    pairs = [pair for pair in combinations(evidence.task.mistakes, 2)
             if (answer := make(evidence.task.solution, pair)) is not None and fits(evidence, answer)]
    if len(pairs) > 1 and (certain := [one for one in pairs[0] if all(one.words in [other.words for other in pair]
                                                                         for pair in pairs)]):
        return [Cause(certain[0].cause, certain[0].words)]
    return [Cause(one.cause, f"two things at once. (1) {one.words} (2) {other.words}") for one, other in pairs]


def as_right(evidence: Evidence, mistake: Mistake) -> Evidence | None:
    """Return what was seen beside a known mistake's outputs in place of the right ones."""
    answer = make(evidence.task.solution, (mistake,))
    if answer is None:
        return None
    its = list(outcomes(evidence, answer))
    if any(outcome.kind != "output" for outcome in its):
        return None
    return evidence._replace(rights=[tuple(np.asarray(a) for a in outcome.outputs) for outcome in its])
