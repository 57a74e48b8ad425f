"""What a learner is told: each kind of thing that can go wrong has its own message, which names the line."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator

import numpy as np

from tinynet.exercises.exercise import Task, Trial
from tinynet.exercises.marking import places
from tinynet.exercises.marking.comparing import first_wrong, picture, same, wrong_entries
from tinynet.exercises.marking.errors import meaning
from tinynet.exercises.marking.outcome import Outcome
from tinynet.exercises.marking.places import Place
from tinynet.exercises.marking.variants import Cause, Evidence, known, two_at_once
from tinynet.exercises.marking.verdict import TaskVerdict
from tinynet.exercises.marking.worked import count, worked_out

Told = tuple[str, tuple[str, ...]]               # the cause, and the paragraphs
SHORT = 60                                       # characters of an array's numbers that are written out
DIGITS = 6                                       # and of each of them: others were drawn, and say nothing
TO_DO = "raise NotImplementedError("              # what an exercise's file has in place of an answer
LINES = 12                                       # of what an answer printed, that are shown


def of_loading(error: BaseException) -> Outcome:
    """Say what kept a file from being read."""
    kind = "missing" if isinstance(error, FileNotFoundError) and not error.__traceback__ else "exception"
    return Outcome("syntax" if isinstance(error, SyntaxError) else kind,
                   message=f"{type(error).__name__}: {getattr(error, 'msg', error)}", place=places.of_error(error))


def at(place: Place | None) -> tuple[str, ...]:
    """Write a line of the learner's as a paragraph of its own."""
    return (f"  {place}",) if place else ()


def unfinished(task: Task, outcome: Outcome, tried: int) -> TaskVerdict:
    """Tell which line is to be filled in."""
    told: tuple[str, ...] = (f"There is no function {task.name} yet. It begins:", f"  def {task.signature}:")
    if outcome.kind == "unfinished":
        told = ("This line is to be filled in:", *at(outcome.place), *further(outcome.place))
    return TaskVerdict(task.name, tried, 0, "unfinished", told, unfinished=True)


def further(place: Place | None) -> tuple[str, ...]:
    """Tell which other lines of a file are to be filled in, where there are many."""
    lines = linecache.getlines(place.file) if place else []
    others = [str(k) for k, line in enumerate(lines, 1) if TO_DO in line and place and k != place.line]
    return (f"So are lines {', '.join(others)}.",) if len(others) > 1 else ()


def unreadable(task: Task, outcome: Outcome, tried: int) -> TaskVerdict:
    """Tell why the file could not be read."""
    told = {
        "endless": f"Reading the file did not come to an end within {outcome.message}. It was at this line:",
        "crash": "Reading the file ended the process that did it.",
        "syntax": f"Python cannot read the file: {outcome.message}",
    }.get(outcome.kind, f"Reading the file failed: {outcome.message}")
    cause = {"endless": "endless loop"}.get(outcome.kind, outcome.kind)
    return TaskVerdict(task.name, tried, 0, cause, (told, *at(outcome.place)))


def stopped(task: Task, outcome: Outcome, trials: list[Trial], reached: int) -> TaskVerdict:
    """Tell in which trial it stopped: it was not at its end when its time was over, or ended the process."""
    during = f"in check {reached + 1}, {trials[min(reached, len(trials) - 1)].name}"
    if outcome.kind == "crash":
        return TaskVerdict(task.name, len(trials), 0, "crash", (f"It ended the process that it ran in, {during}.",))
    told = f"It did not come to an end within {outcome.message} of computing, {during}. It was at this line:"
    return TaskVerdict(task.name, len(trials), 0, "endless loop", (told, *at(outcome.place)))


def not_tried(task: Task, tried: int) -> TaskVerdict:
    """Tell that another function kept this one from being tried."""
    told = "It was not tried, as the function before it did not come to an end."
    return TaskVerdict(task.name, tried, 0, "not tried", (told,), unfinished=True)


def not_repeatable(task: Task, tried: int, wrong: int) -> TaskVerdict:
    """Tell that a second call with the same arguments gave something else."""
    told = ("Called a second time with the same arguments it returns something else. Something is kept from call to "
            "call: a global, a default argument that is a list or an array, or random numbers of its own.")
    return TaskVerdict(task.name, tried, max(tried - wrong, 0), "not repeatable", (told,))


