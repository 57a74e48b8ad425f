"""The result of `check_layer`: which rules a layer keeps and breaks, and what was observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from textwrap import indent

from tinynet.layers.base import Shape
from tinynet.tables import Table, Tabular
from tinynet.testing.contract.specimen import Broken, NotApplicable

Outcome = Broken | NotApplicable | None           # of a rule; None where it holds


@dataclass(frozen=True)
class RuleFailure:
    """The name of a rule that failed, and what was observed."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}\n{indent(self.message, '    ')}"


@dataclass(repr=False)
class ContractReport(Tabular):
    """The result of `check_layer`.

    Attributes
    ----------
    layer : what the layer calls itself.
    input_shapes : the shapes of the samples it was run on.
    kept : names of the rules that hold.
    failures : the broken rules, and the rules that hold though they were expected to fail.
    tolerated : the broken rules that were expected to fail.
    not_tried : names of the rules that could not be tried, each with the reason.
    whole : whether x was whole numbers: of rules about dx, only what they say of other arrays was tried.
    """

    layer: str
    input_shapes: list[Shape]
    kept: list[str] = field(default_factory=list)
    failures: list[RuleFailure] = field(default_factory=list)
    tolerated: list[RuleFailure] = field(default_factory=list)
    not_tried: dict[str, str] = field(default_factory=dict)
    whole: bool = False

    def record(self, rule: str, outcomes: list[Outcome], expected: str | None) -> None:
        """Record the outcomes of a rule, one for each input shape; `expected` is why it should fail, None if not."""
        on_shapes = [f"on samples {shape}: " if len(outcomes) > 1 else "" for shape in self.input_shapes]
        broken = [f"{on_shape}{outcome}" for on_shape, outcome in zip(on_shapes, outcomes, strict=True)
                  if isinstance(outcome, Broken)]
        not_applicable = [outcome for outcome in outcomes if isinstance(outcome, NotApplicable)]
        if broken:
            (self.failures if expected is None else self.tolerated).append(RuleFailure(rule, "\n".join(broken)))
        elif not_applicable:
            self.not_tried[rule] = str(not_applicable[0])
        elif expected is not None:
            self.failures.append(RuleFailure(rule, f"it holds, though it was expected to fail: {expected}"))
        else:
            self.kept.append(rule)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def in_short(self) -> str:
        """Say whether the layer keeps the rules."""
        verdict = f"breaks {len(self.failures)}" if self.failures else "keeps all"
        tried = len(self.kept) + len(self.failures) + len(self.tolerated)
        shapes = ", ".join(map(str, self.input_shapes))
        numbers = " of whole numbers, which have no dx" if self.whole else ""
        return f"{self.layer}, on samples {shapes}{numbers}: {verdict} of the {tried} rules tried."

    def tables(self) -> list[Table]:
        """Return a table of the rules, the broken ones first, each with what was observed."""
        rows = [*((failure.rule, failure.message) for failure in self.failures),
                *((failure.rule, f"tolerated: {failure.message}") for failure in self.tolerated),
                *((rule, f"not tried: {reason}") for rule, reason in self.not_tried.items()),
                *((rule, "holds") for rule in self.kept)]
        return [Table(["rule", "observed"], rows)]

    def __str__(self) -> str:
        lines = [self.in_short()]
        lines += [str(failure) for failure in self.failures]
        lines += [f"{failure.rule} (tolerated)" for failure in self.tolerated]
        for reason, rules in groupby(self.not_tried, self.not_tried.get):
            names = list(rules)
            lines.append(f"{names[0] if len(names) == 1 else f'{len(names)} rules'} (not tried: {reason})")
        return "\n".join([lines[0], *(indent(line, "  ") for line in lines[1:])])


class ContractViolation(AssertionError):  # noqa: N818  (a statement, as pytest shows it)
    """Raised for a layer that breaks rules of the contract; ``.report`` says which."""

    def __init__(self, report: ContractReport):
        super().__init__(str(report))
        self.report = report
