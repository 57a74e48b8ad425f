"""The check of a `Pair`: its precision and its complex convention found out, then slopes, as for a layer."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from tinynet.testing.cloning import global_random_state_kept
from tinynet.testing.functions.libraries.jax import Jax
from tinynet.testing.functions.pair import Pair
from tinynet.testing.functions.target import FunctionTarget
from tinynet.testing.functions.trees import WrongStructure
from tinynet.testing.functions.wording import in_their_terms, renamed
from tinynet.testing.gradcheck.checking import Checker
from tinynet.testing.gradcheck.gradients import is_constant, perturbed_constant
from tinynet.testing.gradcheck.preconditions import same
from tinynet.testing.gradcheck.report import Failure, GradientMismatch, GradientReport, TensorReport

CONVENTIONS = {
    "gradient": "dL/d(real) + i dL/d(imag), as in PyTorch; dy is paired as Re(conj(dy) y)",
    "conjugate": "dL/d(real) - i dL/d(imag), as in JAX; dy is paired as Re(dy y)",
}


@dataclass
class Settings:
    """How a pair is checked; see `check_vjp`."""

    rtol: float = 1e-6
    seed: int = 0
    every: int = 100
    directions: int = 16
    complex_convention: str | None = None

    def __post_init__(self) -> None:
        if self.complex_convention not in (None, *CONVENTIONS):
            raise ValueError(f"complex_convention: expected None, 'gradient' or 'conjugate'. "
                             f"Received: {self.complex_convention!r}.")

    def rng(self) -> np.random.Generator:
        """Return the generator of one check, the same each time."""
        return np.random.default_rng(self.seed)

    def checker(self, rng: np.random.Generator) -> Checker:
        """Return what measures slopes."""
        return Checker(rng, self.rtol, self.every, self.directions)


def check_pair(pair: Pair, settings: Settings) -> GradientReport:
    """Check one pair; if nothing is wrong, once more with arguments of equal numbers perturbed."""
    jax = Jax().session() if "jax" in sys.modules else nullcontext()
    with global_random_state_kept(), np.errstate(all="ignore"), jax:     # NaN and infinity are told in the report
        try:
            precise = runs_in_float64(pair, settings)
            report = in_either_convention(pair, settings, precise)
            return (report.passed and perturbed(pair, settings, precise)) or report
        finally:
            if pair.replay is not None:
                pair.replay.restore()


def conclude(report: GradientReport, raises: bool) -> GradientReport:
    """Return a report, or raise what is wrong."""
    __tracebackhide__ = True
    if raises and not report.passed:
        raise GradientMismatch(report)
    return report


def target_of(pair: Pair, settings: Settings, precise: bool, convention: str | None = None) -> FunctionTarget:
    """Return the pair as a target, under the upstream gradient that the seed gives."""
    return FunctionTarget(pair, settings.rng(), convention == "conjugate", precise)


def runs_in_float64(pair: Pair, settings: Settings) -> bool:
    """Return whether a pair takes float64 arguments; one that insists on the dtypes it was given gets these."""
    try:
        target_of(pair, settings, True).gradients()
    except WrongStructure:
        return True
    except Exception:
        try:
            target_of(pair, settings, False).gradients()
        except Exception:
            return True                                    # what is wrong has nothing to do with dtypes
        return False
    return True


def in_either_convention(pair: Pair, settings: Settings, precise: bool) -> GradientReport:
    """Check a pair; where numbers are complex, find out which convention holds, and name it."""
    target = target_of(pair, settings, precise, settings.complex_convention)
    if not target.is_complex:
        return report_on(target, settings)
    reports = {}
    for convention in [settings.complex_convention] if settings.complex_convention else CONVENTIONS:
        report = report_on(target_of(pair, settings, precise, convention), settings)
        reports[convention] = report
        if report.passed:
            return named(report, "either" if same_in_both(pair, settings, precise) else convention)
    return named(min(reports.values(), key=how_wrong), settings.complex_convention)


def same_in_both(pair: Pair, settings: Settings, precise: bool) -> bool:
    """Return whether the gradients are the same in both conventions."""
    one, other = (target_of(pair, settings, precise, convention).gradients() for convention in CONVENTIONS)
    return all(same(one[name], other[name]) for name in one)


def how_wrong(report: GradientReport) -> tuple[int, float]:
    """Rank a failed report: by the number of failures, then by the error."""
    return len(report.failures), max((tensor.max_relative_error for tensor in report.tensors), default=0.0)


def named(report: GradientReport, convention: str | None) -> GradientReport:
    """Write down which convention holds for complex numbers."""
    report.complex_convention = convention
    if convention is None:
        text = "wrong in both: neither the gradient (as in PyTorch) nor its conjugate (as in JAX)"
    elif convention == "either":
        text = "the gradient and its conjugate are the same here"
    else:
        text = f'"{convention}": {CONVENTIONS[convention]}'
    report.tensors.append(TensorReport("complex convention", (), False, note=text))
    return report


def report_on(target: FunctionTarget, settings: Settings) -> GradientReport:
    """Check a target; return its report, in terms of f and vjp."""
    words = target.pair.words
    report = GradientReport(target.pair.title)
    failures = misshapen(target)
    if not failures:
        report.tensors, failures = settings.checker(settings.rng()).check(target)
    for tensor in report.tensors:
        tensor.note = renamed(tensor.note, words)
    report.failures = [in_their_terms(failure, words) for failure in failures]
    return report


def misshapen(target: FunctionTarget) -> list[Failure]:
    """Return what is wrong if the gradients are not nested as the arguments are, or f is not what it is checked as."""
    if target.pair.as_if is not None:
        shape, expected = target.outputs().shape, target.forward()[0].shape
        if shape != expected:
            return [Failure("", f"as_if returns {shape[0]} numbers, and forward {expected[0]}.", "as_if",
                            "it takes the same arguments, and returns outputs of the same shapes.")]
    try:
        target.gradients()
    except WrongStructure as error:
        return [Failure("", f"backward: {error}.", "wrong structure",
                        "one gradient for each argument, in order, each nested as its argument is.")]
    except Exception:
        return []                                          # the check itself says what was raised, and where
    finally:
        target.restore_tensors()
    return []


def perturbed(pair: Pair, settings: Settings, precise: bool) -> GradientReport | None:
    """Check once more with arguments perturbed whose numbers are all equal; return the report if that is wrong.

    A scale of 1 multiplies a gradient without a trace. What does not run on other numbers, or returns NaN, is left.
    """
    rng = settings.rng()
    changed = False
    target = target_of(pair, settings, precise)
    for tensor in target.tensors.values():
        if is_constant(tensor):
            tensor[...], changed = perturbed_constant(tensor, rng), True
    if not changed:
        return None
    try:
        report = in_either_convention(replace(pair, args=target.arguments()), settings, precise)
    except Exception:
        return None
    unfit = {"forward not finite", "exception"}
    return None if report.passed or any(failure.cause in unfit for failure in report.failures) else report