def changed_input(evidence: Evidence, wrong: list[int]) -> Told | None:
    """Tell that an argument was written to."""
    for k in wrong:
        if (changed := evidence.yours[k].changed) is not None:
            name, place = changed
            return "input changed", (
                f"It writes into its argument {name}:", *at(place),
                f"Whoever called it still needs {name} as it was: make a new array, or work on {name}.copy().")
    return None


def no_array(evidence: Evidence, wrong: list[int]) -> Told | None:
    """Tell that nothing, or no array, was returned; or what the exercise itself found wrong."""
    for k in wrong:
        outcome = evidence.yours[k]
        if outcome.kind == "judged":
            return outcome.cause, (f"{evidence.trials[k].name}: {outcome.message}", *at(outcome.place))
        if outcome.kind == "nothing returned":
            return outcome.kind, ("It returns nothing (None): the return is missing in", *at(outcome.place))
        if outcome.kind == "wrong type":
            return outcome.kind, (f"It should return {outcome.message}.", *at(outcome.place))
    return None


def not_finite(evidence: Evidence, wrong: list[int]) -> Told | None:
    """Tell where NaN or infinity came up, unless a known mistake explains it."""
    for k in wrong:
        outcome = evidence.yours[k]
        if outcome.not_finite is not None and all(np.isfinite(right).all() for right in evidence.rights[k]):
            causes = known(evidence) or two_at_once(evidence)
            bad = next(output for output in outcome.outputs if not np.isfinite(output).all())
            what = "NaN" if np.isnan(bad).any() else "infinity"
            told = [f"The output has {what} in it with {evidence.trials[k].name}. It comes up here:",
                    *at(outcome.not_finite), shapes(evidence.task, evidence.trials[k])]
            told += [f"Likely cause: {cause.words}" for cause in causes[:1]]
            return causes[0].name if causes else "not finite", tuple(told)
    return None


def shared_or_not_whole(evidence: Evidence, wrong: list[int]) -> Told:
    """Tell what is amiss where the numbers are right."""
    outcome = evidence.yours[wrong[0]]
    if outcome.shared:
        return "view", (
            f"The numbers are right, but the output shares its memory with the argument {outcome.shared}: it is a view "
            "of it, returned here:", *at(outcome.place),
            "Who writes into one of them changes both: return an array of its own.")
    return "not whole", (
        f"The numbers are right, but they should be whole numbers, and yours are {outcome.outputs[0].dtype}:",
        *at(outcome.place), "A size or an index must be an int: divide with //.")


def exception(evidence: Evidence, raised: list[int], cause: Cause) -> Told:
    """Tell what was raised, where, and what the arguments looked like."""
    outcome, trial = evidence.yours[raised[0]], evidence.trials[raised[0]]
    told = [f"It failed with {trial.name}: {outcome.message}", *where_it_failed(outcome), shapes(evidence.task, trial)]
    if cause.words:
        told.append(f"{cause.label}: {cause.words}")
    if not cause.words or cause.label != "Likely cause":
        told += means(outcome)
    return (cause.name if cause.words else "exception"), tuple(told)


def means(outcome: Outcome) -> tuple[str, ...]:
    """Say what an exception means, if its own message does not."""
    words = meaning(outcome.message)
    return (f"What it means: {words}",) if words else ()


def where_it_failed(outcome: Outcome) -> tuple[str, ...]:
    """Write the line of an exception, and the one that led there from another file."""
    return (*at(outcome.place), *(("called from", *at(outcome.caller)) if outcome.caller else ()))


def shapes(task: Task, trial: Trial) -> str:
    """Write the arguments, if the task has any: the shapes of arrays, and the numbers of those that are small."""
    found = [f"{name} {array(arg)}" if isinstance(arg, np.ndarray) else f"{name} = {arg!r}" for name, arg
             in zip(task.arguments, trial.args, strict=False) if isinstance(arg, (np.ndarray, int, float, bool, tuple))]
    return "The arguments there: " + ", ".join(found) + "." if found else ""


