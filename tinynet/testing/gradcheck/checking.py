"""The check itself: a target's gradients against its measured slopes, tensor by tensor.

A model is also checked layer by layer. Where its slopes cannot be measured as a whole (a hidden unit at a kink is one
of many between a parameter and the loss), its gradient is right if every layer is right by itself, at the input that
reaches it, and the model's gradient is that of the layers chained one by one. And where it is wrong, the layer that
is wrong by itself is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinynet.testing.gradcheck.diagnosis.gathering import explain
from tinynet.testing.gradcheck.layer_by_layer import LayerByLayer
from tinynet.testing.gradcheck.measurement import Measurement
from tinynet.testing.gradcheck.preconditions import (
    NUMERIC,
    compare_reruns,
    first_gradients,
    missing_or_unknown,
    unmeasured,
)
from tinynet.testing.gradcheck.report import Failure, TensorReport
from tinynet.testing.gradcheck.sampling import Sampler
from tinynet.testing.gradcheck.second_look import allow_what_is_right_around, beside_kinks, is_wrong
from tinynet.testing.gradcheck.targets import Target

MAX_SKIPPED = 0.1                   # a tensor with a larger fraction of its coordinates skipped was hardly checked
MAX_LOST = 0.5                      # but not one lost in rounding, beside kinks: lines that meet none vouch for some
JUMPS = ("forward jumps, or bends too sharply, at every step down to 4e-9; move x away from there, or check that "
         "forward is continuous.")
LOST = ("forward computes so coarsely that slopes are lost in its rounding, beside kinks for one; let it compute in "
        "float64, or move x away from there.")
CHAINED_RTOL = 1e-7                 # fused steps add up in another order than the layers one by one


@dataclass
class Checker:
    """How thorough a check is; see `check_gradients`.

    Attributes
    ----------
    rng : draws what is random in the check.
    rtol : how far an entry may be off, as a fraction of itself.
    every : size of the largest tensor whose coordinates are all measured.
    directions : number of directions, and of single coordinates, that are measured of larger ones.
    """

    rng: np.random.Generator
    rtol: float
    every: int
    directions: int

    def check(self, target: Target) -> tuple[list[TensorReport], list[Failure]]:
        """Check one target; return the table and what is wrong."""
        notes = [TensorReport(name, (), target.training, note=note) for name, note in target.notes.items()]
        gradients, failures = first_gradients(target)
        if gradients is None:
            return notes, failures
        failures += missing_or_unknown(target, gradients)
        gradients, more = compare_reruns(target, gradients)
        failures += more
        layers = LayerByLayer(target, self.check)
        tensors = []
        for name, tensor in target.tensors.items():
            gradient = gradients.get(name)
            if gradient is None or gradient.dtype.kind not in NUMERIC:
                continue
            report = self.measure(target, name, gradient)
            if gradient.shape != tensor.shape:
                failures.append(Failure(name, f"its gradient has shape {gradient.shape}, expected {tensor.shape}.",
                                        *explain(target, report, ("wrong shape", ""))))
            else:
                decide_by_layers(report, layers)
                failures += self.look_again(target, report, layers) or judge(target, report, layers)
            if (seen := report.resolution) > self.rtol:
                what = f"errors below {seen:.0e} of its usual slope" if seen < 1 else "its slopes are so small, they"
                notes.append(TensorReport(name, (), target.training, note=f"{what} are lost in rounding"))
            tensors.append(report)
        measured = any(tensor.measurements for tensor in tensors)
        return tensors + notes, failures + unmeasured(target, measured, failures)

    def measure(self, target: Target, name: str, gradient: np.ndarray) -> TensorReport:
        """Measure one tensor; a gradient of the wrong shape is kept only for its likely cause."""
        tensor = target.tensors[name]
        usable = gradient if gradient.shape == tensor.shape else np.zeros(tensor.shape)
        return TensorReport(name, tensor.shape, target.training, gradient, self.sample(target, name, usable))

    def sample(self, target: Target, name: str, gradient: np.ndarray,
               among: np.ndarray | None = None) -> list[Measurement]:
        """Measure a tensor, or the coordinates at the flat indices `among`."""
        with np.errstate(all="ignore"):                    # here, and not for each of thousands of forwards
            return Sampler(target, name, gradient, self.rng, self.rtol).sample(self.every, self.directions, among)

    def look_again(self, target: Target, report: TensorReport, layers: LayerByLayer) -> list[Failure]:
        """Decide what lies on kinks by what is right beside them; return what is wrong there, if all else is right."""
        allow_what_is_right_around(target, report, self.rng)
        if any(map(is_wrong, report.measurements)):
            return []
        beside = beside_kinks(target, report, self.sample, self.rng)
        if not beside or not any(map(is_wrong, beside.measurements)):
            return []
        report.measurements += filter(is_wrong, beside.measurements)
        return [Failure(report.name, f"beside kinks, with all numbers moved by 1 %: {wrong_entries(beside)}",
                        *(layers.wrong_layers() or explain(target, beside, layers.wrong_between())))]


def judge(target: Target, report: TensorReport, layers: LayerByLayer) -> list[Failure]:
    """Return what is wrong with one tensor."""
    failures = []
    if report.worst and report.worst.verdict == "wrong":
        failures.append(Failure(report.name, wrong_entries(report), *(layers.wrong_layers()
                                                            or explain(target, report, layers.wrong_between()))))
    skipped = report.count("skipped")
    lost = sum(len(m.where) for m in report.measurements if m.verdict == "skipped" and m.measured.kind == "lost")
    if skipped - lost > MAX_SKIPPED * np.prod(report.shape) or skipped > MAX_LOST * np.prod(report.shape):
        failures.append(Failure(report.name, f"the slope did not converge at {skipped} of {np.prod(report.shape)} "
                                "coordinates.", "not converged", LOST if lost > skipped / 2 else JUMPS))
    return failures


def wrong_entries(report: TensorReport) -> str:
    """Say how many entries are wrong, and how the worst of them is."""
    m = report.worst
    assert m is not None
    singles = [m for m in report.measurements if m.single]
    wrong = sum(m.verdict == "wrong" for m in singles)
    percent = f"{100 * report.max_relative_error:.3g} %"
    slopes = f"analytic {m.analytic:.6g}, numeric {m.measured.text(6)} ± {m.measured.uncertainty:.0e}."
    if not wrong and not m.kinked:
        return (f"it is wrong by {percent} where {len(m.where)} entries are perturbed together, too little to be seen "
                f"at the {len(singles)} that were measured one by one: {slopes}")
    where = (f"at {list(report.at)}" if report.at is not None
             else f"where {len(m.where)} entries are perturbed together")
    return f"{wrong} of {len(singles)} entries measured are wrong, by up to {percent}; worst {where}: {slopes}"


def decide_by_layers(report: TensorReport, layers: LayerByLayer) -> None:
    """Decide layer by layer what a model as a whole leaves open: coordinates on a kink, and skipped ones."""
    undecided = [m for m in report.measurements if m.verdict == "skipped"
                 or (m.verdict == "wrong" and m.kinked)]
    if undecided and layers.all_right_for(report.name):
        chained = layers.chained[report.name]
        assert report.analytic is not None
        agrees = np.abs(report.analytic - chained) <= CHAINED_RTOL * np.abs(chained).max()
        for m in undecided:
            if agrees.flat[m.where].all():
                m.verdict, m.decided_by_layers = "on kink", True
