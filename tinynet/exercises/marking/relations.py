"""What a wrong output may have to do with the right one, whatever the exercise: facts that numbers show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import permutations

import numpy as np

from tinynet.exercises.exercise import Task
from tinynet.exercises.marking.comparing import same
from tinynet.exercises.marking.outcome import names
from tinynet.exercises.marking.variants import Cause, Evidence

Pair = tuple[np.ndarray, np.ndarray, tuple[object, ...]]      # yours, the right one, the arguments
Rule = Callable[[Task, list[Pair]], Iterator["Cause"]]


def related(evidence: Evidence, rules: Sequence[Rule] | None = None) -> list[Cause]:
    """List the relations that hold in all trials, between each wrong output and the right one."""
    found = []
    if evidence.part is None and rules is None and (reordered := reordered_outputs(evidence)):
        return reordered
    for k in range(len(evidence.rights[0])):
        pairs = [(mine.outputs[k].astype(float), right[k].astype(float), trial.args) for mine, right, trial
                 in zip(evidence.yours, evidence.rights, evidence.trials, strict=True) if mine.kind == "output"]
        wrong = [pair for pair in pairs if not same(evidence.task, pair[0], pair[1])]
        if not wrong:
            continue
        with np.errstate(all="ignore"):          # right outputs may be 0, and are divided by
            causes = [cause for rule in rules or RULES for cause in rule(evidence.task, pairs)]
        if not causes:
            return []                            # every wrong output must be explained
        name = evidence.task.returns[k if evidence.part is None else evidence.part] + ": " \
            if evidence.task.returns else ""
        found += [Cause(cause.name, name + cause.words) for cause in causes]
    return found


def everywhere(task: Task, pairs: list[Pair], of: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether yours is a function of the right output in all trials."""
    return all(same(task, yours, of(right)) for yours, right, _ in pairs)


def ratios(task: Task, pairs: list[Pair]) -> list[float] | None:
    """Return yours divided by the right output for each trial, if that is one number in each."""
    found = []
    for yours, right, _ in pairs:
        if yours.shape != right.shape or not np.isfinite(right).all():
            return None
        ratio = float((yours * right).sum() / max(float((right * right).sum()), 1e-300))
        if not same(task, yours, ratio * right):
            return None
        found.append(ratio if np.any(right) else np.nan)
    return found