def array(arg: np.ndarray) -> str:
    """Write an array's shape, and its numbers if they are few and short.

    >>> array(np.array([[1.0, 2.5]])), array(np.zeros((3, 4, 5)))
    ('(1, 2) = [[1.0, 2.5]]', '(3, 4, 5)')
    """
    numbers = str(arg.tolist())
    drawn = any(len(word) > DIGITS for word in re.split(r"[\[\], ]+", numbers))
    return f"{arg.shape}" if drawn or len(numbers) > SHORT else f"{arg.shape} = {numbers}"


def wrong_numbers(evidence: Evidence, wrong: list[int], cause: Cause) -> Told:
    """Tell the likely cause, the first wrong entry with its numbers by hand, and where the others are."""
    k = wrong[0]
    task, trial, yours = evidence.task, evidence.trials[k], evidence.yours[k]
    n = next(n for n, (a, b) in enumerate(zip(yours.outputs, evidence.rights[k], strict=True)) if not same(task, a, b))
    output, right = yours.outputs[n], evidence.rights[k][n]
    told = [f"{cause.label}: {cause.words}"] if cause.words else []
    told.append(f"Wrong in {len(wrong)} of {len(evidence.trials)} checks, first with {trial.name}:")
    if output.shape != right.shape:
        told += [of_output(task, n, f"the shape should be {right.shape}, and yours is {output.shape}, returned here:"),
                 *at(yours.place), shapes(task, trial)]
    else:
        told += wrong_entry(task, n, trial, output, right)
    name = cause.name if cause.words else "shape" if output.shape != right.shape else "unknown"
    return name, (*told, *also_raised(evidence, explain=not cause.words))


def wrong_entry(task: Task, n: int, trial: Trial, output: np.ndarray, right: np.ndarray) -> Iterator[str]:
    """Tell the first wrong entry of output n, how it is worked out by hand, and where the others are."""
    index = first_wrong(task, output, right)
    where = f"the first wrong entry is [{', '.join(map(str, index))}]: yours" if index else "yours"
    mine = output[index].astype(right.dtype) if right.dtype == bool else output[index]
    yield of_output(task, n, f"{where} is {number(mine)}, and it should be {number(right[index])}.")
    if all(array(arg) != f"{arg.shape}" for arg in trial.args if isinstance(arg, np.ndarray)):
        yield shapes(task, trial)
    if task.by_hand is not None and not task.returns:
        yield "By hand: " + worked_out(task, index, trial.args)
    if drawn := picture(wrong_entries(task, output, right)):
        yield "Where it is wrong (x), in the slice of that entry:"
        yield " " + drawn.replace("\n", "\n ")


def of_output(task: Task, n: int, text: str) -> str:
    """Put the name of an output before a text, where there are several."""
    return f"{task.returns[n]}: {text}" if task.returns else text


def also_raised(evidence: Evidence, explain: bool) -> tuple[str, ...]:
    """Tell that some checks ended in an exception, where others gave numbers; and what it means, if asked to."""
    raised = [k for k, outcome in enumerate(evidence.yours) if outcome.kind == "exception"]
    if not raised:
        return ()
    outcome, trial = evidence.yours[raised[0]], evidence.trials[raised[0]]
    return (f"In {count(len(raised), 'other')} it failed, first with {trial.name}: {outcome.message}",
            *where_it_failed(outcome), shapes(evidence.task, trial), *(means(outcome) if explain else ()))


def printed(outcome: Outcome, trial: Trial) -> tuple[str, ...]:
    """Show the first lines of what an answer printed in a trial."""
    lines = outcome.printed.splitlines()
    if not lines:
        return ()
    more = [f"... and {len(lines) - LINES} lines more"] if len(lines) > LINES else []
    return f"It printed, with {trial.name}:", "\n".join(f" {line}" for line in [*lines[:LINES], *more])


def number(value: np.ndarray) -> str:
    """Write a number with the digits that tell it apart."""
    if value.dtype == bool:
        return str(bool(value))
    return re.sub(r"\.?0+$", "", f"{float(value):.6f}") if 1e-3 <= abs(float(value)) < 1e6 else f"{float(value):.6g}"
