"""What a backward must do besides returning the right numbers, tested before any slope is measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.testing.gradcheck.report import Failure
from tinynet.testing.gradcheck.targets import Gradients, Target
from tinynet.testing.tracebacks import exception_text

IN_PLACE = "an in-place operation (+=, *=, out=, x[mask] = ...) on an array that belongs to the caller."
NEW_MASK = "new mask", "it draws a mask of its own, where it must use the one that forward drew."
IDLE_DRAWS = "idle draws", ("its result does not depend on them, but what is drawn after it does: the next dropout "
                            "mask, say, or the next shuffle.")
COMPLEX = "complex", ("a complex slope is one of two, by convention. Check a function of the real and the imaginary "
                      "part instead, side by side along an axis.")
NUMERIC = "fiu"       # dtype kinds of real numbers: float, int, unsigned int
SAME_RTOL = 1e-9      # far above the rounding of float64 sums in another order, far below any real mistake


def first_gradients(target: Target) -> tuple[Gradients | None, list[Failure]]:
    """Run backward; return its gradients, or None if they are not worth comparing, and what is wrong.

    Forward runs three times before that: the first shows whether it draws from NumPy's global random state, which is
    restored from then on; the other two must agree.
    """
    y = np.asarray(target.forward()[0])
    target.replay.moved_globally()
    if y.dtype.kind == "c":
        return None, [Failure("", f"forward returns {y.dtype} numbers, whose slopes are not measured.", *COMPLEX)]
    if not y.size:
        return None, [Failure("", f"nothing is measured: for x of shape {target.x.shape} forward returns no numbers.",
                              "nothing measured", "the batch is empty; pass one sample at least.")]
    outputs = target.outputs()
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs)).sum())
        return None, [Failure("", f"forward: {bad} of {outputs.size} outputs are NaN or infinite, so that there is no "
                                  "slope to compare with.", "forward not finite")]
    if written := target.restore_tensors():
        return None, [Failure(name, "forward writes to it.", "writes to its input", IN_PLACE) for name in written]
    if not np.array_equal(target.outputs(), outputs):
        return None, [Failure("", "forward is not deterministic, although its random state was restored.",
                              "not repeatable", "it draws from a generator that is made in forward, or keeps something "
                              "from call to call. A generator belongs in self.rng, set in build.")]
    failures = []
    try:
        gradients = target.gradients(between=target.replay.restore)
    except Exception as error:
        return None, [Failure("", f"backward {exception_text(error)}.", "exception")]
    if target.replay.moved():
        elsewhere = target.gradients(between=target.replay.move)
        used = not all(same(gradient, elsewhere.get(name)) for name, gradient in gradients.items())
        failures.append(Failure("", "backward draws random numbers.", *(NEW_MASK if used else IDLE_DRAWS)))
    failures += [Failure(name, "backward writes to it.", "writes to its input", IN_PLACE)
                 for name in target.restore_tensors()]
    return gradients, failures


def compare_reruns(target: Target, gradients: Gradients) -> tuple[Gradients, list[Failure]]:
    """Run backward again, after another forward, and without the input gradient: the result must be the same.

    Where it adds to ``grads``, what it adds is returned as the gradient, so that this can be checked as well.
    """
    failures = []
    try:
        # Two reruns in a row: if backward accumulates, the difference between them is what one run adds.
        again, more = gradients_anew(target), gradients_anew(target)
        later = gradients_anew(target, between=target.another_forward)
        alone = {**gradients_anew(target, need_dx=False), target.input_name: gradients.get(target.input_name)}
    except Exception as error:
        return gradients, [Failure("", f"backward works once; later it {exception_text(error)}.", "exception")]
    for name, first in gradients.items():
        if not same(first, again.get(name)):
            added = accumulated(first, again.get(name), more.get(name))
            if added is not None:
                gradients = {**gradients, name: added}
                failures.append(Failure(name, "a second backward adds to the first.", "accumulates",
                                        "an array that is kept is added to with +=, in grads or an attribute; backward "
                                        "must overwrite what it held."))
            else:
                failures.append(Failure(name, "a second backward gives another result than the first.",
                                        "not repeatable", "backward changes something that it uses: an array, or an "
                                                          "attribute of the layer."))
        elif not same(first, later.get(name)):
            failures.append(Failure(name, "backward is wrong if another forward runs before it.", "stale",
                                    "it uses what the latest forward stored in an attribute of the layer; what it "
                                    "needs belongs in local variables, which it closes over."))
        elif not same(first, alone.get(name)):
            failures.append(Failure(name, "it is different with need_dx=False, which training uses for the first "
                                    "layer.", "need_dx", "more than the input gradient is left out."))
    return gradients, failures


def gradients_anew(target: Target, **settings: Any) -> Gradients:
    """Return `target.gradients`, with whatever backward writes to its tensors undone."""
    gradients = target.gradients(**settings)
    target.restore_tensors()
    return gradients


def unmeasured(target: Target, measured: bool, failures: list[Failure]) -> list[Failure]:
    """Return what else is wrong with a check that leaves numbers out: complex ones, or all that there are."""
    more = [Failure(name, f"it holds {dtype} numbers, along which no slope is measured.", *COMPLEX)
            for name, dtype in target.unmeasured.items() if dtype.kind == "c"]
    if not (measured or failures or more):
        what = [f"{name} holds {dtype} numbers" for name, dtype in target.unmeasured.items()]
        more.append(Failure("", "nothing was measured, so that nothing is known about backward.", "nothing measured",
                            f"there is nothing to perturb: {', '.join(what) or 'x and all parameters are empty'}."))
    return more


def accumulated(first: np.ndarray | None, again: np.ndarray | None, more: np.ndarray | None) -> np.ndarray | None:
    """Return what each of three runs of backward added to the last; None if they did not accumulate."""
    if first is None or again is None or more is None or not first.shape == again.shape == more.shape:
        return None
    if {first.dtype.kind, again.dtype.kind, more.dtype.kind} - set(NUMERIC + "c"):
        return None                                        # masks are not added
    return more - again if same(more - again, again - first) else None


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Return whether two gradients agree, up to the order of sums."""
    if one is None or other is None or one.shape != other.shape:
        return one is other
    if {one.dtype.kind, other.dtype.kind} - set(NUMERIC + "c"):
        return np.array_equal(one, other)
    if not np.isfinite(one).all():
        return np.array_equal(one, other, equal_nan=True)
    return bool(np.abs(one - other).max(initial=0) <= SAME_RTOL * np.abs(one).max(initial=0))


def missing_or_unknown(target: Target, gradients: Gradients) -> list[Failure]:
    """List the gradients that are missing or hold no numbers, and those without a parameter."""
    failures = []
    unknown = gradients.keys() - target.tensors.keys() - target.notes.keys()
    for name in target.tensors:
        gradient = gradients.get(name)
        if gradient is None and name == target.input_name:
            failures.append(Failure(name, "backward returned None; it must return d loss / d input.",
                                    "nothing returned", "a return statement is missing."))
        elif gradient is None:
            hint = f"it is called {', '.join(map(repr, sorted(unknown)))} there." if unknown else ""
            failures.append(Failure(name, "backward sets no grads for it.", "missing", hint))
        elif gradient.dtype.kind not in NUMERIC:
            why = "a mask is returned, and is to be multiplied by dy." if gradient.dtype.kind == "b" else ""
            failures.append(Failure(name, f"its gradient has dtype {gradient.dtype}.", "not numbers", why))
    if unknown and not failures:
        failures.append(Failure("", f"backward sets grads for {', '.join(map(repr, sorted(unknown)))}, which params "
                                    "does not have.", "unknown"))
    return failures
