"""Marking in a notebook: ``check("softmax", softmax)``."""

from __future__ import annotations

from tinynet.exercises.catalogue import find
from tinynet.exercises.exercise import Answer
from tinynet.exercises.marking.mark import mark
from tinynet.exercises.marking.verdict import Verdict


def check(name: str, function: Answer | None = None, /, *, seed: int = 0, **functions: Answer) -> Verdict:
    """Mark an answer to an exercise.

    It runs in a process of its own, with a time limit, where the system can fork one; elsewhere here, without one.

    Parameters
    ----------
    name : of the exercise; `python -m tinynet exercises list` lists them.
    function : the answer, where the exercise asks for one function.
    seed : what the numbers that it is tried with are drawn from.
    functions : the answers by their names, where it asks for several.

    Returns
    -------
    Verdict : with `passed`, `unfinished`, `score` (0 to 1: the fraction of the checks that came out right), `cause` (a
        short name of the likely cause of what is wrong; None if nothing is); printed, it is the text.

    Raises
    ------
    ValueError, TypeError : for a name or functions that there are not.

    Examples
    --------
    >>> def dense_bias_gradient(dy):
    ...     return dy.mean(axis=0)
    >>> verdict = check("dense_bias_gradient", dense_bias_gradient)
    >>> verdict.passed, verdict.cause
    (False, 'mean over the batch')
    """
    exercise = find(name)
    names = [task.name for task in exercise.tasks]
    if function is not None:
        if len(names) > 1:
            raise TypeError(f"exercise {name!r} has {len(names)} functions. Expected them by keyword: check({name!r}, "
                            + ", ".join(f"{one}={one}" for one in names) + ").")
        functions[names[0]] = function
    if unknown := set(functions) - set(names):
        raise TypeError(f"exercise {name!r} asks for {', '.join(names)}. Received: {', '.join(sorted(unknown))}.")
    for one, answer in functions.items():
        if not callable(answer):
            raise TypeError(f"expected the function {one} itself, not called. Received: {type(answer).__name__}.")
    return mark(exercise, lambda: functions, seed)