def factor(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """All numbers are one number too large, in all trials."""
    found = [r for r in ratios(task, pairs) or [] if not np.isnan(r)]
    if not found or not np.allclose(found, found[0], rtol=1e-3):
        return
    if np.isclose(found[0], -1):
        yield Cause("sign", "every number has the wrong sign: a minus is missing, or one too many.")
    elif np.isclose(found[0], 0):
        yield Cause("zero", "everything is 0: nothing was stored in what you return, or it was overwritten with zeros.")
    else:
        yield Cause("factor", f"every number is {found[0]:.4g} times what it should be.")


def size_as_factor(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """All numbers are divided or multiplied by the size of an axis of an argument."""
    found = np.array(ratios(task, pairs) or [])
    if not len(found) or np.isnan(found).all() or np.allclose(found, found[0]):
        return
    use = ~np.isnan(found)
    for k, (called, arg) in enumerate(zip(names(task, pairs[0][2]), pairs[0][2], strict=True)):
        for axis in range(arg.ndim if isinstance(arg, np.ndarray) else 0):
            sizes = np.array([float(np.asarray(args[k]).shape[axis]) for _, _, args in pairs])
            for ratio, word in ((1 / sizes, "divided"), (sizes, "multiplied")):
                if np.allclose(found[use], ratio[use], rtol=1e-3):
                    name = "batch size" if axis == 0 else "size"
                    yield Cause(name, f"every number is {word} by {called}.shape[{axis}], and should not be.")


def transposed(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """The axes are in another order."""
    dims = pairs[0][1].ndim
    for order in permutations(range(dims)):
        if order != tuple(range(dims)) and dims <= 4 and everywhere(task, pairs, partial(np.transpose, axes=order)):
            yield Cause("transposed", "the numbers are right, but the axes are in another order: it is the right "
                        "output, " + ("transposed." if dims == 2 else f"with its axes in the order {order}."))


def flipped(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """The order along one axis, or the last two, is reversed."""
    dims = pairs[0][1].ndim
    for axes in [*((axis,) for axis in range(dims)), *([(dims - 2, dims - 1)] if dims > 1 else [])]:
        if everywhere(task, pairs, partial(np.flip, axis=axes)):
            yield Cause("flipped", "the numbers are right, but run backwards along axis " + " and ".join(map(str, axes))
                        + ".")


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "rounded": (np.trunc, "every number lost what stands behind its point: it was stored as a whole number."),
    "absolute": (np.abs, "every number has lost its sign."),
    "squared": (np.square, "every number is the square of the right one."),
    "root": (np.sqrt, "every number is the square root of the right one."),
    "inverse": (lambda r: 1 / r, "every number is 1 divided by the right one."),
    "logarithm": (np.log, "every number is the logarithm of the right one."),
    "exponential": (np.exp, "every number is exp of the right one: a logarithm is missing."),
    "complement": (lambda r: 1 - r, "every number is 1 minus the right one."),
    "too large by one": (lambda r: r + 1, "every number is too large by one."),
    "too small by one": (lambda r: r - 1, "every number is too small by one."),
}


def function(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """Every number is a function of the right one."""
    for name, (of, words) in FUNCTIONS.items():
        if everywhere(task, pairs, of):
            yield Cause(name, words)


def summed(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """One is the sum of the other over an axis."""
    for reduce, word in ((np.sum, "sum"), (np.mean, "mean")):
        for axis in range(pairs[0][0].ndim):
            if all(y.ndim > r.ndim and y.size > r.size and same(task, reduce(y, axis=axis), r) for y, r, _ in pairs):
                yield Cause("not summed", f"an axis is left over: the {word} of yours over axis {axis} is right.")
        for axis in range(pairs[0][1].ndim):
            if all(r.ndim > y.ndim and r.size > y.size and same(task, y, reduce(r, axis=axis)) for y, r, _ in pairs):
                yield Cause("summed", f"you took a {word} too many: yours is the {word} of the right output over its "
                            f"axis {axis}.")


def reshaped(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """The numbers are right, in another shape."""
    if any(y.shape != r.shape for y, r, _ in pairs) and all(
            y.size == r.size and same(task, y.reshape(r.shape), r) for y, r, _ in pairs):
        yield Cause("shape", "the numbers are right and in the right order, but the shape is not.")


def argument_itself(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """An argument came back as it was."""
    for k, name in enumerate(task.arguments[:min(len(args) for _, _, args in pairs)]):
        if all(isinstance(args[k], np.ndarray) and same(task, y, np.asarray(args[k], float)) for y, _, args in pairs):
            yield Cause("unchanged", f"you return {name} as it came.")


def argument_too_many(task: Task, pairs: list[Pair]) -> Iterator[Cause]:
    """An argument is added or multiplied once too often, or not at all."""
    changes: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "is added once too often": np.add, "is subtracted once too often, or was not added": np.subtract,
        "is multiplied in once too often": np.multiply,
        "is divided by once too often, or was not multiplied in": np.divide}
    for k, name in enumerate(task.arguments[:min(len(args) for _, _, args in pairs)]):
        args = [p[2][k] for p in pairs]
        if not all(isinstance(arg, (np.ndarray, float)) and np.size(arg) for arg in args):
            continue
        for words, change in changes.items():
            if all(fits_shape(arg, r) and same(task, y, change(r, np.asarray(arg, float)))
                   for (y, r, _), arg in zip(pairs, args, strict=True)):
                yield Cause("argument", f"{name} {words}.")


def fits_shape(arg: object, right: np.ndarray) -> bool:
    """Whether an argument can be broadcast to the shape of an output."""
    try:
        return np.broadcast_shapes(np.shape(np.asarray(arg)), right.shape) == right.shape
    except ValueError:
        return False


WHOLE: list[Rule] = [factor, size_as_factor, transposed, flipped, reshaped]      # of the whole output, in a simple way
RULES: list[Rule] = [factor, size_as_factor, transposed, flipped, function, summed, reshaped, argument_itself,
                     argument_too_many]


def reordered_outputs(evidence: Evidence) -> list[Cause]:
    """Tell that the outputs are right, but in another order."""
    task = evidence.task
    for order in permutations(range(len(task.returns))):
        if order != tuple(range(len(order))) and all(
                mine.kind == "output" and all(same(task, mine.outputs[k], right[j]) for k, j in enumerate(order))
                for mine, right in zip(evidence.yours, evidence.rights, strict=True)):
            return [Cause("order of outputs", "the outputs are right, but in another order: return "
                          + ", ".join(task.returns) + ".")]
    return []
