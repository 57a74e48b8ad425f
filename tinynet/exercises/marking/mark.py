"""Marking: an answer is tried, what it leads to is compared with what is right, and what is wrong gets a cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from tinynet.exercises.exercise import Answer, Exercise, Task, Trial
from tinynet.exercises.marking import telling
from tinynet.exercises.marking.comparing import same
from tinynet.exercises.marking.diagnosis import UNKNOWN, cause_by_slopes, likely_cause
from tinynet.exercises.marking.outcome import Outcome, Outputs, copied, try_answer
from tinynet.exercises.marking.running import Found, Key, run_aside
from tinynet.exercises.marking.variants import Cause, Evidence
from tinynet.exercises.marking.verdict import TaskVerdict, Verdict

Load = Callable[[], Mapping[str, Answer]]        # gives the answers by the names of the functions
NO_FORK = ("This system cannot fork a process, so the check ran without a time limit: an endless loop has to be "
           "stopped by hand.")
BEGUN = ("", 2)                                  # the name of the function that is being tried
LOADED = ("", 1)                                 # the sign that the file could be read


def mark(exercise: Exercise, load: Load, seed: int = 0) -> Verdict:
    """Try the answers that `load` gives in a process of their own, and say what is right and what is not."""
    trials = {task.name: list(task.trials(np.random.default_rng(seed))) for task in exercise.tasks}
    run = run_aside(lambda: attempts(exercise, load, trials), exercise.limit)
    tasks = tuple(judged(task, trials[task.name], run.outcomes, load) for task in exercise.tasks)
    return Verdict(exercise.name, tasks, () if run.limited else (NO_FORK,))


def attempts(exercise: Exercise, load: Load, trials: Mapping[str, list[Trial]]) -> Iterator[Found]:
    """Try all answers, and all trials once more, which must come out as before; of a long trial the first alone."""
    try:
        answers = load()
    except (Exception, SystemExit) as error:
        yield ("", 0), telling.of_loading(error)
        return
    yield LOADED, Outcome()
    for task in exercise.tasks:
        answer = answers.get(task.name)
        if answer is None:
            yield (task.name, 0), Outcome("missing")
            continue
        yield BEGUN, Outcome(message=task.name)
        again = trials[task.name][:1 if task.judges else None]
        for k, trial in enumerate([*trials[task.name], *again]):
            outcome = try_answer(task, answer, trial.args)
            yield (task.name, k), outcome
            if outcome.kind == "unfinished":
                break


def judged(task: Task, trials: list[Trial], found: Mapping[Key, Outcome], load: Load) -> TaskVerdict:
    """Judge one function by what came of its trials."""
    stopped = found.get(("", 0))
    known = [found[task.name, k] for k in range(2 * len(trials)) if (task.name, k) in found]
    for outcome in known:
        if outcome.kind in ("unfinished", "missing"):
            return telling.unfinished(task, outcome, len(trials))
    if stopped is not None and len(known) <= len(trials):
        if LOADED not in found:
            return telling.unreadable(task, stopped, len(trials))
        return telling.stopped(task, stopped, trials, len(known)) if known or begun(task, found) else \
            telling.not_tried(task, len(trials))
    mine, again = known[:len(trials)], known[len(trials):]
    rights = [right_outputs(task, trial) for trial in trials]
    evidence = Evidence(task, trials, mine, rights)
    wrong = [k for k in range(len(trials)) if not clean(evidence, k)]
    tried = sum(map(len, rights))
    shown = wrong[0] if wrong else 0
    if not all(repeatable(task, one, other) for one, other in zip(mine, again, strict=False)):
        verdict = telling.not_repeatable(task, tried, max(len(wrong), 1))
    elif not wrong:
        verdict = TaskVerdict(task.name, tried, tried, None, tuple(dict.fromkeys(one.note for one in mine)))
    else:
        passed = sum(points(evidence, k) for k in range(len(trials)))
        verdict = TaskVerdict(task.name, tried, passed, *explained(evidence, wrong, load))
    return replace(verdict, lines=(*verdict.lines, *telling.printed(mine[shown], trials[shown])))


def begun(task: Task, found: Mapping[Key, Outcome]) -> bool:
    """Whether a function is the one that was tried last."""
    return found.get(BEGUN, Outcome()).message == task.name


def right_outputs(task: Task, trial: Trial) -> Outputs:
    """Return what the solution gives."""
    if task.judges:
        return (np.asarray(True),)
    value = task.observe(task.solution, *copied(trial.args))
    return tuple(np.asarray(one) for one in (value if task.returns and isinstance(value, tuple) else (value,)))


def clean(evidence: Evidence, k: int) -> bool:
    """Whether a trial came out right, and left nothing behind."""
    mine, task = evidence.yours[k], evidence.task
    return evidence.right(k) and mine.changed is None and (task.may_share or not mine.shared) and \
        (not task.whole or all(output.dtype.kind in "biu" for output in mine.outputs))


def points(evidence: Evidence, k: int) -> int:
    """Count the outputs of a trial that are right; none, where something else is amiss than numbers."""
    if clean(evidence, k):
        return len(evidence.rights[k])
    if evidence.right(k):
        return 0
    return sum(same(evidence.task, a, b) for a, b in zip(evidence.yours[k].outputs, evidence.rights[k], strict=False))


def repeatable(task: Task, first: Outcome, again: Outcome) -> bool:
    """Whether a trial came out twice as it did, right or wrong."""
    return first.kind == again.kind and all(a.shape == b.shape and same(task, a, b) for a, b
                                            in zip(first.outputs, again.outputs, strict=False))


def explained(evidence: Evidence, wrong: list[int], load: Load) -> tuple[str, tuple[str, ...]]:
    """Return the cause of what is wrong, and the paragraphs about it."""
    for tell in (telling.changed_input, telling.no_array, telling.not_finite):
        if (told := tell(evidence, wrong)) is not None:
            return told
    if all(evidence.right(k) for k in wrong):
        return telling.shared_or_not_whole(evidence, wrong)
    cause = likely_cause(evidence)
    exceptions = [k for k in wrong if evidence.yours[k].kind == "exception"]
    values = [k for k in wrong if evidence.yours[k].kind == "output" and not evidence.right(k)]
    if exceptions and (not values or (cause == UNKNOWN and exceptions[0] < values[0])):
        return telling.exception(evidence, exceptions, cause)
    if cause == UNKNOWN and evidence.yours[values[0]].outputs[0].shape == evidence.rights[values[0]][0].shape:
        cause = by_slopes(evidence.task, evidence.trials[values[0]], load)
    return telling.wrong_numbers(evidence, values, cause)


def by_slopes(task: Task, trial: Trial, load: Load) -> Cause:
    """Ask `tinynet.testing` what is wrong with a gradient; in a child again, as it calls the answer."""
    def work() -> Iterator[Found]:
        cause = cause_by_slopes(task, trial, load()[task.name])
        yield (cause.name, 0), Outcome(kind=cause.label, message=cause.words)

    if task.backward is None:
        return UNKNOWN
    found = run_aside(work, limit=10.0).outcomes
    return next((Cause(name, outcome.message, outcome.kind) for (name, _), outcome in found.items() if name), UNKNOWN)
