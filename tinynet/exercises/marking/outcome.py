"""What came of one trial of an answer: its output, or what went wrong, and at which line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np

from tinynet.exercises.exercise import Answer, Judged, Task
from tinynet.exercises.marking import places
from tinynet.exercises.marking.places import Place

Outputs = tuple[np.ndarray, ...]
LISTED = ("It returns a list where an array is expected. The numbers are right; but what builds on this answer asks "
          "for an array's methods: np.array(...).")


@dataclass(frozen=True)
class Outcome:
    """What a trial of an answer led to.

    Attributes
    ----------
    kind : "output"; or, where there is none, "unfinished", "exception", "nothing returned", "wrong type", "judged",
        "endless", "crash".
    outputs : the arrays that were returned.
    message : of the exception, or what was returned in place of arrays.
    cause : of what the exercise itself found wrong.
    place : the line: of the exception; of the return.
    caller : the line of the answer's own file that led there, where the exception came up in another file.
    changed : the name of an argument that was written to, and where.
    shared : the name of an argument that the output shares its memory with.
    not_finite : where NaN or infinity came up first, if the output has any.
    printed : what the answer printed.
    note : what is worth knowing of it, though it is not wrong.
    """

    kind: str = "output"
    outputs: Outputs = ()
    message: str = ""
    cause: str = ""
    place: Place | None = None
    caller: Place | None = None
    changed: tuple[str, Place | None] | None = None
    shared: str = ""
    not_finite: Place | None = None
    printed: str = ""
    note: str = ""


def try_answer(task: Task, answer: Answer, args: tuple[object, ...]) -> Outcome:
    """Try an answer on a copy of some arguments, and see what it returns and what it leaves behind."""
    given = copied(args)
    with redirect_stdout(StringIO()) as printed:
        outcome = replace(returned(task, answer, given), printed=printed.getvalue())
    with redirect_stdout(StringIO()):            # what it prints once more, while lines are looked for, is not wanted
        return looked_at(task, answer, args, given, outcome)


def looked_at(task: Task, answer: Answer, args: tuple[object, ...], given: tuple[object, ...],
              outcome: Outcome) -> Outcome:
    """Add what an answer left behind: arguments changed or shared, NaN, and the lines that did it."""
    if (name := changed_argument(task, args, given)) is not None:
        return replace(outcome, changed=(name, where_it_writes(task, answer, args, name) or outcome.place))
    if outcome.kind != "output":
        return outcome

    def run() -> object:
        return task.observe(answer, *copied(args))
    shared = shared_argument(task, given, outcome.outputs)
    with quiet():
        place = places.of_return(run, answer)
        if all(np.isfinite(output).all() for output in outcome.outputs):
            return replace(outcome, shared=shared, place=place)
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return replace(outcome, shared=shared, place=place, not_finite=places.of_failure(run) or place)


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning through: what comes of it is looked at."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def returned(task: Task, answer: Answer, args: tuple[object, ...]) -> Outcome:
    """Call the answer, and bring what it returns to arrays."""
    try:
        with quiet():
            value = task.observe(answer, *args)
    except NotImplementedError as error:
        return Outcome("unfinished", place=places.of_error(error))
    except Judged as judged:
        return Outcome("judged", message=str(judged), cause=judged.cause, place=places.of_definition(answer))
    except (Exception, SystemExit) as error:
        place = places.of_error(error) or places.of_definition(answer)
        return Outcome("exception", message=f"{type(error).__name__}: {error}".rstrip(": "), place=place,
                       caller=places.of_caller(error, answer, place))
    if task.judges:
        return Outcome(outputs=(np.asarray(True),), note=value if isinstance(value, str) else "")
    return as_outputs(task, value, answer)


def as_outputs(task: Task, value: object, answer: Answer) -> Outcome:
    """Bring what was returned to a tuple of arrays; lists and numbers are fine."""
    place = places.of_definition(answer)
    if value is None:
        return Outcome("unfinished" if does_nothing(answer) else "nothing returned", place=place)
    many = len(task.returns)
    if many and not (isinstance(value, (tuple, list)) and len(value) == many):
        got = f"{type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")
        return Outcome("wrong type", message=f"{many} arrays, {', '.join(task.returns)}. Yours: {got}", place=place)
    outputs = []
    for one in value if isinstance(value, (tuple, list)) and many else [value]:
        try:
            outputs.append(np.asarray(one))
        except ValueError:
            return Outcome("wrong type", message="an array. Yours: lists of unequal lengths", place=place)
        if outputs[-1].dtype.kind not in "biuf":
            return Outcome("wrong type", message=f"an array of numbers. Yours: {type(one).__name__}", place=place)
    listed = any(isinstance(one, (list, tuple)) for one in (value if many else [value]))  # type: ignore[attr-defined]
    return Outcome(outputs=tuple(outputs), place=place, note=LISTED if listed else "")


def does_nothing(answer: Answer) -> bool:
    """Whether a function has no body yet but a docstring, `pass` or `...`."""
    code = getattr(answer, "__code__", None)
    return code is not None and not code.co_names and code.co_nlocals == code.co_argcount and len(code.co_code) <= 8


def copied(args: tuple[object, ...]) -> tuple[object, ...]:
    """Copy the arrays, also those in lists."""
    return tuple(arg.copy() if isinstance(arg, np.ndarray) else list(copied(tuple(arg))) if isinstance(arg, list)
                 else arg for arg in args)


def arrays(arg: object) -> list[np.ndarray]:
    """List the arrays that an argument is or holds."""
    return [arg] if isinstance(arg, np.ndarray) else [a for one in arg for a in arrays(one)] \
        if isinstance(arg, list) else []


def names(task: Task, args: tuple[object, ...]) -> list[str]:
    """Return the names of the arguments; what the task's own way of trying adds is called by its place."""
    known = task.arguments
    return [known[k] if k < len(known) else f"argument {k + 1}" for k in range(len(args))]


def changed_argument(task: Task, before: tuple[object, ...], after: tuple[object, ...]) -> str | None:
    """Return the name of the first argument that is not what it was."""
    for name, old, new in zip(names(task, before), before, after, strict=True):
        pairs = zip(arrays(old), arrays(new), strict=False)
        if any(not np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs):
            return name
    return None


def where_it_writes(task: Task, answer: Answer, args: tuple[object, ...], name: str) -> Place | None:
    """Return the line that fails when the argument of a name is read-only."""
    given = copied(args)
    for array in arrays(given[names(task, args).index(name)]):
        array.flags.writeable = False
    return places.of_failure(lambda: task.observe(answer, *given))


def shared_argument(task: Task, args: tuple[object, ...], outputs: Outputs) -> str:
    """Return the name of an argument whose memory an output shares."""
    for name, arg in zip(names(task, args), args, strict=True):
        if any(np.may_share_memory(array, output) for array in arrays(arg) for output in outputs):
            return name
    return ""
