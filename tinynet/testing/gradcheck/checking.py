"""The check itself: a subject's gradients against its measured slopes, tensor by tensor.

A model is also taken apart. Where its slopes cannot be settled as a whole (a hidden unit that sits on a kink hides
among the others before it reaches the loss), they are right if every layer is right by itself, at the very input
that reaches it, and the model's gradient is that of the layers chained by hand. And where they are wrong, the layer
that is wrong by itself is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.testing.gradcheck.diagnosis.causes import Evidence, likely_cause
from tinynet.testing.gradcheck.layer_by_layer import Parts
from tinynet.testing.gradcheck.preconditions import first_gradients, misshapen, other_runs
from tinynet.testing.gradcheck.report import Failure, TensorReport
from tinynet.testing.gradcheck.sampling import Sampler
from tinynet.testing.gradcheck.targets import Subject


@dataclass
class Check:
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

    def run(self, subject: Subject) -> tuple[list[TensorReport], list[Failure]]:
        """Check one subject; return the table and what is wrong."""
        notes = [TensorReport(name, (), subject.training, note=note) for name, note in subject.notes.items()]
        gradients, failures = first_gradients(subject)
        if gradients is None:
            return notes, failures
        failures += misshapen(subject, gradients)
        if not any(failure.cause == "writes to its input" for failure in failures):
            gradients, more = other_runs(subject, gradients)
            failures += more
        parts = Parts(subject, self.run)
        tensors = []
        for name, tensor in subject.tensors.items():
            claim = gradients.get(name)
            if claim is None or claim.dtype.kind not in "fiu":
                continue
            report = self.measure(subject, name, claim)
            if claim.shape != tensor.shape:
                failures.append(Failure(name, f"its gradient has shape {claim.shape}, expected {tensor.shape}.",
                                        *explain(subject, report, ("wrong shape", ""))))
            else:
                settle(report, parts)
                failures += verdict(subject, report, parts)
            tensors.append(report)
        return tensors + notes, failures

    def measure(self, subject: Subject, name: str, claim: np.ndarray) -> TensorReport:
        """Measure one tensor; a claim of the wrong shape is kept for its likely cause, and nothing else."""
        tensor = subject.tensors[name]
        usable = claim if claim.shape == tensor.shape else np.zeros(tensor.shape)
        measurements = Sampler(subject, name, usable, self.rng, self.rtol).sample(self.every, self.directions)
        return TensorReport(name, tensor.shape, subject.training, claim, measurements)


def verdict(subject: Subject, report: TensorReport, parts: Parts) -> list[Failure]:
    """Say what is wrong with one tensor."""
    failures = []
    m = report.worst
    if m and m.verdict == "wrong":
        singles = [m for m in report.measurements if m.single]
        wrong = sum(m.verdict == "wrong" for m in singles)
        place = f"at {list(report.at)}" if report.at is not None else f"where {len(m.where)} entries move together"
        percent = f"{100 * report.max_relative_error:.3g} %"
        message = (f"{wrong} of {len(singles)} entries measured are wrong, by up to {percent}; worst {place}: "
                   f"analytic {m.analytic:.6g}, numeric {m.measured.text(6)} ± {m.measured.uncertainty:.0e}.")
        failures.append(Failure(report.name, message, *(parts.blame() or explain(subject, report, parts.acquittal()))))
    if (skipped := report.count("skipped")) > 0.1 * np.prod(report.shape):
        failures.append(Failure(report.name, f"{skipped} of {np.prod(report.shape)} coordinates could not be settled.",
                                "unsettled", "forward jumps, or bends too sharply, at every step down to 1e-8; move x "
                                "away from there, or check that forward is continuous."))
    return failures


Cause = tuple[str | None, str]


def explain(subject: Subject, report: TensorReport, otherwise: Cause = (None, "")) -> Cause:
    """Find the likely cause of what is wrong with a tensor, its name and its sentence; `otherwise` if none fits."""
    def mask(condition: Any) -> np.ndarray:
        chosen = np.zeros(report.shape, bool)
        for m in report.measurements:
            chosen.flat[m.where] |= m.single and condition(m)
        return chosen

    def rerun(dy: np.ndarray) -> Any:
        try:
            return subject.gradients(dy).get(report.name)
        except Exception:
            return None
    assert report.analytic is not None
    found = likely_cause(Evidence(
        analytic=report.analytic, numeric=report.numeric,
        known=mask(lambda m: m.measured.kind == "smooth"),
        wrong=mask(lambda m: m.measured.kind == "smooth" and m.verdict == "wrong"),
        on_kink=mask(lambda m: m.measured.kind == "kink"),
        batch_size=len(subject.x), is_input=report.name == subject.input_name,
        dy=subject.dy, rerun=None if subject.dy is None else rerun,
        settings=dict(settings(subject.layer)), penalty=subject.penalty(report.name)))
    return found or otherwise


def settings(layer: Any) -> Iterable[tuple[str, float]]:
    """List the numbers between 0 and 1 that a layer, or a layer of a model, holds."""
    for part in layer.leaves() if hasattr(layer, "leaves") else [layer]:
        for name, value in vars(part).items():
            if isinstance(value, float) and 0 < value < 1:
                yield name, value


def settle(report: TensorReport, parts: Parts) -> None:
    """Let the parts of a model decide what its whole cannot: coordinates on a kink, and unsettled ones."""
    open_questions = [m for m in report.measurements if m.verdict == "skipped"
                      or (m.verdict == "wrong" and m.kinked)]
    if open_questions and parts.vouch_for(report.name):
        chained = parts.chained[report.name]
        assert report.analytic is not None
        agrees = np.abs(report.analytic - chained) <= 1e-7 * np.abs(chained).max()
        for m in open_questions:
            if agrees.flat[m.where].all():
                m.verdict, m.settled_by_parts = "on kink", True
