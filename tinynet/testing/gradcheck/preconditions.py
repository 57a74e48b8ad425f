"""What a backward must do besides returning the right numbers, tried before any slope is measured."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.testing.gradcheck.report import Failure
from tinynet.testing.gradcheck.targets import Subject

Gradients = dict[str, Any]
IN_PLACE = "an operation in its place (+=, *=, out=, x[mask] = ...) on an array that belongs to the caller."


def first_gradients(subject: Subject) -> tuple[Gradients | None, list[Failure]]:
    """Run backward, and return what it claims, or None if that is not worth comparing; and what is wrong."""
    subject.outputs()
    subject.replay.moved_globally()
    outputs = subject.outputs()
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs)).sum())
        return None, [Failure("", f"forward: {bad} of {outputs.size} outputs are NaN or infinite, so that there is no "
                                  "slope to compare with.", "forward not finite")]
    if written := subject.restore_tensors():
        return None, [Failure(name, "forward writes to it.", "writes to its input", IN_PLACE) for name in written]
    if not np.array_equal(subject.outputs(), outputs):
        return None, [Failure("", "forward does not repeat itself, though its random state was put back.",
                              "not repeatable", "it draws from a generator that is made in forward, or keeps something "
                              "from call to call. A generator belongs into self.rng, made in build.")]
    failures = []
    try:
        gradients = subject.gradients(between=subject.replay.restore)
    except Exception as error:
        return None, [Failure("", f"backward {describe(error)}", "exception")]
    if subject.replay.moved():
        failures.append(Failure("", "backward draws random numbers.", "new mask",
                                "it draws a mask of its own, where it must use the one that forward drew."))
    failures += [Failure(name, "backward writes to it.", "writes to its input", IN_PLACE)
                 for name in subject.restore_tensors()]
    return gradients, failures


def other_runs(subject: Subject, gradients: Gradients) -> tuple[Gradients, list[Failure]]:
    """Run backward again, after another forward, and without the input gradient: it must claim the same each time.

    Where it adds to ``grads``, what it adds is returned as its claim, so that this can be checked as well.
    """
    failures = []
    try:
        again, more = subject.gradients(), subject.gradients()
        later = subject.gradients(between=subject.another_forward)
        alone = {**subject.gradients(need_dx=False), subject.input_name: gradients.get(subject.input_name)}
    except Exception as error:
        return gradients, [Failure("", f"backward works once; later it {describe(error)}", "exception")]
    for name, first in gradients.items():
        if not same(first, again.get(name)):
            if adds(first, again.get(name), more.get(name)):
                gradients = {**gradients, name: more[name] - again[name]}
                failures.append(Failure(name, "a second backward adds to the first.", "accumulates",
                                        "grads is added to with +=; backward must overwrite what it held."))
            else:
                failures.append(Failure(name, "a second backward gives another result than the first.",
                                        "not repeatable", "backward changes something that it uses: an array, or an "
                                                          "attribute of the layer."))
        elif not same(first, later.get(name)):
            failures.append(Failure(name, "backward is wrong once another forward ran in between.", "stale",
                                    "it uses what the latest forward left in an attribute of the layer; what it needs "
                                    "belongs into local variables, which it closes over."))
        elif not same(first, alone.get(name)):
            failures.append(Failure(name, "it is another one with need_dx=False, as training runs the first layer.",
                                    "need_dx", "what does not belong to the input gradient is left out as well."))
    return gradients, failures


def adds(first: Any, again: Any, more: Any) -> bool:
    """Say whether three runs of backward piled up."""
    alike = first is not None and np.shape(first) == np.shape(again) == np.shape(more)
    return alike and same(more - again, again - first)


def same(one: Any, other: Any) -> bool:
    """Say whether two claims agree, up to the order of sums."""
    if one is None or other is None or one.shape != other.shape or one.dtype.kind not in "fiu":
        return one is other
    if not np.isfinite(one).all():
        return np.array_equal(one, other, equal_nan=True)
    return bool(np.abs(one - other).max(initial=0) <= 1e-9 * np.abs(one).max(initial=0))


def misshapen(subject: Subject, gradients: Gradients) -> list[Failure]:
    """Name the gradients that are missing, and those that nobody asked for."""
    failures = []
    unknown = gradients.keys() - subject.tensors.keys() - subject.notes.keys()
    for name in subject.tensors:
        if name == subject.input_name and gradients.get(name) is None:
            failures.append(Failure(name, "backward returned None; it must return d loss / d input.",
                                    "nothing returned", "a return statement is missing."))
        elif gradients.get(name) is None:
            hint = f"it is called {', '.join(map(repr, sorted(unknown)))} there." if unknown else ""
            failures.append(Failure(name, "backward sets no grads for it.", "missing", hint))
        elif gradients[name].dtype.kind not in "fiu":
            failures.append(Failure(name, f"its gradient is of type {gradients[name].dtype}.", "not numbers"))
    if unknown and not failures:
        failures.append(Failure("", f"backward sets grads for {', '.join(map(repr, sorted(unknown)))}, which params "
                                    "does not have.", "unknown"))
    return failures


def describe(error: Exception) -> str:
    """Say what an exception says, and where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"raised {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno}, in {frame.name})."
