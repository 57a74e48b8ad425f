"""The likely cause of wrong numbers: known mistakes first, then what the numbers show; several where several fit.

What none explains, if it is a gradient, `tinynet.testing` is asked about, which measures slopes.
"""

from __future__ import annotations

import numpy as np

from tinynet.exercises.exercise import Answer, Task, Trial
from tinynet.exercises.marking.comparing import same, wrong_entries
from tinynet.exercises.marking.relations import WHOLE, related
from tinynet.exercises.marking.variants import Cause, Evidence, as_right, known, two_at_once
from tinynet.testing import check_vjp

UNKNOWN = Cause("unknown", "")


def likely_cause(evidence: Evidence) -> Cause:
    """Return the cause of the first kind that fits; where more than one of a kind do, all of them in its words."""
    for look in (known, related, two_at_once, a_mistake_and_more, part_by_part, beside_exceptions,
                 circumstances):
        if found := look(evidence):
            return joined(found)
    return UNKNOWN


def joined(causes: list[Cause]) -> Cause:
    """Make one cause of several: nobody can tell which it is, and so all are said."""
    words = list(dict.fromkeys(cause.words for cause in causes))
    return causes[0]._replace(words=" Or: ".join(words))


def a_mistake_and_more(evidence: Evidence) -> list[Cause]:
    """List known mistakes beside which there is one more thing that the numbers show."""
    found = []
    for mistake in evidence.task.mistakes:
        beside = as_right(evidence, mistake)
        if beside is not None and outputs_everywhere(evidence) and (more := related(beside, WHOLE)):
            found.append(Cause(mistake.cause, f"two things at once. (1) {mistake.words} (2) {joined(more).words}"))
    return found


def part_by_part(evidence: Evidence) -> list[Cause]:
    """Of several outputs, say what explains each of the wrong ones; some may stay unexplained."""
    found = []
    for k, name in enumerate(evidence.task.returns):
        part = evidence.of(k)
        if all(part.right(n) or mine.kind != "output" for n, mine in enumerate(part.yours)):
            continue
        if causes := known(part) or related(part):
            cause = joined(causes)
            found.append(cause._replace(words=cause.words if f"{name}: " in cause.words else f"{name}: {cause.words}"))
    return [Cause(found[0].name, " ".join(cause.words for cause in found))] if found else []


def beside_exceptions(evidence: Evidence) -> list[Cause]:
    """List known mistakes that explain the wrong numbers of two trials or more, where others ended in an exception."""
    there = [k for k, mine in enumerate(evidence.yours) if mine.kind == "output"]
    if len(there) == len(evidence.yours) or sum(not evidence.right(k) for k in there) < 2:
        return []
    return known(evidence._replace(trials=[evidence.trials[k] for k in there], yours=[evidence.yours[k] for k in there],
                                   rights=[evidence.rights[k] for k in there]))


def outputs_everywhere(evidence: Evidence) -> bool:
    """Whether there is an output in every trial."""
    return all(mine.kind == "output" for mine in evidence.yours)


def circumstances(evidence: Evidence) -> list[Cause]:
    """Say when it goes wrong, and in which entries: what can be seen, if not the cause."""
    found = conditions(evidence) + (parts(evidence) or elsewhere(evidence))
    return [Cause(found[0].name, " ".join(cause.words for cause in found), "What can be seen")] if found else []


def conditions(evidence: Evidence) -> list[Cause]:
    """List the conditions under which all trials failed, and without which none did."""
    failed = {k for k in range(len(evidence.trials)) if not evidence.right(k)}
    words = {cause: text for trial in evidence.trials for cause, text in trial.when.items()}
    return [Cause(cause, f"It is right but for where {text}.") for cause, text in words.items()
            if {k for k, trial in enumerate(evidence.trials) if cause in trial.when} == failed]


def parts(evidence: Evidence) -> list[Cause]:
    """Say in which part of the outputs the wrong entries are."""
    task, found = evidence.task, []
    for k, axes in enumerate(task.axes):
        pairs = [(mine.outputs[k], right[k]) for mine, right in zip(evidence.yours, evidence.rights, strict=True)
                 if mine.kind == "output"]
        if any(yours.shape != right.shape for yours, right in pairs):
            continue
        masks = [wrong_entries(task, yours, right) for yours, right in pairs]
        name = f" of {task.returns[k]}" if task.returns else ""
        masks = [mask for mask in masks if mask.any()]
        found += along_axes(masks, axes, name) or (at_borders(masks, name) if axes[-2:] == ("row", "column") else [])
    return found


def elsewhere(evidence: Evidence) -> list[Cause]:
    """Say that all the right numbers are there, and in other places: an order of axes, most often."""
    pairs = [(mine.outputs[0], right[0]) for mine, right in zip(evidence.yours, evidence.rights, strict=True)
             if mine.kind == "output"]
    if evidence.task.returns or not outputs_everywhere(evidence) or not all(
            yours.shape == right.shape and same(evidence.task, np.sort(yours, axis=None), np.sort(right, axis=None))
            for yours, right in pairs):
        return []
    return [Cause("places", "All the right numbers are there, in other places. A reshape keeps their order, a "
                  "transpose changes it: which of them comes first, and over which axes?")]


def along_axes(masks: list[np.ndarray], axes: tuple[str, ...], name: str) -> list[Cause]:
    """Say that only the first or the last along an axis is wrong, or right."""
    for axis, word in enumerate(axes):
        ends = [np.moveaxis(mask, axis, 0) for mask in masks if mask.shape[axis] > 1]
        if len(ends) < len(masks) or not ends:
            continue
        for end, here, others in (("first", 0, slice(1, None)), ("last", -1, slice(None, -1))):
            if not any(mask[others].any() for mask in ends):
                return [Cause(f"{end} {word}", f"Only the {end} {word}{name} is wrong.")]
            if not any(mask[here].any() for mask in ends) and \
                    all(part.any() for mask in ends for part in mask[others]):
                return [Cause(f"only {end} {word}", f"Only the {end} {word}{name} is right.")]
    return []


def at_borders(masks: list[np.ndarray], name: str) -> list[Cause]:
    """Say that only the outermost rows and columns are wrong."""
    inner = [mask[..., 1:-1, 1:-1] for mask in masks if mask.ndim > 1]
    if inner and len(inner) == len(masks) and all(mask.size for mask in inner) and not any(m.any() for m in inner):
        return [Cause("borders", f"Only the outermost rows and columns{name} are wrong.")]
    return []


def cause_by_slopes(task: Task, trial: Trial, answer: Answer) -> Cause:
    """Check an answer as the backward of the function that it is the gradient of, and return the cause found."""
    if task.backward is None:
        return UNKNOWN
    forward, args, wrt, vjp = task.backward

    def backward(dy: object, *given: object) -> object:
        return vjp(answer, dy, *given)
    report = check_vjp(forward, backward, *args(*trial.args), wrt=wrt, raises=False)
    for failure in report.failures:
        if failure.cause is not None and failure.explanation:
            return Cause(failure.cause, failure.explanation, "The slopes that tinynet.testing measured suggest")
    return UNKNOWN
