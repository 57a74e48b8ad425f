"""From a target and what was measured of one of its tensors to the `Evidence`, and to the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tinynet.testing.gradcheck.diagnosis.causes import likely_cause
from tinynet.testing.gradcheck.diagnosis.evidence import Evidence
from tinynet.testing.gradcheck.measurement import Measurement
from tinynet.testing.gradcheck.preconditions import same
from tinynet.testing.gradcheck.report import TensorReport
from tinynet.testing.gradcheck.slopes.line import Slope
from tinynet.testing.gradcheck.targets import Target, leaves_of

Cause = tuple[str | None, str]      # the likely cause: its name, None if no usual mistake fits, and its explanation
FINER = 2.0 ** -4                   # of the step of a five-point formula: two points are enough for a comparison
COARSER = 4.0                       # than the step of the slope, where forward rounds much
SMALL = 2.0 ** -12                  # and never a larger step than this: two points are less exact than five
DEFAULT_STEP = 2.0 ** -8            # where none is known
LARGEST = 256                       # tensors of so many numbers are compared with others, at most
MOST = 2_000_000                    # so many numbers of a Jacobian are kept, at most


def explain(target: Target, report: TensorReport, otherwise: Cause = (None, "")) -> Cause:
    """Return the likely cause of what is wrong with a tensor; `otherwise` if none fits."""
    return likely_cause(gather(target, report)) or otherwise


def gather(target: Target, report: TensorReport, coarse: bool = False) -> Evidence:
    """Collect what is known about a tensor that is wrong; more is measured where its gradient has a dy."""
    def mask(condition: Callable[[Measurement], bool]) -> np.ndarray:
        chosen = np.zeros(report.shape, bool)
        for m in report.measurements:
            if m.single:
                chosen.flat[m.where] |= condition(m)
        return chosen

    tensor, outputs_here = target.tensors[report.name], partial(target.outputs_like, target.outputs())

    def outputs(value: np.ndarray) -> np.ndarray:
        before = tensor.copy()
        try:
            tensor[...] = value
            return outputs_here()
        finally:
            tensor[...] = before

    assert report.analytic is not None
    beside = any(m.verdict == "wrong" and not m.kinked for m in report.measurements)
    steps = {int(m.where[0]): m.measured.step for m in report.measurements if m.single and m.measured.kind == "smooth"}
    x = getattr(target, "x", None)
    return Evidence(
        analytic=report.analytic, numeric=report.numeric,
        known=mask(lambda m: m.measured.kind == "smooth"),
        wrong=mask(lambda m: m.measured.kind == "smooth" and m.verdict == "wrong"),
        on_kink=mask(lambda m: m.measured.kind == "kink" and not beside),
        batch_size=len(x) if x is not None and np.ndim(x) else 1, is_input=report.name == target.input_name,
        dy=target.dy, rerun=rerun_of(target, report),
        settings=dict(settings(getattr(target, "layer", None))), penalty=target.penalty(report.name),
        name=report.name, values={name: array.copy() for name, array in target.tensors.items()}, outputs=outputs,
        derivatives=lambda entries, coarse=coarse: derivatives(entries, steps, tensor, outputs_here, coarse),
        of=lambda name, coarse: gather_other(target, name, coarse))


def gather_other(target: Target, name: str, coarse: bool) -> Evidence | None:
    """Collect what is known about another tensor's gradient, to compare one with it; None if it is large."""
    x, dy = target.tensors.get(name), target.dy
    if x is None or dy is None or not 0 < x.size <= LARGEST:
        return None
    analytic, everywhere = target.gradients().get(name), np.arange(x.size)
    target.restore_tensors()
    jacobian = derivatives(everywhere, {}, x, partial(target.outputs_like, target.outputs()), coarse)
    if analytic is None or analytic.shape != x.shape or jacobian is None:
        return None
    numeric = (dy.ravel() @ jacobian).reshape(x.shape)
    measurements = []
    for i in everywhere:
        slope = Slope(numeric.flat[i], 0.0, 0.0, 0.0, DEFAULT_STEP, 1.0, "smooth")
        tolerance = 1e-6 * abs(slope.value) + 1e-7 * float(np.abs(numeric).max())
        measurements.append(Measurement(np.array([i]), np.ones(1), float(analytic.flat[i]), slope, tolerance))
    return gather(target, TensorReport(name, x.shape, target.training, analytic, measurements), coarse)


def rerun_of(target: Target, report: TensorReport) -> Callable[[np.ndarray], np.ndarray | None] | None:
    """Return a function that runs backward on another dy; None if the result would say nothing.

    A backward that adds to its last result is run twice: the difference is what one run adds.
    """
    def rerun(dy: np.ndarray) -> np.ndarray | None:
        try:
            gradient = target.gradients(dy).get(report.name)
            target.restore_tensors()
        except Exception:
            return None
        return gradient

    def added(dy: np.ndarray) -> np.ndarray | None:
        first, second = rerun(dy), rerun(dy)
        return None if first is None or second is None or first.shape != second.shape else second - first

    for run in (rerun, added) if target.dy is not None else ():
        if same(run(np.asarray(target.dy)), report.analytic):
            return run
    return None


def derivatives(entries: np.ndarray, steps: dict[int, float], tensor: np.ndarray,
                outputs: Callable[[], np.ndarray], coarse: bool) -> np.ndarray | None:
    """Measure the derivative of each output by each of some entries (M, entries).

    In finer steps than their slopes, from two values; or, where forward rounds much, in larger ones from four.
    """
    size, columns = outputs().size, []
    if size * len(entries) > MOST:
        return None
    usual = float(np.median(list(steps.values()))) if steps else DEFAULT_STEP
    flat = tensor.reshape(-1)                              # a view: tensors are contiguous
    for entry in entries:
        before = flat[entry]
        h = steps.get(int(entry), usual)
        h = COARSER * h if coarse else min(FINER * h, SMALL * max(1.0, abs(before)))

        def odd(h: float, entry: int = entry, before: float = before) -> np.ndarray:
            flat[entry] = before + h
            above = outputs()
            flat[entry] = before - h
            return (above - outputs()) / (2 * h)
        try:
            columns.append((4 * odd(h) - odd(2 * h)) / 3 if coarse else odd(h))
        finally:
            flat[entry] = before
    return np.array(columns).T.reshape(size, len(columns))


def settings(layer: object) -> Iterator[tuple[str, float]]:
    """Yield the name and value of attributes between 0.01 and 0.99, such as a rate, of a layer or a model's layers."""
    for leaf in leaves_of(layer):
        for name, value in getattr(leaf, "__dict__", {}).items():
            if isinstance(value, float) and 0.01 <= value <= 0.99:
                yield name, value
